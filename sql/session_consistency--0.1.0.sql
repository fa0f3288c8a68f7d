-- The SQL face of session_consistency. Sections follow the life of an attachment: the trigger functions first, since
-- attach() refers to them; then attaching, reading. Every public object carries a COMMENT: they are the reference.
\echo Use "CREATE EXTENSION session_consistency" to load this file. \quit

GRANT USAGE ON SCHEMA session_consistency TO PUBLIC;

-- Trigger functions -------------------------------------------------------------------------------------------------

CREATE FUNCTION session_consistency.link_session() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'sc_link_session';
COMMENT ON FUNCTION session_consistency.link_session() IS
'Trigger of the sessions, BEFORE INSERT OR UPDATE FOR EACH ROW: fills in the link of a session.

A counted session that has none gets its member''s one active subscription. A session of a type that is not consuming
loses its link. Never refuses a row: charge_sessions() judges it as it was stored.';

CREATE FUNCTION session_consistency.charge_sessions() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'sc_charge_sessions';
COMMENT ON FUNCTION session_consistency.charge_sessions() IS
'Trigger of the sessions, AFTER INSERT OR UPDATE OR DELETE FOR EACH ROW: charges the subscriptions.

Adds up what the statement changes for each subscription; at its end each counter is judged and written once.

Errors:
- 23SC1: no_active_subscription
- 23SC2: no_credit_left
- 23SC3: foreign_subscription
- 23SC4: inactive_subscription, does_not_pay
- 23SC6: ambiguous_subscription
- 22004, 22003: a session that counts and whose cost is NULL or negative
- 55000: the trigger that carries the expressions is missing or altered
- 23503: a subscription that is gone, or is deleted while sessions hold credits of it
- 40001: the subscription changed since the snapshot of a REPEATABLE READ or SERIALIZABLE transaction
- 22003: a counter is full, or no counter could hold what sessions cost in sum
- 27000: another trigger keeps the link from being set, or makes another session of one whose drawn link is set again
- 42703, 42804: a column of the attachment was renamed or dropped, or has another type since';

CREATE FUNCTION session_consistency.reset_counters() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'sc_reset_counters';
COMMENT ON FUNCTION session_consistency.reset_counters() IS
'Trigger of the sessions, AFTER TRUNCATE FOR EACH STATEMENT: sets every counter of their subscriptions to
what it carries, most often 0.';

CREATE FUNCTION session_consistency.keep_counter() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'sc_keep_counter';
COMMENT ON FUNCTION session_consistency.keep_counter() IS
'Trigger of the subscriptions, BEFORE INSERT OR UPDATE FOR EACH ROW: keeps the counter of the row.

Starts a new counter at what the subscription carries, most often 0, keeps a plain remaining column equal to total
minus used, and under guard => ''ignore'' puts the maintained value back over a written one.';

CREATE FUNCTION session_consistency.guard_counter() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'sc_guard_counter';
COMMENT ON FUNCTION session_consistency.guard_counter() IS
'Trigger of the subscriptions, AFTER INSERT OR UPDATE OR DELETE FOR EACH ROW: refuses what breaks the counts.

Errors:
- 23SC5: guarded_counter, a counter that anyone but the extension has changed, or, under every guard, carried credits
- 23514: a total below what is used
- 23503: a subscription that is deleted while sessions hold credits of it, or whose member changes while sessions
  refer to it
- 42703, 42804: a column of the attachment was renamed or dropped, or has another type since';

CREATE FUNCTION session_consistency.expressions(
    counts_when boolean DEFAULT NULL, cost bigint DEFAULT NULL, pays_when boolean DEFAULT NULL) RETURNS boolean
    LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'sc_expressions';
COMMENT ON FUNCTION session_consistency.expressions(boolean, bigint, boolean) IS
'Holds the expressions of an attachment, in the WHEN clause of a trigger that never fires. Is always false.

Arguments: those of attach() with the same names. NEW is the session; a column of the subscription is written as
(NULL::subscriptions).column.';

CREATE FUNCTION session_consistency.carry_expressions() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'sc_carry_expressions';
COMMENT ON FUNCTION session_consistency.carry_expressions() IS
'Trigger of the sessions, AFTER UPDATE FOR EACH ROW, disabled, WHEN (session_consistency.expressions(...) AND false).

It never fires. The server keeps its WHEN clause right when columns, tables or types are renamed, copies it to
partitions and dumps it, and refuses to drop a column that it names.';

-- Attaching ---------------------------------------------------------------------------------------------------------

CREATE FUNCTION session_consistency.attach(
    sessions regclass,
    subscriptions regclass,
    member_column name DEFAULT 'member_id',
    subscription_column name DEFAULT 'subscription_id',
    type_column name DEFAULT 'session_type',
    status_column name DEFAULT 'status',
    consuming_types text[] DEFAULT '{member,makeup,contractual}',
    scheduled_statuses text[] DEFAULT '{scheduled,in_progress}',
    completed_statuses text[] DEFAULT '{completed}',
    subscription_member_column name DEFAULT 'member_id',
    subscription_status_column name DEFAULT 'status',
    active_statuses text[] DEFAULT '{active}',
    total_column name DEFAULT 'total_sessions_snapshot',
    used_column name DEFAULT 'used_sessions',
    remaining_column name DEFAULT 'remaining_sessions',
    carried_column name DEFAULT NULL,
    draw_order text DEFAULT NULL,
    start_column name DEFAULT NULL,
    valid_from_column name DEFAULT NULL,
    valid_until_column name DEFAULT NULL,
    time_zone text DEFAULT NULL,
    counts_when text DEFAULT NULL,
    cost text DEFAULT NULL,
    pays_when text DEFAULT NULL,
    named_links boolean DEFAULT true,
    when_none text DEFAULT 'refuse',
    notify boolean DEFAULT false,
    make_view boolean DEFAULT true,
    counts_view name DEFAULT NULL,
    guard text DEFAULT 'reject',
    ledger boolean DEFAULT false,
    link_check boolean DEFAULT false,
    dry_run boolean DEFAULT false)
    RETURNS TABLE (step integer, action text, command text)
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'sc_attach';
COMMENT ON FUNCTION session_consistency.attach(
    regclass, regclass, name, name, name, name, text[], text[], text[], name, name, text[], name, name, name, name,
    text, name, name, name, text, text, text, text, boolean, text, boolean, boolean, name, text, boolean, boolean,
    boolean) IS
'Attaches a table of sessions to the table of their subscriptions.

Makes what is missing: the link column; the counter, which starts at what a plain remaining column says is gone; the
foreign key; CHECK (0 <= used <= total); a unique index on active subscriptions, unless there is a draw_order; if it
makes that one, or there is a draw_order, and no index begins with the member, a plain index on the member; an index on
the link; the counts view; the triggers. Reuses what does the same already. Returns one row for each step with the exact
command that ran.

A table of sessions may be attached to several tables, each by a link of its own; a table of subscriptions to one.

Columns and values of the sessions:
- member_column: the member; NULL: the application itself names the row that a session takes (the seat of a class), see
  docs/rules.md
- subscription_column: the link, added if it is missing
- type_column, consuming_types: the type, and those that consume a credit; type_column NULL: every session does
- status_column, scheduled_statuses, completed_statuses: the status, and those that hold a credit. status_column NULL:
  every session counts, as scheduled. One of the lists may be empty; if nothing is ever scheduled, a credit that is
  first held as completed needs an active subscription
- start_column: when the session takes place, a date, timestamp or timestamptz, may be generated; NULL: nobody knows

Columns and values of the subscriptions:
- subscription_member_column: the member; not looked at if member_column is NULL
- subscription_status_column, active_statuses: the status, and those that are active; the column NULL: all are
- total_column: how many credits it has, may be generated; NULL in a row means unlimited. The argument NULL: sessions
  are counted and never refused, and a remaining column is left alone. No such column beside a plain remaining column:
  it is added, as what remains and what is linked already
- used_column: the counter, added if it is missing
- remaining_column: maintained if it is a plain column, left alone if it is generated; NULL, or no such column: there
  is none
- carried_column: credits of sessions that are not in the table, added if it is missing: used is what is carried and
  what sessions hold. A new subscription may bring some; nobody may change them. NULL: there are none
- valid_from_column, valid_until_column: the period, dates, of which both days count, or timestamps, of which the first
  moment counts and the last does not; may be generated. NULL and infinity are open. A session that is to be paid for
  needs a subscription whose period covers its start; one without a start is not judged until it has one

Expressions, each immutable and without a subquery; names are looked up in pg_catalog alone:
- counts_when: a condition on the columns of the session, NULL: every session counts: `deleted_at IS NULL`
- cost: what a session costs, an integer, NULL: 1: `(minutes + 29) / 30`. It is evaluated only for a session that counts
  otherwise; 0 holds nothing, NULL and less than 0 are refused when the session is stored
- pays_when: a condition on both, NULL: any subscription pays: `subscription.kinds IS NULL OR session.kind = ANY
  (subscription.kinds)`. Only false refuses

Which subscription pays:
- draw_order: a member may have several active subscriptions, drawn in that order, then in the order of their keys:
  columns of the subscriptions, of a type with default operator classes for btree and hash, with ASC, DESC, NULLS FIRST
  and NULLS LAST, as in `valid_until, id`; no expressions, and none that bookings change. NULL: a member has one
- time_zone: where sessions take place, as a name of pg_timezone_names. What has a zone is compared by the local time
  there; needed if the start has a zone and an end of the period has none, or the other way round
- named_links: false: what the application writes into the link is ignored, for object mappers that save whole rows
- when_none: what happens to a session that no subscription could pay for: refuse (an error), leave (it stays without a
  link and holds nothing)

Other arguments:
- notify: after the commit, once for each subscription whose counts a transaction has changed, a JSON of subscriptions,
  subscription_id (text), total, completed, scheduled and remaining on channel session_consistency_counts; see Listening
- make_view, counts_view: whether there is a counts view, and its name, in the schema of the subscriptions; NULL:
  <subscriptions>_session_counts
- guard: what happens to a counter that anyone else writes: reject (an error), ignore (the maintained value stays), off
- ledger: every credit that is taken or given back is written to session_consistency.ledger, which opens with a line
  for each subscription
- link_check: also a CHECK that a counted session is linked
- dry_run: only return the steps; to run them by hand in their order has the same effect. If something is in the way,
  it returns everything of it at once and no step: a row each, whose step is NULL, whose action is `refused: ` and the
  SQLSTATE, and whose command is a remark of the message, the detail and the hint

Types and statuses are enums, texts, integers or booleans, whose values are t and f. A foreign key of the link that is
there already may refer to any unique column that is NOT NULL, cascade, be deferrable, and set the link NULL when a
subscription is deleted: a subscription that sessions hold credits of stays all the same.

