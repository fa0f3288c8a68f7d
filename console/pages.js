// What each page asks the database. Text from a browser is a parameter; names of tables and columns in a query come from
// the catalogs, quoted there.

export class Sentence extends Error {
  constructor(sentence, statusCode = 404) {
    super(sentence)
    Object.assign(this, { sentence, statusCode })
  }
}

const attachmentQuery = `
SELECT a.sessions::oid::text || '-' || a.subscriptions::oid::text AS id, a.sessions::text, a.subscriptions::text,
  a.counts_view::text, a.guard, a.ledger, a.notify, a.enforced, a.gaps, a.active_statuses, a.consuming_types,
  a.scheduled_statuses, a.completed_statuses, a.start_column,
  quote_ident(a.subscription_column) AS link, quote_ident(a.type_column) AS type, quote_ident(a.status_column) AS status,
  quote_ident(a.start_column) AS start, quote_ident(a.subscription_member_column) AS member,
  has_table_privilege(a.sessions, 'SELECT') AND has_table_privilege(a.subscriptions, 'SELECT')
    AND NOT pg_is_in_recovery() AS may_check,
  pg_has_role(s.relowner, 'USAGE') AND pg_has_role(p.relowner, 'USAGE') AND NOT pg_is_in_recovery() AS may_repair
FROM session_consistency.attachments a
JOIN pg_class s ON s.oid = a.sessions JOIN pg_class p ON p.oid = a.subscriptions
ORDER BY 2, 3`

async function attachments(ask) {
  const [{ there }] = await ask(
    `SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'session_consistency') AS there`)
  if (!there) throw new Sentence('This database has no extension session_consistency: CREATE EXTENSION makes it.')
  return ask(attachmentQuery)
}

async function attachment(ask, id) {
  const all = await attachments(ask)
  const found = id ? all.find(one => one.id === id) : all[0]
  if (!found) throw new Sentence('Nothing is attached here, or not that. The page "attach" shows how to begin.')
  return found
}

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

// The table of the members, if a foreign key leads there: its key, and a column of text that names them.
async function membersOf(ask, { subscriptions, member }) {
  const [members] = await ask(`
    SELECT c.confrelid::regclass::text AS relation, quote_ident(k.attname) AS key, quote_ident(n.attname) AS name,
      n.served OR r.reltuples < 10000 AS searchable
    FROM pg_constraint c JOIN pg_class r ON r.oid = c.confrelid
    JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1] AND quote_ident(a.attname) = $2
    JOIN pg_attribute k ON k.attrelid = c.confrelid AND k.attnum = c.confkey[1]
    LEFT JOIN LATERAL (
      SELECT t.attname, EXISTS (SELECT FROM pg_index i JOIN pg_opclass o ON o.oid = i.indclass[0]
          WHERE i.indrelid = t.attrelid AND i.indkey[0] = t.attnum AND i.indisvalid AND i.indpred IS NULL
            AND (o.opcname IN ('text_pattern_ops', 'varchar_pattern_ops') OR i.indcollation[0] = 'pg_catalog."C"'::regcollation)
        ) AS served
      FROM pg_attribute t WHERE t.attrelid = c.confrelid AND t.attnum > 0 AND NOT t.attisdropped
        AND t.atttypid IN ('text'::regtype, 'varchar'::regtype)
      ORDER BY 2 DESC, t.attname <> 'name', t.attnum LIMIT 1) n ON true
    WHERE c.conrelid = $1::regclass AND c.contype = 'f' AND cardinality(c.conkey) = 1 LIMIT 1`, [subscriptions, member])
  return members
}

const isNoValue = error => ['22P02', '22003', '22007', '22008'].includes(error.code)

// A text that is no value of the key's type finds nobody.
async function findByKey(ask, query, key) {
  await ask('SAVEPOINT key')
  try {
    return await ask(query, [key])
  } catch (error) {
    if (!isNoValue(error)) throw error
    await ask('ROLLBACK TO key')
    return []
  }
}

