-- What a statement adds in sum decides, not the order of its rows.
\getenv top PG_ABS_SRCDIR
\set test statement_judged_in_sum
\set gym :top /test/fixtures/gym.sql
\i :gym
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
SET ROLE :desk;
INSERT INTO training_sessions (id, member_id) VALUES (1, 2), (2, 2);
INSERT INTO training_sessions (id, member_id, status) VALUES (3, 2, 'cancelled'), (4, 2, 'cancelled');
SELECT * FROM counters() WHERE id = '20';

-- One cancels, one books, at no credit: in either order of rows.
UPDATE training_sessions SET status = CASE id WHEN 1 THEN 'cancelled' ELSE 'scheduled' END::session_status
    WHERE id IN (1, 3);
SELECT * FROM counters() WHERE id = '20';
UPDATE training_sessions SET status = CASE id WHEN 1 THEN 'scheduled' ELSE 'cancelled' END::session_status
    WHERE id IN (1, 3);
SELECT * FROM counters() WHERE id = '20';
UPDATE training_sessions t SET status = CASE WHEN v.id <= 2 THEN 'cancelled' ELSE 'completed' END::session_status
    FROM (VALUES (4), (3), (2), (1)) v (id) WHERE t.id = v.id;
SELECT * FROM bookings();
SELECT * FROM counters() WHERE id = '20';
-- One more than is given back.
UPDATE training_sessions SET status = CASE id WHEN 3 THEN 'cancelled' ELSE 'scheduled' END::session_status
    WHERE id <= 3;
SELECT * FROM counters() WHERE id = '20';

-- The same where the pack has expired: nothing is added in sum.
SET ROLE :owner;
UPDATE training_sessions SET status = CASE WHEN id <= 2 THEN 'scheduled' ELSE 'cancelled' END::session_status;
UPDATE member_subscriptions SET status = 'expired' WHERE id = 20;
SET ROLE :desk;
UPDATE training_sessions SET status = CASE WHEN id <= 2 THEN 'cancelled' ELSE 'scheduled' END::session_status;
SELECT * FROM bookings();
UPDATE training_sessions SET status = 'scheduled' WHERE id IN (1, 4);
UPDATE training_sessions SET status = CASE id WHEN 3 THEN 'cancelled' ELSE 'scheduled' END::session_status
    WHERE id <= 3;
SELECT * FROM counters() WHERE id = '20';
SET ROLE :owner;
UPDATE member_subscriptions SET status = 'active' WHERE id = 20;

-- Two members exchange their sessions, without a credit to spare.
DELETE FROM training_sessions;
UPDATE member_subscriptions SET total_sessions_snapshot = 2 WHERE id = 10;
SET ROLE :desk;
INSERT INTO training_sessions (id, member_id) VALUES (1, 1), (2, 2), (3, 1), (4, 2);
UPDATE training_sessions SET member_id = 3 - member_id;
SELECT * FROM bookings();
SELECT * FROM counters() WHERE id IN ('10', '20');
UPDATE training_sessions SET subscription_id = 30 - subscription_id, member_id = 3 - member_id WHERE id IN (1, 4);
SELECT * FROM bookings();
UPDATE training_sessions SET member_id = 1;
UPDATE training_sessions SET member_id = 2 WHERE id IN (2, 4);

-- Types too: the last one that is paid for makes room for another.
INSERT INTO training_sessions (id, member_id, session_type) VALUES (5, 1, 'trial');
UPDATE training_sessions SET session_type = CASE id WHEN 5 THEN 'member' ELSE 'guest' END::session_type
    WHERE id = 5 OR id = (SELECT min(id) FROM training_sessions WHERE member_id = 1);
SELECT * FROM bookings();
SELECT * FROM counters();

-- Many of many; one member has asked for too much, and nobody gets anything.
DELETE FROM training_sessions;
INSERT INTO training_sessions (id, member_id) SELECT n, 1 + (n > 2)::int FROM generate_series(1, 5) n;
INSERT INTO training_sessions (id, member_id) SELECT n, 1 + (n > 2)::int FROM generate_series(1, 4) n;
SELECT * FROM counters();

-- The recount finds nothing.
SELECT * FROM recount();
\i :finish
