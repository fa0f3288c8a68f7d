-- migrate() gives every session to the subscription whose period it lies in, not to the active one, and every counter
-- the recount. A second call changes nothing.
-- Counters that are wrong on purpose, or of sessions whose statement has not ended: not counted again.
SET session_consistency.recount = off;
\getenv top PG_ABS_SRCDIR
\set test migrate_links_history
\set gym :top /test/fixtures/gym.sql
\i :gym
ALTER TABLE member_subscriptions ADD valid_from date, ADD valid_until date;
UPDATE member_subscriptions SET valid_from = '2030-07-01', total_sessions_snapshot = 4, used_sessions = 3 WHERE id = 10;
UPDATE member_subscriptions SET valid_from = '2030-01-01', valid_until = '2030-06-30', total_sessions_snapshot = 3 WHERE id = 11;
UPDATE member_subscriptions SET valid_from = '2030-01-01', used_sessions = 2 WHERE id = 20;
UPDATE member_subscriptions SET valid_from = '2030-01-01', valid_until = '2030-03-31' WHERE id = 30;
INSERT INTO member_subscriptions (id, member_id, status, total_sessions_snapshot, valid_from, valid_until)
    VALUES (31, 3, 'expired', NULL, '2030-03-01', '2030-12-31');
SELECT id, member_id, status, total_sessions_snapshot AS total, used_sessions AS used, valid_from, valid_until
FROM member_subscriptions ORDER BY id;
INSERT INTO training_sessions (id, member_id, day, status) VALUES
    (1, 1, '2030-01-01', 'completed'), (2, 1, '2030-06-30', 'completed'), (3, 1, '2030-07-01', 'completed'),
    (4, 1, '2030-03-01', 'completed'), (5, 1, '2030-03-02', 'cancelled'), (6, 1, '2030-03-03', 'completed'),
    (7, 1, '2030-08-01', 'scheduled'), (8, 1, '2030-05-01', 'scheduled'),
    (9, 2, '2030-02-01', 'completed'), (10, 2, '2029-12-31', 'completed'), (11, 2, '2030-02-02', 'completed'),
    (12, 3, '2030-03-15', 'completed'), (13, 3, '2030-02-15', 'completed'), (14, 3, '2031-01-01', 'completed'),
    (15, 4, '2030-03-15', 'completed');
INSERT INTO training_sessions (id, member_id, day, session_type, status) VALUES
    (16, 1, '2030-03-04', 'trial', 'completed'), (17, 1, '2030-03-05', NULL, 'completed'),
    (18, 1, '2030-07-02', 'makeup', NULL);
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
-- From here on the application books and cancels; used still is what it was, changed by one.
SET ROLE :desk;
INSERT INTO training_sessions (id, member_id, day) VALUES (40, 1, '2030-09-01');
UPDATE training_sessions SET status = 'completed' WHERE id = 4;
SET ROLE :owner;
SELECT * FROM counters();

\set VERBOSITY default
SET client_min_messages = notice;
CALL session_consistency.migrate('training_sessions', batch_size => 2, start_column => 'day', valid_from_column => 'valid_from', valid_until_column => 'valid_until', opening => 'give_back');
SELECT * FROM bookings();
SELECT * FROM counters();
SELECT * FROM session_consistency.check_counts();
SELECT enforced, gaps FROM session_consistency.attachments WHERE sessions = 'training_sessions'::regclass;

-- Again: no row is written.
CREATE TEMPORARY TABLE before AS
    SELECT 's' AS kind, id, xmin::text AS version FROM training_sessions
    UNION ALL SELECT 'p', id, xmin::text FROM member_subscriptions;
CALL session_consistency.migrate('training_sessions', batch_size => 2, start_column => 'day', valid_from_column => 'valid_from', valid_until_column => 'valid_until', opening => 'give_back');
SELECT 's' AS kind, id, xmin::text FROM training_sessions UNION ALL SELECT 'p', id, xmin::text FROM member_subscriptions
EXCEPT SELECT * FROM before;

-- What the DBA chooses for the rest.
CALL session_consistency.migrate('training_sessions', batch_size => 100, start_column => 'day', valid_from_column => 'valid_from', valid_until_column => 'valid_until', when_ambiguous => 'fill', opening => 'give_back');
SELECT * FROM bookings() WHERE id::int IN (6, 8, 11, 14, 15);
SELECT sessions, finished IS NOT NULL AS finished, phase, rows_done, rows_total, time_left, members, subscriptions, counters,
       linked, unlinked, remarks
FROM session_consistency.migration_progress WHERE sessions = 'training_sessions'::regclass ORDER BY started \gx

-- Who may not read the sessions does not see how far they are.
SET ROLE :desk;
SELECT count(*) FROM session_consistency.migration_progress WHERE sessions = 'training_sessions'::regclass;
SELECT count(*) FROM session_consistency.migration_runs;
SET ROLE :owner;
REVOKE SELECT ON training_sessions FROM :desk;
SET ROLE :desk;
SELECT count(*) FROM session_consistency.migration_progress WHERE sessions = 'training_sessions'::regclass;
RESET ROLE;
GRANT pg_monitor TO :desk;
SET ROLE :desk;
SELECT count(*) FROM session_consistency.migration_progress WHERE sessions = 'training_sessions'::regclass;

-- The rules hold from here on: a credit goes back to the subscription that it was taken from.
SET ROLE :owner;
GRANT SELECT ON training_sessions TO :desk;
SET ROLE :desk;
\set VERBOSITY sqlstate
DELETE FROM training_sessions WHERE id IN (1, 12);
INSERT INTO training_sessions (id, member_id) VALUES (41, 1), (42, 1);
SELECT * FROM counters();

-- The recount finds nothing.
SELECT * FROM recount();
SET client_min_messages = warning;
\i :finish
