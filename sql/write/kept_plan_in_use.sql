-- What is kept to write a counter serves one statement at a time: a trigger of the subscriptions that books another
-- session has another, and what an error leaves behind is not used again.
\getenv top PG_ABS_SRCDIR
\set test kept_plan_in_use
\set gym :top /test/fixtures/gym.sql
\i :gym
\set VERBOSITY terse
UPDATE member_subscriptions SET total_sessions_snapshot = 10000;
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
ALTER TABLE member_subscriptions ADD note text, ADD CONSTRAINT twelve CHECK (member_subscriptions IS NOT NULL OR true);
CREATE INDEX ON member_subscriptions (lower(note || used_sessions));

-- A booking of Ada's books one for Ben, and that one for Dan.
INSERT INTO member_subscriptions (id, member_id, total_sessions_snapshot) VALUES (40, 4, 100);
CREATE FUNCTION book_more() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    NEW.note := concat(NEW.note, ' ', pg_trigger_depth());
    IF NEW.member_id < 4 THEN
        INSERT INTO training_sessions (id, member_id) SELECT max(id) + 1, 2 * NEW.member_id FROM training_sessions;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER book_more BEFORE UPDATE OF used_sessions ON member_subscriptions FOR EACH ROW
    WHEN (NEW.used_sessions > OLD.used_sessions) EXECUTE FUNCTION book_more();
CREATE FUNCTION say_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE WARNING '% becomes %', OLD, NEW;
    RETURN NULL;
END $$;
CREATE TRIGGER say_change AFTER UPDATE ON member_subscriptions FOR EACH ROW WHEN (NEW.* IS DISTINCT FROM OLD.*)
    EXECUTE FUNCTION say_change();
SET client_min_messages = debug1;
INSERT INTO training_sessions (id, member_id) VALUES (1, 1);
INSERT INTO training_sessions (id, member_id) VALUES (11, 1);
INSERT INTO training_sessions (id, member_id) VALUES (21, 4);
SET client_min_messages = warning;
SELECT id, used_sessions, note FROM member_subscriptions WHERE id IN (10, 20, 40) ORDER BY id;

-- An error in the midst of it, caught by a savepoint and by a function; afterwards it is read anew, once.
\set book 'INSERT INTO training_sessions (id, member_id) SELECT max(id) + 1, 1 FROM training_sessions;'
DROP TRIGGER book_more ON member_subscriptions;
DROP TRIGGER say_change ON member_subscriptions;
CREATE FUNCTION refuse_sometimes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('my.mood', true) = 'bad' THEN
        RAISE EXCEPTION 'not now';
    END IF;
    NEW.note := NEW.used_sessions;
    RETURN NEW;
END $$;
CREATE TRIGGER refuse_sometimes BEFORE UPDATE ON member_subscriptions FOR EACH ROW EXECUTE FUNCTION refuse_sometimes();
BEGIN;
:book
SAVEPOINT s;
SET LOCAL my.mood = 'bad';
:book
ROLLBACK TO s;
SET client_min_messages = debug1;
:book
:book
RESET client_min_messages;
SET LOCAL my.mood = 'bad';
DO $$
BEGIN
    INSERT INTO training_sessions (id, member_id) SELECT max(id) + 1, 1 FROM training_sessions;
EXCEPTION WHEN raise_exception THEN
    RAISE WARNING 'refused';
END $$;
SET LOCAL my.mood = 'good';
SET client_min_messages = debug1;
:book
:book
COMMIT;
SET client_min_messages = warning;
SELECT id, used_sessions, note FROM member_subscriptions WHERE id = 10;

-- Changed in a transaction that is rolled back.
BEGIN;
ALTER TABLE member_subscriptions ADD more text GENERATED ALWAYS AS (note || '!') STORED;
ALTER TABLE member_subscriptions ADD CONSTRAINT few CHECK (used_sessions < 13);
:book
SELECT id, used_sessions, note, more FROM member_subscriptions WHERE id = 10;
SAVEPOINT s;
ALTER TABLE member_subscriptions DISABLE TRIGGER refuse_sometimes;
:book
SELECT id, used_sessions, note, more FROM member_subscriptions WHERE id = 10;
ROLLBACK TO s;
:book
SELECT id, used_sessions, note, more FROM member_subscriptions WHERE id = 10;
ROLLBACK;
:book
SELECT id, used_sessions, note FROM member_subscriptions WHERE id = 10;

-- However often the table changes, no more than one plan of it is kept, and that is small.
DO $$
BEGIN
    FOR n IN 1..100 LOOP
        EXECUTE format('ALTER TABLE member_subscriptions ALTER note SET STATISTICS %s', n);
        IF n % 10 = 0 THEN
            EXECUTE 'CREATE OR REPLACE FUNCTION refuse_sometimes() RETURNS trigger LANGUAGE plpgsql AS '
                || quote_literal(format('BEGIN NEW.note := %s; RETURN NEW; END', n));
        END IF;
        INSERT INTO training_sessions (id, member_id) SELECT max(id) + 1, 1 FROM training_sessions;
        INSERT INTO training_sessions (id, member_id) SELECT max(id) + 1, 2 FROM training_sessions;
    END LOOP;
END $$;
DO $$
BEGIN
    FOR n IN 1..1000 LOOP
        INSERT INTO training_sessions (id, member_id) SELECT max(id) + 1, 1 + n % 2 FROM training_sessions;
    END LOOP;
END $$;
SELECT id, used_sessions, note FROM member_subscriptions WHERE id IN (10, 20) ORDER BY id;
RESET ROLE;
SELECT count(*) AS plans, sum(total_bytes) < 50000 AS small FROM pg_backend_memory_contexts
    WHERE name = 'session_consistency row plan';
SET ROLE :owner;
SELECT * FROM recount();
\i :finish
