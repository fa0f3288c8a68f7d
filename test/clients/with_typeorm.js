// TypeORM: the tables as it synchronizes them, attached and changed by its migrations.
import { DataSource, EntitySchema, QueryFailedError } from 'typeorm'
import { attach, database, equal, finish, noon, passes, psql, refusal, seed, test, whole } from './tools.js'

const id = { type: 'bigint', primary: true, generated: 'identity' }
const customer = { name: 'Customer', tableName: 'customers', columns: { id, name: { type: 'text' } } }
const pass = {
  name: 'Pass', tableName: 'passes',
  columns: {
    id,
    customerId: { name: 'customer_id', type: 'bigint' },
    state: { type: 'text', default: 'valid' },
    credits: { type: 'int', nullable: true },
    creditsUsed: { name: 'credits_used', type: 'int', default: 0 },
    validUntil: { name: 'valid_until', type: 'date', nullable: true },
    note: { type: 'text', nullable: true },
  },
}
const appointment = {
  name: 'Appointment', tableName: 'appointments',
  columns: {
    id,
    customerId: { name: 'customer_id', type: 'bigint' },
    passId: { name: 'pass_id', type: 'bigint', nullable: true },
    reference: { type: 'text', unique: true },
    startsAt: { name: 'starts_at', type: 'timestamptz' },
    state: { type: 'text', default: 'booked' },
    note: { type: 'text', nullable: true },
  },
  relations: {
    pass: { type: 'many-to-one', target: 'Pass', joinColumn: { name: 'pass_id' }, nullable: true, onDelete: 'SET NULL' },
  },
}
// What attach() has made is declared, so that it is left alone.
const attachedPass = {
  ...pass,
  indices: [{ name: 'sc_passes_customer_id_idx', columns: ['customerId'], synchronize: false }],
  checks: [{ name: 'sc_passes_credits_used_check', expression: 'credits_used >= 0 AND credits_used <= credits' }],
}
const attachedAppointment = {
  ...appointment,
  indices: [{ name: 'sc_appointments_pass_id_idx', columns: ['passId'], synchronize: false }],
}

class Attach1700000000000 {
  async up(runner) {
    await runner.query(attach())
  }
}

class After1700000000001 {
  async up(runner) {
    await runner.query('ALTER TABLE appointments ADD room text')
    await runner.query(attach('make_view => false'))
    await runner.query('ALTER TABLE passes ALTER credits_used TYPE bigint')
    await runner.query(attach())
    const key = (await runner.getTable('appointments')).foreignKeys.find(key => key.columnNames[0] === 'pass_id')
    await runner.dropForeignKey('appointments', key)
    await runner.createForeignKey('appointments', key)
  }
}

const connect = (entities, migrations = []) => new DataSource({
  type: 'postgres', ...database, username: database.user, migrations,
  entities: entities.map(each => new EntitySchema(each)),
}).initialize()
const differences = async source => (await source.driver.createSchemaBuilder().log()).upQueries.map(({ query }) => query)

const source = await connect([customer, attachedPass, attachedAppointment], [Attach1700000000000])
const appointments = source.getRepository('Appointment')
const book = (customerId, reference, more) => ({ customerId, reference, startsAt: noon, ...more })

await test('typeorm: the tables are synchronized, a migration attaches, and again where something was dropped', async () => {
  const bare = await connect([customer, pass, appointment])
  await bare.synchronize()
  await source.runMigrations()
  await source.query(seed)
  whole()
  equal((await differences(bare)).length, 3)
  await bare.synchronize()
  equal(psql('SELECT enforced FROM session_consistency.attachments'), 'f')
  await source.query(attach())
  await source.query(`CALL session_consistency.migrate('appointments')`)
  await bare.destroy()
  whole()
})

await test('typeorm: the diff is empty where what is made is declared', async () => {
  equal(await differences(source), [])
})

