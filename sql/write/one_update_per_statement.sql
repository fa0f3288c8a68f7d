-- However many sessions of one subscription a statement writes, its counter is written once: never a row version for
-- each.
\getenv top PG_ABS_SRCDIR
\set test one_update_per_statement
\set gym :top /test/fixtures/gym.sql
\i :gym
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
UPDATE member_subscriptions SET total_sessions_snapshot = 30000 WHERE id = 10;
CREATE FUNCTION versions() RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS
    $$ SELECT pg_stat_get_xact_tuples_updated('member_subscriptions'::regclass) $$;
SET ROLE :desk;

BEGIN;
SELECT versions() AS start \gset
INSERT INTO training_sessions (id, member_id) SELECT n, 1 FROM generate_series(1, 20000) n;
SELECT versions() - :start AS versions, versions() AS start \gset step_
\echo inserted: :step_versions
UPDATE training_sessions SET status = 'completed' WHERE id <= 10000;
SELECT versions() - :step_start AS versions, versions() AS start \gset step_
\echo completed: :step_versions
UPDATE training_sessions SET status = 'cancelled' WHERE id > 10000;
SELECT versions() - :step_start AS versions, versions() AS start \gset step_
\echo cancelled: :step_versions
UPDATE training_sessions SET note = 'read';
UPDATE training_sessions SET status = 'cancelled' WHERE id > 10000;
SELECT versions() - :step_start AS versions, versions() AS start \gset step_
\echo nothing changed: :step_versions
DELETE FROM training_sessions WHERE id <= 19990;
SELECT versions() - :step_start AS versions, versions() AS start \gset step_
\echo deleted: :step_versions
INSERT INTO training_sessions (id, member_id) SELECT n, 1 + (n > 100 AND n <= 102)::int FROM generate_series(1, 200) n;
SELECT versions() - :step_start AS versions, versions() AS start \gset step_
\echo two subscriptions: :step_versions
INSERT INTO training_sessions (id, member_id) VALUES (1, 1), (2, 2) ON CONFLICT DO NOTHING;
INSERT INTO training_sessions (id, member_id, session_type) SELECT n, 1, 'trial' FROM generate_series(201, 300) n;
SELECT versions() - :step_start AS versions, versions() AS start \gset step_
\echo dropped or free: :step_versions
COMMIT;
SELECT * FROM counters() WHERE id IN ('10', '20');

-- What passes from scheduled to completed keeps its credit: nothing is written.
BEGIN;
SELECT versions() AS start \gset step_
UPDATE training_sessions SET status = CASE WHEN status = 'scheduled' THEN 'completed'
    ELSE 'scheduled' END::session_status WHERE member_id = 1 AND id <= 200;
SELECT versions() - :step_start AS versions \gset step_
\echo scheduled to completed: :step_versions
COMMIT;

-- The recount finds nothing.
SELECT * FROM recount();
\i :finish
