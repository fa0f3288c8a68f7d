-- Rows that cannot be locked as they were listed, however often they are looked for, end the call with an error that names
-- one of their members: it does not go on for ever. What it has treated by then stays.
\getenv top PG_ABS_SRCDIR
\set test migrate_gives_up
\set gym :top /test/fixtures/gym.sql
\i :gym
INSERT INTO training_sessions (id, member_id, status) VALUES (1, 1, 'completed'), (2, 2, 'completed');
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
-- A subscription that the index of its key does not hold: a scan lists it, and no look-up finds it.
RESET ROLE;
SET allow_system_table_mods = on;
UPDATE pg_index SET indisready = false, indisvalid = false WHERE indexrelid = 'member_subscriptions_pkey'::regclass;
INSERT INTO member_subscriptions (id, member_id, status, total_sessions_snapshot) VALUES (40, 4, 'active', 5);
UPDATE pg_index SET indisready = true, indisvalid = true WHERE indexrelid = 'member_subscriptions_pkey'::regclass;
SET ROLE :owner;
\set VERBOSITY default
SET statement_timeout = '60s';
CALL session_consistency.migrate('training_sessions', when_ambiguous => 'active');
SELECT phase, rows_done, rows_total FROM session_consistency.migration_progress
WHERE sessions = 'training_sessions'::regclass;
SELECT id, link FROM bookings();
-- As the hint says.
REINDEX INDEX member_subscriptions_pkey;
CALL session_consistency.migrate('training_sessions', when_ambiguous => 'active');
SELECT phase, rows_done, rows_total FROM session_consistency.migration_progress
WHERE sessions = 'training_sessions'::regclass ORDER BY started;
SELECT * FROM recount();
\i :finish
