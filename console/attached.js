// What is attached, and what the login may do there.

export class Sentence extends Error {
  constructor(sentence, statusCode = 404) {
    super(sentence)
    Object.assign(this, { sentence, statusCode })
  }
}

// key is the column of the subscriptions that the link refers to; the subscriptions are NULL where that key is gone. A
// check reads every row, so policies must not hide any.
const attachmentQuery = `
SELECT a.sessions::oid::text || '-' || coalesce(a.subscriptions::oid, 0)::text AS id, a.sessions::text,
  a.subscriptions::text, a.counts_view::text, a.guard, a.ledger, a.notify, a.enforced, a.gaps, a.active_statuses, a.consuming_types,
  a.scheduled_statuses, a.completed_statuses, a.draw_order, a.time_zone, a.counts_when, a.cost, a.pays_when,
  quote_ident(a.subscription_column) AS link, quote_ident(a.type_column) AS type,
  quote_ident(a.status_column) AS status, quote_ident(a.start_column) AS start, quote_ident(a.subscription_member_column) AS member,
  (SELECT quote_ident(k.attname) FROM pg_constraint c
   JOIN pg_attribute l ON l.attrelid = c.conrelid AND l.attname = a.subscription_column
   JOIN pg_attribute k ON k.attrelid = c.confrelid AND k.attnum = c.confkey[array_position(c.conkey, l.attnum)]
   WHERE c.contype = 'f' AND c.conrelid = a.sessions AND c.confrelid = a.subscriptions AND l.attnum = ANY (c.conkey)
   LIMIT 1) AS key,
  has_table_privilege(a.sessions, 'SELECT') AND has_table_privilege(a.subscriptions, 'SELECT')
    AND NOT row_security_active(a.sessions) AND NOT row_security_active(a.subscriptions)
    AND NOT pg_is_in_recovery() AS may_check,
  pg_has_role(s.relowner, 'USAGE') AND pg_has_role(p.relowner, 'USAGE') AND NOT pg_is_in_recovery() AS may_repair
FROM session_consistency.attachments a
JOIN pg_class s ON s.oid = a.sessions LEFT JOIN pg_class p ON p.oid = a.subscriptions
ORDER BY 2, 3`

export async function attachments(ask) {
  const [{ there }] = await ask(
    `SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'session_consistency') AS there`)
  if (!there) throw new Sentence('This database has no extension session_consistency: CREATE EXTENSION makes it.')
  return ask(attachmentQuery)
}

export async function attachment(ask, id) {
  const all = await attachments(ask)
  const found = id ? all.find(one => one.id === id) : all[0]
  if (!found) throw new Sentence('Nothing is attached here, or not that. The page "attach" shows how to begin.')
  return found
}
