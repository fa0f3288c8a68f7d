-- The fourth defect: two clients each read that one credit was left, both passed the check, both booked. What a client
-- has read before decides nothing now; the race of two at once is in the isolation tests.
\getenv top PG_ABS_SRCDIR
\set test defect_4_last_credit_given_twice
\set gym :top /test/fixtures/gym.sql
\i :gym
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
SET ROLE :desk;
INSERT INTO training_sessions (id, member_id) VALUES (1, 2);

-- Two clients look: one credit is left.
SELECT remaining AS seen_by_one FROM counters() WHERE id = '20' \gset
SELECT remaining AS seen_by_other FROM counters() WHERE id = '20' \gset
\echo :seen_by_one :seen_by_other
INSERT INTO training_sessions (id, member_id) VALUES (2, 2);
INSERT INTO training_sessions (id, member_id) VALUES (3, 2);

-- Nor does a snapshot from before the last booking help.
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT * FROM counters() WHERE id = '20';
INSERT INTO training_sessions (id, member_id) VALUES (3, 2);
ROLLBACK;
SELECT * FROM bookings();
SELECT * FROM counters() WHERE id = '20';

-- The recount finds nothing.
SELECT * FROM recount();
\i :finish
