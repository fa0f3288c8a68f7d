-- Triggers that book while another statement is under way: a waiting list that takes the credit which a cancellation
-- frees.
-- Counters that are wrong on purpose, or of sessions whose statement has not ended: not counted again.
SET session_consistency.recount = off;
\getenv top PG_ABS_SRCDIR
\set test user_triggers_nested
\set gym :top /test/fixtures/gym.sql
\i :gym
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
CREATE TABLE waiting (position int PRIMARY KEY, member_id int, session int);
CREATE TABLE remarks (remark text);
CREATE FUNCTION promote() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE next waiting;
BEGIN
    SELECT * INTO next FROM waiting WHERE member_id = OLD.member_id ORDER BY position LIMIT 1;
    IF next.position IS NOT NULL THEN
        DELETE FROM waiting WHERE position = next.position;
        INSERT INTO training_sessions (id, member_id) VALUES (next.session, next.member_id);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER promote AFTER UPDATE OF status ON training_sessions FOR EACH ROW
    WHEN (OLD.status <> 'cancelled' AND NEW.status = 'cancelled') EXECUTE FUNCTION promote();
CREATE TRIGGER promote_after_delete AFTER DELETE ON training_sessions FOR EACH ROW EXECUTE FUNCTION promote();
INSERT INTO waiting VALUES (1, 2, 11), (2, 2, 12), (3, 2, 13);
SET ROLE :desk;
INSERT INTO training_sessions (id, member_id) VALUES (1, 2), (2, 2);

-- No credit is left; the one that is freed is taken within the same statement.
UPDATE training_sessions SET status = 'cancelled' WHERE id = 1;
SELECT * FROM bookings();
SELECT * FROM counters() WHERE id = '20';
UPDATE training_sessions SET status = 'cancelled' WHERE id IN (2, 11);
SELECT * FROM bookings();
SELECT * FROM counters() WHERE id = '20';
DELETE FROM training_sessions WHERE status = 'cancelled';
SELECT * FROM counters() WHERE id = '20';

