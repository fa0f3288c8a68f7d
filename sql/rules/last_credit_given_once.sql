-- R4: a counted session takes one credit, the last one is given once, and a statement that asks for more changes
-- nothing.
\getenv top PG_ABS_SRCDIR
\set test last_credit_given_once
\set gym :top /test/fixtures/gym.sql
\i :gym
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
SET ROLE :desk;
INSERT INTO training_sessions (id, member_id) VALUES (1, 2);
INSERT INTO training_sessions (id, member_id) VALUES (2, 2), (3, 2);
INSERT INTO training_sessions (id, member_id) VALUES (4, 1), (5, 2), (6, 2), (7, 1);
SELECT * FROM counters() WHERE id IN ('10', '20');
INSERT INTO training_sessions (id, member_id) VALUES (2, 2);
SELECT * FROM refusal('INSERT INTO training_sessions (id, member_id) VALUES (3, 2)');
INSERT INTO training_sessions (id, member_id, status) VALUES (3, 2, 'completed');
INSERT INTO training_sessions (id, member_id, status) VALUES (3, 2, 'in_progress');

-- What holds no credit needs none.
INSERT INTO training_sessions (id, member_id, status) VALUES (3, 2, 'cancelled');
INSERT INTO training_sessions (id, member_id, session_type) VALUES (4, 2, 'trial');
UPDATE training_sessions SET status = 'scheduled' WHERE id = 3;
UPDATE training_sessions SET session_type = 'member' WHERE id = 4;

-- From one counted status to another: the credit is held already.
UPDATE training_sessions SET status = 'in_progress' WHERE id = 1;
UPDATE training_sessions SET status = 'completed' WHERE id <= 2;
SELECT * FROM bookings();
SELECT * FROM counters() WHERE id = '20';

-- A freed credit is free.
DELETE FROM training_sessions WHERE id = 1;
INSERT INTO training_sessions (id, member_id) VALUES (5, 2);
UPDATE training_sessions SET session_type = 'member' WHERE id = 4;
SELECT * FROM counters() WHERE id = '20';

-- No credit at all.
SET ROLE :owner;
UPDATE member_subscriptions SET status = 'active', total_sessions_snapshot = 0 WHERE id = 30;
SET ROLE :desk;
INSERT INTO training_sessions (id, member_id) VALUES (6, 3);
INSERT INTO training_sessions (id, member_id, status, subscription_id) SELECT n, 2, 'completed', 21
    FROM generate_series(7, 9) n;
SELECT * FROM counters();

-- The recount finds nothing.
SELECT * FROM recount();
\i :finish
