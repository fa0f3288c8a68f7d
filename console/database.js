// The way to the database: one pool, transactions that remember their statements for the reader, and one connection that
// listens. A database that is away is an event, not an end.
import { EventEmitter } from 'node:events'
import pg from 'pg'

const settings = {
  connectionString: process.env.DATABASE_URL,
  application_name: 'session_consistency console',
  connectionTimeoutMillis: 3000,
}

// Names are shown with their schemas; a ledger line names the login.
const begin = `SELECT set_config('search_path', 'pg_catalog', false), set_config('statement_timeout', '60s', false),
  set_config('session_consistency.actor', session_user, false)`

export const events = new EventEmitter().setMaxListeners(0)

const pool = new pg.Pool({ ...settings, max: 4 })
pool.on('error', () => {})
pool.on('connect', client => client.query(begin).catch(() => {}))

// What the server says of an error is told as it says it; that there is no server, in a sentence.
export function isAway(error) {
  return error.severity === 'FATAL' || /^(08|57P)/.test(error.code ?? '') || error.syscall !== undefined ||
    /^(Connection terminated|timeout expired|Client has encountered a connection error|Client was closed)/.test(error.message)
}

// Runs an action in a transaction. ask(text, values) returns rows; what it has run is in statements.
export async function transaction(mode, action) {
  const client = await pool.connect()
  const lost = () => {}
  client.on('error', lost)
  const statements = []
  const ask = async (text, values = []) => {
    statements.push({ text, values })
    return (await client.query(text, values)).rows
  }
  let broken
  try {
    await client.query(`BEGIN ${mode}`)
    const result = await action(ask)
    await client.query('COMMIT')
    return { ...result, statements }
  } catch (error) {
    broken = isAway(error)
    if (!broken) await client.query('ROLLBACK').catch(() => (broken = true))
    throw error
  } finally {
    client.off('error', lost)
    client.release(broken)
  }
}

let stopped = false
let listener

export async function listen() {
  const client = (listener = new pg.Client(settings))
  client.on('error', () => {})
  client.on('notification', ({ channel, payload }) => events.emit('told', { channel, payload }))
  client.on('end', () => {
    events.emit('told', { channel: 'away' })
    if (!stopped) setTimeout(listen, 500)
  })
  try {
    await client.connect()
    await client.query('LISTEN session_consistency; LISTEN session_consistency_counts')
    events.emit('told', { channel: 'back' })
  } catch {
    await client.end().catch(() => {})
  }
}

export async function stop() {
  stopped = true
  await listener?.end().catch(() => {})
  await pool.end().catch(() => {})
}
