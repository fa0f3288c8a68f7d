-- undo_repair() puts back the state before, and the finding with it; it refuses, with its reason, where the row has
-- changed since or a constraint forbids what was there.
\getenv top PG_ABS_SRCDIR
\set test undo_repair
\set gym :top /test/fixtures/gym.sql
\i :gym
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
INSERT INTO training_sessions (id, member_id, status) VALUES (1, 1, 'scheduled'), (2, 1, 'completed'), (3, 2, 'completed');
INSERT INTO training_sessions (id, member_id, session_type) VALUES (7, 1, 'trial'), (8, 2, 'guest');
RESET ROLE;
-- Makes the drift anew; as the superuser, who may.
CREATE FUNCTION drift() RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    SET LOCAL session_replication_role = replica;
    UPDATE member_subscriptions SET used_sessions = 7 WHERE id = 10;
    UPDATE member_subscriptions SET used_sessions = 0 WHERE id = 20;
    UPDATE training_sessions SET subscription_id = 10 WHERE id = 7;
    UPDATE training_sessions SET subscription_id = 10 WHERE id = 8;
    SET LOCAL session_replication_role = origin;
END $$;
SET ROLE :owner;
CREATE TABLE made (id bigint, what text);
-- Drifts, repairs, and remembers the repairs by what they are about.
CREATE FUNCTION make() RETURNS TABLE (what text) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM drift();
    DELETE FROM made;
    INSERT INTO made SELECT repair_id, coalesce('session ' || session_id, 'subscription ' || subscription_id)
    FROM session_consistency.repair('training_sessions', dry_run => false);
    RETURN QUERY SELECT m.what FROM made m ORDER BY m.what;
END $$;
-- Undoes one, and shows every field of the refusal; the numbers of repairs differ from run to run.
CREATE FUNCTION undo(about text) RETURNS TABLE (field text, value text) LANGUAGE plpgsql AS $$
DECLARE
    number bigint := (SELECT m.id FROM made m WHERE m.what = about);
BEGIN
    RETURN QUERY SELECT r.field, replace(r.value, 'repair ' || number, 'repair N')
    FROM refusal(format('SELECT session_consistency.undo_repair(%s)', number)) r
    WHERE r.value <> '' OR r.field = 'done';
END $$;
CREATE FUNCTION found() RETURNS TABLE (code text, subscription text, session text, expected text, actual text)
    LANGUAGE sql AS $$
    SELECT code, subscription_id, session_id, expected, actual
    FROM session_consistency.audit_findings('training_sessions')
$$;

-- The findings are back, as they were.
SELECT * FROM make();
SELECT * FROM found();
SELECT u.* FROM made m, undo(m.what) u ORDER BY m.id;
SELECT * FROM found();
SELECT what, undone_at IS NOT NULL AS undone, undone_by = current_user AS by_me
FROM session_consistency.repairs r JOIN made m ON m.id = r.repair_id ORDER BY what;

-- Once only, and only what exists.
SELECT field, regexp_replace(value, 'at [-0-9: +]*', 'at T') AS value FROM undo('subscription 10');
SELECT * FROM refusal('SELECT session_consistency.undo_repair(-1)') WHERE value <> '';
SELECT session_consistency.undo_repair(NULL);

-- Repaired again, then changed by the application: booked, cancelled, a total, a type, a status, a member.
SELECT * FROM make();
BEGIN;
INSERT INTO training_sessions (id, member_id) VALUES (20, 1);
SELECT * FROM undo('subscription 10');
DELETE FROM training_sessions WHERE id = 20;
SELECT * FROM undo('subscription 10');
ROLLBACK;
BEGIN;
UPDATE member_subscriptions SET total_sessions_snapshot = 3 WHERE id = 10;
UPDATE training_sessions SET session_type = 'member' WHERE id = 8;
UPDATE training_sessions SET status = 'completed' WHERE id = 7;
SELECT * FROM undo('subscription 10');
SELECT * FROM undo('session 8');
SELECT * FROM undo('session 7');
ROLLBACK;
BEGIN;
DELETE FROM training_sessions WHERE id = 7;
SELECT * FROM undo('session 7');
UPDATE member_subscriptions SET status = 'frozen' WHERE id = 10;
SELECT * FROM undo('subscription 10');
SELECT * FROM counters() WHERE id = '10';
ROLLBACK;

-- What is gone.
BEGIN;
DELETE FROM training_sessions WHERE member_id = 2;
DELETE FROM member_subscriptions WHERE id = 20;
SELECT * FROM undo('subscription 20');
UPDATE training_sessions SET id = 70 WHERE id = 7;
SELECT * FROM undo('session 7');
ROLLBACK;

-- A constraint forbids the old value.
BEGIN;
ALTER TABLE member_subscriptions ADD CONSTRAINT few CHECK (used_sessions < 5);
SELECT * FROM undo('subscription 10');
DELETE FROM training_sessions WHERE member_id = 1 AND id < 7;
ROLLBACK;
BEGIN;
ALTER TABLE training_sessions ADD CONSTRAINT unlinked CHECK (session_type <> 'trial' OR subscription_id IS NULL);
SELECT * FROM undo('session 7');
ROLLBACK;
RESET ROLE;
CREATE FUNCTION dangle() RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    SET LOCAL session_replication_role = replica;
    UPDATE training_sessions SET subscription_id = 99 WHERE id = 7;
    SET LOCAL session_replication_role = origin;
END $$;
SET ROLE :owner;
SELECT dangle();
DELETE FROM made;
INSERT INTO made SELECT repair_id, 'session ' || session_id FROM session_consistency.repair('training_sessions', dry_run => false);
SELECT * FROM undo('session 7');

-- Whoever does not own the tables may not; where they are not attached any more, or gone, nobody.
SELECT * FROM make();
GRANT SELECT ON made TO :desk;
SET ROLE :desk;
SELECT session_consistency.undo_repair(id) FROM made WHERE what = 'subscription 10';
SET ROLE :owner;
SELECT count(*) > 0 AS detached FROM session_consistency.detach('training_sessions');
SELECT field, value FROM undo('subscription 10') WHERE field IN ('sqlstate', 'message');
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
SELECT * FROM recount();
BEGIN;
DROP TABLE training_sessions CASCADE;
SELECT * FROM undo('subscription 10');
SELECT count(*) FROM session_consistency.repairs;
ROLLBACK;
\i :finish
