-- An audit reads and nothing else: in a READ ONLY transaction, with a SELECT's rights and locks. Whoever may not read
-- every row gets no answer rather than a wrong one.
\getenv top PG_ABS_SRCDIR
\set test audit_reads_only
\set gym :top /test/fixtures/gym.sql
\i :gym
ALTER TABLE training_sessions ADD subscription_id integer;
INSERT INTO training_sessions (id, member_id, status, subscription_id) VALUES
    (1, 1, 'completed', 10), (2, 1, 'completed', 11), (3, 1, 'completed', NULL);
UPDATE member_subscriptions SET used_sessions = 1 WHERE id IN (10, 11);

BEGIN TRANSACTION READ ONLY;
SELECT code, affected FROM session_consistency.audit('training_sessions', 'member_subscriptions') WHERE affected > 0;
SELECT code, session_id FROM session_consistency.audit_findings('training_sessions', 'member_subscriptions');
SELECT DISTINCT mode FROM pg_locks WHERE pid = pg_backend_pid() AND relation IN
    ('training_sessions'::regclass, 'member_subscriptions'::regclass, 'members'::regclass);
COMMIT;
SELECT proname, provolatile FROM pg_proc
WHERE pronamespace = 'session_consistency'::regnamespace AND proname LIKE 'audit%' ORDER BY 1;

-- Statements of its own transaction count.
BEGIN ISOLATION LEVEL REPEATABLE READ;
UPDATE training_sessions SET subscription_id = 11 WHERE id = 3;
SELECT code, affected FROM session_consistency.audit('training_sessions', 'member_subscriptions') WHERE affected > 0;
ROLLBACK;

-- The right to read the columns that it looks at is enough.
SET ROLE :desk;
SELECT code FROM session_consistency.audit('training_sessions', 'member_subscriptions');
SET ROLE :owner;
GRANT SELECT (id, member_id, status, total_sessions_snapshot, used_sessions, remaining_sessions) ON member_subscriptions
TO :desk;
GRANT SELECT (id) ON members TO :desk;
SET ROLE :desk;
SELECT code, affected FROM session_consistency.audit('training_sessions', 'member_subscriptions') WHERE affected > 0;

-- Row-level security on any of the three tables.
SET ROLE :owner;
ALTER TABLE members ENABLE ROW LEVEL SECURITY;
SET ROLE :desk;
SELECT field, value FROM refusal($$SELECT session_consistency.audit('training_sessions', 'member_subscriptions')$$)
WHERE field IN ('sqlstate', 'message', 'detail', 'hint');
SET ROLE :owner;
SELECT code, affected FROM session_consistency.audit('training_sessions', 'member_subscriptions') WHERE affected > 0;
ALTER TABLE members DISABLE ROW LEVEL SECURITY;
ALTER TABLE training_sessions ENABLE ROW LEVEL SECURITY;
SET ROLE :desk;
SELECT code FROM session_consistency.audit_findings('training_sessions', 'member_subscriptions');
SET ROLE :owner;
ALTER TABLE training_sessions DISABLE ROW LEVEL SECURITY;
ALTER TABLE member_subscriptions ENABLE ROW LEVEL SECURITY;
SET ROLE :desk;
SELECT code FROM session_consistency.audit_findings('training_sessions', 'member_subscriptions');
SET ROLE :owner;
ALTER TABLE member_subscriptions FORCE ROW LEVEL SECURITY;
SELECT code FROM session_consistency.audit_findings('training_sessions', 'member_subscriptions');
ALTER TABLE member_subscriptions DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY;

-- A caller's search path, with operators of its own in front, changes nothing.
CREATE FUNCTION never(integer, integer) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT false';
CREATE OPERATOR = (LEFTARG = integer, RIGHTARG = integer, FUNCTION = never);
CREATE FUNCTION count(integer) RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT 42::bigint';
SET search_path = audit_reads_only, pg_catalog;
SELECT code, affected FROM session_consistency.audit('training_sessions', 'member_subscriptions')
WHERE affected OPERATOR(pg_catalog.>) 0;
SET search_path = '';
SELECT code, affected
FROM session_consistency.audit('audit_reads_only.training_sessions', 'audit_reads_only.member_subscriptions')
WHERE affected > 0;
SHOW search_path;
SHOW DateStyle;
SET search_path = audit_reads_only;
\i :finish
