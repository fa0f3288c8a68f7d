-- R10: the total may change, never below what is used; NULL means unlimited.
\getenv top PG_ABS_SRCDIR
\set test total_never_below_used
\set gym :top /test/fixtures/gym.sql
\i :gym
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
INSERT INTO training_sessions (id, member_id) VALUES (1, 1), (2, 1);
UPDATE member_subscriptions SET total_sessions_snapshot = 20 WHERE id = 10;
UPDATE member_subscriptions SET total_sessions_snapshot = 2 WHERE id = 10;
SELECT * FROM counters() WHERE id = '10';
UPDATE member_subscriptions SET total_sessions_snapshot = 1 WHERE id = 10;
UPDATE member_subscriptions SET total_sessions_snapshot = -1 WHERE id = 30;
UPDATE member_subscriptions SET total_sessions_snapshot = total_sessions_snapshot - 1;
INSERT INTO member_subscriptions (id, member_id, status, total_sessions_snapshot) VALUES (12, 1, 'frozen', -1);
INSERT INTO training_sessions (id, member_id) VALUES (3, 1);
SELECT * FROM counters() WHERE id = '10';

-- Unlimited: counted, never refused.
UPDATE member_subscriptions SET total_sessions_snapshot = NULL WHERE id = 10;
INSERT INTO training_sessions (id, member_id) SELECT n, 1 FROM generate_series(3, 102) n;
SELECT * FROM counters() WHERE id = '10';
UPDATE training_sessions SET status = 'cancelled' WHERE id <= 3;
SELECT * FROM counters() WHERE id = '10';
UPDATE member_subscriptions SET total_sessions_snapshot = 98 WHERE id = 10;
UPDATE member_subscriptions SET total_sessions_snapshot = 99 WHERE id = 10;
UPDATE training_sessions SET status = 'scheduled' WHERE id = 1;
SELECT * FROM counters() WHERE id = '10';

-- Raised and booked in one statement. Lowered and freed in one is refused: the CHECK judges each row when it is
-- written.
WITH raised AS (UPDATE member_subscriptions SET total_sessions_snapshot = 100 WHERE id = 10)
INSERT INTO training_sessions (id, member_id) VALUES (103, 1);
SELECT * FROM counters() WHERE id = '10';
WITH freed AS (DELETE FROM training_sessions WHERE id > 100)
UPDATE member_subscriptions SET total_sessions_snapshot = 97 WHERE id = 10;
SELECT * FROM counters() WHERE id = '10';

-- The recount finds nothing.
SELECT * FROM recount();
\i :finish
