-- R9 under guard => 'ignore': an application that still does its own arithmetic keeps working, and counts nothing
-- twice.
\getenv top PG_ABS_SRCDIR
\set test guard_ignore
\set gym :top /test/fixtures/gym.sql
\i :gym
ALTER TABLE member_subscriptions ALTER remaining_sessions DROP EXPRESSION;
UPDATE member_subscriptions SET remaining_sessions = total_sessions_snapshot;
SELECT count(*) > 0 AS attached
FROM session_consistency.attach('training_sessions', 'member_subscriptions', guard => 'ignore');

-- The application books as it always has.
BEGIN;
INSERT INTO training_sessions (id, member_id) VALUES (1, 1);
UPDATE member_subscriptions SET used_sessions = used_sessions + 1, remaining_sessions = remaining_sessions - 1
    WHERE id = 10;
COMMIT;
SELECT * FROM counters() WHERE id = '10';

-- In the other order, and in one statement.
BEGIN;
UPDATE member_subscriptions SET used_sessions = used_sessions + 1, remaining_sessions = remaining_sessions - 1
    WHERE id = 10;
INSERT INTO training_sessions (id, member_id) VALUES (2, 1);
COMMIT;
WITH booked AS (INSERT INTO training_sessions (id, member_id) VALUES (3, 1))
UPDATE member_subscriptions SET remaining_sessions = remaining_sessions - 1 WHERE id = 10;
SELECT * FROM counters() WHERE id = '10';

-- And cancels.
BEGIN;
UPDATE training_sessions SET status = 'cancelled' WHERE id = 1;
UPDATE member_subscriptions SET used_sessions = used_sessions - 1 WHERE id = 10;
COMMIT;
SELECT * FROM counters() WHERE id = '10';

-- Any other value is no better; what comes with it is kept.
UPDATE member_subscriptions SET used_sessions = 99, remaining_sessions = NULL, status = 'frozen' WHERE id = 10;
UPDATE member_subscriptions SET used_sessions = -5, total_sessions_snapshot = 12 WHERE id = 10;
UPDATE member_subscriptions SET used_sessions = NULL WHERE id = 10;
SELECT * FROM counters() WHERE id = '10';

-- New ones start at 0.
INSERT INTO member_subscriptions (id, member_id, status, total_sessions_snapshot, used_sessions, remaining_sessions)
    VALUES (12, 1, 'frozen', 7, 5, 2), (13, 1, 'frozen', 7, 0, 7), (14, 1, 'frozen', 7, NULL, NULL);
SELECT * FROM counters() WHERE id IN ('12', '13', '14');

-- The other rules hold.
UPDATE member_subscriptions SET total_sessions_snapshot = 1, used_sessions = 1 WHERE id = 10;
INSERT INTO training_sessions (id, member_id) VALUES (4, 2), (5, 2);
INSERT INTO training_sessions (id, member_id) VALUES (6, 2);

-- The recount finds nothing.
SELECT * FROM recount();
\i :finish
