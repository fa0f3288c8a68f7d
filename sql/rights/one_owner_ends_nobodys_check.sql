-- Somebody whose tables raise an error, or cannot be read for another reason, is told of in a row of his own; what is
-- found in the others' tables comes all the same.
\getenv top PG_ABS_SRCDIR
\set test one_owner
\set gym :top /test/fixtures/gym.sql
\i :gym
\set VERBOSITY default
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions', ledger => true);
ALTER TABLE member_subscriptions DISABLE TRIGGER USER;
UPDATE member_subscriptions SET used_sessions = 1 WHERE id = 10;
ALTER TABLE member_subscriptions ENABLE TRIGGER USER;

-- Another owner, whose function is called wherever his tables are looked at.
SET ROLE NONE;
GRANT CREATE ON SCHEMA :test TO :desk;
SET ROLE :desk;
CREATE FUNCTION trap() RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN true; END $$;
CREATE DOMAIN word AS text CHECK (one_owner.trap());
CREATE TABLE packs (id int PRIMARY KEY, member_id int, status word DEFAULT 'active', total_sessions_snapshot int,
    used_sessions int NOT NULL DEFAULT 0);
CREATE TABLE sessions (id int PRIMARY KEY, member_id int, session_type text, status text);
SELECT count(*) > 0 AS attached FROM session_consistency.attach('sessions', 'packs', remaining_column => NULL, ledger => true);
CREATE INDEX ON packs ((trap()), id);
CREATE INDEX ON sessions ((trap()), id);
CREATE FUNCTION become(body text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE OR REPLACE FUNCTION one_owner.trap() RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS %L',
                   format('BEGIN %s; RETURN true; END', body));
END $$;
-- What everybody is told, of these two attachments.
CREATE FUNCTION told() RETURNS TABLE (by text, sessions regclass, what text) LANGUAGE sql AS $$
    SELECT 'check_counts', attachment, message FROM session_consistency.check_counts()
        WHERE attachment::text ~ 'training_sessions$|sessions$'
    UNION ALL SELECT 'ledger_gaps', attachment, message FROM session_consistency.ledger_gaps()
        WHERE attachment::text ~ 'training_sessions$|sessions$'
    UNION ALL SELECT 'metrics', sessions, format('enforced %s, total %s', enforced, coalesce(total::text, 'NULL'))
        FROM session_consistency.metrics
    ORDER BY 1, 2
$$;
GRANT EXECUTE ON FUNCTION told() TO PUBLIC;

\c -
SET client_min_messages = warning;
SET search_path = one_owner;
SELECT become('RAISE ''not with me''');
\c -
SET client_min_messages = warning;
SET search_path = one_owner;
SELECT * FROM told();
SELECT sessions, enforced, gaps FROM session_consistency.attachments;
BEGIN;
SELECT session_consistency.run_check() > 0 AS checked;
SELECT sessions, code, subscription_id, actual FROM session_consistency.check_findings
    WHERE sessions IN ('sessions'::regclass, 'training_sessions'::regclass) ORDER BY sessions, code;
-- With another message it is the same finding.
SELECT become('RAISE ''not with me, either''');
SELECT session_consistency.run_check('sessions') > 0 AS checked;
SELECT new_findings, open_findings FROM session_consistency.check_runs ORDER BY run_id DESC LIMIT 1;
ROLLBACK;
-- Asked for alone, it is the caller's error.
SELECT * FROM session_consistency.check_counts('sessions');

-- Whatever it calls itself: that it was cancelled, that the caller may not read, that the transaction is to be repeated.
SELECT become('RAISE ''cancelled'' USING ERRCODE = ''query_canceled''');
\c -
SET client_min_messages = warning;
SET search_path = one_owner;
SELECT * FROM told() WHERE sessions = 'sessions'::regclass;
SELECT become('RAISE ''forbidden'' USING ERRCODE = ''insufficient_privilege''');
\c -
SET client_min_messages = warning;
SET search_path = one_owner;
SELECT * FROM told() WHERE sessions = 'sessions'::regclass;
BEGIN;
SELECT session_consistency.run_check() > 0 AS checked;
ROLLBACK;
SELECT become('RAISE ''%'', repeat(''very '', 1000)');
\c -
SET client_min_messages = warning;
SET search_path = one_owner;
SELECT length(message) FROM session_consistency.check_counts() WHERE attachment = 'sessions'::regclass;
-- One that is really cancelled ends.
SELECT become('PERFORM pg_sleep(60)');
\c -
SET client_min_messages = warning;
SET search_path = one_owner;
SET statement_timeout = '100ms';
SELECT count(*) FROM session_consistency.check_counts();
RESET statement_timeout;
SELECT become('PERFORM 1');

-- Owners who do not trust each other: listed, and not read, whoever asks.
CREATE ROLE regress_one_owner_third;
ALTER TABLE packs OWNER TO regress_one_owner_third;
SELECT gaps FROM session_consistency.attachments WHERE sessions = 'sessions'::regclass;
SELECT * FROM told() WHERE sessions = 'sessions'::regclass;
SELECT * FROM session_consistency.check_counts('sessions');
SELECT code, affected, description ~ 'no row is read' AS untold FROM session_consistency.audit('sessions')
    WHERE code IN ('count_mismatch', 'enforcement_gap');
SELECT code, actual FROM session_consistency.audit_findings('sessions');
BEGIN;
SELECT session_consistency.run_check('sessions') > 0 AS checked;
SELECT code, actual FROM session_consistency.check_findings WHERE sessions = 'sessions'::regclass ORDER BY code, actual;
ROLLBACK;
SELECT * FROM session_consistency.repair('sessions');
CALL session_consistency.migrate('sessions');
-- So it is with a partition of somebody else's.
ALTER TABLE packs OWNER TO :desk;
SET ROLE :owner;
CREATE TABLE parted (id int PRIMARY KEY, member_id int, session_type text, status text) PARTITION BY RANGE (id);
CREATE TABLE part PARTITION OF parted DEFAULT;
CREATE TABLE parted_packs (LIKE member_subscriptions INCLUDING ALL);
SET ROLE NONE;
ALTER TABLE part OWNER TO regress_one_owner_third;
SELECT * FROM session_consistency.attach('parted', 'parted_packs');
ALTER TABLE part OWNER TO :owner;
SET ROLE :owner;
SELECT count(*) > 0 AS attached FROM session_consistency.attach('parted', 'parted_packs');
SET ROLE NONE;
ALTER TABLE part OWNER TO regress_one_owner_third;
SELECT gaps FROM session_consistency.attachments WHERE sessions = 'parted'::regclass;
SELECT * FROM session_consistency.check_counts('parted');
GRANT :owner TO regress_one_owner_third;
SELECT enforced FROM session_consistency.attachments WHERE sessions = 'parted'::regclass;
SELECT count(*) FROM session_consistency.check_counts('parted');
ALTER TABLE part OWNER TO :owner;
DROP OWNED BY regress_one_owner_third;
DROP ROLE regress_one_owner_third;

-- Put right, all is well again.
SELECT count(*) FROM session_consistency.repair('training_sessions', dry_run => false);
SELECT * FROM told() WHERE by <> 'metrics';
SELECT * FROM recount();
\i :finish