The arguments are the whole attachment. The same again is no step, and takes no lock beyond a reader''s; expressions are
compared as the server reads them. Other lists, expressions, guard, ledger, notify, link_check, draw_order,
start_column, valid_from_column, valid_until_column, time_zone, named_links, when_none, make_view and counts_view change
in place what differs, an argument that is not named to its default. Where other sessions are counted than before,
migrate() has to count history again. A draw_order drops the unique index that attach() has made, and none makes it
again. The counts view gets the columns of a period, valid_from, valid_until and forfeited, in place; it is made anew if
they become others or go. What was dropped by hand is made again; what was altered stays, and is a gap.

Listening: the figures are those of the counts view at the commit, and the last ones that a listener gets are right. A
subscription that is gone has null in each; where all may have changed (a TRUNCATE, migrate, repair), subscription_id is
null, too: read anew. Any role may LISTEN. NOTIFY lets one transaction after the other commit, fails where its queue is
full, and is refused by PREPARE TRANSACTION (0A000).

Constraints and indexes that it makes begin with sc_, and have a comment that says whose they are, as the view has.

The caller must own both tables. One transaction; locks the sessions before the subscriptions, ACCESS EXCLUSIVE only
if a column or a CHECK is added or something is dropped, else SHARE ROW EXCLUSIVE. On tables with rows, constraints
are NOT VALID for migrate() to validate (before PostgreSQL 18 not the foreign key of a partitioned table), and a CHECK
that rows violate is left out with a NOTICE.

Errors:
- 22004: a NULL argument
- 22023: an unknown guard, when_none or time zone, an abbreviation of one, an empty list or two empty lists of statuses,
  a value listed twice or that its column refuses, a column named twice, a period without a start_column or without the
  time_zone that it needs, a draw_order by what bookings change, when_none => leave with a link_check, one table for
  both
- 42601: a draw_order that is no list of columns
- 42501: not the owner, or the owner of the sessions does not have the privileges of the owner of the subscriptions
- 42703: no such column
- 42P10: a system column
- 428C9: a generated column, one of the draw_order that is not stored, or a plain remaining column beside a generated
  total
- 42601, 42P17, 42804, 42P10: an expression that is none, is not immutable, has another type, or names a column of the
  server or a whole row; 0A000, 42803, 42P20: one with a subquery, an aggregate or a window function
- 42804, 42P21: a column of the wrong type or collation, or a key whose type has no default operator classes for btree
  and hash
- 42809: not a table, a partition, part of an inheritance tree, partitioned subscriptions
- 42P16: a temporary or unlogged table, no primary key, or one that a link cannot refer to, a key of the link that may
  be NULL in the subscriptions, or a unique index whose key holds a counter
- 23514: a remaining column that shows more than the total or less than 0, if used_column is added
- 42830: a foreign key on the link that sets a default, sets NULL when a key is updated or more than the link when a
  subscription is deleted, is MATCH FULL, not enforced, or leads elsewhere, or one of the subscriptions that holds a
  counter
- 42710: attached with other columns, or another attachment has that link or these subscriptions
- 42P07: a relation with the name of the view
- 23505: several active subscriptions of one member without a draw_order
- 23503: a link that leads nowhere, if the key must be validated at once
- 40001: the tables changed while it waited for its locks
- 0A000, 55000: tables that Citus distributes in another way, or whose triggers it does not allow';

CREATE FUNCTION session_consistency.detach(
    sessions regclass,
    subscriptions regclass DEFAULT NULL,
    drop_added_columns boolean DEFAULT false,
    dry_run boolean DEFAULT false)
    RETURNS TABLE (step integer, action text, command text)
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'sc_detach';
COMMENT ON FUNCTION session_consistency.detach(regclass, regclass, boolean, boolean) IS
'Takes back what attach() made for these sessions, and nothing that was there before.

That is the triggers, the view, the constraints and the indexes. Returns one row for each step with the exact command
that ran. What somebody has dropped or renamed since is left alone. It also works if the foreign key or a trigger is
gone, and if a trigger''s argument cannot be read.

Arguments:
- sessions: the attached table
- subscriptions: needed if the sessions are attached to several tables
- drop_added_columns: also drop the columns that attach() added, with their data
- dry_run: only return the steps

The caller must own both tables. One transaction; locks both tables in ACCESS EXCLUSIVE mode, the sessions first.

Errors:
- 22004: a NULL argument
- 42P01: no such table
- 55000: Citus does not let triggers of a distributed table be dropped: citus.enable_unsafe_triggers is off
- 55000: not attached, or the foreign key is gone and several guarded tables may hold the subscriptions: name the
  right one as subscriptions
- 42P08: the sessions are attached to several tables, and subscriptions is NULL
- 42501: not the owner
- 2BP01: something else depends on the view or a column, nothing is changed then';

CREATE FUNCTION session_consistency.list_attachments()
    RETURNS TABLE (
        sessions regclass,
        subscriptions regclass,
        member_column name,
        subscription_column name,
        type_column name,
        status_column name,
        consuming_types text[],
        scheduled_statuses text[],
        completed_statuses text[],
        subscription_member_column name,
        subscription_status_column name,
        active_statuses text[],
        total_column name,
        used_column name,
        remaining_column name,
        carried_column name,
        draw_order text,
        start_column name,
        valid_from_column name,
        valid_until_column name,
        time_zone text,
        counts_when text,
        cost text,
        pays_when text,
        named_links boolean,
        when_none text,
        notify boolean,
        make_view boolean,
        counts_view regclass,
        guard text,
        ledger boolean,
        link_check boolean,
        enforced boolean,
        gaps text[])
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'sc_list_attachments';
COMMENT ON FUNCTION session_consistency.list_attachments() IS
'The rows of the view session_consistency.attachments.';

CREATE FUNCTION session_consistency._shard_gaps(sessions regclass, subscription_column name, treated boolean)
    RETURNS text[]
    LANGUAGE c STABLE SET lock_timeout = '5s' AS 'MODULE_PATHNAME', 'sc_shard_gaps';
COMMENT ON FUNCTION session_consistency._shard_gaps(regclass, name, boolean) IS
'The gaps of one shard of a table of Citus, for the view session_consistency.attachments.

treated: its history is known to be treated.';

CREATE FUNCTION session_consistency._drop_shard_reset(sessions regclass) RETURNS integer
    LANGUAGE c VOLATILE SET lock_timeout = '5s' AS 'MODULE_PATHNAME', 'sc_drop_shard_reset';
COMMENT ON FUNCTION session_consistency._drop_shard_reset(regclass) IS
'Drops the triggers for TRUNCATE of one shard, as detach() of a table of Citus does on each.';

CREATE FUNCTION session_consistency._shard_treated(sessions regclass, subscription_column name) RETURNS bigint[]
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'sc_shard_treated';
COMMENT ON FUNCTION session_consistency._shard_treated(regclass, name) IS
'What migrate() left to resolve on one shard of a table of Citus.';

CREATE VIEW session_consistency.attachments AS
    SELECT sessions, subscriptions, member_column, subscription_column, type_column, status_column, consuming_types,
        scheduled_statuses, completed_statuses, subscription_member_column, subscription_status_column,
        active_statuses, total_column, used_column, remaining_column, carried_column, draw_order, start_column,
        valid_from_column, valid_until_column, time_zone, counts_when, cost, pays_when, named_links, when_none, notify,
        make_view, counts_view, guard, ledger, link_check, enforced, gaps
    FROM session_consistency.list_attachments();
GRANT SELECT ON session_consistency.attachments TO PUBLIC;
COMMENT ON VIEW session_consistency.attachments IS
'One row for each attachment of this database, read from the triggers and foreign keys themselves.

If the argument of its charge trigger cannot be read, all but the tables and the gap is NULL.';
COMMENT ON COLUMN session_consistency.attachments.sessions IS
'The attached table of sessions.';
COMMENT ON COLUMN session_consistency.attachments.subscriptions IS
'The table that the foreign key on the link refers to; NULL if the key is gone.';
COMMENT ON COLUMN session_consistency.attachments.member_column IS
'Column of the sessions: whose session it is; NULL where the application gives the links.';
COMMENT ON COLUMN session_consistency.attachments.subscription_column IS
'Column of the sessions: the link to the subscription.';
COMMENT ON COLUMN session_consistency.attachments.type_column IS
'Column of the sessions: the type; NULL if every session consumes a credit.';
COMMENT ON COLUMN session_consistency.attachments.status_column IS
'Column of the sessions: the status; NULL if every session counts, as scheduled.';
COMMENT ON COLUMN session_consistency.attachments.consuming_types IS
'The types that consume a credit.';
COMMENT ON COLUMN session_consistency.attachments.scheduled_statuses IS
'The statuses that hold a credit as scheduled; where there are none, completed ones need an active subscription.';
COMMENT ON COLUMN session_consistency.attachments.completed_statuses IS
'The statuses that hold a credit as completed.';
COMMENT ON COLUMN session_consistency.attachments.subscription_member_column IS
'Column of the subscriptions: whose subscription it is; NULL where the application gives the links.';
COMMENT ON COLUMN session_consistency.attachments.subscription_status_column IS
'Column of the subscriptions: the status; NULL if every subscription is active.';
COMMENT ON COLUMN session_consistency.attachments.active_statuses IS
'The statuses of a subscription that may be booked on.';
COMMENT ON COLUMN session_consistency.attachments.total_column IS
'Column of the subscriptions: how many credits it has; NULL in a row means unlimited. NULL if sessions are counted and
never refused.';
COMMENT ON COLUMN session_consistency.attachments.used_column IS
'Column of the subscriptions: how many of them its sessions hold.';
COMMENT ON COLUMN session_consistency.attachments.remaining_column IS
'Column of the subscriptions that is kept at total minus used; NULL if there is none to keep.';
COMMENT ON COLUMN session_consistency.attachments.carried_column IS
'Column of the subscriptions: credits of sessions that are not in the table; NULL if there is none.';
COMMENT ON COLUMN session_consistency.attachments.draw_order IS
'The order in which several active subscriptions of a member are drawn; NULL if a member has one.';
COMMENT ON COLUMN session_consistency.attachments.start_column IS
'Column of the sessions: when one takes place; NULL if nobody knows.';
COMMENT ON COLUMN session_consistency.attachments.valid_from_column IS
'Column of the subscriptions: when its period begins; NULL if it has no beginning.';
COMMENT ON COLUMN session_consistency.attachments.valid_until_column IS
'Column of the subscriptions: when its period ends; NULL if it has no end.';
COMMENT ON COLUMN session_consistency.attachments.time_zone IS
'The time zone in which moments with a zone are compared with those without one; NULL if there is nothing to convert.';
COMMENT ON COLUMN session_consistency.attachments.counts_when IS
'The condition under which a session counts, in terms of the columns of the sessions; NULL if all do.';
COMMENT ON COLUMN session_consistency.attachments.cost IS
'What a session costs, in terms of the columns of the sessions; NULL if each costs 1.';
COMMENT ON COLUMN session_consistency.attachments.pays_when IS
'The condition under which a subscription pays for a session; NULL if any does.';
COMMENT ON COLUMN session_consistency.attachments.named_links IS
'Whether a link that the application writes counts; false: the extension alone draws.';
COMMENT ON COLUMN session_consistency.attachments.when_none IS
'What becomes of a session that no subscription could pay for: refuse or leave.';
COMMENT ON COLUMN session_consistency.attachments.notify IS
'True if listeners of channel session_consistency_counts are told of each change of a subscription''s counts.';
COMMENT ON COLUMN session_consistency.attachments.make_view IS
'Whether a counts view was asked for.';
COMMENT ON COLUMN session_consistency.attachments.counts_view IS
'The counts view that attach() made; NULL if it is gone.';
COMMENT ON COLUMN session_consistency.attachments.guard IS
'What happens to a counter that anyone else writes: reject, ignore or off.';
COMMENT ON COLUMN session_consistency.attachments.ledger IS
'Whether changes are written to a ledger.';
COMMENT ON COLUMN session_consistency.attachments.link_check IS
'Whether a CHECK that a counted session is linked was asked for.';
COMMENT ON COLUMN session_consistency.attachments.enforced IS
'True if everything is there on which the promise rests: every trigger enabled on every partition, every constraint
there and validated, the key as it was accepted, every index valid, the tables logged, no subscription with more used
than its total, and history treated by migrate() with nothing left for a person to resolve.';
COMMENT ON COLUMN session_consistency.attachments.gaps IS
'What is missing, one sentence each; empty if it is enforced.';

