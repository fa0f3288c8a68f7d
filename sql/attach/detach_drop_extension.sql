-- DROP EXTENSION refuses while something is attached; CASCADE takes the triggers and leaves tables and data.
\getenv top PG_ABS_SRCDIR
\set test detach_drop_extension
\set gym :top /test/fixtures/gym.sql
\set objects :top /test/fixtures/objects.sql
\i :gym
\i :objects
\pset format unaligned
\pset tuples_only on
SELECT count(*) FROM session_consistency.attach('training_sessions', 'member_subscriptions');
INSERT INTO training_sessions (id, member_id) VALUES (1, 1), (2, 2);
SELECT * FROM recount();
SELECT remember();
RESET ROLE;
DROP EXTENSION session_consistency;
BEGIN;
DROP EXTENSION session_consistency CASCADE;
SELECT regexp_replace(c, ' (BEFORE|AFTER).*', '') FROM changed() c;
SELECT id, member_id, status, subscription_id FROM training_sessions ORDER BY id;
SELECT id, used_sessions FROM member_subscriptions WHERE used_sessions > 0;
SELECT subscription_id, used, is_consistent FROM member_subscriptions_session_counts WHERE used > 0;
-- The application goes on with its tables.
INSERT INTO training_sessions (id, member_id) VALUES (3, 1);
UPDATE member_subscriptions SET used_sessions = 2 WHERE id = 10;
-- Created again, the extension knows nothing of it, and attaches it to what is there.
CREATE EXTENSION session_consistency;
SELECT count(*) FROM session_consistency.attachments WHERE sessions = 'training_sessions'::regclass;
DROP VIEW member_subscriptions_session_counts;
SELECT action FROM session_consistency.attach('training_sessions', 'member_subscriptions');
UPDATE training_sessions SET status = 'completed' WHERE id = 3;
ROLLBACK;
-- As it was.
SELECT * FROM changed();
INSERT INTO training_sessions (id, member_id) VALUES (3, 1);
SELECT * FROM recount();
\i :finish
