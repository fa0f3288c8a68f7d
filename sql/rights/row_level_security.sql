-- Row-level security hides rows from people, not from the rules.
\getenv top PG_ABS_SRCDIR
\set test row_level_security
\set gym :top /test/fixtures/gym.sql
\i :gym
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
ALTER TABLE member_subscriptions ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE training_sessions ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_sessions ON training_sessions TO :desk USING (member_id = 1);
GRANT SELECT ON member_subscriptions TO :desk;
SET ROLE :desk;
SELECT count(*) FROM member_subscriptions;
INSERT INTO training_sessions (id, member_id) VALUES (1, 1), (2, 1);
INSERT INTO training_sessions (id, member_id) VALUES (3, 2);
UPDATE training_sessions SET status = 'cancelled' WHERE id = 1;
UPDATE training_sessions SET member_id = 2 WHERE id = 2;
INSERT INTO training_sessions (id, member_id, subscription_id) VALUES (3, 1, 20);
INSERT INTO training_sessions (id, member_id, subscription_id, status) VALUES (3, 1, 11, 'completed');
SELECT * FROM refusal('INSERT INTO training_sessions (id, member_id) SELECT n, 1 FROM generate_series(10, 19) n');

-- Forced on the owner too, who then sees no pack; the counters move all the same, and the guard sees every session.
SET ROLE :owner;
ALTER TABLE training_sessions FORCE ROW LEVEL SECURITY;
SELECT count(*) FROM member_subscriptions;
SELECT count(*) FROM training_sessions;
SET ROLE :desk;
INSERT INTO training_sessions (id, member_id) VALUES (4, 1);
DELETE FROM training_sessions WHERE id = 2;
SET ROLE NONE;
UPDATE member_subscriptions SET member_id = 4 WHERE id = 10;
UPDATE member_subscriptions SET member_id = 4 WHERE id = 11;
DELETE FROM member_subscriptions WHERE id = 11;
SET ROLE :owner;
CREATE POLICY all_packs ON member_subscriptions TO :owner USING (true);
UPDATE member_subscriptions SET member_id = 4 WHERE id = 11;
UPDATE member_subscriptions SET used_sessions = 0 WHERE id = 10;
UPDATE member_subscriptions SET total_sessions_snapshot = 0 WHERE id = 10;
ALTER TABLE training_sessions NO FORCE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY;
ALTER TABLE member_subscriptions NO FORCE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY;
SELECT * FROM bookings();
SELECT * FROM counters();

-- The recount finds nothing.
SELECT * FROM recount();
\i :finish
