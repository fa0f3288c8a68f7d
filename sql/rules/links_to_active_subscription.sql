-- R1: a consuming session without a link is linked to its member's one active subscription, when it is inserted, when
-- it starts to be consuming or to hold a credit, when its member changes.
\getenv top PG_ABS_SRCDIR
\set test links_to_active_subscription
\set gym :top /test/fixtures/gym.sql
\i :gym
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
SET ROLE :desk;

-- Inserted, if it holds a credit: a cancelled one needs no pack.
INSERT INTO training_sessions (id, member_id, status)
    VALUES (1, 1, 'scheduled'), (2, 1, 'in_progress'), (3, 1, 'completed'), (4, 1, 'cancelled'), (5, 1, NULL);
SELECT * FROM bookings();
SELECT * FROM counters() WHERE id = '10';

-- None is active, or there is none at all.
SELECT * FROM refusal('INSERT INTO training_sessions (id, member_id) VALUES (6, 3)');
INSERT INTO training_sessions (id, member_id) VALUES (6, 4);
INSERT INTO training_sessions (id, member_id, status) VALUES (6, 3, 'completed');
INSERT INTO training_sessions (id, member_id, status) VALUES (6, 3, 'cancelled');
DELETE FROM training_sessions WHERE id = 6;

-- It starts to be consuming.
INSERT INTO training_sessions (id, member_id, session_type) VALUES (7, 1, 'trial'), (8, 3, 'guest'), (9, 1, NULL);
UPDATE training_sessions SET session_type = 'member' WHERE id = 7;
UPDATE training_sessions SET session_type = 'makeup' WHERE id = 8;
UPDATE training_sessions SET session_type = 'contractual', status = 'cancelled' WHERE id = 9;
SELECT * FROM bookings() WHERE id IN ('7', '8', '9');

-- An explicit link is kept, also to another pack than the active one.
INSERT INTO training_sessions (id, member_id, status, subscription_id) VALUES (10, 1, 'completed', 11);
INSERT INTO training_sessions (id, member_id, subscription_id) VALUES (11, 1, 10);
SELECT * FROM bookings() WHERE id IN ('10', '11');

-- A link taken away is a link that is missing.
UPDATE training_sessions SET subscription_id = NULL WHERE id IN (1, 10);
SELECT * FROM bookings() WHERE id IN ('1', '10');
SELECT * FROM counters();

-- A member that is not known has no pack.
SET ROLE :owner;
ALTER TABLE training_sessions ALTER member_id DROP NOT NULL;
SET ROLE :desk;
INSERT INTO training_sessions (id) VALUES (12);
INSERT INTO training_sessions (id, session_type) VALUES (12, 'trial');
UPDATE training_sessions SET member_id = NULL WHERE id = 1;
SELECT * FROM bookings() WHERE id IN ('1', '12');

-- The recount finds nothing.
SELECT * FROM recount();
\i :finish