await test('typeorm: a booking is created, and its link read back', async () => {
  const { id } = await appointments.save(book(1, 'A1'))
  const { passId } = await appointments.findOneByOrFail({ id })
  equal(passId, '1')
  equal(passes(), '1:1 2:0 3:0')
})

await test('typeorm: many at once are drawn from both passes', async () => {
  await appointments.save([book(1, 'B0'), book(1, 'B1')])
  await appointments.insert([book(1, 'B2'), book(1, 'B3')])
  equal(passes(), '1:2 2:3 3:0')
  whole()
})

await test('typeorm: what a conflict ignores or updates takes nothing', async () => {
  await appointments.createQueryBuilder().insert().values(book(1, 'A1')).orIgnore().execute()
  await appointments.upsert([book(1, 'A1', { note: 'again' }), book(1, 'B0', { note: 'again' })], ['reference'])
  await appointments.upsert([book(1, 'A1', { passId: null }), book(1, 'B3', { passId: null })], ['reference'])
  equal(passes(), '1:2 2:3 3:0')
  whole()
})

await test('typeorm: a refusal in a nested transaction leaves the outer one going, and has its code and name', async () => {
  await source.transaction(async outer => {
    await outer.save('Appointment', book(2, 'C1'))
    const error = await refusal(outer.transaction(async inner => {
      await inner.save('Appointment', book(1, 'C2'))
      await inner.save('Appointment', book(2, 'C3'))
    }))
    const { code, constraint, detail, hint } = error.driverError
    equal([error instanceof QueryFailedError, code, constraint], [true, '23SC2', 'no_credit_left'])
    if (!detail || !hint) throw new Error('says no next step')
    await outer.save('Appointment', book(1, 'C4'))
  })
  equal(passes(), '1:2 2:4 3:1')
  whole()
})

await test('typeorm: a stale pass is refused, ignored, or has a counter that is never saved', async () => {
  const stale = await source.getRepository('Pass').findOneByOrFail({ id: '2' })
  await appointments.save(book(1, 'D1'))
  equal((await refusal(source.getRepository('Pass').save({ ...stale, note: 'birthday' }))).driverError.code, '23SC5')
  await source.query(attach(`guard => 'ignore'`))
  await source.getRepository('Pass').save({ ...stale, note: 'birthday' })
  await source.query(attach())
  const columns = {
    ...pass.columns,
    creditsUsed: { name: 'credits_used', type: 'int', default: 0, update: false },
  }
  const careful = await connect([customer, { ...attachedPass, columns }, attachedAppointment])
  await careful.getRepository('Pass').save({ ...stale, note: 'another', credits: 15 })
  await careful.destroy()
  equal(psql('SELECT note, credits FROM passes WHERE id = 2'), 'another|15')
  equal(passes(), '1:2 2:5 3:1')
  whole()
})

await test('typeorm: a booking that never read its link back keeps it', async () => {
  const booking = await appointments.save(book(1, 'E1', { passId: null }))
  booking.state = 'attended'
  await appointments.save(booking)
  equal(psql(`SELECT pass_id, state FROM appointments WHERE reference = 'E1'`), '2|attended')
  whole()
})

await test('typeorm: a migration adds a column, changes a type and makes the key anew, and the diff is empty', async () => {
  const passColumns = { ...pass.columns, creditsUsed: { name: 'credits_used', type: 'bigint', default: 0 } }
  const later = await connect([customer, { ...attachedPass, columns: passColumns }, { ...attachedAppointment,
    columns: { ...appointment.columns, room: { type: 'text', nullable: true } } }],
    [Attach1700000000000, After1700000000001])
  if (!(await differences(later)).some(line => line.includes('DROP COLUMN "credits_used"'))) throw new Error('is mended')
  await later.runMigrations()
  equal(await differences(later), [])
  await later.getRepository('Appointment').save(book(1, 'F1', { room: 'A' }))
  equal(passes(), '1:2 2:7 3:1')
  await later.destroy()
  whole()
})

await source.destroy()
finish()
