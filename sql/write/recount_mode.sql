-- session_consistency.recount counts the subscriptions of each statement again when it ends; only a superuser sets it.
\getenv top PG_ABS_SRCDIR
\set test recount_mode
\set gym :top /test/fixtures/gym.sql
\i :gym
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
INSERT INTO training_sessions (id, member_id) VALUES (1, 1), (2, 2);
SET session_consistency.recount = on;
RESET ROLE;
-- A counter that is wrong is found by the next statement that touches it, and by no other.
SET session_replication_role = replica;
UPDATE member_subscriptions SET used_sessions = 3 WHERE id = 10;
RESET session_replication_role;
SET session_consistency.recount = on;
SET ROLE :owner;
SELECT * FROM refusal('INSERT INTO training_sessions (id, member_id) VALUES (3, 1)');
INSERT INTO training_sessions (id, member_id) VALUES (3, 2);
RESET ROLE;
SET session_consistency.recount = off;
SET ROLE :owner;
INSERT INTO training_sessions (id, member_id) VALUES (4, 1);
SELECT * FROM recount();
\i :finish
