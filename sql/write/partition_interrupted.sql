-- What is remembered of a row that moves between partitions belongs to its statement: what comes after it is not taken
-- for the row's arrival, and what a trigger does meanwhile does not make it be forgotten.
\getenv top PG_ABS_SRCDIR
\set test path_partition_interrupted
\set partitioned yes
\set gym :top /test/fixtures/gym.sql
\i :gym
INSERT INTO training_sessions (id, member_id) VALUES (1, 1), (2, 3), (3, 3), (4, 3), (5, 1);
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');

-- The partition of a row that was changed is gone, or written anew, when the next one comes.
BEGIN;
UPDATE training_sessions SET note = 'seen' WHERE id = 1;
DROP TABLE sessions_2030;
INSERT INTO training_sessions (id, day, member_id) VALUES (11, '2031-01-01', 1);
SELECT * FROM counters() WHERE id = '10';
ROLLBACK;
BEGIN;
UPDATE training_sessions SET note = 'seen' WHERE id = 1;
TRUNCATE training_sessions;
INSERT INTO training_sessions (id, member_id) VALUES (11, 1);
SELECT * FROM counters() WHERE id = '10';
ROLLBACK;

-- The arrival is dropped by a trigger; the next new session is one.
CREATE FUNCTION drop_row() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE TRIGGER aa_drop BEFORE INSERT ON sessions_2031 FOR EACH ROW EXECUTE FUNCTION drop_row();
BEGIN;
UPDATE training_sessions SET day = '2031-01-01' WHERE id = 1;
INSERT INTO training_sessions (id, member_id) VALUES (11, 1);
SELECT * FROM bookings() WHERE id = '11';
SELECT * FROM counters() WHERE id = '10';
SELECT outcome('INSERT INTO training_sessions (id, member_id) VALUES (12, 3)');
ROLLBACK;
DROP TRIGGER aa_drop ON sessions_2031;

-- A trigger books, or fails, while a row without a link is on its way.
CREATE FUNCTION meanwhile() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF pg_trigger_depth() > 1 THEN
        RETURN coalesce(NEW, OLD);
    END IF;
    IF OLD.note = 'book' THEN
        INSERT INTO training_sessions (id, member_id) VALUES (OLD.id + 100, 2);
        DELETE FROM training_sessions WHERE id = OLD.id + 100;
    ELSE
        BEGIN
            INSERT INTO training_sessions (id, member_id) VALUES (OLD.id + 100, 4);
        EXCEPTION WHEN integrity_constraint_violation THEN
            NULL;
        END;
    END IF;
    RETURN coalesce(NEW, OLD);
END $$;
UPDATE training_sessions SET note = 'book' WHERE id IN (1, 2);
UPDATE training_sessions SET note = 'fail' WHERE id IN (3, 5);
CREATE TRIGGER meanwhile AFTER DELETE ON training_sessions FOR EACH ROW EXECUTE FUNCTION meanwhile();
UPDATE training_sessions SET day = '2031-01-01' WHERE id = 2;
UPDATE training_sessions SET day = '2031-01-01' WHERE id = 3;
DROP TRIGGER meanwhile ON training_sessions;
CREATE TRIGGER meanwhile BEFORE DELETE ON training_sessions FOR EACH ROW EXECUTE FUNCTION meanwhile();
UPDATE training_sessions SET day = '2031-01-01' WHERE id = 1;
UPDATE training_sessions SET day = '2031-01-01' WHERE id = 5;
DROP TRIGGER meanwhile ON training_sessions;
SELECT tableoid::regclass, id, subscription_id, status, note FROM training_sessions ORDER BY id;

-- The recount finds nothing.
SELECT * FROM recount();
\i :finish
