-- Whoever attaches tables of his own has his code looked at by everybody who checks: it runs as himself, whoever asks,
-- and can leave nothing behind. Each way to have code run is a trap here, which notes as whom it was sprung; each call
-- is made by a superuser, in a new session, whose caches know nothing of the tables.
\getenv top PG_ABS_SRCDIR
\set test nobodys_code
\set gym :top /test/fixtures/gym.sql
\i :gym
\set VERBOSITY terse
SET ROLE NONE;
GRANT USAGE ON SCHEMA :test TO PUBLIC;
SET ROLE :owner;

-- A trap tries what a superuser could do, and notes by a sequence, which no rollback takes back, who sprung it.
CREATE TABLE ways (way text PRIMARY KEY);
CREATE FUNCTION try_all() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    command text;
BEGIN
    FOREACH command IN ARRAY '{ALTER ROLE regress_nobodys_code_owner SUPERUSER, RESET ROLE, RESET SESSION AUTHORIZATION,
                               SET search_path = nobodys_code, SET DateStyle = German}'::text[] LOOP
        BEGIN
            EXECUTE command;
        EXCEPTION WHEN OTHERS THEN
        END;
    END LOOP;
END $$;
CREATE FUNCTION trap(way text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF current_user <> 'regress_nobodys_code_owner' OR current_setting('is_superuser') = 'on' AND session_user = current_user
    THEN
        PERFORM nextval(format('nobodys_code.%I', way || ' as another'));
    ELSE
        PERFORM nextval(format('nobodys_code.%I', way || ' as the owner'));
        PERFORM nobodys_code.try_all();
    END IF;
    RETURN true;
END $$;
CREATE FUNCTION trap_trigger() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM nobodys_code.trap(TG_ARGV[0]);
    RETURN NEW;
END $$;
CREATE FUNCTION trap_purge() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM nobodys_code.trap(TG_ARGV[0]);
    RETURN OLD;
END $$;
CREATE FUNCTION set_trap(ways text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    name text;
    suffix text;
BEGIN
    INSERT INTO nobodys_code.ways SELECT unnest(ways);
    FOREACH name IN ARRAY ways LOOP
        FOREACH suffix IN ARRAY '{as the owner,as another}'::text[] LOOP
            EXECUTE format('CREATE SEQUENCE nobodys_code.%I', name || ' ' || suffix);
            EXECUTE format('GRANT ALL ON SEQUENCE nobodys_code.%I TO PUBLIC', name || ' ' || suffix);
        END LOOP;
    END LOOP;
END $$;
-- Which traps the calls since the last look have sprung as another than their owner.
CREATE FUNCTION sprung() RETURNS TABLE (as_another text) LANGUAGE plpgsql AS $$
DECLARE
    name text;
    last bigint;
BEGIN
    FOR name IN SELECT format('%s as another', way) FROM nobodys_code.ways ORDER BY way LOOP
        EXECUTE format('SELECT last_value FROM nobodys_code.%I WHERE is_called', name) INTO last;
        IF last IS NOT NULL THEN
            EXECUTE format('ALTER SEQUENCE nobodys_code.%I RESTART', name);
            RETURN QUERY VALUES (name);
        END IF;
    END LOOP;
END $$;
CREATE FUNCTION never_sprung() RETURNS TABLE (way text) LANGUAGE plpgsql AS $$
DECLARE
    name text;
    found boolean;
BEGIN
    FOR name IN SELECT w.way FROM nobodys_code.ways w ORDER BY w.way LOOP
        EXECUTE format('SELECT is_called FROM nobodys_code.%I', name || ' as the owner') INTO found;
        IF NOT found THEN
            RETURN QUERY VALUES (name);
        END IF;
    END LOOP;
END $$;
SELECT set_trap('{CHECK on packs,CHECK on sessions,CHECK of status,CHECK of type,CHECK of key,CHECK of counter,
    cast of key,cast of member,index of packs,index of sessions,index of members,predicate of packs,
    predicate of sessions,statistics of packs,statistics of sessions,generated on packs,generated on sessions,
    row before packs,row after packs,deferred on packs,row before sessions,row after sessions,deferred on sessions,
    statement on packs,statement on sessions,default of packs,policy of packs,policy of sessions,
    counts_when,cost,pays_when}');
\set counting 'counts_when => $$nobodys_code.trap(''counts_when'')$$, cost => $$1 + (nobodys_code.trap(''cost'') AND id < 0)::int$$'
\set expressions :counting ', pays_when => $$nobodys_code.trap(''pays_when'') OR subscription.id > 0$$'

-- Two attachments: one of enums as keys, whose casts to text are the owner's, one of domains.
CREATE TYPE key AS ENUM ('1', '2', '3', '4');
CREATE FUNCTION key_text(key) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
    PERFORM nobodys_code.trap('cast of key');
    RETURN format('%s', $1);
END $$;
CREATE CAST (key AS text) WITH FUNCTION key_text(key);
CREATE TYPE person AS ENUM ('1', '2', '3', '4');
CREATE FUNCTION person_text(person) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
    PERFORM nobodys_code.trap('cast of member');
    RETURN format('%s', $1);
END $$;
CREATE CAST (person AS text) WITH FUNCTION person_text(person);
CREATE DOMAIN status_word AS text CHECK (nobodys_code.trap('CHECK of status'));
CREATE DOMAIN type_word AS text CHECK (nobodys_code.trap('CHECK of type') AND VALUE <> '');
CREATE DOMAIN key_number AS int CHECK (nobodys_code.trap('CHECK of key') AND VALUE > 0);
CREATE DOMAIN counter AS int CHECK (nobodys_code.trap('CHECK of counter') AND VALUE >= 0);

CREATE TABLE people (id person PRIMARY KEY);
CREATE TABLE enum_packs (id key PRIMARY KEY, member_id person REFERENCES people, status status_word DEFAULT 'active',
    total_sessions_snapshot int, used_sessions int NOT NULL DEFAULT 0);
CREATE TABLE enum_sessions (id key PRIMARY KEY, member_id person REFERENCES people, session_type type_word DEFAULT 'member',
    status status_word DEFAULT 'scheduled');
CREATE TABLE persons (id key_number PRIMARY KEY);
CREATE TABLE packs (id key_number PRIMARY KEY, member_id key_number REFERENCES persons, status text DEFAULT 'active',
    total_sessions_snapshot counter, used_sessions counter NOT NULL DEFAULT 0, note text);
CREATE TABLE sessions (id key_number PRIMARY KEY, day date, member_id key_number REFERENCES persons, session_type text DEFAULT 'member',
    status text DEFAULT 'scheduled');
INSERT INTO people VALUES ('1'), ('2');
INSERT INTO persons VALUES (1), (2);
INSERT INTO enum_packs (id, member_id, total_sessions_snapshot) VALUES ('1', '1', 10), ('2', '2', 10);
INSERT INTO packs (id, member_id, total_sessions_snapshot) VALUES (1, 1, 10), (2, 2, 10);
INSERT INTO enum_sessions (id, member_id) VALUES ('1', '1'), ('2', '1');
INSERT INTO sessions (id, member_id) VALUES (1, 1), (2, 1);
SELECT count(*) > 0 AS attached
    FROM session_consistency.attach('enum_sessions', 'enum_packs', remaining_column => NULL, ledger => true);
SELECT count(*) > 0 AS attached FROM session_consistency.attach('sessions', 'packs', remaining_column => NULL, ledger => true,
    :counting);

-- The other traps, on both.
CREATE FUNCTION set_traps(packs regclass, sessions regclass) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    command text;
BEGIN
    FOREACH command IN ARRAY ARRAY[
        'ALTER TABLE %1$s ADD CHECK (nobodys_code.trap(''CHECK on packs''))',
        'ALTER TABLE %2$s ADD CHECK (nobodys_code.trap(''CHECK on sessions''))',
        'CREATE INDEX ON %1$s ((nobodys_code.trap(''index of packs'')), id)',
        'CREATE INDEX ON %2$s ((nobodys_code.trap(''index of sessions'')), id)',
        'CREATE INDEX ON %1$s (member_id) WHERE nobodys_code.trap(''predicate of packs'')',
        'CREATE INDEX ON %2$s (subscription_id) WHERE nobodys_code.trap(''predicate of sessions'')',
        'CREATE STATISTICS nobodys_code.of_%1$s ON (nobodys_code.trap(''statistics of packs'')), id FROM %1$s',
        'CREATE STATISTICS nobodys_code.of_%2$s ON (nobodys_code.trap(''statistics of sessions'')), id FROM %2$s',
        'ALTER TABLE %1$s ADD g boolean GENERATED ALWAYS AS (nobodys_code.trap(''generated on packs'') AND used_sessions > 0) STORED',
        'ALTER TABLE %2$s ADD g boolean GENERATED ALWAYS AS (nobodys_code.trap(''generated on sessions'') AND subscription_id IS NULL) STORED',
        'CREATE TRIGGER b BEFORE UPDATE ON %1$s FOR EACH ROW EXECUTE FUNCTION nobodys_code.trap_trigger(''row before packs'')',
        'CREATE TRIGGER a AFTER UPDATE ON %1$s FOR EACH ROW EXECUTE FUNCTION nobodys_code.trap_trigger(''row after packs'')',
        'CREATE CONSTRAINT TRIGGER d AFTER UPDATE ON %1$s DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
             EXECUTE FUNCTION nobodys_code.trap_trigger(''deferred on packs'')',
        'CREATE TRIGGER s AFTER UPDATE ON %1$s EXECUTE FUNCTION nobodys_code.trap_trigger(''statement on packs'')',
        'CREATE TRIGGER b BEFORE UPDATE ON %2$s FOR EACH ROW EXECUTE FUNCTION nobodys_code.trap_trigger(''row before sessions'')',
        'CREATE TRIGGER a AFTER UPDATE ON %2$s FOR EACH ROW EXECUTE FUNCTION nobodys_code.trap_trigger(''row after sessions'')',
        'CREATE CONSTRAINT TRIGGER d AFTER UPDATE ON %2$s DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
             EXECUTE FUNCTION nobodys_code.trap_trigger(''deferred on sessions'')',
        'CREATE TRIGGER s AFTER UPDATE ON %2$s EXECUTE FUNCTION nobodys_code.trap_trigger(''statement on sessions'')',
        'CREATE POLICY p ON %1$s USING (nobodys_code.trap(''policy of packs''))',
        'CREATE POLICY p ON %2$s USING (nobodys_code.trap(''policy of sessions''))',
        'ALTER TABLE %1$s ENABLE ROW LEVEL SECURITY',
        'ALTER TABLE %2$s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY',
        'ALTER TABLE %1$s ADD made boolean DEFAULT nobodys_code.trap(''default of packs'')'] LOOP
        EXECUTE format(command, packs, sessions);
    END LOOP;
END $$;
SELECT set_traps('enum_packs', 'enum_sessions');
SELECT set_traps('packs', 'sessions');
SELECT count(*) > 0 AS attached FROM session_consistency.attach('sessions', 'packs', remaining_column => NULL, ledger => true,
    :expressions);
CREATE INDEX ON people ((trap('index of members')), id);
CREATE INDEX ON persons ((trap('index of members')), id);
-- Drift, and links that a repair clears.
ALTER TABLE enum_packs DISABLE TRIGGER USER;
ALTER TABLE packs DISABLE TRIGGER USER;
ALTER TABLE enum_sessions DISABLE TRIGGER USER;
ALTER TABLE sessions DISABLE TRIGGER USER;
UPDATE enum_packs SET used_sessions = 3 WHERE id = '2';
UPDATE packs SET used_sessions = 3 WHERE id = 2;
INSERT INTO enum_sessions (id, member_id, session_type, subscription_id) VALUES ('3', '2', 'trial', '2');
INSERT INTO sessions (id, member_id, session_type, subscription_id) VALUES (3, 2, 'trial', 2);
ALTER TABLE enum_packs ENABLE TRIGGER USER;
ALTER TABLE packs ENABLE TRIGGER USER;
ALTER TABLE enum_sessions ENABLE TRIGGER USER;
ALTER TABLE sessions ENABLE TRIGGER USER;

-- The traps are set: a superuser who reads and writes these tables himself springs them, as the server has it.
\c -
SET client_min_messages = warning;
SET search_path = nobodys_code;
BEGIN;
UPDATE packs SET used_sessions = used_sessions, note = 'x' WHERE id::text = '2' AND member_id = 2;
SELECT count(*) FROM enum_packs WHERE member_id::text = '1' AND id::text = '1';
SET CONSTRAINTS ALL IMMEDIATE;
ROLLBACK;
SELECT as_another FROM sprung();

-- Now the extension's own calls: none springs a trap as anybody but the owner, and each answers rightly.
\set call 'SET client_min_messages = warning; SET search_path = nobodys_code;'
\c -
:call
SELECT sessions, enforced FROM session_consistency.attachments WHERE sessions IN ('sessions'::regclass, 'enum_sessions'::regclass);
SELECT * FROM sprung();
\c -
:call
SELECT sessions, enforced, subscription_rows, total, used, remaining FROM session_consistency.metrics
    WHERE sessions IN ('sessions'::regclass, 'enum_sessions'::regclass);
SELECT * FROM sprung();
\c -
:call
SELECT subscription_id, member_id, expected_used, drift FROM session_consistency.check_counts('sessions');
SELECT subscription_id, member_id, expected_used, drift FROM session_consistency.check_counts('enum_sessions');
SELECT * FROM sprung();
\c -
:call
SELECT session_consistency.check_session_integrity('2', 'sessions') -> 'expected' AS expected;
SELECT session_consistency.check_session_integrity('2', 'enum_sessions') -> 'expected' AS expected;
SELECT * FROM sprung();
\c -
:call
SELECT affected, samples FROM session_consistency.audit('sessions') WHERE code = 'linked_non_consuming';
SELECT affected, samples FROM session_consistency.audit('enum_sessions') WHERE code = 'linked_non_consuming';
SELECT * FROM sprung();
\c -
:call
SELECT member_id, subscription_id FROM session_consistency.audit_findings('sessions', 'packs') WHERE code = 'count_mismatch';
SELECT member_id, subscription_id FROM session_consistency.audit_findings('enum_sessions', 'enum_packs')
    WHERE code = 'count_mismatch';
SELECT * FROM sprung();
\c -
:call
SELECT reason, balance FROM session_consistency.explain_subscription('sessions', '2');
SELECT reason, balance FROM session_consistency.explain_subscription('enum_sessions', '2');
SELECT * FROM sprung();
\c -
:call
SELECT subscription_id, expected, actual FROM session_consistency.ledger_gaps('sessions');
SELECT subscription_id, expected, actual FROM session_consistency.ledger_gaps('enum_sessions');
SELECT * FROM sprung();
\c -
:call
BEGIN;
SELECT session_consistency.run_check('sessions') > 0 AS checked;
SELECT session_consistency.run_check('enum_sessions') > 0 AS checked;
SELECT sessions, code, subscription_id FROM session_consistency.check_findings
    WHERE sessions IN ('sessions'::regclass, 'enum_sessions'::regclass) AND subscription_id IS NOT NULL ORDER BY 1, 2;
SELECT sum(findings) > 0 AS found FROM session_consistency.open_findings
    WHERE sessions IN ('sessions'::regclass, 'enum_sessions'::regclass);
ROLLBACK;
SELECT * FROM sprung();
\c -
:call
SELECT code, subscription_id, session_id, after FROM session_consistency.repair('sessions');
SELECT code, subscription_id, session_id, after FROM session_consistency.repair('enum_sessions');
SELECT * FROM sprung();
\c -
:call
SELECT code, subscription_id, session_id, after FROM session_consistency.repair('sessions', dry_run => false);
SELECT code, subscription_id, session_id, after FROM session_consistency.repair('enum_sessions', dry_run => false);
SELECT count(*) FROM session_consistency.check_counts('sessions');
SELECT * FROM sprung();
\c -
:call
SELECT session_consistency.undo_repair(repair_id) FROM (SELECT repair_id FROM session_consistency.repairs
    WHERE sessions IN ('sessions'::regclass, 'enum_sessions'::regclass) ORDER BY repair_id DESC) r;
SELECT count(*) FROM session_consistency.check_counts('sessions');
SELECT * FROM sprung();
\c -
:call
CALL session_consistency.migrate('sessions', opening => 'give_back');
CALL session_consistency.migrate('enum_sessions', opening => 'give_back');
SELECT count(*) FROM session_consistency.check_counts('sessions');
SELECT count(*) FROM session_consistency.check_counts('enum_sessions');
SELECT * FROM sprung();
\c -
:call
SELECT session_consistency.open_ledger('sessions'), session_consistency.open_ledger('enum_sessions');
SELECT * FROM sprung();
-- What attach asks beside its commands, before and after detach.
\c -
:call
SELECT count(*) > 0 AS detached FROM session_consistency.detach('sessions', dry_run => true);
SELECT count(*) > 0 AS detached FROM session_consistency.detach('enum_sessions', dry_run => true);
SELECT * FROM sprung();
\c -
:call
SELECT count(*) > 0 AS detached FROM session_consistency.detach('sessions');
SELECT count(*) > 0 AS detached FROM session_consistency.detach('enum_sessions');
SELECT * FROM sprung();
\c -
:call
SELECT affected FROM session_consistency.audit('sessions', 'packs', :expressions) WHERE code = 'linked_non_consuming';
SELECT affected FROM session_consistency.audit('enum_sessions', 'enum_packs') WHERE code = 'linked_non_consuming';
SELECT * FROM sprung();
\c -
:call
SELECT count(*) > 0 AS planned FROM session_consistency.attach('sessions', 'packs', remaining_column => NULL, dry_run => true,
    :expressions);
SELECT count(*) > 0 AS planned
    FROM session_consistency.attach('enum_sessions', 'enum_packs', remaining_column => NULL, dry_run => true);
SELECT * FROM sprung();
\c -
:call
SELECT count(*) > 0 AS attached FROM session_consistency.attach('sessions', 'packs', remaining_column => NULL, ledger => true,
    :expressions);
SELECT count(*) > 0 AS attached
    FROM session_consistency.attach('enum_sessions', 'enum_packs', remaining_column => NULL, ledger => true);
SELECT * FROM sprung();

-- Where there are no rows yet, the foreign key is validated at once, which plans a query.
\c -
:call
SET ROLE :owner;
CREATE TABLE new_packs (LIKE packs INCLUDING ALL);
CREATE TABLE new_sessions (LIKE sessions INCLUDING ALL);
\c -
:call
SELECT count(*) > 0 AS attached FROM session_consistency.attach('new_sessions', 'new_packs', remaining_column => NULL,
    carried_column => 'carried', start_column => 'day');
SELECT * FROM sprung();
-- A purge fires the triggers of a DELETE, too.
SET ROLE :owner;
INSERT INTO new_packs (id, member_id, total_sessions_snapshot) VALUES (1, 1, 10);
INSERT INTO new_sessions (id, member_id, day) VALUES (1, 1, '2020-01-01'), (2, 1, '2020-01-01'), (3, 1, '2030-01-01');
SELECT set_trap('{row before purge,row after purge,deferred on purge,statement on purge,row after purged packs}');
CREATE TRIGGER pb BEFORE DELETE ON new_sessions FOR EACH ROW EXECUTE FUNCTION trap_purge('row before purge');
CREATE TRIGGER pa AFTER DELETE ON new_sessions FOR EACH ROW EXECUTE FUNCTION trap_purge('row after purge');
CREATE CONSTRAINT TRIGGER pd AFTER DELETE ON new_sessions DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION trap_purge('deferred on purge');
CREATE TRIGGER ps AFTER DELETE ON new_sessions EXECUTE FUNCTION trap_purge('statement on purge');
CREATE TRIGGER pp AFTER UPDATE ON new_packs FOR EACH ROW EXECUTE FUNCTION trap_trigger('row after purged packs');
\c -
:call
SELECT count(*) > 0 AS by_the_writer FROM sprung();
CALL session_consistency.purge_sessions('new_sessions', '2025-01-01', batch_size => 1);
SELECT * FROM sprung();
SELECT count(*) FROM session_consistency.check_counts('new_sessions');
SET ROLE :owner;
SELECT id FROM new_sessions ORDER BY id;
SELECT id, carried, used_sessions FROM new_packs;
\c -
:call
-- Each trap was sprung by a call, but for those of the caller's own rows: policies and defaults.
SELECT * FROM never_sprung();
SELECT rolsuper FROM pg_roles WHERE rolname = :'owner';
SELECT current_user = session_user AS still_myself, current_setting('search_path') AS path, current_setting('DateStyle') AS dates;

-- The recount finds nothing.
SELECT * FROM recount('sessions', 'packs', remaining => NULL);
SELECT * FROM recount('enum_sessions', 'enum_packs', remaining => NULL);
\i :finish
