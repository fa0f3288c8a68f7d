-- One query that writes the sessions of two attachments ends once for both: what it does to each is judged in sum, and
-- the first in the order of the subscriptions is reported.
\getenv top PG_ABS_SRCDIR
\set test two_attachments_in_one_query
\set gym :top /test/fixtures/gym.sql
\i :gym
CREATE TABLE course_packs (LIKE member_subscriptions INCLUDING ALL);
CREATE TABLE course_bookings (LIKE training_sessions INCLUDING ALL);
INSERT INTO course_packs (id, member_id, total_sessions_snapshot) VALUES (10, 1, 2), (20, 2, 2);
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions', ledger => true);
SELECT count(*) > 0 AS attached FROM session_consistency.attach('course_bookings', 'course_packs', ledger => true);
WITH booked AS (INSERT INTO course_bookings (id, member_id) VALUES (1, 1), (2, 1) RETURNING id, member_id)
INSERT INTO training_sessions (id, member_id) SELECT id, member_id FROM booked;
WITH booked AS (INSERT INTO training_sessions (id, member_id) VALUES (3, 2), (4, 2) RETURNING id, member_id)
INSERT INTO course_bookings (id, member_id) SELECT id, member_id FROM booked;
-- One of them refuses: neither is there.
WITH booked AS (INSERT INTO course_bookings (id, member_id) VALUES (5, 1) RETURNING id, member_id)
INSERT INTO training_sessions (id, member_id) SELECT id, member_id FROM booked;
SELECT * FROM refusal($$
    WITH booked AS (INSERT INTO course_bookings (id, member_id) VALUES (5, 1), (6, 2) RETURNING id, member_id)
    INSERT INTO training_sessions (id, member_id) SELECT id, member_id FROM booked$$);
-- At no credit in sum.
WITH gone AS (DELETE FROM course_bookings WHERE id = 1), booked AS (INSERT INTO course_bookings (id, member_id) VALUES (7, 1)),
     moved AS (UPDATE training_sessions SET member_id = 1 WHERE id = 3)
INSERT INTO training_sessions (id, member_id) VALUES (8, 2);
SELECT * FROM counters();
SELECT id, used_sessions FROM course_packs ORDER BY id;
SELECT * FROM recount();
SELECT * FROM recount('course_bookings', 'course_packs');
SELECT count(*) AS gaps FROM session_consistency.ledger_gaps();
\i :finish
