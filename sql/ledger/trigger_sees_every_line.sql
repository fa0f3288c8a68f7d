-- Whatever follows a table by a trigger, as tools that repack or copy it do, sees every line of the ledger: such triggers
-- fire for the extension's own lines, too, as the table's owner. What a trigger would keep out is refused.
\getenv top PG_ABS_SRCDIR
\set test trigger_sees_every_line
\set gym :top /test/fixtures/gym.sql
\i :gym
SELECT count(*) > 0 AS attached
    FROM session_consistency.attach('training_sessions', 'member_subscriptions', ledger => true);
RESET ROLE;
-- A copy that a row trigger fills, as pg_repack's does, and one that is filled by statement.
CREATE TABLE copied (LIKE session_consistency.ledger);
CREATE TABLE told (LIKE session_consistency.ledger);
CREATE TABLE statements (place text, lines bigint, as_owner boolean);
CREATE FUNCTION copy_line() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO copied VALUES (NEW.*);
    RETURN NULL;
END $$;
CREATE FUNCTION tell_lines() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO told SELECT * FROM lines;
    RETURN NULL;
END $$;
CREATE FUNCTION note_statement() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO statements
        SELECT TG_WHEN, count(*), current_user = pg_get_userbyid(relowner) FROM pg_class WHERE oid = TG_RELID GROUP BY 3;
    RETURN NULL;
END $$;
-- The lines that one of them has and the table has not, or the reverse.
CREATE FUNCTION unequal() RETURNS TABLE (place text, id bigint)
    LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS $$
    WITH lines AS (SELECT l.* FROM session_consistency.ledger AS l WHERE l.pair = (
        SELECT pair FROM session_consistency._pairs WHERE sessions::regclass = 'training_sessions'::regclass))
    SELECT 'not copied', l.id FROM (TABLE lines EXCEPT ALL TABLE copied) AS l
    UNION ALL SELECT 'copied alone', l.id FROM (TABLE copied EXCEPT ALL TABLE lines) AS l
    UNION ALL SELECT 'not told', l.id FROM (TABLE lines EXCEPT ALL TABLE told) AS l
    UNION ALL SELECT 'told alone', l.id FROM (TABLE told EXCEPT ALL TABLE lines) AS l
$$;
INSERT INTO copied SELECT * FROM session_consistency.ledger AS l WHERE l.pair = (
    SELECT pair FROM session_consistency._pairs WHERE sessions::regclass = 'training_sessions'::regclass);
INSERT INTO told TABLE copied;
SELECT * FROM unequal();
CREATE TRIGGER copy_line AFTER INSERT ON session_consistency.ledger FOR EACH ROW EXECUTE FUNCTION copy_line();
ALTER TABLE session_consistency.ledger ENABLE ALWAYS TRIGGER copy_line;
CREATE TRIGGER tell_lines AFTER INSERT ON session_consistency.ledger REFERENCING NEW TABLE AS lines
    FOR EACH STATEMENT EXECUTE FUNCTION tell_lines();
CREATE TRIGGER note_before BEFORE INSERT ON session_consistency.ledger
    FOR EACH STATEMENT EXECUTE FUNCTION note_statement();

-- One session and many, by a role without any right on the ledger.
SET ROLE :desk;
INSERT INTO training_sessions (id, member_id) VALUES (1, 1);
UPDATE training_sessions SET status = 'completed' WHERE id = 1;
DELETE FROM training_sessions WHERE id = 1;
SET ROLE :owner;
INSERT INTO members SELECT n, n FROM generate_series(101, 300) n;
INSERT INTO member_subscriptions (id, member_id, total_sessions_snapshot) SELECT n, n, NULL FROM generate_series(101, 300) n;
INSERT INTO training_sessions (id, member_id) SELECT n, 101 + n % 200 FROM generate_series(1, 500) n;
SELECT set_config('session_consistency.actor', string_agg(md5(n::text), ''), false) IS NOT NULL AS long
    FROM generate_series(1, 500) n;