-- Reading -----------------------------------------------------------------------------------------------------------

CREATE FUNCTION session_consistency.check_counts(
    sessions regclass DEFAULT NULL,
    subscriptions regclass DEFAULT NULL,
    OUT attachment regclass,
    OUT subscriptions regclass,
    OUT subscription_id text,
    OUT member_id text,
    OUT total bigint,
    OUT carried bigint,
    OUT completed bigint,
    OUT scheduled bigint,
    OUT remaining bigint,
    OUT used bigint,
    OUT expected_used bigint,
    OUT drift bigint,
    OUT message text)
    RETURNS SETOF record
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'sc_check_counts';
COMMENT ON FUNCTION session_consistency.check_counts(regclass, regclass) IS
'Recounts every subscription and returns a row for each one that is wrong, none if all is well.

The rows are ordered by attachment and subscription. A subscription is wrong if used is not the number of counted
sessions linked to it and what it carries, is NULL, below 0 or above the total, or a plain remaining column is not
total minus used.

Arguments:
- sessions: the attached table of the sessions
- subscriptions: needed if they are attached to several tables

Both NULL: every attachment.

Columns, counts in sessions: attachment (the table of the sessions), subscriptions (theirs), subscription_id and
member_id (as text; no member if the application gives the links), total (NULL: unlimited), carried (0 if there is no
such column), completed and scheduled (the recount), remaining (total - used), used (as stored), expected_used
(carried + completed + scheduled), drift (used - expected_used), message (what is wrong, with the figures). An
attachment that cannot be read has one row with nothing but its tables and the message.

The caller must be allowed to read every row. The tables are read as the owner of the sessions, restricted
(docs/rights.md), all attachments in one snapshot. Locks like a SELECT; works on a standby and in a READ ONLY
transaction.

Errors:
- 40001: the transaction''s snapshot is older than a TRUNCATE of one of the tables
- 42501: the caller may not read every row (a privilege is missing, or row-level security applies to the caller),
  never a partial answer
- 55000: the table is not attached, is a partition, or has lost its foreign key
- 42703, 42804: a column of the attachment was renamed or dropped, or has another type since';

CREATE FUNCTION session_consistency.check_session_integrity(
    p_member_id text,
    sessions regclass DEFAULT NULL,
    subscriptions regclass DEFAULT NULL)
    RETURNS jsonb
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'sc_check_session_integrity';
CREATE FUNCTION session_consistency.check_session_integrity(
    p_member_id uuid,
    sessions regclass DEFAULT NULL,
    subscriptions regclass DEFAULT NULL)
    RETURNS jsonb
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'sc_check_session_integrity';
CREATE FUNCTION session_consistency.check_session_integrity(
    p_member_id bigint,
    sessions regclass DEFAULT NULL,
    subscriptions regclass DEFAULT NULL)
    RETURNS jsonb
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'sc_check_session_integrity';
COMMENT ON FUNCTION session_consistency.check_session_integrity(text, regclass, regclass) IS
'Recounts the active subscriptions of one member and compares them with what is stored, by the rules of check_counts().

Arguments:
- p_member_id: the member, as text, uuid or bigint, whatever type the column has
- sessions: the attached table of the sessions, needed if several are attached
- subscriptions: needed if the sessions are attached to several tables

Returns an object, counts in sessions: valid (boolean), subscription_id (text), expected (the recount), actual (used
as stored), breakdown (completed and scheduled of the recount, remaining = total - used, null if the total is
unlimited), message (one sentence), issues (an array of sentences, empty if all is well). A member without an active
subscription is valid; one with several, possible without a draw_order only if the unique index is gone, is not. Both
have null for subscription_id and every count; issues then names the subscriptions and what is wrong with each.

With a draw_order the object also has subscriptions: an array with such an object for each active one, in the order in
which they are drawn. Of several the counts beside it are the sums, subscription_id is null, and remaining is null if
one of them is unlimited.

The caller must be allowed to read every row. The tables are read as the owner of the sessions, restricted
(docs/rights.md), in one snapshot. Locks like a SELECT; works on a standby and in a READ ONLY transaction.

Errors:
- 42P08: several attachments are meant: the error names them
- 22004: the member is NULL
- 22P02, 22003: the type of the column refuses the member
- 55000: the application gives the links, so that no member is known
- 42501, 55000, 42703: as check_counts()';
COMMENT ON FUNCTION session_consistency.check_session_integrity(uuid, regclass, regclass) IS
'As check_session_integrity(text, regclass, regclass), for a member of type uuid.';
COMMENT ON FUNCTION session_consistency.check_session_integrity(bigint, regclass, regclass) IS
'As check_session_integrity(text, regclass, regclass), for a member of an integer type.';

-- What history is kept of -------------------------------------------------------------------------------------------

-- A table as history names it: by its OID, and by its name where that leads nowhere. Unlike a regclass it is written
-- with its present name, and read whether there is such a table or not: a dump that leaves a table out, or was made
-- after a table was dropped, can be restored. What was "gone: public.visits" once stays so: who makes a table of that
-- name later does not get to read the history of another's. Not so a number, which any table may have in another
-- database.
CREATE TYPE session_consistency.table_ref;
CREATE FUNCTION session_consistency._table_ref_in(cstring) RETURNS session_consistency.table_ref
    LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'sc_table_ref_in';
CREATE FUNCTION session_consistency._table_ref_out(session_consistency.table_ref) RETURNS cstring
    LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'sc_table_ref_out';
CREATE FUNCTION session_consistency._table_ref_recv(internal) RETURNS session_consistency.table_ref
    LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'sc_table_ref_recv';
CREATE FUNCTION session_consistency._table_ref_send(session_consistency.table_ref) RETURNS bytea
    LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'sc_table_ref_send';
CREATE TYPE session_consistency.table_ref (
    INPUT = session_consistency._table_ref_in, OUTPUT = session_consistency._table_ref_out,
    RECEIVE = session_consistency._table_ref_recv, SEND = session_consistency._table_ref_send,
    INTERNALLENGTH = VARIABLE, ALIGNMENT = int4, STORAGE = plain);
COMMENT ON TYPE session_consistency.table_ref IS
'A table that history is kept of.

Cast to regclass it is NULL if the table is gone.';
CREATE FUNCTION session_consistency._table_ref(regclass) RETURNS session_consistency.table_ref
    LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'sc_table_ref';
CREATE CAST (regclass AS session_consistency.table_ref) WITH FUNCTION session_consistency._table_ref(regclass);
CREATE FUNCTION session_consistency._regclass(session_consistency.table_ref) RETURNS regclass
    LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'sc_table_ref_regclass';
CREATE CAST (session_consistency.table_ref AS regclass)
    WITH FUNCTION session_consistency._regclass(session_consistency.table_ref);
-- As it was stored, whether there is such a table or not; NULL where a name led nowhere.
CREATE FUNCTION session_consistency._oid(session_consistency.table_ref) RETURNS oid
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'sc_table_ref_oid';

-- Every pair of sessions and subscriptions that history is kept of, under a number that it has wherever it is dumped or
-- replicated to: what is kept refers to that, so that it is safe whatever becomes of the tables. subscriptions is NULL
-- where nothing tells which those are. The generated columns are neither dumped nor replicated, but found anew.
CREATE TABLE session_consistency._pairs (
    pair integer PRIMARY KEY,
    sessions session_consistency.table_ref NOT NULL,
    subscriptions session_consistency.table_ref,
    partitions session_consistency.table_ref[],   -- of the sessions, as the run partitions_seen saw them
    partitions_seen bigint,
    sessions_oid oid GENERATED ALWAYS AS (session_consistency._oid(sessions)) STORED,
    subscriptions_oid oid GENERATED ALWAYS AS (session_consistency._oid(subscriptions)) STORED);
CREATE UNIQUE INDEX _pairs_tables ON session_consistency._pairs (sessions_oid, subscriptions_oid);
SELECT pg_catalog.pg_extension_config_dump('session_consistency._pairs', '');

-- History names members and subscriptions: it is shown to whoever may read both tables, and where one of them is gone
-- to whoever may read everything.
CREATE FUNCTION session_consistency._may_read(
    sessions session_consistency.table_ref, subscriptions session_consistency.table_ref) RETURNS boolean
    LANGUAGE sql STABLE AS $$
    SELECT coalesce(
        pg_catalog.has_table_privilege(sessions::regclass, 'SELECT')
        AND NOT pg_catalog.row_security_active(sessions::regclass)
        AND (subscriptions IS NULL OR pg_catalog.has_table_privilege(subscriptions::regclass, 'SELECT')
             AND NOT pg_catalog.row_security_active(subscriptions::regclass)),
        pg_catalog.pg_has_role('pg_read_all_data', 'USAGE'))
$$;

-- The ledger ---------------------------------------------------------------------------------------------------------

CREATE TABLE session_consistency.ledger (
    id bigint NOT NULL,
    at timestamptz NOT NULL,
    transaction_id xid8 NOT NULL,
    role name NOT NULL,
    actor text,
    pair integer NOT NULL,
    subscription_id text COLLATE "C" NOT NULL,
    member_id text COLLATE "C",
    line bigint NOT NULL,
    session_id text,
    delta bigint NOT NULL,
    balance bigint NOT NULL,
    reason text NOT NULL) USING heap;
-- The one index, since every line pays for it; no primary key, which a member that is NULL could not be part of.
CREATE UNIQUE INDEX ledger_subscription
    ON session_consistency.ledger (pair, subscription_id, member_id, line) NULLS NOT DISTINCT;
ALTER TABLE session_consistency.ledger REPLICA IDENTITY FULL;
SELECT pg_catalog.pg_extension_config_dump('session_consistency.ledger', '');
COMMENT ON TABLE session_consistency.ledger IS
'One line for each session that took a credit, gave one back, or holds it in another way; of attachments with ledger =>
true.

