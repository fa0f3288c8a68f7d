-- R3: what starts to hold a credit as scheduled needs an active subscription. History may be attributed to any of the
-- member's subscriptions.
\getenv top PG_ABS_SRCDIR
\set test scheduled_needs_active_subscription
\set gym :top /test/fixtures/gym.sql
\i :gym
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
SET ROLE :desk;
SELECT * FROM refusal('INSERT INTO training_sessions (id, member_id, subscription_id) VALUES (1, 1, 11)');
INSERT INTO training_sessions (id, member_id, subscription_id, status) VALUES (1, 1, 11, 'in_progress');

-- History.
INSERT INTO training_sessions (id, member_id, subscription_id, status) VALUES (1, 1, 11, 'completed');
INSERT INTO training_sessions (id, member_id, subscription_id, status) VALUES (2, 1, 11, 'cancelled');
SELECT * FROM counters() WHERE id = '11';

-- Un-cancelled as scheduled, or as history.
UPDATE training_sessions SET status = 'scheduled' WHERE id = 2;
UPDATE training_sessions SET status = 'completed' WHERE id = 2;
SELECT * FROM counters() WHERE id = '11';

-- Moved there.
INSERT INTO training_sessions (id, member_id) VALUES (3, 1);
UPDATE training_sessions SET subscription_id = 11 WHERE id = 3;
UPDATE training_sessions SET subscription_id = 11, status = 'completed' WHERE id = 3;
SELECT * FROM counters() WHERE id IN ('10', '11');

-- What was booked in time goes its way after the pack expired: it holds its credit already.
INSERT INTO training_sessions (id, member_id) VALUES (4, 1), (5, 1);
SET ROLE :owner;
UPDATE member_subscriptions SET status = 'frozen' WHERE id = 10;
SET ROLE :desk;
UPDATE training_sessions SET status = 'in_progress' WHERE id = 4;
UPDATE training_sessions SET note = 'late', session_type = 'makeup' WHERE id = 4;
UPDATE training_sessions SET status = 'completed' WHERE id = 4;
UPDATE training_sessions SET day = '2030-02-02' WHERE id = 5;
UPDATE training_sessions SET status = 'cancelled' WHERE id = 5;
UPDATE training_sessions SET status = 'scheduled' WHERE id = 5;
SELECT * FROM counters() WHERE id = '10';
-- Back from completed: it would be scheduled on a pack that is not active.
UPDATE training_sessions SET status = 'scheduled' WHERE id = 4;

-- The active one again.
SET ROLE :owner;
UPDATE member_subscriptions SET status = 'active' WHERE id = 10;
SET ROLE :desk;
UPDATE training_sessions SET status = 'scheduled' WHERE id = 5;
SELECT * FROM bookings();
SELECT * FROM counters();

-- The recount finds nothing.
SELECT * FROM recount();
\i :finish