async function members(ask, { attachment: id, text = '' }) {
  const attached = await attachment(ask, id)
  const known = await membersOf(ask, attached)
  const { subscriptions, member } = attached
  // Where the application gives the links, it is the subscription itself that is searched.
  const relation = known?.relation ?? (member ? subscriptions : attached.counts_view)
  const key = known?.key ?? member ?? 'subscription_id'
  const name = known?.name ?? 'NULL::text'
  if (text === '') {
    const first = await ask(`SELECT m.${key}::text AS key, ${known?.name ? `m.${name}` : name} AS name
      FROM ${relation} m ORDER BY m.${key} LIMIT 20`)
    return { attachment: attached, members: first }
  }
  const found = await findByKey(ask, `SELECT DISTINCT m.${key}::text AS key, ${known?.name ? `m.${name}` : name} AS name
    FROM ${relation} m WHERE m.${key} = $1`, text)
  let remark
  if (known?.name && known.searchable)
    found.push(...await ask(`SELECT m.${key}::text AS key, m.${name} AS name FROM ${relation} m
      WHERE m.${name} ^@ $1 ORDER BY m.${name} LIMIT 20`, [text]))
  else if (known?.name)
    remark = `Names are not indexed for a search: CREATE INDEX ON ${relation} (${name} text_pattern_ops).`
  return { attachment: attached, members: found, remark }
}

// Why a pack can or cannot pay for a booking now.
function standing({ active, status, total, remaining, valid_from: from, valid_until: until }) {
  const now = Date.now()
  if (!active) return `It does not pay: its status is ${status}.`
  if (until && new Date(until).getTime() + 864e5 <= now) return `It does not pay: it ended on ${day(until)}.`
  if (from && new Date(from).getTime() > now) return `It does not pay yet: it begins on ${day(from)}.`
  if (total === null) return 'It pays: it is unlimited.'
  if (Number(remaining) <= 0) return 'It does not pay: no credit is left. Cancel a session, or raise its total.'
  return `It pays: ${remaining} ${Number(remaining) === 1 ? 'credit is' : 'credits are'} left.`
}
const day = value => new Date(value).toISOString().slice(0, 10)

// In which number a session is.
function counted({ type, status }, attached) {
  if (attached.type && !attached.consuming_types.includes(type)) return 'nothing'
  if (!attached.status || attached.scheduled_statuses.includes(status)) return 'scheduled'
  return attached.completed_statuses.includes(status) ? 'completed' : 'nothing'
}

