-- UPDATE … FROM and DELETE … USING: a row that the join meets several times is charged once.
\getenv top PG_ABS_SRCDIR
\set test path_update_and_delete
\set gym :top /test/fixtures/gym.sql
\i :gym
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
SET ROLE :desk;
INSERT INTO training_sessions (id, member_id) SELECT n, 1 + n / 9 FROM generate_series(1, 10) n;
SELECT * FROM counters() WHERE id IN ('10', '20');
UPDATE training_sessions t SET status = v.status::session_status
    FROM (VALUES (1, 'cancelled'), (1, 'cancelled'), (2, 'completed'), (3, 'no_show'), (9, 'cancelled'),
        (9, 'cancelled')) v (id, status)
    WHERE t.id = v.id;
SELECT * FROM counters() WHERE id IN ('10', '20');
UPDATE training_sessions t SET member_id = o.member_id FROM training_sessions o WHERE t.id = 4 AND o.id = 10;
SELECT * FROM counters() WHERE id IN ('10', '20');
UPDATE training_sessions t SET member_id = o.member_id FROM training_sessions o WHERE t.id IN (5, 6) AND o.id = 10;
DELETE FROM training_sessions t USING generate_series(1, 3) n, (VALUES (1), (2), (5), (10)) v (id) WHERE t.id = v.id;
SELECT * FROM counters() WHERE id IN ('10', '20');
UPDATE training_sessions SET status = 'cancelled' WHERE id = 99;
DELETE FROM training_sessions WHERE id = 99;

-- A session's whole life within one transaction.
BEGIN;
UPDATE training_sessions SET status = 'cancelled';
UPDATE training_sessions SET status = 'scheduled';
UPDATE training_sessions SET status = 'completed';
DELETE FROM training_sessions;
INSERT INTO training_sessions (id, member_id) VALUES (1, 2), (2, 2);
COMMIT;
SELECT * FROM bookings();
SELECT * FROM counters();

-- A cursor.
BEGIN;
DECLARE ben CURSOR FOR SELECT * FROM training_sessions WHERE member_id = 2 FOR UPDATE;
FETCH 1 FROM ben \g /dev/null
UPDATE training_sessions SET status = 'cancelled' WHERE CURRENT OF ben;
FETCH 1 FROM ben \g /dev/null
DELETE FROM training_sessions WHERE CURRENT OF ben;
COMMIT;
SELECT * FROM counters() WHERE id = '20';

-- The recount finds nothing.
SELECT * FROM recount();
\i :finish
