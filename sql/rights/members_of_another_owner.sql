-- Members, sessions and subscriptions may belong to three roles: each is read as its own owner, and what a superuser's,
-- a database owner's or an auditor's call has found without rights of its own in between, it still finds.
\getenv top PG_ABS_SRCDIR
\set test members_of_another
\set gym :top /test/fixtures/gym.sql
\i :gym
\set VERBOSITY terse
SET ROLE NONE;
-- The members go to somebody else, whose code they bring along, and whom the owner of the sessions may only refer to.
CREATE ROLE regress_members_of_another_office;
GRANT USAGE, CREATE ON SCHEMA :test TO regress_members_of_another_office;
ALTER TABLE members OWNER TO regress_members_of_another_office;
SET ROLE regress_members_of_another_office;
GRANT REFERENCES ON members TO :owner;
CREATE TABLE looked (who name);
GRANT INSERT ON looked TO PUBLIC;
CREATE FUNCTION note() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO members_of_another.looked VALUES (current_user);
END $$;
CREATE FUNCTION look() RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    PERFORM members_of_another.note();
    RETURN true;
END $$;
CREATE INDEX ON members ((look()), id);
-- So do the packs, to a role whose rights the owner of the sessions has.
SET ROLE NONE;
CREATE ROLE regress_members_of_another_shop;
GRANT USAGE ON SCHEMA :test TO regress_members_of_another_shop;
GRANT regress_members_of_another_shop TO :owner;
ALTER TABLE member_subscriptions OWNER TO regress_members_of_another_shop;
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions', ledger => true);
INSERT INTO training_sessions (id, member_id) VALUES (1, 1), (2, 2);
SET session_replication_role = replica;
UPDATE member_subscriptions SET used_sessions = 2 WHERE id = 10;
INSERT INTO training_sessions (id, member_id) VALUES (5, 99);
RESET session_replication_role;
TRUNCATE looked;

-- A superuser.
\c -
SET client_min_messages = warning;
SET search_path = members_of_another;
SELECT code, member_id, subscription_id, session_id FROM session_consistency.audit_findings('training_sessions')
    WHERE code <> 'enforcement_gap';
SELECT DISTINCT who FROM looked;
SELECT attachment, subscription_id, drift FROM session_consistency.check_counts('training_sessions');
SELECT subscription_id, expected, actual FROM session_consistency.ledger_gaps('training_sessions');
SELECT total, used FROM session_consistency.metrics WHERE sessions = 'training_sessions'::regclass;
BEGIN;
SELECT session_consistency.run_check('training_sessions') > 0 AS checked;
ROLLBACK;
SELECT subscription_id, after FROM session_consistency.repair('training_sessions', dry_run => false);
DELETE FROM training_sessions WHERE id = 5;
CALL session_consistency.migrate('training_sessions');
SELECT count(*) FROM session_consistency.check_counts('training_sessions');

-- An auditor who may read everything, and owns nothing.
CREATE ROLE regress_members_of_another_auditor;
GRANT pg_read_all_data TO regress_members_of_another_auditor;
SET ROLE regress_members_of_another_auditor;
SELECT code, member_id, session_id FROM session_consistency.audit_findings('training_sessions');
SELECT count(*) FROM session_consistency.check_counts();
SELECT reason FROM session_consistency.explain_subscription('training_sessions', '10');
SELECT session_consistency.check_session_integrity('1', 'training_sessions') -> 'valid' AS valid;
BEGIN;
SELECT session_consistency.run_check() > 0 AS checked;
ROLLBACK;
-- Who may read the sessions and the packs, but not the members, is told so; of the counts alone that role may ask.
SET ROLE NONE;
GRANT SELECT ON training_sessions, member_subscriptions TO :desk;
SET ROLE :desk;
SELECT count(*) FROM session_consistency.audit('training_sessions');
SELECT session_consistency.run_check('training_sessions');
SELECT count(*) FROM session_consistency.check_counts('training_sessions');
-- No right on the schema is no right on the table.
SET ROLE NONE;
REVOKE USAGE ON SCHEMA :test FROM :desk;
SELECT oid AS sessions FROM pg_class WHERE oid = 'training_sessions'::regclass \gset
SET ROLE :desk;
SELECT count(*) FROM session_consistency.check_counts(:sessions);
SET ROLE NONE;

-- The members' own owner is asked for them by nobody else's name.
SELECT DISTINCT who FROM looked;
DROP OWNED BY regress_members_of_another_office, regress_members_of_another_auditor CASCADE;
ALTER TABLE member_subscriptions OWNER TO :owner;
DROP OWNED BY regress_members_of_another_shop CASCADE;
DROP ROLE regress_members_of_another_office, regress_members_of_another_auditor, regress_members_of_another_shop;
SELECT * FROM recount();
\i :finish