-- A function that books, within a query that books: each is a statement of its own.
SET ROLE :owner;
CREATE FUNCTION book(session int, member int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO training_sessions (id, member_id) VALUES (session, member);
    RETURN session;
END $$;
SET ROLE :desk;
INSERT INTO training_sessions (id, member_id) SELECT book(n, 1) + 100, 1 FROM generate_series(1001, 1003) n;
UPDATE training_sessions SET note = book(id + 1000, 1)::text WHERE id = 1001;
INSERT INTO training_sessions (id, member_id) SELECT book(n, 1) + 100, 1 FROM generate_series(1004, 1006) n;
DELETE FROM training_sessions WHERE id = 1001 RETURNING book(id + 5000, 1);
SELECT * FROM counters() WHERE id = '10';
DELETE FROM training_sessions WHERE member_id = 1;

-- One that books more than was freed is refused, and so is the cancellation that set it off.
SET ROLE :owner;
DELETE FROM training_sessions;
INSERT INTO training_sessions (id, member_id) VALUES (1, 2), (2, 2);
CREATE FUNCTION book_two() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO training_sessions (id, member_id) VALUES (NEW.id + 100, NEW.member_id), (NEW.id + 200, NEW.member_id);
    RETURN NULL;
END $$;
CREATE TRIGGER book_two AFTER UPDATE ON training_sessions FOR EACH ROW WHEN (NEW.status = 'cancelled')
    EXECUTE FUNCTION book_two();
SET ROLE :desk;
UPDATE training_sessions SET status = 'cancelled' WHERE id = 1;
SELECT * FROM bookings();
SELECT * FROM counters() WHERE id = '20';
UPDATE training_sessions SET status = 'cancelled';
SELECT * FROM bookings();
SELECT * FROM counters() WHERE id = '20';
SET ROLE :owner;
DROP TRIGGER book_two ON training_sessions;

-- A booking that is tried and undone inside a trigger takes nothing along.
DELETE FROM training_sessions;
INSERT INTO training_sessions (id, member_id) VALUES (1, 2), (2, 2);
CREATE FUNCTION try_and_undo() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    BEGIN
        INSERT INTO training_sessions (id, member_id) VALUES (NEW.id + 100, NEW.member_id),
            (NEW.id + 200, NEW.member_id);
        INSERT INTO remarks VALUES (NEW.id || ': booked two');
        IF NEW.note = 'undo' THEN RAISE division_by_zero; END IF;
    EXCEPTION WHEN division_by_zero OR SQLSTATE '23SC2' THEN
        INSERT INTO remarks VALUES (NEW.id || ': ' || SQLSTATE);
    END;
    BEGIN
        INSERT INTO training_sessions (id, member_id) VALUES (NEW.id + 300, NEW.member_id);
        INSERT INTO remarks VALUES (NEW.id || ': booked one');
    EXCEPTION WHEN SQLSTATE '23SC2' THEN
        INSERT INTO remarks VALUES (NEW.id || ': ' || SQLSTATE);
    END;
    RETURN NULL;
END $$;
CREATE TRIGGER try_and_undo AFTER UPDATE ON training_sessions FOR EACH ROW WHEN (NEW.status = 'cancelled')
    EXECUTE FUNCTION try_and_undo();
SET ROLE :desk;
UPDATE training_sessions SET status = 'cancelled' WHERE id = 1;
SET ROLE :owner;
SELECT * FROM remarks;
SELECT * FROM bookings();
SELECT * FROM counters() WHERE id = '20';
DELETE FROM remarks;
SET ROLE :desk;
UPDATE training_sessions SET status = 'cancelled', note = 'undo' WHERE id IN (2, 301);
SET ROLE :owner;
SELECT * FROM remarks;
SELECT * FROM bookings();
SELECT * FROM counters() WHERE id = '20';
DELETE FROM remarks;
UPDATE member_subscriptions SET total_sessions_snapshot = 4 WHERE id = 20;
SET ROLE :desk;
UPDATE training_sessions SET status = 'cancelled', note = 'undo' WHERE id = 601;
SET ROLE :owner;
SELECT * FROM remarks;
SELECT * FROM bookings();
SELECT * FROM counters() WHERE id = '20';
DROP TRIGGER try_and_undo ON training_sessions;

-- A booking at no credit left whose trigger makes room for it.
DELETE FROM training_sessions;
INSERT INTO training_sessions (id, member_id) SELECT n, 2 FROM generate_series(1, 4) n;
CREATE FUNCTION make_room() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM training_sessions WHERE id = NEW.id - 4;
    RETURN NULL;
END $$;
CREATE TRIGGER make_room AFTER INSERT ON training_sessions FOR EACH ROW EXECUTE FUNCTION make_room();
SET ROLE :desk;
INSERT INTO training_sessions (id, member_id) VALUES (5, 2);
INSERT INTO training_sessions (id, member_id) VALUES (6, 2), (7, 2);
INSERT INTO training_sessions (id, member_id) VALUES (8, 2), (20, 2);
SELECT * FROM bookings();
SELECT * FROM counters() WHERE id = '20';
SET ROLE :owner;
DROP TRIGGER make_room ON training_sessions;

-- Triggers that wait for COMMIT: what they book is judged there, what they cancel is given back there.
CREATE FUNCTION at_commit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.note = 'cancel at commit' THEN UPDATE training_sessions SET status = 'cancelled' WHERE id = NEW.id; END IF;
    IF NEW.note = 'book at commit' THEN INSERT INTO training_sessions (id, member_id)
        VALUES (NEW.id + 100, NEW.member_id); END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON training_sessions DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION at_commit();
DELETE FROM training_sessions;
SET ROLE :desk;
BEGIN;
INSERT INTO training_sessions (id, member_id, note) VALUES (1, 2, 'cancel at commit'), (2, 2, ''),
    (3, 2, 'cancel at commit');
SELECT * FROM counters() WHERE id = '20';
COMMIT;
SELECT * FROM counters() WHERE id = '20';
BEGIN;
INSERT INTO training_sessions (id, member_id, note) VALUES (4, 2, 'book at commit'), (5, 2, 'book at commit');
COMMIT;
SELECT * FROM counters() WHERE id = '20';
BEGIN;
INSERT INTO training_sessions (id, member_id, note) VALUES (4, 2, 'book at commit');
SET CONSTRAINTS ALL IMMEDIATE;
SELECT * FROM counters() WHERE id = '20';
COMMIT;
SELECT * FROM bookings();
SET ROLE :owner;
DROP TRIGGER at_commit ON training_sessions;
UPDATE training_sessions SET status = 'cancelled' WHERE member_id = 2;
UPDATE member_subscriptions SET total_sessions_snapshot = 2 WHERE id = 20;

-- Depth upon depth: each session books the next one.
DELETE FROM training_sessions;
CREATE FUNCTION book_next() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.id % 10 < 9 THEN INSERT INTO training_sessions (id, member_id) VALUES (NEW.id + 1, NEW.member_id); END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER book_next AFTER INSERT ON training_sessions FOR EACH ROW EXECUTE FUNCTION book_next();
SET ROLE :desk;
INSERT INTO training_sessions (id, member_id) VALUES (50, 1);
SELECT * FROM counters() WHERE id = '10';
INSERT INTO training_sessions (id, member_id) VALUES (68, 1);
INSERT INTO training_sessions (id, member_id) VALUES (69, 1);
INSERT INTO training_sessions (id, member_id) VALUES (78, 2);
INSERT INTO training_sessions (id, member_id) VALUES (79, 2);
SELECT * FROM bookings();
SELECT * FROM counters();

-- The recount finds nothing.
SELECT * FROM recount();
\i :finish
