-- Data-modifying WITH: several writes are one statement, judged when all of it is done.
\getenv top PG_ABS_SRCDIR
\set test path_with
\set gym :top /test/fixtures/gym.sql
\i :gym
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
-- A pack is sold and booked in one statement, with and without saying which.
WITH sold AS (INSERT INTO member_subscriptions (id, member_id, total_sessions_snapshot) VALUES (40, 4, 2)
    RETURNING id, member_id)
INSERT INTO training_sessions (id, member_id, subscription_id) SELECT n, sold.member_id, sold.id
    FROM sold, generate_series(1, 2) n;
SELECT * FROM bookings();
SELECT * FROM counters() WHERE id = '40';
WITH sold AS (INSERT INTO member_subscriptions (id, member_id, total_sessions_snapshot) VALUES (31, 3, 2)
    RETURNING id, member_id)
INSERT INTO training_sessions (id, member_id) SELECT n, sold.member_id FROM sold, generate_series(3, 4) n;
SELECT * FROM bookings();
SELECT * FROM counters() WHERE id = '31';
-- Too many for it: neither is there.
WITH expired AS (UPDATE member_subscriptions SET status = 'expired' WHERE id = 40),
     sold AS (INSERT INTO member_subscriptions (id, member_id, status, total_sessions_snapshot)
         VALUES (41, 4, 'frozen', 2) RETURNING id, member_id)
INSERT INTO training_sessions (id, member_id, status, subscription_id) SELECT n, sold.member_id, 'completed', sold.id
    FROM sold, generate_series(5, 7) n;
SELECT * FROM counters() WHERE id IN ('40', '41');

SET ROLE :desk;
-- One cancels and one books, at no credit.
INSERT INTO training_sessions (id, member_id) VALUES (11, 2), (12, 2);
WITH cancelled AS (UPDATE training_sessions SET status = 'cancelled' WHERE id = 11)
INSERT INTO training_sessions (id, member_id) VALUES (13, 2);
SELECT * FROM counters() WHERE id = '20';
WITH booked AS (INSERT INTO training_sessions (id, member_id) VALUES (14, 2))
DELETE FROM training_sessions WHERE id = 12;
SELECT * FROM counters() WHERE id = '20';
WITH booked AS (INSERT INTO training_sessions (id, member_id) VALUES (15, 2), (16, 2) RETURNING id),
     gone AS (DELETE FROM training_sessions WHERE id IN (13, 14) RETURNING id),
     kept AS (INSERT INTO training_sessions (id, member_id, session_type) VALUES (17, 2, 'trial'))
SELECT (SELECT count(*) FROM booked) AS booked, (SELECT count(*) FROM gone) AS gone;
SELECT * FROM counters() WHERE id = '20';

-- One too many.
WITH a AS (INSERT INTO training_sessions (id, member_id) VALUES (18, 2)), b AS (DELETE FROM training_sessions
    WHERE id = 15),
     c AS (INSERT INTO training_sessions (id, member_id) VALUES (19, 2))
SELECT 1 AS nothing;
SELECT * FROM bookings() WHERE member = '2';

-- A move, as delete and insert.
WITH moved AS (DELETE FROM training_sessions WHERE member_id = 2 RETURNING id, session_type, status)
INSERT INTO training_sessions (id, member_id, session_type, status) SELECT id + 100, 1, session_type, status FROM moved;
SELECT * FROM bookings();
SELECT * FROM counters();

-- Activated and booked at once: the pack is judged as it is when the statement ends.
SET ROLE :owner;
WITH gone AS (DELETE FROM training_sessions WHERE member_id = 3),
     expired AS (UPDATE member_subscriptions SET status = 'expired' WHERE id = 10)
INSERT INTO training_sessions (id, member_id, subscription_id) VALUES (20, 1, 10);
UPDATE member_subscriptions SET status = 'expired' WHERE id = 20;
-- Gone, or somebody else's, by the time that the statement ends.
WITH gone AS (DELETE FROM member_subscriptions WHERE id = 21)
INSERT INTO training_sessions (id, member_id, status, subscription_id) VALUES (21, 2, 'completed', 21);
WITH sold AS (UPDATE member_subscriptions SET member_id = 1 WHERE id = 21)
INSERT INTO training_sessions (id, member_id, status, subscription_id) VALUES (21, 2, 'completed', 21);
WITH sold AS (UPDATE member_subscriptions SET member_id = 1 WHERE id = 21)
INSERT INTO training_sessions (id, member_id, status, subscription_id) VALUES (22, 1, 'completed', 21);
DELETE FROM training_sessions WHERE id = 22;
UPDATE member_subscriptions SET member_id = 2 WHERE id = 21;
WITH reactivated AS (UPDATE member_subscriptions SET status = 'active' WHERE id = 21)
INSERT INTO training_sessions (id, member_id, subscription_id) VALUES (21, 2, 21);
SELECT * FROM bookings();
SELECT * FROM counters();

-- The recount finds nothing.
SELECT * FROM recount();
\i :finish
