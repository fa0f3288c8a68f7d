// Attaching two tables: the arguments guessed, what an audit finds, and the steps. Nothing is changed.
import { attachments } from './attached.js'

export async function tables(ask) {
  return {
    tables: await ask(`SELECT c.oid::text AS id, c.oid::regclass::text AS name FROM pg_class c
      JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname !~ '^pg_'
        AND n.nspname NOT IN ('information_schema', 'session_consistency') AND has_table_privilege(c.oid, 'SELECT')
      ORDER BY 2`),
  }
}

// The arguments of attach() as the server has them, each with its default as text.
async function argumentsOf(ask) {
  const list = await ask(`SELECT a.name, format_type(a.type, NULL) AS type,
      pg_get_function_arg_default(a.function, a.place::integer) AS default
    FROM (SELECT p.oid AS function, n.* FROM pg_proc p, ROWS FROM (unnest(p.proargnames), unnest(p.proallargtypes),
            unnest(p.proargmodes)) WITH ORDINALITY n (name, type, mode, place)
          WHERE p.oid = 'session_consistency.attach'::regproc) a
    WHERE a.mode = 'i' AND a.name NOT IN ('sessions', 'subscriptions', 'dry_run') ORDER BY a.place`)
  const texts = list.map((argument, i) => `(${argument.default})::text AS "${i}"`)
  const [defaults] = await ask(`SELECT ${texts.join(', ')}`)
  return list.map(({ name, type }, i) => ({ name, type, default: defaults[i] }))
}

// The names that a column often has, by the argument that means it.
const people = ['member_id', 'client_id', 'customer_id', 'student_id', 'patient_id', 'user_id', 'member', 'client',
  'customer']
const usual = {
  sessions: {
    member_column: people,
    subscription_column: ['subscription_id', 'pack_id', 'package_id', 'membership_id', 'pass_id', 'class_id'],
    type_column: ['session_type', 'type', 'kind', 'booking_type'],
    status_column: ['status', 'state', 'session_status', 'booking_status'],
    start_column: ['starts_at', 'start_at', 'start_time', 'starts_on', 'session_date', 'scheduled_at', 'day', 'date'],
  },
  subscriptions: {
    subscription_member_column: people,
    subscription_status_column: ['status', 'state', 'subscription_status'],
    total_column: ['total_sessions_snapshot', 'total_sessions', 'total_credits', 'credits', 'total', 'seats',
      'capacity'],
    used_column: ['used_sessions', 'used_credits', 'used'],
    remaining_column: ['remaining_sessions', 'remaining_credits', 'remaining'],
    carried_column: ['carried', 'carried_sessions', 'carried_credits'],
    valid_from_column: ['valid_from', 'starts_on', 'starts_at', 'start_date'],
    valid_until_column: ['valid_until', 'expires_on', 'expires_at', 'ends_on', 'ends_at', 'end_date', 'valid_to'],
  },
}
// What attach() adds, leaves out or refuses in its own words where there is no such column.
const kept = ['subscription_column', 'total_column', 'used_column', 'remaining_column']
const words = {
  consuming_types: ['type_column', 'member', 'makeup', 'contractual'],
  scheduled_statuses: ['status_column', 'scheduled', 'in_progress', 'booked', 'confirmed', 'planned', 'reserved'],
  completed_statuses: ['status_column', 'completed', 'done', 'attended', 'finished'],
  active_statuses: ['subscription_status_column', 'active', 'open'],
}

// Columns with the values that they have, as far as the catalogs know.
const columnsQuery = `SELECT a.attname AS name, t.typname IN ('date', 'timestamp', 'timestamptz') AS moment,
    t.typname = 'timestamptz' AS zoned,
    coalesce((SELECT array_agg(e.enumlabel::text ORDER BY e.enumsortorder) FROM pg_enum e
         WHERE e.enumtypid = a.atttypid),
      (SELECT s.most_common_vals::text::text[] FROM pg_stats s WHERE s.attname = a.attname AND s.schemaname = n.nspname
         AND s.tablename = c.relname AND NOT s.inherited), '{}') AS values
  FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid JOIN pg_class c ON c.oid = a.attrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`

function guessWords(columns, guessed) {
  const lists = {}
  for (const [argument, [column, ...known]] of Object.entries(words)) {
    const side = argument === 'active_statuses' ? columns.subscriptions : columns.sessions
    const values = side.find(({ name }) => name === guessed[column])?.values ?? []
    const found = values.filter(value => known.includes(value))
    if (found.length > 0) lists[argument] = `{${found.join(',')}}`
  }
  return lists
}

// A period is guessed where both sides have their columns; several packs, where one ends.
function guessPeriod(columns, guessed) {
  const find = (side, argument) => columns[side].find(({ name, moment }) => moment && name === guessed[argument])
  const start = find('sessions', 'start_column')
  const ends = ['valid_from_column', 'valid_until_column'].filter(argument => find('subscriptions', argument))
  const none = { start_column: null, valid_from_column: null, valid_until_column: null }
  if (!start || ends.length === 0) return none
  const zones = new Set([start, ...ends.map(argument => find('subscriptions', argument))].map(({ zoned }) => zoned))
  return { ...none, start_column: start.name,
    ...Object.fromEntries(ends.map(argument => [argument, guessed[argument]])),
    ...(zones.size > 1 ? { time_zone: 'zone' } : {}) }
}

