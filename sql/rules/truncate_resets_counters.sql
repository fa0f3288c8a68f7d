-- R13: TRUNCATE of the sessions sets every counter to 0.
\getenv top PG_ABS_SRCDIR
\set test truncate_resets_counters
\set gym :top /test/fixtures/gym.sql
\i :gym
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
SET ROLE NONE;
GRANT TRUNCATE ON training_sessions TO :desk;
SET ROLE :desk;
INSERT INTO training_sessions (id, member_id) VALUES (1, 1), (2, 1), (3, 2);
INSERT INTO training_sessions (id, member_id, status, subscription_id) VALUES (4, 3, 'completed', 30);
SELECT * FROM counters();
TRUNCATE training_sessions;
SELECT * FROM counters();

-- Undone with its transaction.
INSERT INTO training_sessions (id, member_id) VALUES (1, 1), (2, 2), (3, 2);
BEGIN;
TRUNCATE training_sessions;
SELECT * FROM counters() WHERE id IN ('10', '20');
ROLLBACK;
SELECT * FROM counters() WHERE id IN ('10', '20');

-- Before and after it, in one transaction.
BEGIN;
INSERT INTO training_sessions (id, member_id) VALUES (5, 1);
TRUNCATE training_sessions;
INSERT INTO training_sessions (id, member_id) VALUES (6, 2), (7, 2);
SAVEPOINT before;
TRUNCATE training_sessions;
ROLLBACK TO before;
COMMIT;
SELECT * FROM counters() WHERE id IN ('10', '20');

-- With the tables that it refers to.
SET ROLE :owner;
TRUNCATE member_subscriptions CASCADE;
SELECT * FROM counters();
SELECT * FROM bookings();
INSERT INTO member_subscriptions (id, member_id, total_sessions_snapshot) VALUES (10, 1, 10);
INSERT INTO training_sessions (id, member_id) VALUES (1, 1);
TRUNCATE members CASCADE;
SELECT * FROM counters();

-- The recount finds nothing.
SELECT * FROM recount();
\i :finish