async function member(ask, { attachment: id, member: key }) {
  const attached = await attachment(ask, id)
  if (!attached.counts_view) throw new Sentence('This attachment has no counts view: attach it with make_view => true.')
  const known = await membersOf(ask, attached)
  const [{ name } = {}] = known?.name ?
    await findByKey(ask, `SELECT m.${known.name} AS name FROM ${known.relation} m WHERE m.${known.key} = $1`, key) : []
  const packs = await findByKey(ask, `SELECT v.*, v.subscription_id::text AS subscription_id,
    v.status::text AS status FROM ${attached.counts_view} v
    WHERE v.${attached.member ? 'member_id' : 'subscription_id'} = $1
    ORDER BY v.subscription_id`, key)
  for (const pack of packs) {
    pack.active = pack.status === null || attached.active_statuses.includes(pack.status)
    pack.standing = standing(pack)
  }
  const [{ names, type }] = await ask(`
    SELECT (SELECT array_agg('t.' || quote_ident(a.attname) || '::text' ORDER BY k.place)
            FROM pg_index i, unnest(i.indkey::int2[]) WITH ORDINALITY k (number, place)
            JOIN pg_attribute a ON a.attnum = k.number
            WHERE i.indrelid = $1::regclass AND i.indisprimary AND a.attrelid = i.indrelid) AS names,
      (SELECT format_type(atttypid, atttypmod) FROM pg_attribute
       WHERE attrelid = $1::regclass AND quote_ident(attname) = $2) AS type`, [attached.sessions, attached.link])
  const column = (quoted, name) => `${quoted ? `t.${quoted}::text` : 'NULL::text'} AS ${name}`
  const sessions = await ask(`SELECT t.${attached.link}::text AS subscription_id,
    concat_ws(', ', ${names.join(', ')}) AS session, ${column(attached.type, 'type')},
    ${column(attached.status, 'status')}, ${column(attached.start, 'start')}
    FROM ${attached.sessions} t WHERE t.${attached.link} = ANY ($1::${type}[]) ORDER BY 1, 5, 2 LIMIT 1000`,
    [packs.map(pack => pack.subscription_id)])
  for (const session of sessions) session.counted = counted(session, attached)
  return { attachment: attached, key, name, packs, sessions }
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

async function check(ask) {
  const [{ run }] = await ask('SELECT session_consistency.run_check() AS run')
  return { run }
}

async function tables(ask) {
  return {
    tables: await ask(`SELECT c.oid::text AS id, c.oid::regclass::text AS name FROM pg_class c
      JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname !~ '^pg_'
        AND n.nspname NOT IN ('information_schema', 'session_consistency') AND has_table_privilege(c.oid, 'SELECT')
      ORDER BY 2`),
  }
}

// The arguments of attach() that name columns, each with the names that such a column often has.
const usual = {
  member_column: [0, ['member_id', 'client_id', 'customer_id', 'student_id', 'patient_id', 'user_id', 'member']],
  subscription_column: [0, ['subscription_id', 'pack_id', 'package_id', 'membership_id']],
  type_column: [0, ['session_type', 'type', 'kind', 'booking_type']],
  status_column: [0, ['status', 'state', 'session_status', 'booking_status']],
  subscription_member_column: [1, ['member_id', 'client_id', 'customer_id', 'student_id', 'patient_id', 'user_id', 'member']],
  subscription_status_column: [1, ['status', 'state', 'subscription_status']],
  total_column: [1, ['total_sessions_snapshot', 'total_sessions', 'total_credits', 'credits', 'total']],
  used_column: [1, ['used_sessions', 'used_credits', 'used']],
  remaining_column: [1, ['remaining_sessions', 'remaining_credits', 'remaining']],
}
const added = { subscription_column: 'subscription_id', used_column: 'used_sessions' }

async function guess(ask, { sessions, subscriptions }) {
  const columnsOf = id => ask(`SELECT attname AS name FROM pg_attribute
    WHERE attrelid = $1::oid AND attnum > 0 AND NOT attisdropped ORDER BY attnum`, [id])
  const columns = [await columnsOf(sessions), await columnsOf(subscriptions)]
  const names = columns.map(list => list.map(column => column.name))
  const mapping = {}
  for (const [argument, [side, candidates]] of Object.entries(usual))
    mapping[argument] = candidates.find(name => names[side].includes(name)) ?? added[argument] ?? null
  return { mapping, columns: names }
}

const lists = ['consuming_types', 'scheduled_statuses', 'completed_statuses', 'active_statuses']

// Which lock of the command's table keeps whom waiting.
function lockOf(command) {
  if (/^ALTER TABLE .* (ADD COLUMN|ADD CONSTRAINT .* CHECK|DROP)/s.test(command)) return 'ACCESS EXCLUSIVE: everybody waits'
  if (/^ALTER TABLE/.test(command)) return 'SHARE ROW EXCLUSIVE: writers wait'
  if (/^CREATE (OR REPLACE )?TRIGGER/.test(command)) return 'SHARE ROW EXCLUSIVE: writers wait'
  if (/^CREATE (UNIQUE )?INDEX/.test(command)) return 'SHARE: writers wait for the build'
  return 'none that a booking waits for'
}

async function plan(ask, query) {
  const { sessions, subscriptions } = query
  const given = [...Object.keys(usual), ...lists].filter(name => name in query)
  const values = given.map(name => (query[name] === '' ? null : query[name]))
  const types = given.map(name => (lists.includes(name) ? 'text[]' : 'name'))
  const arguments_ = given.map((name, i) => `, ${name} => $${i + 3}::${types[i]}`).join('')
  const tables = ['$1::oid::regclass', '$2::oid::regclass']
  const steps = await ask(`SELECT * FROM session_consistency.attach(${tables}${arguments_}, dry_run => true)`,
    [sessions, subscriptions, ...values])
  await ask('SAVEPOINT audit')
  const audit = await ask(`SELECT code, severity, affected, description, recommendation
    FROM session_consistency.audit(${tables}${arguments_})
    WHERE affected > 0`, [sessions, subscriptions, ...values]).catch(async error => {
      await ask('ROLLBACK TO audit')
      return [{ code: error.code, severity: 'high', affected: null, description: error.message, recommendation: error.hint }]
    })
  const [{ call }] = await ask(`SELECT format('SELECT * FROM session_consistency.attach(%L, %L', $1::oid::regclass,
    $2::oid::regclass) || coalesce((SELECT string_agg(format(', %s => %L', n, v), '' ORDER BY o)
      FROM unnest($3::text[], $4::text[]) WITH ORDINALITY x (n, v, o)), '') || ');' AS call`,
    [sessions, subscriptions, given, values])
  return { steps: steps.map(step => ({ ...step, lock: lockOf(step.command) })), audit, call }
}

export const reads = { today, members, member, credit, findings, preview, checks, tables, guess, plan }
export const writes = { repair, undo, check }
