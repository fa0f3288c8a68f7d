-- The fifth defect: a deleted session gave its credit to the pack that the member had by then, not to the one that it
-- was booked on.
\getenv top PG_ABS_SRCDIR
\set test defect_5_credit_to_another_subscription
\set gym :top /test/fixtures/gym.sql
\i :gym
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
SET ROLE :desk;
INSERT INTO training_sessions (id, member_id) SELECT n, 1 FROM generate_series(1, 4) n;
INSERT INTO training_sessions (id, member_id, session_type) VALUES (5, 1, 'contractual');

-- The pack is renewed.
SET ROLE :owner;
UPDATE member_subscriptions SET status = 'expired' WHERE id = 10;
INSERT INTO member_subscriptions (id, member_id, total_sessions_snapshot) VALUES (12, 1, 10);
SET ROLE :desk;
INSERT INTO training_sessions (id, member_id) VALUES (6, 1);
SELECT * FROM counters() WHERE id IN ('10', '12');

-- Deleted, cancelled, no longer consuming: each credit goes back to 10.
DELETE FROM training_sessions WHERE id = 1;
SELECT * FROM counters() WHERE id IN ('10', '12');
UPDATE training_sessions SET status = 'cancelled' WHERE id = 2;
SELECT * FROM counters() WHERE id IN ('10', '12');
UPDATE training_sessions SET session_type = 'guest' WHERE id = 3;
SELECT * FROM counters() WHERE id IN ('10', '12');

-- And once only.
UPDATE training_sessions SET status = 'cancelled' WHERE id = 2;
DELETE FROM training_sessions WHERE id IN (2, 3);
SELECT * FROM counters() WHERE id IN ('10', '12');
DELETE FROM training_sessions WHERE id IN (4, 5, 6);
SELECT * FROM counters() WHERE id IN ('10', '12');

-- The recount finds nothing.
SELECT * FROM recount();
\i :finish
