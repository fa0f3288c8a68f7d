-- R5: a session that stops being counted gives its credit back to the subscription that it was linked to, whatever that
-- one's status is now, and never to another.
\getenv top PG_ABS_SRCDIR
\set test credit_returns_to_its_subscription
\set gym :top /test/fixtures/gym.sql
\i :gym
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
SET ROLE :desk;
INSERT INTO training_sessions (id, member_id) SELECT n, 1 FROM generate_series(1, 8) n;
SET ROLE :owner;
UPDATE member_subscriptions SET status = 'expired' WHERE id = 10;
UPDATE member_subscriptions SET status = 'active' WHERE id = 11;
SET ROLE :desk;
INSERT INTO training_sessions (id, member_id) VALUES (9, 1);
SELECT * FROM counters() WHERE id IN ('10', '11');

DELETE FROM training_sessions WHERE id = 1;
UPDATE training_sessions SET status = 'cancelled' WHERE id = 2;
UPDATE training_sessions SET status = NULL WHERE id = 3;
UPDATE training_sessions SET session_type = 'guest' WHERE id = 4;
UPDATE training_sessions SET session_type = NULL WHERE id = 5;
SELECT * FROM counters() WHERE id IN ('10', '11');

-- Moved: given back there, taken here.
UPDATE training_sessions SET subscription_id = 11 WHERE id = 6;
SELECT * FROM counters() WHERE id IN ('10', '11');

-- Moved and cancelled in one: given back, not taken.
UPDATE training_sessions SET subscription_id = 11, status = 'cancelled' WHERE id = 7;
SELECT * FROM counters() WHERE id IN ('10', '11');

-- A cancelled one that moves changes nothing, nor does its end.
UPDATE training_sessions SET subscription_id = 11 WHERE id = 2;
DELETE FROM training_sessions WHERE id IN (2, 3, 4, 5, 7);
SELECT * FROM bookings();
SELECT * FROM counters();

-- The recount finds nothing.
SELECT * FROM recount();
\i :finish
