-- The first defect: no session said which pack it was booked on, so that nobody could tell whose credit it held.
-- Now every consuming session carries its link from the statement that stores it, and keeps it.
\getenv top PG_ABS_SRCDIR
\set test defect_1_session_without_link
\set gym :top /test/fixtures/gym.sql
\i :gym
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
SET ROLE :desk;

INSERT INTO training_sessions (id, member_id) VALUES (1, 1);
INSERT INTO training_sessions (id, member_id, status) VALUES (2, 1, 'completed'), (3, 1, 'cancelled');
INSERT INTO training_sessions (id, member_id, session_type) VALUES (4, 2, 'makeup'), (5, 2, 'contractual');
SELECT * FROM bookings();

-- Without a pack to link to there is no session.
INSERT INTO training_sessions (id, member_id) VALUES (6, 3);
INSERT INTO training_sessions (id, member_id) VALUES (7, 4);

-- The pack expires and a new one is sold; the sessions stay with the one that paid for them.
SET ROLE :owner;
UPDATE member_subscriptions SET status = 'expired' WHERE id = 10;
INSERT INTO member_subscriptions (id, member_id, total_sessions_snapshot) VALUES (12, 1, 10);
SET ROLE :desk;
UPDATE training_sessions SET status = 'completed' WHERE id = 1;
INSERT INTO training_sessions (id, member_id) VALUES (8, 1);
SELECT * FROM bookings();
SELECT * FROM counters();

-- The link is a foreign key: it cannot lead nowhere.
INSERT INTO training_sessions (id, member_id, subscription_id) VALUES (9, 1, 99);

-- The recount finds nothing.
SELECT * FROM recount();
\i :finish
