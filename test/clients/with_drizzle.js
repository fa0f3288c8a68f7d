// Drizzle: the schema is pushed by drizzle-kit, attached, and compared with the database.
import { createRequire } from 'node:module'
import { drizzle } from 'drizzle-orm/node-postgres'
import { eq, sql, DrizzleQueryError } from 'drizzle-orm'
import { bigint, check, date, index, integer, pgTable, pgView, text, timestamp } from 'drizzle-orm/pg-core'
import pg from 'pg'
import { attach, database, equal, finish, noon, passes, psql, refusal, seed, test, whole } from './tools.js'

const { pushSchema } = createRequire(import.meta.url)('drizzle-kit/api')
const id = () => bigint({ mode: 'number' }).primaryKey().generatedByDefaultAsIdentity()
const customers = pgTable('customers', { id: id(), name: text().notNull() })
const passColumns = {
  id: id(),
  customer_id: bigint({ mode: 'number' }).notNull().references(() => customers.id),
  state: text().notNull().default('valid'),
  credits: integer(),
  credits_used: integer().notNull().default(0),
  valid_until: date(),
  note: text(),
}
const appointmentColumns = {
  id: id(),
  customer_id: bigint({ mode: 'number' }).notNull().references(() => customers.id),
  pass_id: bigint({ mode: 'number' }).references(() => passTable.id),
  reference: text().notNull().unique(),
  starts_at: timestamp({ withTimezone: true }).notNull(),
  state: text().notNull().default('booked'),
  note: text(),
}
// What attach() has made is declared, so that it is left alone.
const madeOfPasses = table => [
  index('sc_passes_customer_id_idx').on(table.customer_id),
  check('sc_passes_credits_used_check', sql`credits_used >= 0 AND credits_used <= credits`),
]
const madeOfAppointments = table => [index('sc_appointments_pass_id_idx').on(table.pass_id)]
const passTable = pgTable('passes', passColumns, madeOfPasses)
const appointments = pgTable('appointments', appointmentColumns, madeOfAppointments)
const counts = pgView('passes_session_counts', { remaining: bigint({ mode: 'number' }) }).existing()
const bare = { customers, passes: pgTable('passes', passColumns), appointments: pgTable('appointments', appointmentColumns) }
const schema = { customers, passes: passTable, appointments, counts }
const pool = new pg.Pool(database)
const db = drizzle(pool)
const book = (customer_id, reference, more) => ({ customer_id, reference, starts_at: noon, ...more })

// drizzle-kit draws its progress on the terminal, into which TAP does not belong.
async function push(schema) {
  const { write } = process.stdout
  process.stdout.write = () => true
  try {
    return await pushSchema(schema, db)
  } finally {
    process.stdout.write = write
  }
}

await test('drizzle: the schema is pushed and attached', async () => {
  await (await push(bare)).apply()
  await db.execute(attach())
  await db.execute(seed)
  whole()
  equal((await push(bare)).statementsToExecute.length, 4)
})

await test('drizzle: the diff is empty where what is made is declared', async () => {
  equal((await push(schema)).statementsToExecute, [])
})

await test('drizzle: a booking is created, and its link read back', async () => {
  const [{ id }] = await db.insert(appointments).values(book(1, 'A1')).returning({ id: appointments.id })
  const [{ pass_id }] = await db.select().from(appointments).where(eq(appointments.id, id))
  equal(pass_id, 1)
  equal(passes(), '1:1 2:0 3:0')
})

await test('drizzle: many at once are drawn from both passes', async () => {
  await db.insert(appointments).values([0, 1, 2, 3].map(n => book(1, `B${n}`)))
  equal(passes(), '1:2 2:3 3:0')
  whole()
})

await test('drizzle: what a conflict ignores or updates takes nothing', async () => {
  await db.insert(appointments).values([book(1, 'A1'), book(1, 'B0')]).onConflictDoNothing()
  await db.insert(appointments).values([book(1, 'A1'), book(1, 'B3')]).onConflictDoUpdate({
    target: appointments.reference, set: { note: 'again', pass_id: sql`excluded.pass_id` } })
  equal(passes(), '1:2 2:3 3:0')
  whole()
})

await test('drizzle: a refusal in a nested transaction leaves the outer one going, and has its code and name', async () => {
  await db.transaction(async outer => {
    await outer.insert(appointments).values(book(2, 'C1'))
    const error = await refusal(outer.transaction(async inner => {
      await inner.insert(appointments).values([book(1, 'C2'), book(2, 'C3')])
    }))
    const { code, constraint, detail, hint } = error.cause
    equal([error instanceof DrizzleQueryError, code, constraint], [true, '23SC2', 'no_credit_left'])
    if (!detail || !hint) throw new Error('says no next step')
    await outer.insert(appointments).values(book(1, 'C4'))
  })
  equal(passes(), '1:2 2:4 3:1')
  whole()
})

await test('drizzle: a stale pass that is written whole is refused, or ignored', async () => {
  const [stale] = await db.select().from(passTable).where(eq(passTable.id, 2))
  await db.insert(appointments).values(book(1, 'D1'))
  const save = () => db.update(passTable).set({ ...stale, note: 'birthday' }).where(eq(passTable.id, 2))
  equal((await refusal(save())).cause.code, '23SC5')
  await db.execute(attach(`guard => 'ignore'`))
  await save()
  await db.execute(attach())
  await db.update(passTable).set({ credits: sql`${passTable.credits} + 5` }).where(eq(passTable.id, 2))
  equal(psql('SELECT note, credits FROM passes WHERE id = 2'), 'birthday|15')
  equal(passes(), '1:2 2:5 3:1')
  whole()
})

await test('drizzle: a booking that is written whole without its link keeps it', async () => {
  await db.update(appointments).set(book(1, 'D1', { state: 'attended', pass_id: null }))
    .where(eq(appointments.reference, 'D1'))
  equal(psql(`SELECT pass_id, state FROM appointments WHERE reference = 'D1'`), '2|attended')
  whole()
})

await test('drizzle: a push adds a column, changes a type and makes the key anew, and the diff is empty', async () => {
  const passes2 = pgTable('passes', { ...passColumns, credits_used: bigint({ mode: 'number' }).notNull().default(0) },
    madeOfPasses)
  const pass_id = bigint({ mode: 'number' }).references(() => passes2.id, { onDelete: 'set null' })
  const appointments2 = pgTable('appointments', { ...appointmentColumns, pass_id, room: text() }, madeOfAppointments)
  const later = { customers, passes: passes2, appointments: appointments2, counts }
  await db.execute(attach('make_view => false'))
  await (await push(later)).apply()
  await db.execute(attach())
  equal((await push(later)).statementsToExecute, [])
  await drizzle(pool).insert(appointments2).values(book(1, 'E1', { room: 'A' }))
  equal(passes(), '1:2 2:6 3:1')
  whole()
})

await pool.end()
finish()
