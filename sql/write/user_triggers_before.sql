-- The user's own BEFORE triggers may run before or after the extension's: the row as stored is what is judged and
-- charged.
\getenv top PG_ABS_SRCDIR
\set test user_triggers_before
\set gym :top /test/fixtures/gym.sql
\i :gym
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.note LIKE 'member %' THEN NEW.member_id := substr(NEW.note, 8)::int; END IF;
    IF NEW.note LIKE 'type %' THEN NEW.session_type := substr(NEW.note, 6)::session_type; END IF;
    IF NEW.note LIKE 'status %' THEN NEW.status := substr(NEW.note, 8)::session_status; END IF;
    IF NEW.note LIKE 'link %' THEN NEW.subscription_id := NULLIF(substr(NEW.note, 6), 'none')::int; END IF;
    IF NEW.note = 'skip' THEN RETURN NULL; END IF;
    IF NEW.note = 'fail' THEN RAISE division_by_zero; END IF;
    RETURN NEW;
END $$;

-- Before the extension's trigger fills in the link.
CREATE TRIGGER a_before_all BEFORE INSERT OR UPDATE ON training_sessions FOR EACH ROW EXECUTE FUNCTION meddle();
SET ROLE :desk;
INSERT INTO training_sessions (id, member_id, note) VALUES
    (1, 1, 'member 2'), (2, 1, 'type trial'), (3, 1, 'status cancelled'), (4, 1, 'link 10'), (5, 1, 'link none'),
        (6, 1, 'skip'), (7, 1, '');
INSERT INTO training_sessions (id, member_id, note) VALUES (8, 1, 'link 20');
INSERT INTO training_sessions (id, member_id, note) VALUES (8, 1, 'link 11');
INSERT INTO training_sessions (id, member_id, note) VALUES (8, 1, 'member 3');
INSERT INTO training_sessions (id, member_id, note) VALUES (8, 1, ''), (9, 1, 'fail');
SELECT * FROM bookings();
SELECT * FROM counters();
UPDATE training_sessions SET note = 'member 2' WHERE id = 7;
UPDATE training_sessions SET note = 'status cancelled' WHERE id = 4;
UPDATE training_sessions SET note = 'type guest' WHERE id = 5;
UPDATE training_sessions SET note = 'skip', status = 'cancelled' WHERE id = 1;
UPDATE training_sessions SET note = 'link none' WHERE id = 1;
SELECT * FROM bookings();
SELECT * FROM counters();
DELETE FROM training_sessions;
SELECT * FROM counters();

-- After it: the link is there already, and may no longer fit.
SET ROLE :owner;
DROP TRIGGER a_before_all ON training_sessions;
CREATE TRIGGER zzz_after_all BEFORE INSERT OR UPDATE ON training_sessions FOR EACH ROW EXECUTE FUNCTION meddle();
SET ROLE :desk;
INSERT INTO training_sessions (id, member_id, note) VALUES
    (2, 1, 'type trial'), (3, 1, 'status cancelled'), (4, 1, 'link 10'), (6, 1, 'skip'), (7, 1, '');
SELECT * FROM bookings();
SELECT * FROM counters();
INSERT INTO training_sessions (id, member_id, note) VALUES (8, 1, 'link 20');
INSERT INTO training_sessions (id, member_id, note) VALUES (8, 1, 'link 11');
-- A link that is gone again, a member who has changed again, a type that has become one that is paid for.
INSERT INTO training_sessions (id, member_id, note) VALUES (5, 1, 'link none');
INSERT INTO training_sessions (id, member_id, note) VALUES (1, 1, 'member 2');
INSERT INTO training_sessions (id, member_id, session_type, note) VALUES (9, 1, 'trial', 'type member');
INSERT INTO training_sessions (id, member_id, session_type, note) VALUES (10, 1, 'trial', 'link 10');
SELECT * FROM bookings();
SELECT * FROM counters();
UPDATE training_sessions SET note = 'member 2' WHERE id = 7;
UPDATE training_sessions SET note = 'status cancelled' WHERE id = 4;
UPDATE training_sessions SET note = 'type guest' WHERE id = 5;
UPDATE training_sessions SET note = 'skip', status = 'cancelled' WHERE id = 9;
SELECT * FROM bookings();
SELECT * FROM counters();

-- BEFORE DELETE: kept rows keep their credit.
SET ROLE :owner;
CREATE FUNCTION keep_completed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.status = 'completed' THEN RETURN NULL; END IF;
    RETURN OLD;
END $$;
CREATE TRIGGER keep_completed BEFORE DELETE ON training_sessions FOR EACH ROW EXECUTE FUNCTION keep_completed();
UPDATE training_sessions SET status = 'completed', note = '' WHERE id = 9;
SET ROLE :desk;
DELETE FROM training_sessions;
SELECT * FROM bookings();
SELECT * FROM counters();

-- The recount finds nothing.
SELECT * FROM recount();
\i :finish
