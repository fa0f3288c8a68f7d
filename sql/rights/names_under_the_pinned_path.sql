-- A counter is written under a search path that its writer has not chosen. A name that is not found there is told with the
-- reason, in a booking as in a migration; and an audit tells which triggers may meet it.
\getenv top PG_ABS_SRCDIR
\set test pinned_names
\set gym :top /test/fixtures/gym.sql
\i :gym
SET ROLE NONE;
CREATE SCHEMA elsewhere AUTHORIZATION :owner;
SET ROLE :owner;
CREATE TABLE elsewhere.log (entry serial, what text);
CREATE FUNCTION log_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO log (what) VALUES (format('%s %s', TG_TABLE_NAME, NEW.id));
    RETURN NEW;
END $$;
CREATE FUNCTION call_function() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM write_down(NEW.id);
    RETURN NEW;
END $$;
CREATE FUNCTION use_type() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM '1'::tiny;
    RETURN NEW;
END $$;
CREATE FUNCTION do_nothing() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$ BEGIN RETURN NEW; END $$;
CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE 'no such thing' USING ERRCODE = 'undefined_table', HINT = 'the hint of the function';
END $$;
INSERT INTO training_sessions (id, member_id, status) VALUES (1, 3, 'completed');
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
SET search_path = pinned_names, elsewhere;
CREATE FUNCTION told(statement text) RETURNS TABLE (field text, value text) LANGUAGE sql AS $$
    SELECT * FROM pinned_names.refusal($1) WHERE field IN ('sqlstate', 'message', 'hint', 'done')
$$;
CREATE TRIGGER packs AFTER UPDATE ON member_subscriptions FOR EACH ROW EXECUTE FUNCTION log_change();
UPDATE member_subscriptions SET status = status WHERE id = 10;
SELECT * FROM told('INSERT INTO training_sessions (id, member_id) VALUES (2, 1)');
CREATE OR REPLACE TRIGGER packs AFTER UPDATE ON member_subscriptions FOR EACH ROW EXECUTE FUNCTION call_function();
SELECT * FROM told('INSERT INTO training_sessions (id, member_id) VALUES (2, 1)');
CREATE OR REPLACE TRIGGER packs AFTER UPDATE ON member_subscriptions FOR EACH ROW EXECUTE FUNCTION use_type();
SELECT * FROM told('INSERT INTO training_sessions (id, member_id) VALUES (2, 1)');
-- In the table's own schema a booking finds it.
ALTER TABLE elsewhere.log SET SCHEMA pinned_names;
CREATE OR REPLACE TRIGGER packs AFTER UPDATE ON member_subscriptions FOR EACH ROW EXECUTE FUNCTION log_change();
SELECT * FROM told('INSERT INTO training_sessions (id, member_id) VALUES (2, 1)');
-- A migration and a repair look in pg_catalog alone.
CREATE TRIGGER sessions BEFORE UPDATE ON training_sessions FOR EACH ROW EXECUTE FUNCTION log_change();
\set VERBOSITY default
\set SHOW_CONTEXT never
CALL session_consistency.migrate('training_sessions');
ALTER FUNCTION log_change SET search_path = pinned_names;
CALL session_consistency.migrate('training_sessions');
SELECT what FROM log ORDER BY entry;
SELECT * FROM bookings() WHERE id = '1';
DROP TRIGGER sessions ON training_sessions;
-- Other errors have no such hint, nor has one that the caller's own statement meets.
ALTER FUNCTION log_change RESET search_path;
SELECT * FROM told('INSERT INTO nowhere VALUES (1)');
SELECT * FROM told('SELECT no_such_function(1)') WHERE value ~ 'search_path';

-- What an audit says of the triggers: those that a counter's write fires, by functions that take any path.
CREATE TRIGGER with_path AFTER UPDATE ON member_subscriptions FOR EACH ROW EXECUTE FUNCTION do_nothing();
CREATE TRIGGER of_another_column AFTER UPDATE OF status ON member_subscriptions FOR EACH ROW EXECUTE FUNCTION fail();
CREATE TRIGGER of_the_counter AFTER UPDATE OF used_sessions, status ON member_subscriptions FOR EACH ROW
    WHEN (NEW.id < 0) EXECUTE FUNCTION fail();
CREATE TRIGGER of_inserts AFTER INSERT ON member_subscriptions FOR EACH ROW EXECUTE FUNCTION fail();
CREATE TRIGGER disabled AFTER UPDATE ON member_subscriptions FOR EACH ROW EXECUTE FUNCTION fail();
ALTER TABLE member_subscriptions DISABLE TRIGGER disabled;
CREATE TRIGGER in_c BEFORE UPDATE ON member_subscriptions FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger();
SELECT code, severity, expected, actual, repair_sql FROM session_consistency.audit_findings('training_sessions')
    WHERE code = 'unpinned_trigger';
SELECT affected, description, recommendation FROM session_consistency.audit('training_sessions')
    WHERE code = 'unpinned_trigger';
BEGIN;
SELECT session_consistency.run_check('training_sessions') > 0 AS checked;
SELECT severity, actual FROM session_consistency.check_findings WHERE code = 'unpinned_trigger'
    AND sessions = 'training_sessions'::regclass ORDER BY actual;
ROLLBACK;
SET ROLE NONE;
DROP SCHEMA elsewhere CASCADE;
SELECT * FROM recount();
\i :finish
