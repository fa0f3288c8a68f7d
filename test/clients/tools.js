// What the tests of the tools in JavaScript share: their tables, and what must hold at their end.
import { readFileSync } from 'node:fs'
import { equal, failures, psql, test } from '../tap.mjs'

export { equal, psql, test }

// The error that a promise ends with.
export async function refusal(promise) {
  const error = await promise.then(() => null, error => error)
  if (!error) throw new Error('was not refused')
  return error
}

// Each pass with what it has used.
export const passes = () => psql(`SELECT string_agg(format('%s:%s', id, credits_used), ' ' ORDER BY id) FROM passes`)

// Counters, and what attach() has made, are as they must be.
export const whole = () => equal(psql(readFileSync('whole.sql', 'utf8')), '')

export const database = { host: process.env.PGHOST, database: process.env.PGDATABASE, user: 'studio' }
export const noon = new Date('2030-01-07T12:00:00Z')
export const seed = `
  INSERT INTO customers (name) VALUES ('Ada'), ('Ben');
  INSERT INTO passes (customer_id, credits, valid_until) VALUES (1, 2, '2030-02-01'), (1, 10, '2030-12-31'),
    (2, 1, '2030-12-31')`

// With a further argument, as in attach(`guard => 'ignore'`).
export const attach = (further = 'notify => false') => `
  SELECT count(*) FROM session_consistency.attach('appointments', 'passes',
    member_column => 'customer_id', subscription_column => 'pass_id', type_column => NULL, status_column => 'state',
    scheduled_statuses => '{booked}', completed_statuses => '{attended}',
    subscription_member_column => 'customer_id', subscription_status_column => 'state',
    active_statuses => '{valid}', total_column => 'credits', used_column => 'credits_used',
    remaining_column => NULL, draw_order => 'valid_until', ${further})`

export function finish() {
  process.exit(failures ? 1 : 0)
}