Written in the statement that changes the session, by the extension alone; nobody but the table''s owner can change
it. Whoever may read the sessions reads their lines with ledger_lines or explain_subscription(); ledger_gaps() finds a
line that is missing or was changed.';
COMMENT ON COLUMN session_consistency.ledger.id IS
'Orders lines by the time at which they were written: microseconds, by the clock of the machine, and later ones of a
session of the server have higher ones. What orders the lines of a subscription without fail is line.';
COMMENT ON COLUMN session_consistency.ledger.at IS 'When the line was written.';
COMMENT ON COLUMN session_consistency.ledger.transaction_id IS 'The transaction, as pg_current_xact_id() shows it.';
COMMENT ON COLUMN session_consistency.ledger.role IS
'The role that the client acted as: that of its login or of SET ROLE, also if a function or a cascade ran as somebody
else.';
COMMENT ON COLUMN session_consistency.ledger.actor IS 'The setting session_consistency.actor; NULL if it was empty.';
COMMENT ON COLUMN session_consistency.ledger.pair IS
'The attached tables: session_consistency._pairs has their names.';
COMMENT ON COLUMN session_consistency.ledger.subscription_id IS 'The subscription, as text.';
COMMENT ON COLUMN session_consistency.ledger.member_id IS
'The subscription''s member, as text, if the subscriptions'' key holds it, else NULL.';
COMMENT ON COLUMN session_consistency.ledger.line IS
'Numbers the lines of the subscription from 1, in their order and without a gap: if a number is missing, a line is.';
COMMENT ON COLUMN session_consistency.ledger.session_id IS
'The session''s primary key as text, as in audit_findings(); NULL in a line of no single session.';
COMMENT ON COLUMN session_consistency.ledger.delta IS
'How many credits it took; below 0: gave back; 0: the session holds its credit in another way.';
COMMENT ON COLUMN session_consistency.ledger.balance IS 'How many credits of the subscription were used after it.';
COMMENT ON COLUMN session_consistency.ledger.reason IS
'Of a session: booked; completed; reopened, back to scheduled, or counted again; cancelled; deleted; type changed;
moved, to another subscription; member changed; linked, history that had no link; unlinked; cost changed, what it
costs or whether it counts; purged, it went and what it held is carried. Of the subscription: opened, the balance that
the ledger begins with; recounted, by migrate(); repaired; repair undone; truncated; key changed, the subscription goes
on under another key, which opens its own lines; carried, a new one brought credits.';

-- A key as the ledger has it, whatever the settings of dates and times are.
CREATE FUNCTION session_consistency._key_text("any") RETURNS text
    LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'sc_key_text';

CREATE FUNCTION session_consistency.keep_ledger() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'sc_keep_ledger';
COMMENT ON FUNCTION session_consistency.keep_ledger() IS
'Trigger of session_consistency.ledger, BEFORE every kind of statement: keeps the ledger append-only.

Refuses the statement (42501) to anyone but the owner of the table, whatever was granted. The extension''s own lines
pass.';
CREATE TRIGGER keep_ledger BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON session_consistency.ledger
    FOR EACH STATEMENT EXECUTE FUNCTION session_consistency.keep_ledger();
ALTER TABLE session_consistency.ledger ENABLE ALWAYS TRIGGER keep_ledger;

CREATE VIEW session_consistency.ledger_lines WITH (security_barrier = true) AS
    SELECT l.id, l.at, l.transaction_id, l.role, l.actor, p.sessions::regclass AS attachment,
           p.subscriptions::regclass AS subscriptions, l.subscription_id, l.member_id, l.line, l.session_id, l.delta,
           l.balance, l.reason, l.pair
    FROM session_consistency.ledger AS l JOIN session_consistency._pairs AS p ON p.pair = l.pair
    WHERE session_consistency._may_read(p.sessions, NULL);
GRANT SELECT ON session_consistency.ledger_lines TO PUBLIC;
COMMENT ON VIEW session_consistency.ledger_lines IS
'The lines of session_consistency.ledger that the reader may see: those of tables whose every row the reader may read;
of tables that are gone, for members of pg_read_all_data.';
COMMENT ON COLUMN session_consistency.ledger_lines.id IS 'As in ledger.';
COMMENT ON COLUMN session_consistency.ledger_lines.at IS 'As in ledger.';
COMMENT ON COLUMN session_consistency.ledger_lines.transaction_id IS 'As in ledger.';
COMMENT ON COLUMN session_consistency.ledger_lines.role IS 'As in ledger.';
COMMENT ON COLUMN session_consistency.ledger_lines.actor IS 'As in ledger.';
COMMENT ON COLUMN session_consistency.ledger_lines.attachment IS
'The attached table of the sessions; NULL if it is gone.';
COMMENT ON COLUMN session_consistency.ledger_lines.subscriptions IS
'The table of their subscriptions; NULL if it is gone.';
COMMENT ON COLUMN session_consistency.ledger_lines.subscription_id IS 'As in ledger.';
COMMENT ON COLUMN session_consistency.ledger_lines.member_id IS 'As in ledger.';
COMMENT ON COLUMN session_consistency.ledger_lines.line IS 'As in ledger.';
COMMENT ON COLUMN session_consistency.ledger_lines.session_id IS 'As in ledger.';
COMMENT ON COLUMN session_consistency.ledger_lines.delta IS 'As in ledger.';
COMMENT ON COLUMN session_consistency.ledger_lines.balance IS 'As in ledger.';
COMMENT ON COLUMN session_consistency.ledger_lines.reason IS 'As in ledger.';
COMMENT ON COLUMN session_consistency.ledger_lines.pair IS 'As in ledger.';

CREATE FUNCTION session_consistency.open_ledger(sessions regclass, subscriptions regclass DEFAULT NULL) RETURNS bigint
    LANGUAGE c AS 'MODULE_PATHNAME', 'sc_open_ledger';
COMMENT ON FUNCTION session_consistency.open_ledger(regclass, regclass) IS
'Opens the books of an attachment: writes a line with the present balance for each of its subscriptions.

Returns how many lines it has written. attach() opens the books for the first time. If they are opened again, the
replay begins at the new lines, and the owner of the ledger may put older ones elsewhere. Bookings wait meanwhile.

Arguments:
- sessions: the attached table
- subscriptions: needed if the sessions are attached to several tables

Errors:
- 22004: sessions is NULL
- 42501: the caller does not own both tables
- 55000: the table is not attached, or has no ledger
- 25006: on a standby and in a READ ONLY transaction';

CREATE FUNCTION session_consistency.explain_subscription(
    sessions regclass,
    subscription_id text)
    RETURNS TABLE (
        id bigint,
        at timestamptz,
        transaction_id xid8,
        role name,
        actor text,
        member_id text,
        line bigint,
        session_id text,
        delta bigint,
        balance bigint,
        reason text)
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'sc_explain_subscription';
CREATE FUNCTION session_consistency.explain_subscription(
    sessions regclass,
    subscriptions regclass,
    subscription_id text)
    RETURNS TABLE (
        id bigint,
        at timestamptz,
        transaction_id xid8,
        role name,
        actor text,
        member_id text,
        line bigint,
        session_id text,
        delta bigint,
        balance bigint,
        reason text)
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'sc_explain_subscription';
COMMENT ON FUNCTION session_consistency.explain_subscription(regclass, text) IS
'Shows the life of each credit of one subscription, in order, with the balance after each line.

The columns are those of session_consistency.ledger. The last balance is the counter that is stored. The caller must
be allowed to read both tables, which are read as the owner of the sessions, restricted (docs/rights.md).

Arguments:
- sessions: the attached table
- subscriptions: needed if the sessions are attached to several tables
- subscription_id: the key as text

Errors:
- 22004: a NULL argument
- 22023: no such subscription, now or ever
- 22P02: the type of the key refuses the text
- 42501: the caller may not read every row of both tables
- 55000: the table is not attached, or has no ledger';
COMMENT ON FUNCTION session_consistency.explain_subscription(regclass, regclass, text) IS
'As explain_subscription(regclass, text), of sessions that are attached to several tables.';

CREATE FUNCTION session_consistency.ledger_gaps(
    sessions regclass DEFAULT NULL,
    subscriptions regclass DEFAULT NULL,
    OUT attachment regclass,
    OUT subscriptions regclass,
    OUT subscription_id text,
    OUT member_id text,
    OUT ledger_id bigint,
    OUT expected bigint,
    OUT actual bigint,
    OUT message text)
    RETURNS SETOF record
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'sc_ledger_gaps';
COMMENT ON FUNCTION session_consistency.ledger_gaps(regclass, regclass) IS
'Replays the ledger and returns a row for each place that does not lead to what is stored, none if all is well.

Such a place is a line before which others are missing by their numbers, or whose balance is not that of the line
before plus its delta (ledger_id names it; expected and actual are balances), or a subscription whose counter is not
the last balance (ledger_id is NULL; expected is the balance, actual the counter). Lines before the last one with
reason opened are history and not judged; nor are balances before the last one that was recounted, repaired or
truncated. If the last lines are missing and their deltas add up to 0, only run_check() can find it, if an earlier run
has seen them.

Arguments:
- sessions: the attached table
- subscriptions: needed if they are attached to several tables

Both NULL: every attachment with a ledger.

The caller must be allowed to read the sessions, which are read as their owner, restricted (docs/rights.md), in one
snapshot. Works on a standby. An attachment that cannot be read has a row of its own if all are asked for: its message
says why.

Errors:
- those of check_counts()
- 55000: also if the table has no ledger';

-- Before and after ---------------------------------------------------------------------------------------------------

CREATE FUNCTION session_consistency.audit(
    sessions regclass,
    subscriptions regclass DEFAULT NULL,
    member_column name DEFAULT 'member_id',
    subscription_column name DEFAULT 'subscription_id',
    type_column name DEFAULT 'session_type',
    status_column name DEFAULT 'status',
    consuming_types text[] DEFAULT '{member,makeup,contractual}',
    scheduled_statuses text[] DEFAULT '{scheduled,in_progress}',
    completed_statuses text[] DEFAULT '{completed}',
    subscription_member_column name DEFAULT 'member_id',
    subscription_status_column name DEFAULT 'status',
    active_statuses text[] DEFAULT '{active}',
    total_column name DEFAULT 'total_sessions_snapshot',
    used_column name DEFAULT 'used_sessions',
    remaining_column name DEFAULT 'remaining_sessions',
    carried_column name DEFAULT NULL,
    draw_order text DEFAULT NULL,
    start_column name DEFAULT NULL,
    valid_from_column name DEFAULT NULL,
    valid_until_column name DEFAULT NULL,
    time_zone text DEFAULT NULL,
    counts_when text DEFAULT NULL,
    cost text DEFAULT NULL,
    pays_when text DEFAULT NULL,
    members regclass DEFAULT NULL,
    OUT code text,
    OUT severity text,
    OUT affected bigint,
    OUT description text,
    OUT recommendation text,
    OUT samples jsonb)
    RETURNS SETOF record
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'sc_audit';
COMMENT ON FUNCTION session_consistency.audit(
    regclass, regclass, name, name, name, name, text[], text[], text[], name, name, text[], name, name, name, name,
    text, name, name, name, text, text, text, text, regclass) IS
