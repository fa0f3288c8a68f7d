// What each page asks the database. Text from a browser is a parameter; names of tables and columns in a query come from
// the catalogs, quoted there.

import { attachment, attachments, Sentence } from './attached.js'
import { guess, plan, tables } from './attach.js'
import { member, members } from './members.js'

async function today(ask) {
  const [{ login, role }] = await ask('SELECT session_user AS login, current_user AS role')
  const rows = await attachments(ask)
  const usage = await ask(`SELECT sessions::text, subscriptions::text, subscription_rows, unlimited_rows, total, used,
    remaining, last_check, last_check_age FROM session_consistency.metrics`)
  const open = await ask(`SELECT sessions::text, subscriptions::text, sum(findings)::bigint AS findings
    FROM session_consistency.open_findings GROUP BY 1, 2`)
  const gaps = await ask(`SELECT sessions::text, subscriptions::text, count(*) AS ledger_gaps
    FROM session_consistency.check_findings WHERE ended IS NULL AND code = 'ledger_gap' GROUP BY 1, 2`)
  const progress = await ask(`SELECT sessions::text, phase, rows_done, rows_total, time_left::text
    FROM session_consistency.migration_progress WHERE finished IS NULL AND phase <> 'interrupted'`)
  const of = (list, { sessions, subscriptions }) =>
    list.find(row => row.sessions === sessions && row.subscriptions === subscriptions) ?? {}
  return {
    login, role, progress,
    attachments: rows.map(row => ({ ...row, ...of(usage, row), ...of(open, row), ...of(gaps, row) })),
  }
}

async function credit(ask, { attachment: id, subscription }) {
  const attached = await attachment(ask, id)
  if (!attached.ledger)
    throw new Sentence('This attachment has no ledger: attach it again with ledger => true, and from then on each credit has a line.')
  const lines = await ask(`SELECT line, at, role, actor, session_id, delta, balance, reason
    FROM session_consistency.explain_subscription($1, $2, $3) ORDER BY line`,
    [attached.sessions, attached.subscriptions, subscription])
  return { attachment: attached, subscription, lines }
}

const severities = `array_position('{critical,high,medium,low}', severity)`

async function findings(ask) {
  const list = await attachments(ask)
  const open = await ask(`SELECT finding_id, sessions::text, subscriptions::text, code, severity, member_id,
    subscription_id, session_id, expected, actual, first_seen, last_seen FROM session_consistency.check_findings
    WHERE ended IS NULL ORDER BY ${severities}, first_seen LIMIT 500`)
  const repairs = await ask(`SELECT repair_id, repaired_at, repaired_by, sessions::text, code, subscription_id, session_id,
    action, undone_at, undone_by FROM session_consistency.repairs ORDER BY repair_id DESC LIMIT 50`)
  return { attachments: list, findings: open, repairs }
}

const repairQuery = dry => `SELECT * FROM session_consistency.repair($1, $2, dry_run => ${dry})`

async function preview(ask, { attachment: id }) {
  const attached = await attachment(ask, id)
  return { changes: await ask(repairQuery(true), [attached.sessions, attached.subscriptions]) }
}

async function repair(ask, { attachment: id }) {
  const attached = await attachment(ask, id)
  const changes = await ask(repairQuery(false), [attached.sessions, attached.subscriptions])
  await ask('SELECT session_consistency.run_check($1, $2)', [attached.sessions, attached.subscriptions])
  return { changes }
}

async function undo(ask, { repair: id }) {
  await ask('SELECT session_consistency.undo_repair($1)', [id])
  return {}
}

async function checks(ask) {
  return {
    attachments: await attachments(ask),
    runs: await ask(`SELECT run_id, started, extract(epoch FROM duration)::float8 AS seconds, run_by, subscription_rows,
      session_rows, new_findings, ended_findings, open_findings FROM session_consistency.check_runs
      ORDER BY run_id DESC LIMIT 200`),
  }
}

async function check(ask, { attachment: id }) {
  const attached = id ? await attachment(ask, id) : {}
  const [{ run }] = await ask('SELECT session_consistency.run_check($1, $2) AS run',
    [attached.sessions ?? null, attached.subscriptions ?? null])
  return { run }
}

export const reads = { today, members, member, credit, findings, preview, checks, tables, guess, plan }
export const writes = { repair, undo, check }
