-- R6: a cancelled session keeps its link. Cancelling twice, or deleting a cancelled one, changes nothing. Un-cancelling
-- charges the linked subscription again.
\getenv top PG_ABS_SRCDIR
\set test cancelled_session_keeps_link
\set gym :top /test/fixtures/gym.sql
\i :gym
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
SET ROLE :desk;
INSERT INTO training_sessions (id, member_id) VALUES (1, 2), (2, 2);
UPDATE training_sessions SET status = 'cancelled' WHERE id = 1;
UPDATE training_sessions SET status = 'cancelled' WHERE id = 1;
UPDATE training_sessions SET status = 'no_show' WHERE id = 1;
UPDATE training_sessions SET status = NULL WHERE id = 1;
UPDATE training_sessions SET status = 'cancelled' WHERE id = 1;
SELECT * FROM bookings();
SELECT * FROM counters() WHERE id = '20';

-- Un-cancelled, while there is a credit.
UPDATE training_sessions SET status = 'scheduled' WHERE id = 1;
SELECT * FROM counters() WHERE id = '20';
UPDATE training_sessions SET status = 'cancelled' WHERE id = 1;
INSERT INTO training_sessions (id, member_id) VALUES (3, 2);
UPDATE training_sessions SET status = 'scheduled' WHERE id = 1;
UPDATE training_sessions SET status = 'completed' WHERE id = 1;
DELETE FROM training_sessions WHERE id = 3;

-- On the pack that it was booked on, not on the one that the member has by now.
SET ROLE :owner;
UPDATE member_subscriptions SET status = 'expired' WHERE id = 20;
UPDATE member_subscriptions SET status = 'active' WHERE id = 21;
SET ROLE :desk;
UPDATE training_sessions SET status = 'scheduled' WHERE id = 1;
UPDATE training_sessions SET status = 'completed' WHERE id = 1;
SELECT * FROM bookings();
SELECT * FROM counters() WHERE id IN ('20', '21');

-- The end of a cancelled one.
UPDATE training_sessions SET status = 'cancelled' WHERE id = 1;
DELETE FROM training_sessions WHERE id = 1;
SELECT * FROM counters() WHERE id IN ('20', '21');
DELETE FROM training_sessions WHERE id = 1;

-- The recount finds nothing.
SELECT * FROM recount();
\i :finish
