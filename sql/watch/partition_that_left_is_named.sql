-- A partition that was detached or dropped takes its sessions along without a row event: nearly every counter is wrong
-- then, and a repair would give spent credits back. Checks remember the partitions that they saw: the finding and the
-- preview of a repair say which one left, and what the repair would give back.
-- Counters that are wrong on purpose, or of sessions whose statement has not ended: not counted again.
SET session_consistency.recount = off;
\getenv top PG_ABS_SRCDIR
\set test partition_that_left_is_named
\set partitioned 1
\set gym :top /test/fixtures/gym.sql
\i :gym
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
CALL session_consistency.migrate('training_sessions');
INSERT INTO training_sessions (id, day, member_id, status) VALUES
    (1, '2030-05-01', 1, 'completed'), (2, '2030-06-01', 1, 'completed'), (3, '2031-05-01', 1, 'scheduled'),
    (4, '2030-05-01', 2, 'completed'), (5, '2031-06-01', 2, 'scheduled');
-- Runs a check and says what is open.
CREATE FUNCTION checked() RETURNS TABLE (code text, severity text, subscription text, expected text, actual text)
    LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM session_consistency.run_check('training_sessions');
    RETURN QUERY
    SELECT f.code, f.severity, f.subscription_id, f.expected, regexp_replace(f.actual, 'check \d+', 'check N')
    FROM session_consistency.check_findings f WHERE f.sessions = 'training_sessions'::regclass AND f.ended IS NULL
    ORDER BY f.code, f.subscription_id, f.actual COLLATE "C";
END $$;
CREATE FUNCTION repaired(dry_run boolean) RETURNS TABLE (subscription text, action text, before jsonb, after jsonb)
    LANGUAGE sql SET search_path FROM CURRENT AS $$
    SELECT subscription_id, regexp_replace(r.action, 'check \d+', 'check N'), r.before, r.after
    FROM session_consistency.repair('training_sessions', dry_run => dry_run) AS r ORDER BY subscription_id
$$;
SELECT * FROM checked();

-- Detached: the table is still there. As long as it is, each check says the same.
ALTER TABLE training_sessions DETACH PARTITION sessions_2030;
SELECT * FROM checked();
SELECT * FROM checked();
\set VERBOSITY terse
SET client_min_messages = notice;
SELECT * FROM repaired(true);
-- Attached again, all is well.
ALTER TABLE training_sessions ATTACH PARTITION sessions_2030 FOR VALUES FROM ('2030-01-01') TO ('2031-01-01');
SELECT * FROM repaired(true);
SELECT * FROM checked();
-- What a partition is called and how many there are is no matter.
ALTER TABLE sessions_2030 RENAME TO sessions_of_2030;
CREATE TABLE sessions_2032 PARTITION OF training_sessions FOR VALUES FROM ('2032-01-01') TO ('2033-01-01');
SELECT * FROM checked();
-- Nor is one whose sessions went before it.
BEGIN;
UPDATE training_sessions SET status = 'cancelled' WHERE day < '2031-01-01';
DROP TABLE sessions_of_2030;
SELECT * FROM checked();
ROLLBACK;

-- Dropped, another one after it; and repaired, whoever wants that.
DROP TABLE sessions_of_2030;
SELECT * FROM checked();
DROP TABLE sessions_2031;
SELECT * FROM checked();
SELECT * FROM repaired(true);
SELECT * FROM repaired(false);
SELECT * FROM checked();
SELECT * FROM repaired(true);

-- A wrong counter alone says nothing of partitions; a trigger's error not of anything else.
RESET ROLE;
SET session_replication_role = replica;
UPDATE member_subscriptions SET used_sessions = 1 WHERE id = 10;
RESET session_replication_role;
SET ROLE :owner;
SELECT * FROM repaired(false);
SELECT * FROM checked();
SELECT * FROM recount();
SET client_min_messages = warning;
\i :finish
