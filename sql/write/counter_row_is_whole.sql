-- A counter that is written leaves the rest of its row right: indexes, generated columns, constraints, and what other
-- writes of the same transaction have done to it.
\getenv top PG_ABS_SRCDIR
\set test counter_row_is_whole
\set gym :top /test/fixtures/gym.sql
\i :gym
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
ALTER TABLE member_subscriptions ADD note text, ADD booked_at int, ADD state text GENERATED ALWAYS AS
    (CASE WHEN used_sessions = 0 THEN 'unused' WHEN used_sessions = total_sessions_snapshot THEN 'full'
        ELSE 'in use' END) STORED;
CREATE INDEX by_remaining ON member_subscriptions (remaining_sessions);
CREATE INDEX by_state ON member_subscriptions (upper(state)) WHERE used_sessions > 0;
ALTER TABLE member_subscriptions ADD CONSTRAINT never_seven CHECK (used_sessions <> 7);
UPDATE member_subscriptions SET note = repeat('long ', 1000) WHERE id = 10;
SET ROLE :desk;
INSERT INTO training_sessions (id, member_id) SELECT n, 1 FROM generate_series(1, 6) n;
INSERT INTO training_sessions (id, member_id) VALUES (7, 1);
INSERT INTO training_sessions (id, member_id) VALUES (7, 1), (8, 1), (9, 2), (10, 2);
SET ROLE :owner;
SET enable_seqscan = off;
SELECT id, used_sessions, state, length(note) AS note FROM member_subscriptions
    WHERE remaining_sessions = 2 ORDER BY id;
SELECT id, used_sessions FROM member_subscriptions WHERE upper(state) = 'FULL' AND used_sessions > 0;
SELECT id, used_sessions FROM member_subscriptions WHERE remaining_sessions = 10 ORDER BY id;
RESET enable_seqscan;
ALTER TABLE member_subscriptions DROP CONSTRAINT never_seven;

-- Written by others in the same transaction, command, trigger.
BEGIN;
UPDATE member_subscriptions SET note = 'one' WHERE id = 10;
DELETE FROM training_sessions WHERE id = 1;
UPDATE member_subscriptions SET note = note || ', two' WHERE id = 10;
SAVEPOINT s;
DELETE FROM training_sessions WHERE id = 2;
UPDATE member_subscriptions SET note = note || ', three' WHERE id = 10;
DELETE FROM training_sessions WHERE id = 3;
ROLLBACK TO s;
SELECT id FROM member_subscriptions WHERE id = 10 FOR UPDATE;
INSERT INTO training_sessions (id, member_id, status) VALUES (11, 1, 'cancelled');
DELETE FROM training_sessions WHERE id IN (4, 5);
COMMIT;
SELECT id, used_sessions, note FROM member_subscriptions WHERE id = 10;
WITH noted AS (UPDATE member_subscriptions SET note = 'in one command' WHERE id = 10)
DELETE FROM training_sessions WHERE id = 6;
SELECT id, used_sessions, note FROM member_subscriptions WHERE id = 10;
CREATE FUNCTION note_booking() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE member_subscriptions SET booked_at = NEW.id WHERE id = NEW.subscription_id;
    RETURN NULL;
END $$;
CREATE TRIGGER note_booking AFTER INSERT ON training_sessions FOR EACH ROW EXECUTE FUNCTION note_booking();
CREATE TRIGGER " note_booking_first" AFTER INSERT ON training_sessions FOR EACH ROW EXECUTE FUNCTION note_booking();
SET ROLE :desk;
INSERT INTO training_sessions (id, member_id) VALUES (12, 1), (13, 1);
SET ROLE :owner;
SELECT id, used_sessions, booked_at FROM member_subscriptions WHERE id = 10;

-- The isolation levels, alone: what the transaction itself has done is no conflict.
SET ROLE :desk;
BEGIN ISOLATION LEVEL REPEATABLE READ;
DELETE FROM training_sessions WHERE id = 9;
INSERT INTO training_sessions (id, member_id) VALUES (14, 2);
INSERT INTO training_sessions (id, member_id) VALUES (15, 1);
SELECT outcome('INSERT INTO training_sessions (id, member_id) VALUES (16, 2)');
COMMIT;
BEGIN ISOLATION LEVEL SERIALIZABLE;
UPDATE training_sessions SET status = 'cancelled' WHERE id = 14;
UPDATE training_sessions SET status = 'scheduled' WHERE id = 14;
SELECT outcome('INSERT INTO training_sessions (id, member_id) VALUES (16, 2)');
COMMIT;
SELECT * FROM bookings();
SELECT * FROM counters();

-- The recount finds nothing.
SELECT * FROM recount();
\i :finish
