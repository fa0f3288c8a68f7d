-- type_column => NULL: every session is consuming.
\getenv top PG_ABS_SRCDIR
\set test no_type_column
\set gym :top /test/fixtures/gym.sql
\i :gym
ALTER TABLE training_sessions DROP COLUMN session_type;
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions',
    type_column => NULL);
SET ROLE :desk;
INSERT INTO training_sessions (id, member_id) VALUES (1, 1), (2, 2), (3, 2);
INSERT INTO training_sessions (id, member_id) VALUES (4, 2);
INSERT INTO training_sessions (id, member_id) VALUES (4, 3);
INSERT INTO training_sessions (id, member_id, status) VALUES (4, 3, 'cancelled');
UPDATE training_sessions SET member_id = 1 WHERE id IN (2, 4);
UPDATE training_sessions SET status = 'cancelled' WHERE id = 1;
DELETE FROM training_sessions WHERE id = 3;
SELECT id, member_id, subscription_id, status FROM training_sessions ORDER BY id;
SELECT * FROM counters();

-- The recount finds nothing.
SELECT * FROM recount(type => NULL);
\i :finish