'Says what is wrong with two tables, before anything is attached and after.

Returns one row for each category, also if it has no finding. Reads only, in one snapshot, and works on a standby.
affected is the number of findings, samples the first five as a JSON array of {member_id, subscription_id, session_id,
expected, actual}; severity is critical, high, medium or low. 

Arguments:
- those of attach(), with the same defaults; the link, used and remaining columns may be missing. If the sessions are
  attached, an argument that is left at its default stands for the value of the attachment
- subscriptions: may be left out if the sessions are attached
- members: the members table; if left out, it is found by a foreign key of the subscriptions'' member column, or of
  the sessions''. Without one, orphaned sessions are not found
- valid_from_column, valid_until_column: the ends of a period may be named without a start_column, too

Of a session, the first of these that applies:
- `orphaned_session` (medium): its member is gone
- `dangling_subscription` (high): its link leads to no subscription
- `foreign_subscription` (critical): its link leads to another member''s
- `linked_non_consuming` (medium): its type consumes nothing and it has a link
- `no_subscription` (medium): it consumes, counts_when does not leave it out, and its member has no subscription at all
- `unlinked_session` (high): it counts and has no link
- `unpaid_session` (low): it counts and has no link, and the attachment leaves what nobody could pay for
- `outside_period` (low): it counts, and the period of its subscription does not cover its start

Of a member:
- `multiple_active_subscriptions` (critical): several could pay for a session; none with a draw_order

Of a subscription, each that applies:
- `negative_remaining` (critical): total minus used or a stored remaining is below 0
- `overdrawn` (critical): more sessions are counted than its total
- `count_mismatch` (high): used is not the number of counted sessions that are linked to it, or a plain remaining
  column is not total minus used
- `zero_total` (low): its total is 0
- `future_subscription` (low): it is active before it begins; none with a start_column, by which it is not booked on

Of the periods:
- `ends_at_midnight` (low): nearly all ends are midnights of a timestamp, so that the day that begins there is no part
  of the period: are they meant as dates?

Of an attachment:
- `enforcement_gap` (critical): what is switched off or gone
- `unpinned_trigger` (low): a trigger of the subscriptions that fires when a counter is written, and whose function
  has no search_path of its own: it finds names in the schema of the subscriptions alone

A NULL total is unlimited and never overdrawn, a NULL used is a mismatch; without a used column it is total minus
remaining, and without either nothing can mismatch. For a member with a counted session whose link is NULL,
`overdrawn` and `count_mismatch` compare the sums over all subscriptions of the member with all counted sessions of
the member: one finding for the member, with no subscription named. `key_refuses` and `attach_refuses` (high): of
tables that are not attached, what attach() would refuse, a foreign key or something else; expected is what to do
about it.

Some follow from others. A link to nothing or to another member''s subscription makes a count_mismatch of the
subscription that lost the session and of the one that got it, unless their counters were changed with it; so does a
counted session that became linked_non_consuming. used above the total is negative_remaining, and with it
count_mismatch or overdrawn; a total lowered below what is counted is both overdrawn and negative_remaining, a
zero_total with counted sessions too. orphaned_session and no_subscription bring none with them; nor does
unlinked_session, as long as the member''s sums agree.

Errors:
- 22004: a NULL argument
- 42703: no such column
- 42804: a column of a wrong type
- 22P02: a listed value that the type of the column does not have
- 42809: not a table
- 42P16: a table without a primary key
- 0A000: tables that Citus distributes, but not together; or together, with the argument members
- 55000: the foreign key of an attachment is gone: name the subscriptions
- 40001: as check_counts()
- 42501: the caller may not read every row';

CREATE FUNCTION session_consistency.audit_findings(
    sessions regclass,
    subscriptions regclass DEFAULT NULL,
    member_column name DEFAULT 'member_id',
    subscription_column name DEFAULT 'subscription_id',
    type_column name DEFAULT 'session_type',
    status_column name DEFAULT 'status',
    consuming_types text[] DEFAULT '{member,makeup,contractual}',
    scheduled_statuses text[] DEFAULT '{scheduled,in_progress}',
    completed_statuses text[] DEFAULT '{completed}',
    subscription_member_column name DEFAULT 'member_id',
    subscription_status_column name DEFAULT 'status',
    active_statuses text[] DEFAULT '{active}',
    total_column name DEFAULT 'total_sessions_snapshot',
    used_column name DEFAULT 'used_sessions',
    remaining_column name DEFAULT 'remaining_sessions',
    carried_column name DEFAULT NULL,
    draw_order text DEFAULT NULL,
    start_column name DEFAULT NULL,
    valid_from_column name DEFAULT NULL,
    valid_until_column name DEFAULT NULL,
    time_zone text DEFAULT NULL,
    counts_when text DEFAULT NULL,
    cost text DEFAULT NULL,
    pays_when text DEFAULT NULL,
    members regclass DEFAULT NULL,
    OUT code text,
    OUT severity text,
    OUT member_id text,
    OUT subscription_id text,
    OUT session_id text,
    OUT expected text,
    OUT actual text,
    OUT repair_sql text)
    RETURNS SETOF record
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'sc_audit_findings';
COMMENT ON FUNCTION session_consistency.audit_findings(
    regclass, regclass, name, name, name, name, text[], text[], text[], name, name, text[], name, name, name, name,
    text, name, name, name, text, text, text, text, regclass) IS
'Names every finding of audit(), which describes the categories, the arguments and the errors.

Returns one row for each, in the order of the categories, then of the keys. Reads only.

session_id is the session''s primary key as text: of a key that is the member and one more column that one alone, of
any other key of several columns the row of them. repair_sql corrects the finding if there is one right answer, and is
NULL if a person must decide: it clears the link of a session that consumes nothing, and sets a counter to the recount
if that is within the total. Before anything is attached it is an UPDATE of that one row, which does nothing once the
row is no longer as found; if the tables are attached, it calls repair(), unless the arguments differ from the
attachment.';

CREATE PROCEDURE session_consistency.migrate(
    sessions regclass,
    subscriptions regclass DEFAULT NULL,
    batch_size integer DEFAULT 5000,
    start_column name DEFAULT NULL,
    valid_from_column name DEFAULT NULL,
    valid_until_column name DEFAULT NULL,
    created_column name DEFAULT NULL,
    when_ambiguous text DEFAULT 'leave',
    opening text DEFAULT 'report')
    LANGUAGE c AS 'MODULE_PATHNAME', 'sc_migrate';
COMMENT ON PROCEDURE session_consistency.migrate(regclass, regclass, integer, name, name, name, name, text, text) IS
'Links the history of an attached table and raises every counter to the recount, while the application runs.

Until a member is treated, used keeps the value that it had, and live writes change it by one; from there on the rules
hold for it. Gives nothing back unless it is told to. Can be called again at any time: it goes on where it was
interrupted, and changes nothing that is right.

Arguments:
- sessions: the attached table
- subscriptions: needed if they are attached to several tables
- batch_size: about how many sessions are treated in one transaction, always whole members
- start_column: a date or timestamp of the sessions that says when one began; NULL: the attachment''s
- valid_from_column, valid_until_column: dates or timestamps of the subscriptions, the ends of the period; NULL: the
  attachment''s
- created_column: a date or timestamp of the subscriptions: when one was made
- when_ambiguous: what becomes of sessions that no rule attributes: ''leave'', ''fill'' or ''active''
- opening: what becomes of credits that were used beyond what sessions hold: ''report'', ''carry'' or ''give_back''

Periods mean what they mean in attach(): both days of a period count, of timestamps the first moment and not the last,
and a start that is a date counts by its first moment. What has a zone is compared by the local time in the time_zone
of the attachment, or if that names none and one is needed, in the caller''s TimeZone.

Of each member the consuming sessions without a link are attributed, the oldest first (by start, those without one
last, then by primary key). A counted session takes one credit of what the total leaves beside the sessions that are
linked already; one that is not counted needs no room; a NULL total always has room. A scheduled session goes to an
active subscription only, and if the attachment has a period, to one that covers its start. If the attachment has a
pays_when, a subscription for which that is false is none to the session, whatever its status and whatever is chosen. A
session that counts_when leaves out is not attributed. The rules in their order, with the names that the summary and
migration_progress have for them:
- `draw_order`: if the attachment has one, the first subscription in that order, then by key, that covers the start and
  has room, as a booking draws it; of the next three none applies then
- `only_period`: one subscription covers the start, and has room
- `first_period`: several cover it: the one that began first and has room, none if two began at once
- `only_subscription`: none covers it, or no period is known: the member''s only subscription, if it has room
- `when_ambiguous`: what when_ambiguous says

A subscription without either date has no period. What is left has one of these reasons:
- `no_subscription`: the member has none
- `full`: no room
- `inactive`: scheduled, and no active subscription
- `outside_period`: no subscription covers the start, with a draw_order, or of a scheduled session no active one
- `does_not_pay`: pays_when is false for all that the member has
- `no_start`: periods are known, but not when the session began
- `ambiguous`: any other

With ''fill'' such sessions go to the member''s subscriptions in the order of valid_from, created (NULL first) and
key, as room allows; with ''active'' to the active one with room, else to the newest with room; both count as
`when_ambiguous`.

A session that is linked already keeps its link; one that consumes nothing is not touched. A counter below the recount
is raised to it. One that is beyond it, or whose plain remaining column shows that more is gone, has an opening
balance: credits that the table says are used and that no session holds. With ''report'' it stays (of the two columns
the one that says more counts), is named in the summary, and the attachment is not enforced until a person has
decided; with ''carry'' it stays and is carried from then on, a part of the recount; with ''give_back'' the counter
becomes the recount. What is linked beyond the total is shown by the counter, too: nothing more can be booked on such a
subscription, cancelling works, and summary and attachments name it until it is resolved. The CHECK that attach() made
is dropped meanwhile; if a CHECK of the table''s own forbids to show it, the counter is set to the total.

Each batch is a transaction. It waits for no row lock while it holds another: members whose rows are locked are
treated later, alone, and only then is a lock waited for, as long as lock_timeout allows. statement_timeout covers the
whole call. When everybody has been treated the counters are checked once, and a member with a wrong one, as after a
subscription went to another member meanwhile, is treated again. Rows that it cannot lock as they were listed, in 50
passes that get nowhere, end the call. At the end the constraints that attach() left out or NOT VALID are added and
validated as far as no row violates them; the summary names what stays. NOTICEs report the progress, at most one a
second, and at the end the summary; migration_progress shows both to other sessions.

Errors:
- 25001: called inside a transaction block or a function
- 25006: called in a read-only transaction
- 22004: a NULL argument
- 22023: a batch_size below 1 or an unknown when_ambiguous or opening
- 0A000: tables that Citus distributes, but not together
- 55000: the table is not attached, or rows cannot be locked as they were listed
- 42501: the caller does not own both tables, or row-level security may hide rows
- 42703, 42804: a column that does not exist, or is no date or timestamp
- 55006: another call migrates the same table: the error names its process and role
- 55P03: lock_timeout ended a wait
- 09000: one of the user''s triggers keeps a link from being written';