export async function guess(ask, { sessions, subscriptions }) {
  const columns = {
    sessions: await ask(columnsQuery, [sessions]), subscriptions: await ask(columnsQuery, [subscriptions]),
  }
  const list = await argumentsOf(ask)
  const mapping = Object.fromEntries(list.map(argument => [argument.name, argument.default]))
  const [attached] = await ask(`SELECT to_jsonb(a) AS mapping FROM session_consistency.attachments a
    WHERE a.sessions = $1::oid AND a.subscriptions = $2::oid`, [sessions, subscriptions])
  if (attached) Object.assign(mapping, await mappingOf(ask, list, sessions, subscriptions))
  else {
    for (const [side, columnsOf] of Object.entries(usual))
      for (const [argument, candidates] of Object.entries(columnsOf)) {
        const found = candidates.find(candidate => columns[side].some(({ name }) => name === candidate))
        mapping[argument] = found ?? (kept.includes(argument) ? mapping[argument] : null)
      }
    const period = guessPeriod(columns, mapping)
    if (period.time_zone) [{ zone: period.time_zone }] = await ask("SELECT current_setting('TimeZone') AS zone")
    Object.assign(mapping, period, guessWords(columns, mapping))
  }
  return { arguments: list, mapping, columns, attached: Boolean(attached) }
}

// What an attachment says of its own arguments, as text. Its view's name is an argument where it is not the usual one.
async function mappingOf(ask, list, sessions, subscriptions) {
  const names = list.map(({ name }) => name).filter(name => name !== 'counts_view')
  const [mapping] = await ask(`SELECT ${names.map(name => `${name}::text`).join(', ')},
      nullif((SELECT v.relname FROM pg_class v WHERE v.oid = counts_view),
        (SELECT p.relname || '_session_counts' FROM pg_class p WHERE p.oid = a.subscriptions)) AS counts_view
    FROM session_consistency.attachments a WHERE sessions = $1::oid AND subscriptions = $2::oid`,
  [sessions, subscriptions])
  return mapping
}

// Which lock of the command's tables keeps whom waiting.
const locks = [
  [/^ALTER TABLE .* (VALIDATE CONSTRAINT)/s, 'SHARE UPDATE EXCLUSIVE'],
  [/^ALTER TABLE .* (ADD CONSTRAINT .* FOREIGN KEY|ENABLE|DISABLE)/s, 'SHARE ROW EXCLUSIVE'],
  [/^ALTER TABLE/, 'ACCESS EXCLUSIVE'],
  [/^CREATE (OR REPLACE )?(CONSTRAINT )?TRIGGER/, 'SHARE ROW EXCLUSIVE'],
  [/^CREATE (UNIQUE )?INDEX/, 'SHARE'],
  [/^DROP (TRIGGER|INDEX)/, 'ACCESS EXCLUSIVE'],
  [/^UPDATE/, 'ROW EXCLUSIVE'],
  [/open_ledger/, 'SHARE ROW EXCLUSIVE'],
]
const waits = {
  'ACCESS EXCLUSIVE': 'everybody waits', 'SHARE ROW EXCLUSIVE': 'writers wait', SHARE: 'writers wait for the build',
  'ROW EXCLUSIVE': 'writers of the same rows wait', 'SHARE UPDATE EXCLUSIVE': 'no booking waits',
}

export function lockOf(command) {
  const [, lock] = locks.find(([pattern]) => pattern.test(command)) ?? []
  return lock ? `${lock}: ${waits[lock]}` : 'none that a booking waits for'
}

export async function plan(ask, { sessions, subscriptions, ...said }) {
  const known = await argumentsOf(ask)
  // Arguments say what differs from the defaults.
  const given = known.filter(({ name, default: usually }) => name in said && said[name] !== (usually ?? ''))
  const values = given.map(({ name }) => (said[name] === '' ? null : said[name]))
  const call = list => list.map(({ name, type }, i) => `, ${name} => $${i + 3}::${type}`).join('')
  const tables = ['$1::oid::regclass', '$2::oid::regclass']
  const steps = await ask(`SELECT * FROM session_consistency.attach(${tables}${call(given)}, dry_run => true)`,
    [sessions, subscriptions, ...values])
  return {
    steps: steps.map(step => ({ ...step, lock: lockOf(step.command) })),
    audit: await audit(ask, tables, given, [sessions, subscriptions, ...values]),
    call: await callOf(ask, sessions, subscriptions, given.map(({ name }) => name), values),
  }
}

// audit() takes those of attach()'s arguments that say what the rows mean.
async function audit(ask, tables, given, values) {
  const [{ names }] = await ask(
    "SELECT proargnames AS names FROM pg_proc WHERE oid = 'session_consistency.audit'::regproc")
  const places = given.map((argument, i) => ({ ...argument, place: i + 3 })).filter(({ name }) => names.includes(name))
  const query = `SELECT code, severity, affected, description, recommendation FROM session_consistency.audit(
    ${tables}${places.map(({ name, type }, i) => `, ${name} => $${i + 3}::${type}`).join('')}) WHERE affected > 0`
  await ask('SAVEPOINT audit')
  try {
    return await ask(query, [values[0], values[1], ...places.map(({ place }) => values[place - 1])])
  } catch (error) {
    if (!error.severity) throw error
    await ask('ROLLBACK TO audit')
    const { code, message, hint } = error
    return [{ code, severity: 'high', affected: null, description: message, recommendation: hint }]
  }
}

async function callOf(ask, sessions, subscriptions, names, values) {
  const [{ call }] = await ask(`SELECT format('SELECT * FROM session_consistency.attach(%L, %L', $1::oid::regclass,
    $2::oid::regclass) || coalesce((SELECT string_agg(format(', %s => %L', n, v), '' ORDER BY o)
      FROM unnest($3::text[], $4::text[]) WITH ORDINALITY x (n, v, o)), '') || ');' AS call`,
    [sessions, subscriptions, names, values])
  return call
}
