-- Which locks attach and detach hold: readers are kept out only where a column or a CHECK is added, and by detach.
\getenv top PG_ABS_SRCDIR
\set test attach_locks
\set partitioned on
\set gym :top /test/fixtures/gym.sql
\i :gym
ALTER TABLE member_subscriptions DROP used_sessions CASCADE;
\set VERBOSITY default
\pset format unaligned
\pset tuples_only on
-- The strongest lock of this transaction on each table.
CREATE FUNCTION locks() RETURNS SETOF text LANGUAGE sql AS $$
    SELECT format('%s: %s', c.relname, (SELECT mode FROM pg_locks l WHERE l.relation = c.oid AND l.pid = pg_backend_pid()
        ORDER BY array_position('{AccessExclusiveLock,ExclusiveLock,ShareRowExclusiveLock,ShareLock,
            ShareUpdateExclusiveLock,RowExclusiveLock,RowShareLock,AccessShareLock}', l.mode) LIMIT 1))
    FROM pg_class c WHERE c.relnamespace = 'attach_locks'::regnamespace AND c.relkind IN ('r', 'p') AND relname <> 'members'
    ORDER BY 1 $$;
\set attach 'BEGIN; SELECT count(*) FROM session_consistency.attach(''training_sessions'', ''member_subscriptions'', link_check => :check); SELECT locks(); ROLLBACK;'
\set check false

-- A dry run keeps nobody waiting.
BEGIN;
SELECT count(*) FROM session_consistency.attach('training_sessions', 'member_subscriptions', dry_run => true);
SELECT locks();
ROLLBACK;

-- Both columns and the CHECK are added.
:attach

-- Prepared: the printed ADD COLUMN and CREATE INDEX ran before. The CHECK still needs the subscriptions alone.
SELECT command FROM session_consistency.attach('training_sessions', 'member_subscriptions', dry_run => true)
WHERE action IN ('add column', 'create index') \gexec
:attach

-- With a CHECK of one's own nobody who reads has to wait, unless the one on links is asked for as well.
ALTER TABLE member_subscriptions ADD CHECK (used_sessions BETWEEN 0 AND total_sessions_snapshot) NOT VALID;
:attach
\set check true
:attach

-- detach.
SELECT count(*) FROM session_consistency.attach('training_sessions', 'member_subscriptions');
BEGIN;
SELECT count(*) FROM session_consistency.detach('training_sessions', dry_run => true);
SELECT locks();
ROLLBACK;
BEGIN;
SELECT count(*) FROM session_consistency.detach('training_sessions');
SELECT locks();
ROLLBACK;
BEGIN;
SELECT sessions, enforced FROM session_consistency.attachments WHERE sessions = 'training_sessions'::regclass;
SELECT locks();
ROLLBACK;
\i :finish
