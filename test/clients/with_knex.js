// Knex: migrations that make the tables, attach and change them; rows are written as they are told.
import knex from 'knex'
import { attach, database, equal, finish, noon, passes, psql, refusal, seed, test, whole } from './tools.js'

const db = knex({ client: 'pg', connection: database })
const book = (customer_id, reference, more) => ({ customer_id, reference, starts_at: noon, ...more })

const migrations = {
  async tables(db) {
    await db.schema.createTable('customers', table => {
      table.bigIncrements()
      table.text('name').notNullable()
    })
    await db.schema.createTable('passes', table => {
      table.bigIncrements()
      table.bigInteger('customer_id').notNullable().references('customers.id')
      table.text('state').notNullable().defaultTo('valid')
      table.integer('credits')
      table.integer('credits_used').notNullable().defaultTo(0)
      table.date('valid_until')
      table.string('note')
    })
    await db.schema.createTable('appointments', table => {
      table.bigIncrements()
      table.bigInteger('customer_id').notNullable().references('customers.id')
      table.bigInteger('pass_id').references('passes.id').onDelete('CASCADE')
      table.text('reference').notNullable().unique()
      table.timestamp('starts_at').notNullable()
      table.text('state').notNullable().defaultTo('booked')
      table.text('note')
    })
  },
  async attach(db) {
    await db.raw(attach())
  },
  async change(db) {
    await db.schema.alterTable('appointments', table => { table.text('room') })
    await db.raw(attach('make_view => false'))
    await db.schema.alterTable('passes', table => {
      table.text('note').alter()
      table.bigInteger('credits_used').notNullable().defaultTo(0).alter()
    })
    await db.schema.alterTable('appointments', table => {
      table.dropForeign('pass_id')
      table.foreign('pass_id').references('passes.id').onDelete('SET NULL')
    })
    await db.raw(attach())
  },
}
const migrate = names => db.migrate.latest({
  migrationSource: {
    getMigrations: async () => names,
    getMigrationName: name => name,
    getMigration: async name => ({ up: migrations[name], down: async () => {} }),
  },
})

await test('knex: migrations make the tables and attach', async () => {
  await migrate(['tables', 'attach'])
  await db.raw(seed)
  whole()
})

await test('knex: a booking is created, and its link read back', async () => {
  const [{ id }] = await db('appointments').insert(book(1, 'A1')).returning('id')
  const { pass_id } = await db('appointments').where({ id }).first('pass_id')
  equal(pass_id, '1')
  equal(passes(), '1:1 2:0 3:0')
})

await test('knex: many at once are drawn from both passes', async () => {
  await db('appointments').insert([0, 1, 2].map(n => book(1, `B${n}`)))
  await db.batchInsert('appointments', [3, 4].map(n => book(1, `B${n}`)), 1)
  equal(passes(), '1:2 2:4 3:0')
  whole()
})

await test('knex: what a conflict ignores or updates takes nothing', async () => {
  await db('appointments').insert([book(1, 'A1'), book(1, 'B0')]).onConflict('reference').ignore()
  await db('appointments').insert([book(1, 'A1', { pass_id: null }), book(1, 'B4', { pass_id: null })])
    .onConflict('reference').merge()
  equal(passes(), '1:2 2:4 3:0')
  whole()
})

await test('knex: a refusal in a nested transaction leaves the outer one going, and has its code and name', async () => {
  await db.transaction(async outer => {
    await outer('appointments').insert(book(2, 'C1'))
    const { code, constraint, detail, hint } = await refusal(outer.transaction(async inner => {
      await inner('appointments').insert([book(1, 'C2'), book(2, 'C3')])
    }))
    equal([code, constraint], ['23SC2', 'no_credit_left'])
    if (!detail || !hint) throw new Error('says no next step')
    await outer('appointments').insert(book(1, 'C4'))
  })
  equal(passes(), '1:2 2:5 3:1')
  whole()
})

await test('knex: a stale pass that is written whole is refused, or ignored', async () => {
  const stale = await db('passes').where({ id: 2 }).first()
  await db('appointments').insert(book(1, 'D1'))
  equal((await refusal(db('passes').where({ id: 2 }).update({ ...stale, note: 'birthday' }))).code, '23SC5')
  await db.raw(attach(`guard => 'ignore'`))
  await db('passes').where({ id: 2 }).update({ ...stale, note: 'birthday' })
  await db.raw(attach())
  await db('passes').where({ id: 2 }).increment('credits', 5)
  equal(psql('SELECT note, credits FROM passes WHERE id = 2'), 'birthday|15')
  equal(passes(), '1:2 2:6 3:1')
  whole()
})

await test('knex: a booking that is written whole without its link keeps it', async () => {
  await db('appointments').where({ reference: 'D1' }).update(book(1, 'D1', { state: 'attended', pass_id: null }))
  equal(psql(`SELECT pass_id, state FROM appointments WHERE reference = 'D1'`), '2|attended')
  whole()
})

await test('knex: a migration adds a column, changes types and makes the key anew', async () => {
  await migrate(['tables', 'attach', 'change'])
  await db('appointments').insert(book(1, 'E1', { room: 'A' }))
  equal(passes(), '1:2 2:7 3:1')
  whole()
})

await db.destroy()
finish()
