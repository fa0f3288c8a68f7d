-- The sixth defect: trial and guest sessions were counted, though they cost nothing.
\getenv top PG_ABS_SRCDIR
\set test defect_6_trial_and_guest_counted
\set gym :top /test/fixtures/gym.sql
\i :gym
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
SET ROLE :desk;
INSERT INTO training_sessions (id, member_id, session_type) VALUES (1, 1, 'trial'), (2, 1, 'guest'), (3, 1, NULL);
INSERT INTO training_sessions (id, member_id, session_type, status) VALUES (4, 1, 'trial', 'completed');

-- Also for those who have no pack, or no credit left.
INSERT INTO training_sessions (id, member_id, session_type) VALUES (5, 3, 'trial'), (6, 4, 'guest');
INSERT INTO training_sessions (id, member_id) VALUES (7, 2), (8, 2);
INSERT INTO training_sessions (id, member_id, session_type) VALUES (9, 2, 'guest');

-- A link that the application sends along is cleared.
INSERT INTO training_sessions (id, member_id, session_type, subscription_id) VALUES (10, 1, 'trial', 10);
SELECT * FROM bookings();
SELECT * FROM counters();

-- They come and go without a trace.
UPDATE training_sessions SET status = 'cancelled' WHERE id = 1;
UPDATE training_sessions SET status = 'scheduled' WHERE id = 1;
UPDATE training_sessions SET session_type = 'guest' WHERE id = 1;
DELETE FROM training_sessions WHERE id IN (2, 3);
SELECT * FROM counters();

-- The three types that are paid for.
INSERT INTO training_sessions (id, member_id, session_type)
    VALUES (11, 1, 'member'), (12, 1, 'makeup'), (13, 1, 'contractual');
SELECT * FROM counters() WHERE id = '10';

-- The recount finds nothing.
SELECT * FROM recount();
\i :finish
