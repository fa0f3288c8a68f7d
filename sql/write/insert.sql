-- Every way to insert: one row, many, from a query, with defaults, into a view.
\getenv top PG_ABS_SRCDIR
\set test path_insert
\set gym :top /test/fixtures/gym.sql
\i :gym
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
SET ROLE :desk;
INSERT INTO training_sessions (id, member_id) VALUES (1, 1);
INSERT INTO training_sessions (id, member_id) VALUES (2, 1), (3, 2), (4, 1);
INSERT INTO training_sessions (id, member_id, status)
    SELECT n, 1, CASE n % 3 WHEN 0 THEN 'completed' WHEN 1 THEN 'cancelled' ELSE 'scheduled' END::session_status
    FROM generate_series(5, 10) n;
INSERT INTO training_sessions (id, member_id) SELECT id + 100, member_id FROM training_sessions WHERE id <= 4;
SELECT * FROM counters() WHERE id IN ('10', '20');

-- More than there is: nothing is stored, not for the others either.
INSERT INTO training_sessions (id, member_id) VALUES (20, 1), (21, 2), (22, 1);
INSERT INTO training_sessions (id, member_id) SELECT n, 1 FROM generate_series(30, 40) n;
-- A key that is taken, after rows that were fine.
INSERT INTO training_sessions (id, member_id) VALUES (30, 1), (1, 1);
SELECT * FROM counters() WHERE id IN ('10', '20');
INSERT INTO training_sessions (id, member_id) SELECT n, 1 FROM generate_series(30, 29) n;

-- Through an auto-updatable view, with and without a filter and a check.
SET ROLE :owner;
CREATE VIEW agenda AS SELECT id, member_id AS member, status AS state, subscription_id AS pack FROM training_sessions;
CREATE VIEW open_agenda AS SELECT * FROM agenda WHERE state = 'scheduled' WITH CHECK OPTION;
GRANT SELECT, INSERT, UPDATE, DELETE ON agenda, open_agenda TO :desk;
SET ROLE :desk;
DELETE FROM agenda WHERE id IN (2, 5);
INSERT INTO agenda (id, member) VALUES (50, 1);
SELECT * FROM counters() WHERE id IN ('10', '20');
INSERT INTO open_agenda (id, member, state) VALUES (51, 1, 'scheduled');
INSERT INTO open_agenda (id, member, state) VALUES (52, 1, 'cancelled');
UPDATE open_agenda SET state = 'completed' WHERE id = 50;
UPDATE agenda SET state = 'cancelled' WHERE id = 50;
INSERT INTO agenda (id, member) VALUES (53, 2);
INSERT INTO agenda (id, member, pack, state) VALUES (54, 1, 11, 'completed');
DELETE FROM open_agenda;
SELECT * FROM bookings();
SELECT * FROM counters();

-- The recount finds nothing.
SELECT * FROM recount();
\i :finish