CREATE PROCEDURE session_consistency.purge_sessions(
    sessions regclass,
    before timestamptz,
    batch_size integer DEFAULT 5000,
    subscriptions regclass DEFAULT NULL)
    LANGUAGE c AS 'MODULE_PATHNAME', 'sc_purge_sessions';
COMMENT ON PROCEDURE session_consistency.purge_sessions(regclass, timestamptz, integer, regclass) IS
'Deletes old sessions without giving credits back: what they held is carried from then on.

The subscriptions carry what each session held as soon as it is gone, in the same transaction: used stays as it is, and
every recount agrees with it. The ledger has a line `purged` with a delta of 0 for each. Copy what you want to keep
before; a partition that is empty then can be dropped.

Arguments:
- sessions: the attached table
- before: sessions that began before it go, whatever their type and status; those without a start stay. It is compared
  in the caller''s TimeZone if the start_column has no time zone
- batch_size: how many sessions are deleted in one transaction
- subscriptions: needed if they are attached to several tables: whose start_column says when a session began. Each of
  these tables must have a carried_column

It is an ordinary DELETE: triggers of the table fire, and keys that refer to the sessions cascade or refuse. Each batch
is a transaction; it can be interrupted at any time, and called again. A session that is locked is not waited for: it
is purged later, by itself, as long as lock_timeout allows. A NOTICE says at the end how many sessions are gone.

Errors:
- 25001: called inside a transaction block or a function
- 25006: called in a read-only transaction
- 22004: a NULL argument
- 22023: a batch_size below 1
- 42501: the caller does not own both tables, or row-level security may hide rows
- 0A000: tables that Citus distributes, but not together
- 55000: the table is not attached, or without a carried_column or a start_column, or a trigger that keeps the counters
  does not fire
- 42P08: the sessions are attached to several tables, and subscriptions is NULL
- 55006: another call migrates or purges the same table
- 55P03: lock_timeout ended a wait';

CREATE TABLE session_consistency.migration_runs (
    pair integer NOT NULL,
    started timestamptz NOT NULL,
    pid integer NOT NULL,
    updated timestamptz NOT NULL,
    finished timestamptz,
    phase text NOT NULL,
    rows_done bigint NOT NULL DEFAULT 0,
    rows_total bigint,
    rate double precision,
    members bigint NOT NULL DEFAULT 0,
    subscriptions bigint NOT NULL DEFAULT 0,
    counters bigint NOT NULL DEFAULT 0,
    linked jsonb NOT NULL DEFAULT '{}',
    unlinked jsonb NOT NULL DEFAULT '{}',
    remarks text[] NOT NULL DEFAULT '{}',
    PRIMARY KEY (pair, started));
SELECT pg_catalog.pg_extension_config_dump('session_consistency.migration_runs', '');
COMMENT ON TABLE session_consistency.migration_runs IS
'What migration_progress shows: a row for each call of migrate(), written in the transaction of each batch.

Nobody but the extension''s owner may read it: use the view.';
COMMENT ON COLUMN session_consistency.migration_runs.pair IS
'The attached tables: session_consistency._pairs has their names.';
COMMENT ON COLUMN session_consistency.migration_runs.started IS 'As in migration_progress.';
COMMENT ON COLUMN session_consistency.migration_runs.pid IS 'As in migration_progress.';
COMMENT ON COLUMN session_consistency.migration_runs.updated IS 'As in migration_progress.';
COMMENT ON COLUMN session_consistency.migration_runs.finished IS 'As in migration_progress.';
COMMENT ON COLUMN session_consistency.migration_runs.phase IS 'What the call was at when it last wrote.';
COMMENT ON COLUMN session_consistency.migration_runs.rows_done IS 'As in migration_progress.';
COMMENT ON COLUMN session_consistency.migration_runs.rows_total IS 'As in migration_progress.';
COMMENT ON COLUMN session_consistency.migration_runs.rate IS 'As in migration_progress.';
COMMENT ON COLUMN session_consistency.migration_runs.members IS 'As in migration_progress.';
COMMENT ON COLUMN session_consistency.migration_runs.subscriptions IS 'As in migration_progress.';
COMMENT ON COLUMN session_consistency.migration_runs.counters IS 'As in migration_progress.';
COMMENT ON COLUMN session_consistency.migration_runs.linked IS 'As in migration_progress.';
COMMENT ON COLUMN session_consistency.migration_runs.unlinked IS 'As in migration_progress.';
COMMENT ON COLUMN session_consistency.migration_runs.remarks IS 'As in migration_progress.';

CREATE VIEW session_consistency.migration_progress WITH (security_barrier = true) AS
    SELECT p.sessions::regclass AS sessions, r.pid, r.started, r.updated, r.finished,
           CASE WHEN r.finished IS NOT NULL OR l.migrating THEN r.phase ELSE 'interrupted' END AS phase,
           r.rows_done, r.rows_total, r.rate,
           CASE WHEN r.finished IS NULL AND l.migrating AND r.rate > 0
                THEN pg_catalog.make_interval(secs => (r.rows_total - r.rows_done) / r.rate) END AS time_left,
           r.members, r.subscriptions, r.counters, r.linked, r.unlinked, r.remarks,
           p.subscriptions::regclass AS subscriptions_table
    FROM session_consistency.migration_runs AS r JOIN session_consistency._pairs AS p ON p.pair = r.pair,
         LATERAL (SELECT EXISTS (
             SELECT FROM pg_catalog.pg_locks l
             WHERE l.locktype = 'object' AND l.pid = r.pid AND l.objid = p.sessions_oid AND l.granted
                   AND l.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                   AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d
                                     WHERE d.datname = pg_catalog.current_database()))) AS l (migrating)
    WHERE coalesce(pg_catalog.has_table_privilege(p.sessions::regclass, 'SELECT'), false)
          OR pg_catalog.pg_has_role('pg_monitor', 'USAGE');
COMMENT ON VIEW session_consistency.migration_progress IS
'How far each call of migrate() is, or how it ended: as of the last batch, for whoever may read the sessions, and for
members of pg_monitor.';
COMMENT ON COLUMN session_consistency.migration_progress.sessions IS 'The table of the sessions; NULL if it is gone.';
COMMENT ON COLUMN session_consistency.migration_progress.pid IS 'The process that makes the call.';
COMMENT ON COLUMN session_consistency.migration_progress.started IS 'When the call began.';
COMMENT ON COLUMN session_consistency.migration_progress.updated IS 'When the last batch was done.';
COMMENT ON COLUMN session_consistency.migration_progress.finished IS
'When the call ended; NULL: it has not, or was interrupted.';
COMMENT ON COLUMN session_consistency.migration_progress.phase IS
'listing, linking, retrying (members that were locked), validating (constraints), finished or interrupted.';
COMMENT ON COLUMN session_consistency.migration_progress.rows_done IS
'Rows that are done with: consuming sessions without a link, and subscriptions.';
COMMENT ON COLUMN session_consistency.migration_progress.rows_total IS 'Such rows in all; NULL until they are listed.';
COMMENT ON COLUMN session_consistency.migration_progress.rate IS 'Rows per second, on average.';
COMMENT ON COLUMN session_consistency.migration_progress.time_left IS
'How long the rest will take at that rate; NULL if nothing is going on.';
COMMENT ON COLUMN session_consistency.migration_progress.members IS 'Members treated.';
COMMENT ON COLUMN session_consistency.migration_progress.subscriptions IS 'Subscriptions counted again.';
COMMENT ON COLUMN session_consistency.migration_progress.counters IS 'Counters that were set to another value.';
COMMENT ON COLUMN session_consistency.migration_progress.linked IS
'Sessions linked, by rule: only_period, first_period, only_subscription, when_ambiguous.';
COMMENT ON COLUMN session_consistency.migration_progress.unlinked IS
'Sessions left without a link, by reason: no_subscription, full, ambiguous, no_start, inactive, outside_period,
does_not_pay.';
COMMENT ON COLUMN session_consistency.migration_progress.remarks IS
'What stays for a person to resolve: opening balances, subscriptions with more than their total, and what is not
enforced yet.';
COMMENT ON COLUMN session_consistency.migration_progress.subscriptions_table IS
'The table of the subscriptions; NULL if it is gone.';
GRANT SELECT ON session_consistency.migration_progress TO PUBLIC;

-- Repairing ----------------------------------------------------------------------------------------------------------

CREATE TABLE session_consistency._repairs (
    repair_id bigint PRIMARY KEY,
    repaired_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    repaired_by name NOT NULL,
    pair integer NOT NULL,
    code text NOT NULL,
    member_id text,
    subscription_id text,
    session_id text,
    key jsonb,
    action text NOT NULL,
    before jsonb NOT NULL,
    after jsonb NOT NULL,
    undone_at timestamptz,
    undone_by name);
SELECT pg_catalog.pg_extension_config_dump('session_consistency._repairs', '');

CREATE VIEW session_consistency.repairs WITH (security_barrier = true) AS
    SELECT r.repair_id, r.repaired_at, r.repaired_by, p.sessions::regclass AS sessions,
           p.subscriptions::regclass AS subscriptions, r.code, r.member_id, r.subscription_id, r.session_id, r.action,
           r.before, r.after, r.undone_at, r.undone_by
    FROM session_consistency._repairs AS r JOIN session_consistency._pairs AS p ON p.pair = r.pair
    WHERE session_consistency._may_read(p.sessions, p.subscriptions);
GRANT SELECT ON session_consistency.repairs TO PUBLIC;
COMMENT ON VIEW session_consistency.repairs IS
'What repair() changed, a row for each change, for whoever may read both tables; of a table that is gone, for members
of pg_read_all_data.

Goes along with pg_dump.';
COMMENT ON COLUMN session_consistency.repairs.repair_id IS 'The argument of undo_repair().';
COMMENT ON COLUMN session_consistency.repairs.repaired_at IS 'When.';
COMMENT ON COLUMN session_consistency.repairs.repaired_by IS 'The role that called repair().';
COMMENT ON COLUMN session_consistency.repairs.sessions IS 'The attached table of the sessions; NULL if it is gone.';
COMMENT ON COLUMN session_consistency.repairs.subscriptions IS 'The table of their subscriptions; NULL if it is gone.';
COMMENT ON COLUMN session_consistency.repairs.code IS 'The category of the finding, as in audit().';
COMMENT ON COLUMN session_consistency.repairs.member_id IS 'Whose subscription or session it is.';
COMMENT ON COLUMN session_consistency.repairs.subscription_id IS
'The subscription whose counter was set, or that the cleared link named.';
COMMENT ON COLUMN session_consistency.repairs.session_id IS
'The session whose link was cleared; NULL if a counter was set.';
COMMENT ON COLUMN session_consistency.repairs.action IS 'What was done.';
COMMENT ON COLUMN session_consistency.repairs.before IS
'Of a counter: total, used and, if it is a plain column, remaining. Of a link: member_id, subscription_id, type and
status of the session.';
COMMENT ON COLUMN session_consistency.repairs.after IS 'The same afterwards.';
COMMENT ON COLUMN session_consistency.repairs.undone_at IS
'When undo_repair() put the state before back; NULL if it stands.';
COMMENT ON COLUMN session_consistency.repairs.undone_by IS 'The role that called undo_repair().';

