-- Sessions from before the attachment have no link. They may be cancelled, completed, deleted as they are; what starts
-- to hold a credit is linked.
\getenv top PG_ABS_SRCDIR
\set test legacy_rows
\set gym :top /test/fixtures/gym.sql
\i :gym
INSERT INTO training_sessions (id, member_id, status) VALUES
    (1, 1, 'scheduled'), (2, 1, 'scheduled'), (3, 1, 'completed'), (4, 1, 'cancelled'), (5, 1, 'cancelled'),
    (6, 3, 'scheduled'), (7, 3, 'cancelled'), (8, 4, 'scheduled'), (9, 1, 'scheduled'), (10, 3, 'cancelled');
INSERT INTO training_sessions (id, member_id, session_type) VALUES (11, 1, 'trial'), (12, 3, 'guest');
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
SET ROLE :desk;

-- As they are: with a pack or without, whatever is written that is not member, link, type or status.
UPDATE training_sessions SET note = 'seen';
UPDATE training_sessions SET status = status, member_id = member_id, session_type = session_type,
    subscription_id = NULL;
UPDATE training_sessions SET status = 'completed' WHERE id IN (1, 6);
UPDATE training_sessions SET status = 'in_progress' WHERE id = 2;
UPDATE training_sessions SET status = 'cancelled' WHERE id IN (1, 8);
UPDATE training_sessions SET session_type = 'makeup' WHERE id = 9;
DELETE FROM training_sessions WHERE id = 3;
SELECT * FROM bookings();
SELECT * FROM counters();

-- What starts to hold a credit is linked, and charged.
UPDATE training_sessions SET status = 'scheduled' WHERE id IN (1, 4);
UPDATE training_sessions SET status = 'completed' WHERE id = 5;
UPDATE training_sessions SET status = 'scheduled' WHERE id = 7;
UPDATE training_sessions SET status = 'completed' WHERE id = 7;
UPDATE training_sessions SET status = 'completed', subscription_id = 30 WHERE id = 7;
UPDATE training_sessions SET session_type = 'member' WHERE id = 11;
UPDATE training_sessions SET session_type = 'member' WHERE id = 12;
SELECT * FROM bookings();
SELECT * FROM counters();

-- A link that is given to them is judged as any other.
UPDATE training_sessions SET subscription_id = 20 WHERE id = 9;
UPDATE training_sessions SET subscription_id = 11 WHERE id = 9;
UPDATE training_sessions SET subscription_id = 10 WHERE id = 9;
UPDATE training_sessions SET subscription_id = 30 WHERE id = 6;
UPDATE training_sessions SET subscription_id = 30 WHERE id = 10;
-- One that changes hands is linked anew.
UPDATE training_sessions SET member_id = 2 WHERE id = 2;
UPDATE training_sessions SET member_id = 3 WHERE id = 8;
-- One that becomes a trial has nothing to give back.
INSERT INTO training_sessions (id, member_id) VALUES (20, 2);
SELECT * FROM counters();
UPDATE training_sessions SET session_type = 'trial' WHERE id IN (6, 8, 10);
SELECT * FROM bookings();
SELECT * FROM counters();

-- The recount finds nothing.
SELECT * FROM recount();
\i :finish
