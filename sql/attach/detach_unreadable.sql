-- A trigger whose argument cannot be read refuses every booking. The attachment is shown with the gap, checks name it
-- beside the others' results, and detach takes it back: by the trigger's function alone.
\getenv top PG_ABS_SRCDIR
\set test detach_unreadable
\set gym :top /test/fixtures/gym.sql
\set objects :top /test/fixtures/objects.sql
\i :gym
\i :objects
\set VERBOSITY default
\pset format unaligned
\pset tuples_only on
SELECT remember();
CREATE TABLE packs (LIKE member_subscriptions INCLUDING ALL);
CREATE TABLE lessons (LIKE training_sessions INCLUDING ALL);
INSERT INTO packs (id, member_id, total_sessions_snapshot) VALUES (10, 1, 10);
SELECT count(*) FROM session_consistency.attach('lessons', 'packs');
INSERT INTO lessons (id, member_id) VALUES (1, 1);
SELECT count(*) FROM session_consistency.attach('training_sessions', 'member_subscriptions');
INSERT INTO training_sessions (id, member_id) VALUES (1, 1);

-- The argument is one of a later version, or somebody has touched it.
SELECT replace(pg_get_triggerdef(oid), 'format=1', 'format=1,colour=red') AS unreadable FROM pg_trigger
WHERE tgrelid = 'training_sessions'::regclass AND tgfoid = 'session_consistency.charge_sessions'::regproc \gset
DROP TRIGGER "00_session_consistency_charge_member_subscriptions" ON training_sessions;
:unreadable;
INSERT INTO training_sessions (id, member_id) VALUES (2, 1);
\x
SELECT * FROM session_consistency.attachments WHERE sessions = 'training_sessions'::regclass;
\x
SELECT sessions, enforced, total FROM session_consistency.metrics WHERE sessions IN ('training_sessions'::regclass, 'lessons'::regclass) ORDER BY 1;

-- Checks of everything name it, and find what is wrong elsewhere; whoever asks for it alone is told why there is no answer.
ALTER TABLE packs DISABLE TRIGGER USER;
UPDATE packs SET used_sessions = 5;
ALTER TABLE packs ENABLE TRIGGER USER;
SELECT attachment, subscription_id, drift, message FROM session_consistency.check_counts()
WHERE attachment IN ('training_sessions'::regclass, 'lessons'::regclass);
SELECT * FROM session_consistency.check_counts('training_sessions');
BEGIN;
SELECT session_consistency.run_check() > 0;
SELECT sessions, code, actual FROM session_consistency.check_findings
WHERE ended IS NULL AND sessions IN ('training_sessions'::regclass, 'lessons'::regclass) ORDER BY 1, 3;
SELECT session_consistency.run_check('training_sessions') > 0;
ROLLBACK;
SELECT code, affected FROM session_consistency.audit('training_sessions') WHERE affected > 0;
SELECT code, affected FROM session_consistency.audit('training_sessions', 'member_subscriptions') WHERE affected > 0;
SELECT * FROM session_consistency.repair('training_sessions');
SELECT session_consistency.check_session_integrity(1, 'training_sessions');

-- It counts as attached for whoever would attach another table to its subscriptions.
CREATE TABLE courses (LIKE training_sessions INCLUDING ALL);
SELECT count(*) FROM session_consistency.attach('courses', 'member_subscriptions');

-- detach takes back all that the rest of the argument says was made.
SELECT command FROM session_consistency.detach('training_sessions', drop_added_columns => true);
SELECT count(*) FROM session_consistency.attachments WHERE sessions = 'training_sessions'::regclass;
DROP TABLE courses, lessons, packs CASCADE;
SELECT * FROM changed();

-- Where that says nothing, the triggers go, and the rest stays.
SELECT count(*) FROM session_consistency.attach('training_sessions', 'member_subscriptions');
DROP TRIGGER "00_session_consistency_charge_member_subscriptions" ON training_sessions;
CREATE TRIGGER a AFTER INSERT ON training_sessions FOR EACH ROW EXECUTE FUNCTION session_consistency.charge_sessions('?');
SELECT command FROM session_consistency.detach('training_sessions', drop_added_columns => true);
SELECT * FROM changed();
DROP VIEW member_subscriptions_session_counts;
ALTER TABLE training_sessions DROP subscription_id;
DROP INDEX sc_member_subscriptions_member_id_idx, sc_member_subscriptions_member_id_idx1;
ALTER TABLE member_subscriptions DROP CONSTRAINT sc_member_subscriptions_used_sessions_check;

-- Without its charge trigger, and without the foreign key that tells where the subscriptions are.
SELECT count(*) FROM session_consistency.attach('training_sessions', 'member_subscriptions');
DROP TRIGGER "00_session_consistency_charge_member_subscriptions" ON training_sessions;
ALTER TABLE training_sessions DROP CONSTRAINT sc_training_sessions_subscription_id_fkey;
SELECT command FROM session_consistency.detach('training_sessions');
SELECT * FROM session_consistency.detach('training_sessions');
\i :finish