CREATE FUNCTION session_consistency.repair(
    sessions regclass,
    subscriptions regclass DEFAULT NULL,
    dry_run boolean DEFAULT true,
    OUT repair_id bigint,
    OUT code text,
    OUT subscription_id text,
    OUT session_id text,
    OUT action text,
    OUT before jsonb,
    OUT after jsonb)
    RETURNS SETOF record
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'sc_repair';
COMMENT ON FUNCTION session_consistency.repair(regclass, regclass, boolean) IS
'Repairs what has one right answer: wrong counters, and links of sessions that consume nothing.

These are the findings for which audit_findings() has a repair_sql. Returns one row for each change. By default it
only says what it would change; with dry_run => false it makes the changes, and logs each in the view repairs.

Arguments:
- sessions: the attached table
- subscriptions: needed if the sessions are attached to several tables
- dry_run: only say what would change

If a partition that a check has seen was detached or dropped since, spent credits would come back: a WARNING and the
action of each such row say how many.

It sets a counter to the recount of linked sessions, and a plain remaining column to total minus used, if the recount
is within the total and every counted session of the member is linked; and it clears the link of a session that
consumes nothing. It decides nothing else: a subscription with more sessions than its total, a session without a link,
several active subscriptions stay findings, with their advice in audit().

Columns: repair_id (NULL in a dry run), code (the category of the finding), subscription_id, session_id (NULL: a
counter), action, before and after as in the view repairs.

The caller must own both tables. One transaction. Exact while the application books: each counter is counted again
under the lock of its row, and what is written meanwhile waits for that row and is charged on top. Transactions that
write several sessions one after the other may meet it in a deadlock: then one of both is given up whole, and can be
run again. The user''s triggers fire.

Errors:
- 22004: a NULL argument
- 42P01: no such table
- 0A000: tables that Citus distributes, but not together
- 25001: not a dry run, of tables that Citus distributes, inside a transaction block
- 55000: not attached, or without its foreign key
- 42501: not the owner, or row-level security hides rows
- 40001: a row changed since the snapshot of a REPEATABLE READ or SERIALIZABLE transaction
- 25006: not a dry run, on a standby or in a READ ONLY transaction';

CREATE FUNCTION session_consistency._repair_shard(
    sessions regclass,
    subscriptions regclass,
    dry_run boolean,
    OUT repair_id bigint,
    OUT code text,
    OUT subscription_id text,
    OUT session_id text,
    OUT action text,
    OUT before jsonb,
    OUT after jsonb,
    OUT member_id text,
    OUT session_key text)
    RETURNS SETOF record
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'sc_repair';
COMMENT ON FUNCTION session_consistency._repair_shard(regclass, regclass, boolean) IS
'repair() of one shard of a table of Citus, which calls it on each.';

CREATE FUNCTION session_consistency.undo_repair(repair_id bigint) RETURNS void
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'sc_undo_repair';
COMMENT ON FUNCTION session_consistency.undo_repair(bigint) IS
'Puts back the state before one change of repair(), which may bring the finding back.

Only if the row is still as the repair left it: the figures of a subscription, or member, link, type and status of a
session.

The caller must own both tables.

Errors:
- 22004: a NULL argument
- 42704: no such repair
- 25001: of tables that Citus distributes, inside a transaction block
- 55000: undone already, the row has changed since or is gone, or the table is not attached as it was
- 23514, 23502, 23503: a constraint forbids the old value
- 42501: not the owner
- 40001: as repair()
- 25006: on a standby and in a READ ONLY transaction';

CREATE FUNCTION session_consistency._undo_shard_repair(sessions regclass, subscriptions regclass, repair_id bigint,
    member_id text, subscription_id text, session_id text, session_key text, before text, after text) RETURNS void
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'sc_undo_shard_repair';
COMMENT ON FUNCTION session_consistency._undo_shard_repair(
    regclass, regclass, bigint, text, text, text, text, text, text) IS
'undo_repair() of one shard of a table of Citus, which calls it there.';

-- Watching -----------------------------------------------------------------------------------------------------------

CREATE TABLE session_consistency._check_runs (
    run_id bigint PRIMARY KEY,
    started timestamptz NOT NULL,
    finished timestamptz NOT NULL,
    run_by name NOT NULL,
    sessions session_consistency.table_ref,
    subscriptions session_consistency.table_ref,
    checked integer[] NOT NULL,
    subscription_rows bigint NOT NULL,
    session_rows bigint NOT NULL,
    new_findings bigint NOT NULL,
    ended_findings bigint NOT NULL,
    open_findings bigint NOT NULL);
SELECT pg_catalog.pg_extension_config_dump('session_consistency._check_runs', '');

CREATE TABLE session_consistency._check_findings (
    finding_id bigint PRIMARY KEY,
    pair integer NOT NULL,
    code text NOT NULL,
    severity text NOT NULL,
    member_id text,
    subscription_id text,
    session_id text,
    expected text,
    actual text,
    identity bytea NOT NULL,
    first_run bigint NOT NULL,
    last_run bigint NOT NULL,
    first_seen timestamptz NOT NULL,
    last_seen timestamptz NOT NULL,
    ended timestamptz);
-- What is open is compared with what a check finds; what has ended goes by its age.
CREATE UNIQUE INDEX _check_findings_open ON session_consistency._check_findings (pair, identity)
    WHERE ended IS NULL;
CREATE INDEX _check_findings_ended ON session_consistency._check_findings (ended) WHERE ended IS NOT NULL;
SELECT pg_catalog.pg_extension_config_dump('session_consistency._check_findings', '');

-- The last line of each subscription in the ledger that a check has seen: it must still be there.
CREATE TABLE session_consistency._ledger_seen (
    pair integer NOT NULL,
    subscription_id text COLLATE "C" NOT NULL,
    member_id text COLLATE "C" NOT NULL,      -- '' where the ledger has NULL
    line bigint NOT NULL,
    id bigint NOT NULL,
    transaction_id xid8 NOT NULL,
    PRIMARY KEY (pair, subscription_id, member_id));
SELECT pg_catalog.pg_extension_config_dump('session_consistency._ledger_seen', '');

CREATE VIEW session_consistency.check_runs WITH (security_barrier = true) AS
    SELECT run_id, started, finished, finished - started AS duration, run_by, sessions::regclass AS sessions,
           subscriptions::regclass AS subscriptions,
           ARRAY(SELECT p.sessions::regclass FROM pg_catalog.unnest(checked) WITH ORDINALITY AS c (pair, place)
                 JOIN session_consistency._pairs AS p ON p.pair = c.pair ORDER BY c.place) AS checked,
           subscription_rows, session_rows, new_findings, ended_findings, open_findings
    FROM session_consistency._check_runs
    WHERE pg_catalog.pg_has_role('pg_monitor', 'USAGE')
          OR NOT EXISTS (SELECT FROM session_consistency._pairs AS p
                         WHERE p.pair = ANY (checked) AND NOT session_consistency._may_read(p.sessions, NULL));
GRANT SELECT ON session_consistency.check_runs TO PUBLIC;
COMMENT ON VIEW session_consistency.check_runs IS
'The runs of run_check(), for whoever may read all sessions that a run looked at, and for members of pg_monitor.

Kept as long as the setting session_consistency.keep_history says; goes along with pg_dump.';
COMMENT ON COLUMN session_consistency.check_runs.run_id IS 'What run_check() returned.';
COMMENT ON COLUMN session_consistency.check_runs.started IS 'When the check began.';
COMMENT ON COLUMN session_consistency.check_runs.finished IS 'When it ended.';
COMMENT ON COLUMN session_consistency.check_runs.duration IS 'How long it took.';
COMMENT ON COLUMN session_consistency.check_runs.run_by IS 'The role that called run_check().';
COMMENT ON COLUMN session_consistency.check_runs.sessions IS 'The argument of run_check(); NULL: every attachment.';
COMMENT ON COLUMN session_consistency.check_runs.subscriptions IS 'Its second argument.';
COMMENT ON COLUMN session_consistency.check_runs.checked IS
'The tables of sessions that it looked at; NULL for one that is gone.';
COMMENT ON COLUMN session_consistency.check_runs.subscription_rows IS 'How many subscriptions it looked at.';
COMMENT ON COLUMN session_consistency.check_runs.session_rows IS 'How many sessions it looked at.';
COMMENT ON COLUMN session_consistency.check_runs.new_findings IS 'Findings that were not open before.';
COMMENT ON COLUMN session_consistency.check_runs.ended_findings IS 'Findings that were open before, and are gone.';
COMMENT ON COLUMN session_consistency.check_runs.open_findings IS 'Findings that are open after it, old and new.';

CREATE VIEW session_consistency.check_findings WITH (security_barrier = true) AS
    SELECT f.finding_id, p.sessions::regclass AS sessions, p.subscriptions::regclass AS subscriptions, f.code,
           f.severity, f.member_id, f.subscription_id, f.session_id, f.expected, f.actual, f.first_run, f.last_run,
           f.first_seen, f.last_seen, f.ended
    FROM session_consistency._check_findings AS f JOIN session_consistency._pairs AS p ON p.pair = f.pair
    WHERE session_consistency._may_read(p.sessions, p.subscriptions);
GRANT SELECT ON session_consistency.check_findings TO PUBLIC;
COMMENT ON VIEW session_consistency.check_findings IS
'What the runs of run_check() found: one row for each finding from its first sight to its end, for whoever may read
both tables; of a table that is gone, for members of pg_read_all_data.

Open ones are always kept, others as long as the setting session_consistency.keep_history says; goes along with
pg_dump.';
COMMENT ON COLUMN session_consistency.check_findings.finding_id IS 'Its number.';
COMMENT ON COLUMN session_consistency.check_findings.sessions IS
'The attached table of the sessions; NULL if it is gone.';
COMMENT ON COLUMN session_consistency.check_findings.subscriptions IS
'The table of their subscriptions; NULL if it is gone, or cannot be determined.';
COMMENT ON COLUMN session_consistency.check_findings.code IS
'The category, as in audit(); or ledger_gap, partition_left.';
COMMENT ON COLUMN session_consistency.check_findings.severity IS 'critical, high, medium or low.';
COMMENT ON COLUMN session_consistency.check_findings.member_id IS 'The member that it is about, as text.';
COMMENT ON COLUMN session_consistency.check_findings.subscription_id IS 'The subscription that it is about, as text.';
COMMENT ON COLUMN session_consistency.check_findings.session_id IS 'The session that it is about, as text.';
COMMENT ON COLUMN session_consistency.check_findings.expected IS 'What should be, as of the last run that saw it.';
COMMENT ON COLUMN session_consistency.check_findings.actual IS 'What was there, as of the last run that saw it.';
COMMENT ON COLUMN session_consistency.check_findings.first_run IS 'The run that saw it first.';
COMMENT ON COLUMN session_consistency.check_findings.last_run IS 'The last run that saw it.';
COMMENT ON COLUMN session_consistency.check_findings.first_seen IS 'When it was seen first.';
COMMENT ON COLUMN session_consistency.check_findings.last_seen IS 'When it was seen last.';
COMMENT ON COLUMN session_consistency.check_findings.ended IS 'When a run did not find it any more; NULL: it is open.';

