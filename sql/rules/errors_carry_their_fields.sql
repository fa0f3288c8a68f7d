-- Each error carries schema, table, column and constraint name, a detail with the figures and a hint with the next
-- step. Where the caller may not read the subscription, the detail leaves its values out.
\getenv top PG_ABS_SRCDIR
\set test errors_carry_their_fields
\set gym :top /test/fixtures/gym.sql
\i :gym
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
INSERT INTO training_sessions (id, member_id) VALUES (1, 2);

-- A role that may read the subscriptions sees the figures.
SELECT * FROM refusal('INSERT INTO training_sessions (id, member_id) VALUES (2, 3)');
SELECT * FROM refusal('INSERT INTO training_sessions (id, member_id) VALUES (2, 2), (3, 2)');
SELECT * FROM refusal('INSERT INTO training_sessions (id, member_id, subscription_id) VALUES (2, 1, 20)');
SELECT * FROM refusal('INSERT INTO training_sessions (id, member_id, subscription_id) VALUES (2, 1, 11)');
SELECT * FROM refusal('UPDATE member_subscriptions SET used_sessions = 0 WHERE id = 20');
SELECT * FROM refusal('UPDATE member_subscriptions SET total_sessions_snapshot = 0 WHERE id = 20');
SELECT * FROM refusal('UPDATE member_subscriptions SET member_id = 4 WHERE id = 20');

-- The desk may not: neither total, nor used, nor whose it is.
SET ROLE :desk;
SELECT * FROM refusal('INSERT INTO training_sessions (id, member_id) VALUES (2, 3)');
SELECT * FROM refusal('INSERT INTO training_sessions (id, member_id) VALUES (2, 2), (3, 2)');
SELECT * FROM refusal('INSERT INTO training_sessions (id, member_id, subscription_id) VALUES (2, 1, 20)');
SELECT * FROM refusal('INSERT INTO training_sessions (id, member_id, subscription_id) VALUES (2, 1, 11)');

-- Nor one from whom row-level security hides the row, or who may read only some of its columns.
SET ROLE :owner;
GRANT SELECT ON member_subscriptions TO :desk;
ALTER TABLE member_subscriptions ENABLE ROW LEVEL SECURITY;
SET ROLE :desk;
SELECT * FROM refusal('INSERT INTO training_sessions (id, member_id) VALUES (2, 2), (3, 2)');
SET ROLE :owner;
ALTER TABLE member_subscriptions DISABLE ROW LEVEL SECURITY;
SET ROLE :desk;
SELECT * FROM refusal('INSERT INTO training_sessions (id, member_id) VALUES (2, 2), (3, 2)');
SET ROLE :owner;
REVOKE SELECT ON member_subscriptions FROM :desk;
GRANT SELECT (id, member_id) ON member_subscriptions TO :desk;
SET ROLE :desk;
SELECT * FROM refusal('INSERT INTO training_sessions (id, member_id) VALUES (2, 2), (3, 2)');

-- The recount finds nothing.
SELECT * FROM recount();
\i :finish
