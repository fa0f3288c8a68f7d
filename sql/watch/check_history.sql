-- run_check() keeps what it finds: each finding once, with its first and last time and its end; what would switch the
-- rules off is found like a wrong counter.
\getenv top PG_ABS_SRCDIR
\set test check_history
\set gym :top /test/fixtures/gym.sql
\set partitioned 1
\i :gym
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
CALL session_consistency.migrate('training_sessions');
INSERT INTO training_sessions (id, member_id, status) VALUES (1, 1, 'scheduled'), (2, 1, 'completed'), (3, 2, 'completed');
INSERT INTO training_sessions (id, day, member_id) VALUES (4, '2031-01-01', 1);
-- Runs a check and says what changed, without what differs from run to run.
CREATE TABLE runs (run bigint);
CREATE FUNCTION checked() RETURNS TABLE (sort text, code text, severity text, subscription text, session text,
                                         expected text, actual text)
    LANGUAGE plpgsql AS $$
DECLARE
    this bigint := session_consistency.run_check('training_sessions');
    r record;
BEGIN
    INSERT INTO runs VALUES (this);
    SELECT * INTO r FROM session_consistency.check_runs WHERE run_id = this;
    sort := format('%s new, %s ended, %s open', r.new_findings, r.ended_findings, r.open_findings);
    RETURN NEXT;
    RETURN QUERY
    SELECT CASE WHEN f.first_run = this THEN 'new' WHEN f.ended IS NULL THEN 'old' ELSE 'ended' END, f.code, f.severity,
           f.subscription_id, f.session_id, f.expected, regexp_replace(f.actual, 'check \d+', 'check N')
    FROM session_consistency.check_findings f
    WHERE f.sessions = 'training_sessions'::regclass AND (f.last_run = this OR f.ended = r.started)
    ORDER BY 1, f.code, f.subscription_id, f.actual COLLATE "C";
END $$;
SELECT * FROM checked();
SELECT run_by = current_user AS by_me, finished >= started AS timed, duration >= '0' AS lasted, sessions, checked,
       subscription_rows, session_rows
FROM session_consistency.check_runs WHERE run_id = (SELECT max(run) FROM runs);

-- A drift comes, grows, and goes.
RESET ROLE;
CREATE FUNCTION drift(value integer) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    SET LOCAL session_replication_role = replica;
    UPDATE member_subscriptions SET used_sessions = value WHERE id = 10;
    SET LOCAL session_replication_role = origin;
END $$;
SET ROLE :owner;
SELECT drift(7);
SELECT * FROM checked();
SELECT drift(8);
SELECT * FROM checked();
SELECT count(*) FROM session_consistency.repair('training_sessions', dry_run => false);
SELECT * FROM checked();
SELECT * FROM checked();
SELECT code, first_run < last_run AS lasted, first_seen < last_seen AS as_long, last_seen < ended AS and_ended
FROM session_consistency.check_findings WHERE sessions = 'training_sessions'::regclass;
-- Undone, it is a finding again, and another one.
SELECT count(session_consistency.undo_repair(repair_id)) FROM session_consistency.repairs
WHERE sessions = 'training_sessions'::regclass;
SELECT * FROM checked();
SELECT count(*) FROM session_consistency.repair('training_sessions', dry_run => false);
SELECT * FROM checked();

-- What has no row event shows as drift.
ALTER TABLE training_sessions DETACH PARTITION sessions_2031;
SELECT * FROM checked();
ALTER TABLE training_sessions ATTACH PARTITION sessions_2031 FOR VALUES FROM ('2031-01-01') TO ('2032-01-01');
SELECT * FROM checked();
BEGIN;
TRUNCATE sessions_2030;
SELECT * FROM checked();
ROLLBACK;

-- The guard of the guards.
BEGIN;
ALTER TABLE sessions_2030 DISABLE TRIGGER USER;
DROP TRIGGER "zz_session_consistency_link_member_subscriptions" ON training_sessions;
ALTER TABLE member_subscriptions DISABLE TRIGGER "00_session_consistency_guard_member_subscriptions";
ALTER TABLE training_sessions DROP CONSTRAINT sc_training_sessions_subscription_id_fkey;
SELECT * FROM checked();
ROLLBACK;
BEGIN;
ALTER TABLE member_subscriptions DROP CONSTRAINT sc_member_subscriptions_used_sessions_check;
SELECT * FROM checked();
ALTER TABLE member_subscriptions ADD CHECK (used_sessions >= 0 AND used_sessions <= total_sessions_snapshot) NOT VALID;
DO $$ BEGIN EXECUTE (SELECT format('DROP INDEX %s', indexrelid::regclass) FROM pg_index
                     WHERE indrelid = 'member_subscriptions'::regclass AND indpred IS NOT NULL); END $$;