UPDATE training_sessions SET status = 'cancelled' WHERE id % 5 = 0;
RESET session_consistency.actor;
SELECT count(*) FROM unequal();
-- Taken back, refused.
BEGIN;
SAVEPOINT one;
DELETE FROM training_sessions WHERE id = 1;
ROLLBACK TO one;
UPDATE training_sessions SET status = 'completed' WHERE id = 2;
COMMIT;
INSERT INTO training_sessions (id, member_id) SELECT 1000 + n, 2 FROM generate_series(1, 3) n;
SELECT count(*) FROM unequal();
-- Of no single session: migrated, repaired, undone, opened again, truncated.
RESET ROLE;
SET session_replication_role = replica;
UPDATE member_subscriptions SET used_sessions = 1 WHERE id = 11;
UPDATE training_sessions SET subscription_id = NULL WHERE id = 7;
RESET session_replication_role;
CALL session_consistency.migrate('training_sessions');
SET session_replication_role = replica;
UPDATE member_subscriptions SET used_sessions = 1 WHERE id = 11;
RESET session_replication_role;
SELECT count(*) FROM session_consistency.repair('training_sessions', dry_run => false);
SELECT session_consistency.undo_repair((SELECT max(repair_id) FROM session_consistency.repairs));
SELECT count(*) FROM session_consistency.repair('training_sessions', dry_run => false);
SELECT session_consistency.open_ledger('training_sessions') > 200 AS opened;
TRUNCATE training_sessions;
INSERT INTO training_sessions (id, member_id) VALUES (1, 1);
SELECT count(*) FROM unequal();
SELECT count(*) > 1000 AS many FROM copied;
SELECT message FROM session_consistency.ledger_gaps('training_sessions');
SELECT place, as_owner, count(*) > 20 AS many FROM statements GROUP BY 1, 2;

-- A trigger that books in its turn: afterwards it may, in the middle of it it is refused.
CREATE FUNCTION book_again() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF NEW.reason = 'booked' AND NEW.session_id::int BETWEEN 2000 AND 2005 THEN
        INSERT INTO training_sessions (id, member_id) VALUES (NEW.session_id::int + 1, 101 + NEW.session_id::int % 2);
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER book_again BEFORE INSERT ON session_consistency.ledger FOR EACH ROW EXECUTE FUNCTION book_again();
INSERT INTO training_sessions (id, member_id) VALUES (2000, 101);
DROP TRIGGER book_again ON session_consistency.ledger;
CREATE TRIGGER book_again AFTER INSERT ON session_consistency.ledger FOR EACH ROW EXECUTE FUNCTION book_again();
DELETE FROM training_sessions WHERE id >= 2000;
INSERT INTO training_sessions (id, member_id) VALUES (2000, 101);
SELECT count(*) FROM training_sessions WHERE id >= 2000;
SELECT count(*) FROM unequal();
SELECT message FROM session_consistency.ledger_gaps('training_sessions');
DROP TRIGGER book_again ON session_consistency.ledger;

-- A constraint trigger fires at the end of the transaction; one that is disabled, or is for others, keeps quiet.
CREATE CONSTRAINT TRIGGER later AFTER INSERT ON session_consistency.ledger DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.session_id = '3001') EXECUTE FUNCTION note_statement();
TRUNCATE statements;
BEGIN;
INSERT INTO training_sessions (id, member_id) VALUES (3000, 101), (3001, 102);
SELECT count(*) FROM statements WHERE place = 'AFTER';
COMMIT;
SELECT count(*) FROM statements WHERE place = 'AFTER';
DROP TRIGGER later ON session_consistency.ledger;
ALTER TABLE session_consistency.ledger DISABLE TRIGGER copy_line, DISABLE TRIGGER tell_lines, DISABLE TRIGGER note_before;
INSERT INTO training_sessions (id, member_id) VALUES (3002, 101);
SELECT count(*) FROM unequal();
ALTER TABLE session_consistency.ledger ENABLE ALWAYS TRIGGER copy_line;
SET session_replication_role = replica;
ALTER TABLE training_sessions ENABLE ALWAYS TRIGGER "00_session_consistency_charge_member_subscriptions";
INSERT INTO training_sessions (id, member_id, subscription_id) VALUES (3003, 101, 101);
ALTER TABLE training_sessions ENABLE TRIGGER "00_session_consistency_charge_member_subscriptions";
RESET session_replication_role;
SELECT place, count(*) FROM unequal() GROUP BY 1 ORDER BY 1;

-- What would keep a line out.
CREATE FUNCTION keep_out() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE TRIGGER keep_out BEFORE INSERT ON session_consistency.ledger FOR EACH ROW EXECUTE FUNCTION keep_out();
SELECT * FROM refusal('INSERT INTO training_sessions (id, member_id) VALUES (3004, 101)');
DROP TRIGGER keep_out ON session_consistency.ledger;
DROP TRIGGER copy_line ON session_consistency.ledger;
DROP TRIGGER tell_lines ON session_consistency.ledger;
DROP TRIGGER note_before ON session_consistency.ledger;
INSERT INTO training_sessions (id, member_id) VALUES (3004, 101);
SELECT message FROM session_consistency.ledger_gaps('training_sessions');
SELECT * FROM recount();
\i :finish