CREATE FUNCTION session_consistency.run_check(sessions regclass DEFAULT NULL, subscriptions regclass DEFAULT NULL)
    RETURNS bigint
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'sc_run_check';
COMMENT ON FUNCTION session_consistency.run_check(regclass, regclass) IS
'Checks one attachment, or all of them, and keeps what it finds in the views check_runs and check_findings.

Returns the id of the run.

Arguments:
- sessions: the attached table
- subscriptions: needed if the sessions are attached to several tables

Both NULL: every attachment.

It finds what audit_findings() finds, and what would switch the rules off: triggers disabled, changed or dropped, a
partition without its own, constraints dropped or not validated, invalid indexes, a foreign key gone, columns renamed,
and session_replication_role set to replica for a role, the database or the whole server. What has no row event shows
as drift of the counters: writes without triggers, a truncated, dropped, detached or attached partition.

A partition that a check has seen, and that was detached or dropped since, took its sessions along: it is named as
`partition_left` (high) as long as counters are above their recount, with the credits that repair() would give back.

With a ledger it also finds, as `ledger_gap` (high), what ledger_gaps() finds, and that the last line of a
subscription that an earlier check has seen is gone. A counter that was changed past the triggers is both a
count_mismatch and a ledger_gap; repair() ends both. A ledger that was tampered with stays one until open_ledger()
opens the books again.

A finding that was there before is not reported again: it is one row with the first and the last time it was seen, and
its end. It is the same finding as long as its table, category, member, subscription and session are, whatever its
figures. If something is new, one NOTIFY on the channel session_consistency follows with the commit; its payload is a
JSON object of less than 8,000 bytes that names no row: run_id, new_findings, open_findings, by_severity (new ones),
findings (new ones by attachment, code and severity) and omitted (how many of them the list had no room for).

The rows of an attachment that is too broken to be read, for example without one of its columns, are not judged: that
is a finding itself, and what was found in them before stays open.

The caller must be allowed to read every row. The tables are read as their owners, restricted (docs/rights.md). Locks
like a SELECT: no booking waits for it. It writes nothing but its own history; two runs wait for each other. Runs and
findings that have ended are deleted when they are older than the setting session_consistency.keep_history, 400 days
unless a superuser sets it: ALTER DATABASE ... SET session_consistency.keep_history = ''90d'', -1 for ever.

Errors:
- 42P01: no such table
- 0A000: tables that Citus distributes, but not together
- 55000: not attached
- 42501: the caller may not read every row
- 25006: in a READ ONLY transaction or on a standby';

CREATE FUNCTION session_consistency.list_usage()
    RETURNS TABLE (
        sessions regclass,
        subscriptions regclass,
        enforced boolean,
        subscription_rows bigint,
        unlimited_rows bigint,
        total numeric,
        used numeric,
        remaining numeric)
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'sc_list_usage';
COMMENT ON FUNCTION session_consistency.list_usage() IS
'Returns what the view metrics shows: if each attachment is enforced, and the sums over its subscriptions.

The sums are NULL if the caller may not read the subscriptions and is no member of pg_monitor, and if they cannot be
determined.';

CREATE VIEW session_consistency.metrics WITH (security_barrier = true) AS
    SELECT u.sessions, u.subscriptions, u.enforced, u.subscription_rows, u.unlimited_rows, u.total, u.used, u.remaining,
           r.finished AS last_check,
           pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - r.finished) AS last_check_age,
           pg_catalog.date_part('epoch', r.finished - r.started) AS last_check_duration
    FROM session_consistency.list_usage() AS u
         LEFT JOIN LATERAL (SELECT c.started, c.finished
                            FROM session_consistency._pairs AS p JOIN session_consistency._check_runs AS c
                                 ON p.pair = ANY (c.checked)
                            WHERE p.sessions_oid = u.sessions
                                  AND (u.subscriptions IS NULL OR p.subscriptions_oid = u.subscriptions)
                            ORDER BY c.finished DESC LIMIT 1) AS r ON true
    WHERE pg_catalog.pg_has_role('pg_monitor', 'USAGE')
          OR session_consistency._may_read(u.sessions::session_consistency.table_ref,
                                           u.subscriptions::session_consistency.table_ref);
GRANT SELECT ON session_consistency.metrics TO PUBLIC;
COMMENT ON VIEW session_consistency.metrics IS
'One row for each attachment with what is worth a graph, for members of pg_monitor and for whoever may read both
tables.

Reads every subscription, no session.';
COMMENT ON COLUMN session_consistency.metrics.sessions IS 'The attached table of the sessions.';
COMMENT ON COLUMN session_consistency.metrics.subscriptions IS
'The table of their subscriptions; NULL if the foreign key is gone.';
COMMENT ON COLUMN session_consistency.metrics.enforced IS 'As in attachments.';
COMMENT ON COLUMN session_consistency.metrics.subscription_rows IS 'How many subscriptions there are.';
COMMENT ON COLUMN session_consistency.metrics.unlimited_rows IS 'How many of them have no total.';
COMMENT ON COLUMN session_consistency.metrics.total IS 'Credits sold, without the unlimited ones.';
COMMENT ON COLUMN session_consistency.metrics.used IS 'Credits used, those of unlimited subscriptions too.';
COMMENT ON COLUMN session_consistency.metrics.remaining IS 'Credits left, without unlimited subscriptions.';
COMMENT ON COLUMN session_consistency.metrics.last_check IS
'When run_check() last looked at it; NULL: never, or before what history is kept.';
COMMENT ON COLUMN session_consistency.metrics.last_check_age IS 'How long ago that is, in seconds.';
COMMENT ON COLUMN session_consistency.metrics.last_check_duration IS 'How long that run took, in seconds.';

CREATE VIEW session_consistency.open_findings WITH (security_barrier = true) AS
    WITH attached AS (
        SELECT a.sessions, a.subscriptions, p.pair
        FROM session_consistency.list_attachments() AS a LEFT JOIN session_consistency._pairs AS p
             ON p.sessions_oid = a.sessions
                AND (a.subscriptions IS NULL OR p.subscriptions_oid = a.subscriptions)),
    told AS (
        SELECT t.pair, t.sessions::session_consistency.table_ref AS sessions,
               t.subscriptions::session_consistency.table_ref AS subscriptions
        FROM attached AS t
        UNION ALL
        SELECT p.pair, p.sessions, p.subscriptions
        FROM session_consistency._pairs AS p
        WHERE p.pair IN (SELECT o.pair FROM session_consistency._check_findings AS o WHERE o.ended IS NULL)
              AND p.pair NOT IN (SELECT t.pair FROM attached AS t WHERE t.pair IS NOT NULL))
    SELECT t.sessions::regclass AS sessions, t.subscriptions::regclass AS subscriptions, s.severity,
           pg_catalog.count(f.finding_id) AS findings, pg_catalog.min(f.first_seen) AS oldest,
           t.sessions::text AS sessions_name, t.subscriptions::text AS subscriptions_name
    FROM told AS t
         CROSS JOIN (VALUES ('critical'), ('high'), ('medium'), ('low')) AS s (severity)
         LEFT JOIN session_consistency._check_findings AS f
             ON f.pair = t.pair AND f.severity = s.severity AND f.ended IS NULL
    WHERE pg_catalog.pg_has_role('pg_monitor', 'USAGE') OR session_consistency._may_read(t.sessions, t.subscriptions)
    GROUP BY t.pair, t.sessions::text, t.subscriptions::text, t.sessions::regclass, t.subscriptions::regclass,
             s.severity;
GRANT SELECT ON session_consistency.open_findings TO PUBLIC;
COMMENT ON VIEW session_consistency.open_findings IS
'How many findings are open, as of the last runs of run_check(): a row for each attachment and severity, for members of
pg_monitor and for whoever may read both tables.';
COMMENT ON COLUMN session_consistency.open_findings.sessions IS
'The table of the sessions; one that is attached no longer, as long as something of it is open; NULL if it is gone.';
COMMENT ON COLUMN session_consistency.open_findings.subscriptions IS
'The table of their subscriptions; NULL if it is gone, or cannot be determined.';
COMMENT ON COLUMN session_consistency.open_findings.severity IS 'critical, high, medium or low.';
COMMENT ON COLUMN session_consistency.open_findings.findings IS 'How many are open.';
COMMENT ON COLUMN session_consistency.open_findings.oldest IS
'Since when the oldest of them is; NULL if there is none.';
COMMENT ON COLUMN session_consistency.open_findings.sessions_name IS
'The name of the table of the sessions; with "gone: " before it if it was dropped.';
COMMENT ON COLUMN session_consistency.open_findings.subscriptions_name IS
'The name of the table of the subscriptions, likewise.';

CREATE FUNCTION session_consistency.schedule_check(
    schedule text DEFAULT '15 3 * * *',
    sessions regclass DEFAULT NULL,
    subscriptions regclass DEFAULT NULL)
    RETURNS bigint
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'sc_schedule_check';
COMMENT ON FUNCTION session_consistency.schedule_check(text, regclass, regclass) IS
'Has pg_cron call run_check() regularly, as the calling role: every night at 3:15, or as the schedule says.

Returns the id of the job in cron.job. Called again, it replaces the job: there is one for all attachments, and one
for each table.

Arguments:
- schedule: in the syntax of cron and the time zone of pg_cron
- sessions: the attached table to check
- subscriptions: needed if the sessions are attached to several tables

Both tables NULL: every attachment.

Errors:
- 22004: a NULL schedule
- 55000: pg_cron is not loaded, not installed, or serves another database (the hint says what to do), or the table is
  not attached
- 42P01: no such table
- 42501: no USAGE on the schema cron
- any error of pg_cron for a schedule that it does not accept';

CREATE FUNCTION session_consistency.unschedule_check() RETURNS bigint
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'sc_unschedule_check';
COMMENT ON FUNCTION session_consistency.unschedule_check() IS
'Removes the jobs that schedule_check() has made in this database.

Returns how many they were.

A role removes its own jobs, a superuser all.

Errors:
- 55000: as schedule_check()
- 42501: no USAGE on the schema cron';

-- Dumping ------------------------------------------------------------------------------------------------------------

-- pg_dump reads all of this as whoever calls it, or fails. The owner of the database may dump it, and so read it.
GRANT SELECT ON
    session_consistency._pairs, session_consistency.ledger, session_consistency.migration_runs,
    session_consistency._repairs, session_consistency._check_runs, session_consistency._check_findings,
    session_consistency._ledger_seen
    TO pg_database_owner;
