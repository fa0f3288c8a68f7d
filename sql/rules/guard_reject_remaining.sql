-- R9 where remaining is a plain column: it is maintained beside used, and guarded like it.
\getenv top PG_ABS_SRCDIR
\set test guard_reject_remaining
\set gym :top /test/fixtures/gym.sql
\i :gym
ALTER TABLE member_subscriptions ALTER remaining_sessions DROP EXPRESSION;
UPDATE member_subscriptions SET remaining_sessions = total_sessions_snapshot;
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
SET ROLE :desk;
INSERT INTO training_sessions (id, member_id) VALUES (1, 1), (2, 1), (3, 2);
SELECT * FROM counters();
UPDATE training_sessions SET status = 'cancelled' WHERE id = 1;
SELECT * FROM counters() WHERE id = '10';

SET ROLE :owner;
SELECT * FROM refusal('UPDATE member_subscriptions SET remaining_sessions = 10 WHERE id = 10');
UPDATE member_subscriptions SET remaining_sessions = remaining_sessions - 1;
UPDATE member_subscriptions SET remaining_sessions = NULL WHERE id = 10;
UPDATE member_subscriptions SET remaining_sessions = 8, used_sessions = 2 WHERE id = 10;
SELECT * FROM counters() WHERE id = '10';

-- It follows the total, whether or not the application has reckoned it too.
UPDATE member_subscriptions SET total_sessions_snapshot = 12 WHERE id = 10;
SELECT * FROM counters() WHERE id = '10';
UPDATE member_subscriptions SET total_sessions_snapshot = 10, remaining_sessions = remaining_sessions - 2 WHERE id = 10;
SELECT * FROM counters() WHERE id = '10';
UPDATE member_subscriptions SET total_sessions_snapshot = NULL WHERE id = 10;
SELECT * FROM counters() WHERE id = '10';
UPDATE member_subscriptions SET total_sessions_snapshot = 10 WHERE id = 10;
UPDATE member_subscriptions SET remaining_sessions = 9, used_sessions = 1, total_sessions_snapshot = 10 WHERE id = 10;
SELECT * FROM counters() WHERE id = '10';

-- A new one starts with all that it holds.
INSERT INTO member_subscriptions (id, member_id, status, total_sessions_snapshot) VALUES (12, 1, 'frozen', 7);
INSERT INTO member_subscriptions (id, member_id, status, total_sessions_snapshot, remaining_sessions)
    VALUES (13, 1, 'frozen', 7, 7);
INSERT INTO member_subscriptions (id, member_id, status, total_sessions_snapshot, remaining_sessions)
    VALUES (14, 1, 'frozen', 7, 3);
INSERT INTO member_subscriptions (id, member_id, status, total_sessions_snapshot) VALUES (15, 1, 'frozen', NULL);
SELECT * FROM counters();
SET ROLE NONE;
GRANT TRUNCATE ON training_sessions TO :desk;
SET ROLE :desk;
TRUNCATE training_sessions;
SELECT * FROM counters();

-- The recount finds nothing.
SELECT * FROM recount();
\i :finish
