// A member: found by key or name, and what each pack of his can pay for.
import { attachment, Sentence } from './attached.js'

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
            AND (o.opcname IN ('text_pattern_ops', 'varchar_pattern_ops')
              OR i.indcollation[0] = 'pg_catalog."C"'::regcollation)
        ) AS served
      FROM pg_attribute t WHERE t.attrelid = c.confrelid AND t.attnum > 0 AND NOT t.attisdropped
        AND t.atttypid IN ('text'::regtype, 'varchar'::regtype)
      ORDER BY 2 DESC, t.attname <> 'name', t.attnum LIMIT 1) n ON true
    WHERE c.conrelid = $1::regclass AND c.contype = 'f' AND cardinality(c.conkey) = 1 LIMIT 1`, [subscriptions, member])
  return members
}

const isNoValue = error => ['22P02', '22003', '22007', '22008'].includes(error.code)

// A text that is no value of the key's type finds nobody.
async function findByKey(ask, query, key, others = []) {
  await ask('SAVEPOINT key')
  try {
    return await ask(query, [key, ...others])
  } catch (error) {
    if (!isNoValue(error)) throw error
    await ask('ROLLBACK TO key')
    return []
  }
}

export async function members(ask, { attachment: id, text = '' }) {
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

// The columns of the subscriptions that pays_when names, as the server has quoted them.
const namedIn = expression =>
  [...new Set([...(expression ?? '').matchAll(/\bsubscription\.("(?:[^"]|"")+"|\w+)/g)].map(([, column]) => column))]

// A date is over when its day is, a moment when it comes; local time is that of the attachment.
const ended = `CASE pg_typeof(v.valid_until)::text WHEN 'date' THEN v.valid_until::text::date < here.now::date
  WHEN 'timestamp without time zone' THEN v.valid_until::text::timestamp <= here.now
  ELSE v.valid_until::text::timestamptz <= statement_timestamp() END`
const begun = `CASE pg_typeof(v.valid_from)::text WHEN 'timestamp with time zone'
  THEN v.valid_from::text::timestamptz <= statement_timestamp() ELSE v.valid_from::text::timestamp <= here.now END`

// The packs of a member, as they are drawn.
async function packsOf(ask, attached, key) {
  const { counts_view: view, draw_order: order, pays_when: pays } = attached
  const columns = await ask(`SELECT attname AS name FROM pg_attribute
    WHERE attrelid = $1::regclass AND attnum > 0 AND attname IN ('valid_from', 'valid_until')`, [view])
  const has = name => columns.some(column => column.name === name)
  const values = namedIn(pays).map(column => `subscription.${column}::text AS ${column}`)
  return findByKey(ask, `
    SELECT v.*, v.subscription_id::text AS subscription_id, v.status::text AS status,
      v.status IS NULL OR v.status::text = ANY ($2::text[]) AS active, d.values
      ${has('valid_from') ? `, v.valid_from::text, coalesce(${begun}, true) AS begun` : ''}
      ${has('valid_until') ? `, v.valid_until::text, coalesce(${ended}, false) AS ended` : ''}
    FROM ${view} v
    JOIN (SELECT subscription.${attached.key} AS key, row_number() OVER (ORDER BY ${order ? `${order}, ` : ''}
          subscription.${attached.key}) AS place,
        ${values.length > 0 ? `(SELECT to_jsonb(x) FROM (SELECT ${values.join(', ')}) x)` : 'NULL::jsonb'} AS values
      FROM ${attached.subscriptions} subscription
      WHERE subscription.${attached.member ?? attached.key} = $1) d ON d.key = v.subscription_id
    CROSS JOIN (SELECT statement_timestamp() AT TIME ZONE coalesce($3, current_setting('TimeZone')) AS now) here
    ORDER BY d.place`, key, [attached.active_statuses, attached.time_zone])
}

// Why a pack can or cannot pay for a booking now.
function standing({ active, status, total, remaining, valid_from: from, valid_until: until, begun, ended }, attached) {
  if (!active) return `It does not pay: its status is ${status}.`
  if (ended) return `It does not pay: it ended, ${until}.`
  if (begun === false) return `It does not pay for what takes place now: it begins on ${from}.`
  if (total === null) return 'It pays: it is unlimited.'
  if (Number(remaining) <= 0) return 'It does not pay: no credit is left. Cancel a session, or raise its total.'
  const cost = attached.cost ? ', and a session may cost more' : ''
  return `It pays: ${remaining} ${Number(remaining) === 1 ? 'credit is' : 'credits are'} left${cost}.`
}

// In which number a session is, and with how much.
function counted({ type, status, counts, cost }, attached) {
  if (attached.type && !attached.consuming_types.includes(type)) return 'nothing'
  if (counts === false || counts === null || Number(cost) === 0) return 'nothing'
  if (!attached.status || attached.scheduled_statuses.includes(status)) return 'scheduled'
  return attached.completed_statuses.includes(status) ? 'completed' : 'nothing'
}

// The sessions linked to these packs. The cost is asked only of what counts otherwise, as the rules do.
async function sessionsOf(ask, attached, packs) {
  const [{ names, type }] = await ask(`
    SELECT (SELECT array_agg('session.' || quote_ident(a.attname) || '::text' ORDER BY k.place)
            FROM pg_index i, unnest(i.indkey::int2[]) WITH ORDINALITY k (number, place)
            JOIN pg_attribute a ON a.attnum = k.number
            WHERE i.indrelid = $1::regclass AND i.indisprimary AND a.attrelid = i.indrelid) AS names,
      (SELECT format_type(atttypid, atttypmod) FROM pg_attribute
       WHERE attrelid = $1::regclass AND quote_ident(attname) = $2) AS type`, [attached.sessions, attached.link])
  const column = (quoted, name) => `${quoted ? `session.${quoted}::text` : 'NULL::text'} AS ${name}`
  const one = (quoted, list) =>
    (quoted ? `session.${quoted}::text = ANY (${list}::text[])` : `${list}::text[] IS NOT NULL`)
  const counting = `${one(attached.type, '$2')} AND ${one(attached.status, '$3')}`
  const counts = `CASE WHEN ${counting} THEN ${attached.counts_when ?? 'true'} END`
  return (await ask(`SELECT session.${attached.link}::text AS subscription_id,
    concat_ws(', ', ${names.join(', ')}) AS session, ${column(attached.type, 'type')},
    ${column(attached.status, 'status')}, ${column(attached.start, 'start')}, ${counts} AS counts,
    CASE WHEN ${counts} THEN ${attached.cost ?? 1} END AS cost
    FROM ${attached.sessions} session WHERE session.${attached.link} = ANY ($1::${type}[]) ORDER BY 1, 5, 2 LIMIT 1000`,
    [packs.map(pack => pack.subscription_id), attached.consuming_types,
      [...attached.scheduled_statuses, ...attached.completed_statuses]]))
    .map(session => ({ ...session, counted: counted(session, attached) }))
}

export async function member(ask, { attachment: id, member: key }) {
  const attached = await attachment(ask, id)
  if (!attached.counts_view) throw new Sentence('This attachment has no counts view: attach it with make_view => true.')
  if (!attached.key) {
    throw new Sentence('The foreign key of this attachment is gone; the page "today" says what is missing.')
  }
  const known = await membersOf(ask, attached)
  const [{ name } = {}] = known?.name ?
    await findByKey(ask, `SELECT m.${known.name} AS name FROM ${known.relation} m WHERE m.${known.key} = $1`, key) : []
  const packs = await packsOf(ask, attached, key)
  for (const pack of packs) pack.standing = standing(pack, attached)
  return { attachment: attached, key, name, packs, sessions: await sessionsOf(ask, attached, packs) }
}
