-- R11: a subscription's status may change at any time. Its member may not change, and it may not be deleted, while
-- sessions refer to it.
\getenv top PG_ABS_SRCDIR
\set test subscription_in_use_is_kept
\set gym :top /test/fixtures/gym.sql
\i :gym
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
INSERT INTO training_sessions (id, member_id) VALUES (1, 1), (2, 2);
UPDATE training_sessions SET status = 'cancelled' WHERE id = 2;

UPDATE member_subscriptions SET status = 'expired' WHERE id = 10;
UPDATE member_subscriptions SET status = 'frozen' WHERE id = 10;
SELECT * FROM bookings();
SELECT * FROM counters();

-- Sold to somebody else, deleted, renumbered: not while a session refers to it, not even a cancelled one.
SELECT * FROM refusal('UPDATE member_subscriptions SET member_id = 4 WHERE id = 10');
UPDATE member_subscriptions SET member_id = 4 WHERE id = 20;
DELETE FROM member_subscriptions WHERE id = 10;
DELETE FROM member_subscriptions WHERE id = 20;
DELETE FROM member_subscriptions;
UPDATE member_subscriptions SET id = 99 WHERE id = 10;
UPDATE member_subscriptions SET member_id = member_id, id = id;

-- A trial refers to nothing.
INSERT INTO training_sessions (id, member_id, session_type) VALUES (3, 3, 'trial');
UPDATE member_subscriptions SET member_id = 4 WHERE id = 30;
UPDATE member_subscriptions SET id = 31 WHERE id = 30;
DELETE FROM member_subscriptions WHERE id = 31;

-- Without sessions it is free again.
DELETE FROM training_sessions WHERE id IN (1, 2);
UPDATE member_subscriptions SET member_id = 4 WHERE id = 10;
DELETE FROM member_subscriptions WHERE id = 20;
SELECT * FROM counters();

-- With its sessions, in one statement.
INSERT INTO training_sessions (id, member_id, status, subscription_id) VALUES (4, 4, 'completed', 10);
WITH gone AS (DELETE FROM training_sessions WHERE subscription_id = 10)
DELETE FROM member_subscriptions WHERE id = 10;
SELECT * FROM counters();

-- Sold to a member of no name: the same.
INSERT INTO training_sessions (id, member_id, status, subscription_id) VALUES (5, 1, 'completed', 11);
ALTER TABLE member_subscriptions ALTER member_id DROP NOT NULL;
UPDATE member_subscriptions SET member_id = NULL WHERE id = 11;
UPDATE member_subscriptions SET member_id = NULL WHERE id = 21;
UPDATE member_subscriptions SET member_id = 2 WHERE id = 21;

-- The recount finds nothing.
SELECT * FROM recount();
\i :finish
