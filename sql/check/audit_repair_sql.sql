-- Where there is one right answer, a finding carries the SQL that gives it: running it removes that finding, and once
-- the row is no longer as found it does nothing. Where a person must decide there is none.
\getenv top PG_ABS_SRCDIR
\set test audit_repair_sql
\set gym :top /test/fixtures/gym.sql
\i :gym
ALTER TABLE training_sessions ADD subscription_id integer;
ALTER TABLE member_subscriptions DROP remaining_sessions, ADD remaining_sessions integer,
    ALTER used_sessions DROP NOT NULL;
INSERT INTO members VALUES (5, 'Eve');
INSERT INTO member_subscriptions (id, member_id, status, total_sessions_snapshot) VALUES (50, 5, 'active', NULL);
INSERT INTO training_sessions (id, member_id, session_type, status, subscription_id) VALUES
    (1, 1, 'member', 'scheduled', 10), (2, 1, 'makeup', 'completed', 10), (3, 2, 'member', 'completed', 20),
    (4, 3, 'member', 'completed', 30), (5, 5, 'member', 'completed', 50), (6, 4, 'guest', 'completed', NULL);
UPDATE member_subscriptions s
SET used_sessions = (SELECT count(*) FROM training_sessions t WHERE t.subscription_id = s.id);
UPDATE member_subscriptions SET remaining_sessions = total_sessions_snapshot - used_sessions;
CREATE FUNCTION found() RETURNS TABLE (code text, subscription text, session text, expected text, actual text,
                                       repair_sql text)
    LANGUAGE sql AS $$
    SELECT code, subscription_id, session_id, expected, actual, repair_sql
    FROM session_consistency.audit_findings('training_sessions', 'member_subscriptions')
$$;
-- Runs what the findings carry and says how many rows each changed.
CREATE FUNCTION repair() RETURNS TABLE (code text, rows_changed bigint) LANGUAGE plpgsql AS $$
DECLARE
    finding record;
BEGIN
    FOR finding IN SELECT * FROM found() f WHERE f.repair_sql IS NOT NULL LOOP
        EXECUTE finding.repair_sql;
        GET DIAGNOSTICS rows_changed = ROW_COUNT;
        code := finding.code;
        RETURN NEXT;
    END LOOP;
END $$;
SELECT * FROM found();

-- Counters that drifted, NULL among them, one above its total; both counters are set.
BEGIN;
UPDATE member_subscriptions SET used_sessions = 5 WHERE id = 10;
UPDATE member_subscriptions SET used_sessions = NULL WHERE id = 11;
UPDATE member_subscriptions SET used_sessions = 3, remaining_sessions = -1 WHERE id = 20;
UPDATE member_subscriptions SET used_sessions = -7 WHERE id = 50;
SELECT * FROM found();
SELECT * FROM repair();
SELECT * FROM found();
ROLLBACK;

-- Only the remaining column drifted: below 0, NULL, or there for an unlimited pack.
BEGIN;
UPDATE member_subscriptions SET remaining_sessions = -1 WHERE id = 10;
UPDATE member_subscriptions SET remaining_sessions = NULL WHERE id = 11;
UPDATE member_subscriptions SET remaining_sessions = 0 WHERE id = 50;
SELECT * FROM found();
SELECT * FROM repair();
SELECT * FROM found();
ROLLBACK;

-- Links of sessions that consume nothing, wherever they lead.
BEGIN;
UPDATE training_sessions SET session_type = 'trial';
UPDATE training_sessions SET subscription_id = 99 WHERE id = 3;
UPDATE training_sessions SET subscription_id = 10 WHERE id = 6;
SELECT * FROM found();
SELECT * FROM repair();
SELECT * FROM found();
ROLLBACK;

-- A repair that comes too late: another one has changed the row meanwhile.
BEGIN;
UPDATE member_subscriptions SET used_sessions = 5 WHERE id = 10;
UPDATE training_sessions SET session_type = 'trial' WHERE id = 2;
CREATE TEMPORARY TABLE late AS SELECT * FROM found();
UPDATE member_subscriptions SET used_sessions = 1, remaining_sessions = 9 WHERE id = 10;
UPDATE training_sessions SET subscription_id = 11 WHERE id = 2;
SELECT format('DO $do$ DECLARE n bigint; BEGIN %s; GET DIAGNOSTICS n = ROW_COUNT; ASSERT n = 0; END $do$', repair_sql)
FROM late WHERE repair_sql IS NOT NULL \gexec
SELECT * FROM late;
ROLLBACK;

-- What needs a person: no SQL. A pack whose recount does not fit its total is first of all overdrawn.
BEGIN;
UPDATE member_subscriptions SET total_sessions_snapshot = 1, remaining_sessions = 0, used_sessions = 1 WHERE id = 10;
UPDATE training_sessions SET subscription_id = NULL WHERE id = 3;
UPDATE training_sessions SET subscription_id = 99 WHERE id = 4;
UPDATE training_sessions SET session_type = 'member' WHERE id = 6;
UPDATE member_subscriptions SET status = 'active' WHERE id = 11;
UPDATE member_subscriptions SET total_sessions_snapshot = 0, remaining_sessions = 0 WHERE id = 11;
SELECT * FROM found() WHERE repair_sql IS NULL;
ROLLBACK;

-- A link that may not be NULL cannot be cleared, and nobody is told to.
BEGIN;
UPDATE training_sessions SET subscription_id = 10 WHERE id = 6;
ALTER TABLE training_sessions ALTER subscription_id SET NOT NULL;
SELECT * FROM found();
ROLLBACK;

-- Without a used column, remaining is the counter.
BEGIN;
ALTER TABLE member_subscriptions DROP used_sessions;
SELECT * FROM found();
UPDATE member_subscriptions SET remaining_sessions = 3 WHERE id = 10;
UPDATE member_subscriptions SET remaining_sessions = -3 WHERE id = 20;
UPDATE member_subscriptions SET remaining_sessions = NULL WHERE id = 30;
SELECT * FROM found();
SELECT * FROM repair();
SELECT * FROM found();
ROLLBACK;

-- The recount finds nothing.
SELECT * FROM recount();
\i :finish
