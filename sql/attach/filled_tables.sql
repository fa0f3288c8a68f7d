-- attach on tables that already hold rows: nothing is validated yet, what rows violate is left out, and what only a
-- person can decide is refused.
-- Counters that are wrong on purpose, or of sessions whose statement has not ended: not counted again.
SET session_consistency.recount = off;
\getenv top PG_ABS_SRCDIR
\set test attach_filled_tables
\set gym :top /test/fixtures/gym.sql
\set objects :top /test/fixtures/objects.sql
\i :gym
ALTER TABLE training_sessions ADD subscription_id integer;
-- History: an overdrawn pack, a session without a link, one that is linked to somebody else's, one that leads nowhere.
UPDATE member_subscriptions SET used_sessions = 7 WHERE id = 10;
UPDATE member_subscriptions SET used_sessions = 5 WHERE id = 21;
INSERT INTO training_sessions (id, member_id, subscription_id, status) VALUES
    (1, 1, 10, 'completed'), (2, 1, NULL, 'completed'), (3, 2, 10, 'completed'), (4, 2, 99, 'completed'),
    (5, 3, NULL, 'completed');
\i :objects
\set VERBOSITY default
SET client_min_messages = notice;
\pset format unaligned
\pset tuples_only on
SELECT remember();

-- Several active subscriptions of one member: a person has to choose.
INSERT INTO member_subscriptions (id, member_id, total_sessions_snapshot) VALUES (22, 2, 1);
SELECT * FROM session_consistency.attach('training_sessions', 'member_subscriptions', dry_run => true);
SELECT * FROM session_consistency.attach('training_sessions', 'member_subscriptions');
SELECT * FROM changed();

-- Whoever forces row-level security on themselves is not shown less by attach.
ALTER TABLE member_subscriptions ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
SELECT count(*) AS seen FROM member_subscriptions;
SELECT * FROM session_consistency.attach('training_sessions', 'member_subscriptions');
ALTER TABLE member_subscriptions DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY;
DELETE FROM member_subscriptions WHERE id = 22;

-- One row is overdrawn: its CHECK waits. So does the one on links, where it is asked for.
SELECT action, command FROM session_consistency.attach('training_sessions', 'member_subscriptions', link_check => true)
WHERE action LIKE 'add%';
SELECT c FROM changed() c WHERE c ~ 'constraint';
SELECT unnest(gaps) FROM session_consistency.attachments WHERE sessions = 'training_sessions'::regclass;

-- What is written from now on is held to the rules; the counters keep their legacy values until then.
SELECT outcome('INSERT INTO training_sessions (id, member_id, subscription_id) VALUES (6, 1, 99)');
SELECT outcome('INSERT INTO training_sessions (id, member_id, subscription_id) VALUES (6, 1, 20)');
SELECT outcome('INSERT INTO training_sessions (id, member_id) VALUES (6, 1)');
SELECT outcome('UPDATE training_sessions SET status = ''cancelled'' WHERE id = 2');
SELECT outcome('DELETE FROM training_sessions WHERE id = 5');
SELECT outcome('UPDATE member_subscriptions SET used_sessions = 0 WHERE id = 21');
SELECT * FROM counters();

-- What was left out is named for detach all the same: the way back is exact even if it was added since.
UPDATE member_subscriptions SET total_sessions_snapshot = 5 WHERE id = 21;
DELETE FROM training_sessions WHERE id = 4;
ALTER TABLE member_subscriptions ADD CONSTRAINT sc_member_subscriptions_used_sessions_check
    CHECK (used_sessions >= 0 AND used_sessions <= total_sessions_snapshot);
ALTER TABLE training_sessions VALIDATE CONSTRAINT sc_training_sessions_subscription_id_fkey;
SELECT unnest(gaps) FROM session_consistency.attachments WHERE sessions = 'training_sessions'::regclass;
SELECT action FROM session_consistency.detach('training_sessions', drop_added_columns => true) WHERE action LIKE '%check';
SELECT * FROM changed();

-- Without a used column every subscription starts at 0, whatever its history.
ALTER TABLE member_subscriptions DROP remaining_sessions, DROP used_sessions;
SELECT command FROM session_consistency.attach('training_sessions', 'member_subscriptions') WHERE action = 'add check';
SELECT id, used_sessions FROM member_subscriptions ORDER BY id;
SELECT count(*) FROM session_consistency.detach('training_sessions', drop_added_columns => true);
INSERT INTO member_subscriptions VALUES (31, 3, 'frozen', -1);
SELECT command FROM session_consistency.attach('training_sessions', 'member_subscriptions', link_check => true)
WHERE action = 'add check';
SELECT count(*) FROM session_consistency.detach('training_sessions', drop_added_columns => true);

-- Where every consuming session is linked already, the CHECK on links is added.
DELETE FROM member_subscriptions WHERE id = 31;
UPDATE training_sessions SET subscription_id = 10 WHERE id IN (2, 6);
SELECT command FROM session_consistency.attach('training_sessions', 'member_subscriptions', link_check => true)
WHERE action = 'add check';
SELECT count(*) FROM session_consistency.detach('training_sessions', drop_added_columns => true);

-- A partitioned table: before PostgreSQL 18 its foreign key cannot wait, so that a link must lead somewhere.
CREATE TABLE lessons (id integer, day date, member_id integer, session_type session_type, status session_status,
    subscription_id integer, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE lessons_2030 PARTITION OF lessons FOR VALUES FROM ('2030-01-01') TO ('2031-01-01');
INSERT INTO lessons VALUES (1, '2030-01-01', 1, 'member', 'completed', 99), (2, '2030-01-01', 1, 'guest', 'completed', NULL);
SELECT CASE WHEN current_setting('server_version_num')::integer >= 180000 THEN '23503'
            ELSE outcome('SELECT session_consistency.attach(''lessons'', ''member_subscriptions'')') END;
DELETE FROM lessons WHERE id = 1;
SELECT count(*) FROM session_consistency.attach('lessons', 'member_subscriptions');
ALTER TABLE lessons VALIDATE CONSTRAINT sc_lessons_subscription_id_fkey;
ALTER TABLE member_subscriptions VALIDATE CONSTRAINT sc_member_subscriptions_used_sessions_check;
SELECT enforced, gaps FROM session_consistency.attachments WHERE sessions = 'lessons'::regclass;
INSERT INTO lessons VALUES (3, '2030-01-01', 1, 'member', 'completed', NULL);
UPDATE lessons SET status = 'cancelled' WHERE id = 2;
SELECT * FROM recount('lessons', remaining => NULL);
SET client_min_messages = warning;
\i :finish
