-- link_check => true adds a CHECK that a counted session is linked: it holds also where triggers are off.
\getenv top PG_ABS_SRCDIR
\set test link_check
\set gym :top /test/fixtures/gym.sql
\i :gym
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions',
    link_check => true);
SET ROLE :desk;
INSERT INTO training_sessions (id, member_id) VALUES (1, 1), (2, 2), (3, 2);
INSERT INTO training_sessions (id, member_id, session_type) VALUES (4, 3, 'trial'), (5, 3, NULL);
INSERT INTO training_sessions (id, member_id) VALUES (6, 3);
INSERT INTO training_sessions (id, member_id) VALUES (6, 2);
UPDATE training_sessions SET session_type = 'guest' WHERE id = 1;
UPDATE training_sessions SET session_type = 'member' WHERE id IN (1, 4);
UPDATE training_sessions SET member_id = 1 WHERE id = 2;
UPDATE training_sessions SET status = 'cancelled' WHERE id = 3;
SET ROLE NONE;
SET session_replication_role = replica;
INSERT INTO training_sessions (id, member_id) VALUES (6, 2);
INSERT INTO training_sessions (id, member_id, session_type) VALUES (6, 2, 'trial');
RESET session_replication_role;
SELECT * FROM bookings();
SELECT * FROM counters();

-- The recount finds nothing.
SELECT * FROM recount();
\i :finish
