-- The user's own AFTER triggers may write the very row, or other sessions, while the statement is not yet judged.
\getenv top PG_ABS_SRCDIR
\set test user_triggers_after
\set gym :top /test/fixtures/gym.sql
\i :gym
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
-- One that changes the row that has just been written, under names that sort before and after the extension's.
CREATE FUNCTION change_it() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.note = 'cancel it' THEN UPDATE training_sessions SET status = 'cancelled', note = ''
        WHERE id = NEW.id; END IF;
    IF NEW.note = 'complete it' THEN UPDATE training_sessions SET status = 'completed', note = ''
        WHERE id = NEW.id; END IF;
    IF NEW.note = 'make it a trial' THEN UPDATE training_sessions SET session_type = 'trial', note = ''
        WHERE id = NEW.id; END IF;
    IF NEW.note = 'give it to Ben' THEN UPDATE training_sessions SET member_id = 2, note = '' WHERE id = NEW.id; END IF;
    IF NEW.note = 'delete it' THEN DELETE FROM training_sessions WHERE id = NEW.id; END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER " first" AFTER INSERT OR UPDATE ON training_sessions FOR EACH ROW EXECUTE FUNCTION change_it();
SET ROLE :desk;
INSERT INTO training_sessions (id, member_id, note) VALUES (1, 1, 'cancel it');
INSERT INTO training_sessions (id, member_id, note) VALUES (2, 1, 'complete it'), (3, 1, 'make it a trial'),
    (4, 1, 'give it to Ben'), (5, 1, 'delete it');
SELECT * FROM bookings();
SELECT * FROM counters() WHERE id IN ('10', '20');
UPDATE training_sessions SET status = 'scheduled', note = 'cancel it' WHERE id = 1;
UPDATE training_sessions SET note = 'delete it' WHERE id = 2;
SELECT * FROM bookings();
SELECT * FROM counters() WHERE id IN ('10', '20');
-- At the last credit.
INSERT INTO training_sessions (id, member_id) VALUES (6, 2);
INSERT INTO training_sessions (id, member_id, note) VALUES (7, 2, 'complete it');
SELECT * FROM counters() WHERE id IN ('10', '20');
DELETE FROM training_sessions;
SET ROLE :owner;
ALTER TRIGGER " first" ON training_sessions RENAME TO zzz_last;
SET ROLE :desk;
INSERT INTO training_sessions (id, member_id, note) VALUES (1, 1, 'cancel it');
INSERT INTO training_sessions (id, member_id, note) VALUES (2, 1, 'complete it'), (3, 1, 'make it a trial'),
    (4, 1, 'give it to Ben'), (5, 1, 'delete it');
SELECT * FROM bookings();
SELECT * FROM counters() WHERE id IN ('10', '20');
UPDATE training_sessions SET status = 'scheduled', note = 'cancel it' WHERE id = 1;
UPDATE training_sessions SET note = 'delete it' WHERE id = 2;
SELECT * FROM bookings();
SELECT * FROM counters() WHERE id IN ('10', '20');
INSERT INTO training_sessions (id, member_id) VALUES (6, 2);
INSERT INTO training_sessions (id, member_id, note) VALUES (7, 2, 'complete it');
DELETE FROM training_sessions;
SELECT * FROM counters() WHERE id IN ('10', '20');
SET ROLE :owner;
DROP TRIGGER zzz_last ON training_sessions;

-- A statement trigger that writes sessions when the statement ends.
CREATE FUNCTION tidy_up() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE training_sessions t SET status = 'completed' FROM written w WHERE t.id = w.id AND w.note = 'complete it';
    DELETE FROM training_sessions t USING written w WHERE t.id = w.id AND w.note = 'delete it';
    RETURN NULL;
END $$;
CREATE TRIGGER tidy_up AFTER INSERT ON training_sessions REFERENCING NEW TABLE AS written FOR EACH STATEMENT
    EXECUTE FUNCTION tidy_up();
SET ROLE :desk;
INSERT INTO training_sessions (id, member_id, note) VALUES (1, 2, ''), (2, 2, 'complete it'), (3, 1, 'delete it');
SELECT * FROM bookings();
SELECT * FROM counters() WHERE id IN ('10', '20');
SET ROLE :owner;
DROP TRIGGER tidy_up ON training_sessions;

-- A BEFORE trigger that writes other sessions: at its time nothing of this statement is charged.
CREATE FUNCTION make_room() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE training_sessions SET status = 'cancelled' WHERE member_id = NEW.member_id AND id = (SELECT min(id)
        FROM training_sessions WHERE member_id = NEW.member_id AND status <> 'cancelled');
    RETURN NEW;
END $$;
CREATE TRIGGER make_room BEFORE INSERT ON training_sessions FOR EACH ROW EXECUTE FUNCTION make_room();
SET ROLE :desk;
INSERT INTO training_sessions (id, member_id) VALUES (4, 2);
INSERT INTO training_sessions (id, member_id) VALUES (5, 2), (6, 2), (7, 1);
SELECT * FROM bookings();
SELECT * FROM counters() WHERE id IN ('10', '20');

-- One BEFORE trigger spoils the link, an AFTER trigger writes the row again before it is judged: the row as it is then
-- is put right.
SET ROLE :owner;
DROP TRIGGER make_room ON training_sessions;
DELETE FROM training_sessions;
CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.note = 'take the link' THEN NEW.subscription_id := NULL; END IF;
    IF NEW.note = 'link a trial' THEN NEW.subscription_id := 10; END IF;
    IF NEW.note = 'give it to Ben' THEN NEW.member_id := 2; END IF;
    RETURN NEW;
END $$;
CREATE FUNCTION write_again() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.note <> '' THEN
        UPDATE training_sessions
        SET note = '', status = CASE WHEN id < 10 THEN 'completed' ELSE 'cancelled' END::session_status
        WHERE id = NEW.id;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER zzz_spoil BEFORE INSERT OR UPDATE ON training_sessions FOR EACH ROW EXECUTE FUNCTION spoil();
CREATE TRIGGER " write_again" AFTER INSERT OR UPDATE ON training_sessions FOR EACH ROW EXECUTE FUNCTION write_again();
SET ROLE :desk;
INSERT INTO training_sessions (id, member_id, note)
    VALUES (1, 1, 'take the link'), (11, 1, 'take the link'), (2, 1, '');
INSERT INTO training_sessions (id, member_id, session_type, note) VALUES (3, 1, 'trial', 'link a trial');
INSERT INTO training_sessions (id, member_id) VALUES (12, 1);
UPDATE training_sessions SET note = 'give it to Ben' WHERE id IN (2, 12);
SELECT * FROM bookings();
SELECT * FROM counters();

-- The recount finds nothing.
SELECT * FROM recount();
\i :finish