SELECT * FROM checked();
ROLLBACK;
-- The very trigger that says what is attached.
BEGIN;
DROP TRIGGER "00_session_consistency_charge_member_subscriptions" ON training_sessions;
SELECT * FROM checked();
ROLLBACK;
-- A column is gone: the rows cannot be read, and what was found in them stays.
BEGIN;
SELECT drift(7);
SELECT * FROM checked();
ALTER TABLE training_sessions RENAME status TO state;
SELECT * FROM checked();
ALTER TABLE training_sessions RENAME state TO status;
SELECT * FROM checked();
ROLLBACK;
RESET ROLE;
BEGIN;
ALTER ROLE :desk SET session_replication_role = 'Replica';
ALTER ROLE :owner SET session_replication_role = local;
SELECT * FROM checked();
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET session_replication_role = replica', current_database()); END $$;
SELECT * FROM checked();
ROLLBACK;
SET ROLE :owner;

-- Findings of a table that is detached end with the next check of all; everybody sees what he may.
RESET ROLE;
BEGIN;
SELECT drift(7);
SELECT code FROM session_consistency.check_findings WHERE ended IS NULL;
SELECT session_consistency.run_check() > 0 AS checked;
SELECT sessions, code FROM session_consistency.check_findings WHERE ended IS NULL;
SELECT sessions, severity, findings, oldest IS NOT NULL AS dated FROM session_consistency.open_findings ORDER BY 1, 2;
SELECT sessions, enforced, subscription_rows, unlimited_rows, total, used, remaining, last_check_age >= 0 AS aged,
       last_check_duration >= 0 AS lasted
FROM session_consistency.metrics;
GRANT USAGE ON SCHEMA check_history TO pg_monitor;
SET LOCAL ROLE pg_monitor;
SELECT count(*) FROM session_consistency.check_findings;
SELECT count(*) > 0 AS runs FROM session_consistency.check_runs;
SELECT sessions, severity, findings FROM session_consistency.open_findings ORDER BY 1, 2;
SELECT sessions, used, remaining FROM session_consistency.metrics;
SET LOCAL ROLE :desk;
SELECT count(*) FROM session_consistency.check_findings;
SELECT count(*) FROM session_consistency.open_findings;
SELECT count(*) FROM session_consistency.metrics;
SELECT subscription_rows, used FROM session_consistency.list_usage();
RESET ROLE;
SELECT count(*) > 0 AS detached FROM session_consistency.detach('training_sessions');
SELECT session_consistency.run_check() > 0 AS checked;
SELECT count(*) FROM session_consistency.check_findings WHERE ended IS NULL;
ROLLBACK;

-- How long it is kept: what is open stays.
BEGIN;
SELECT drift(7);
SELECT session_consistency.run_check('training_sessions') > 0 AS checked;
UPDATE session_consistency._check_runs SET started = started - interval '401 days', finished = finished - interval '401 days';
UPDATE session_consistency._check_findings SET first_seen = first_seen - interval '401 days', ended = ended - interval '401 days';
SAVEPOINT aged;
SET LOCAL session_consistency.keep_history = -1;
SELECT session_consistency.run_check('training_sessions') > 0 AS checked;
SELECT count(*) > 1 AS kept FROM session_consistency.check_runs;
ROLLBACK TO aged;
SHOW session_consistency.keep_history;
SELECT session_consistency.run_check('training_sessions') > 0 AS checked;
SELECT count(*) FROM session_consistency.check_runs;
SELECT code, ended IS NULL AS open FROM session_consistency.check_findings;
ROLLBACK;
SET ROLE :owner;
SET session_consistency.keep_history = 0;

-- Who may check, and what.
SET ROLE :desk;
SELECT session_consistency.run_check('training_sessions');
SELECT session_consistency.run_check();
SET ROLE :owner;
SELECT session_consistency.run_check('members');
SELECT session_consistency.run_check(1);
SELECT session_consistency.run_check('no_such_table');
BEGIN READ ONLY;
SELECT session_consistency.run_check('training_sessions');
ROLLBACK;

-- No lock that a booking would wait for.
BEGIN;
SELECT session_consistency.run_check() > 0 AS checked;
SELECT DISTINCT mode FROM pg_locks
WHERE pid = pg_backend_pid()
      AND relation IN (SELECT oid FROM pg_class WHERE relnamespace = current_schema()::regnamespace);
ROLLBACK;
SELECT * FROM recount();
\i :finish
