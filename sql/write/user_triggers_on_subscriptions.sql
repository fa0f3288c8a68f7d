-- The subscriptions' own triggers fire when a counter moves, as the owner, with the owner's tables in reach; none of
-- them can slip another counter in.
\getenv top PG_ABS_SRCDIR
\set test user_triggers_on_subscriptions
\set gym :top /test/fixtures/gym.sql
\i :gym
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
CREATE TABLE audit_log (entry serial, who text, pack int, before int, after int, changed text);
CREATE FUNCTION log_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO audit_log (who, pack, before, after) VALUES (current_user, NEW.id, OLD.used_sessions,
        NEW.used_sessions);
    RETURN NULL;
END $$;
CREATE TRIGGER log_row AFTER UPDATE ON member_subscriptions FOR EACH ROW EXECUTE FUNCTION log_row();
CREATE TRIGGER log_column AFTER UPDATE OF used_sessions ON member_subscriptions FOR EACH ROW
    WHEN (OLD.used_sessions IS DISTINCT FROM NEW.used_sessions AND NEW.id = 20) EXECUTE FUNCTION log_row();
SET ROLE :desk;
INSERT INTO training_sessions (id, member_id) VALUES (1, 1), (2, 2), (3, 1);
UPDATE training_sessions SET status = 'completed' WHERE id = 1;
UPDATE training_sessions SET status = 'cancelled' WHERE id = 2;
INSERT INTO training_sessions (id, member_id) VALUES (4, 3);
SET ROLE :owner;
SELECT who = :'owner' AS as_owner, pack, before, after FROM audit_log ORDER BY entry;
DROP TRIGGER log_row ON member_subscriptions;
DROP TRIGGER log_column ON member_subscriptions;
TRUNCATE audit_log RESTART IDENTITY;

-- Statement triggers with transition tables.
CREATE FUNCTION log_statement() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO audit_log (pack, before, after, changed)
        SELECT id, o.used_sessions, n.used_sessions, 'by statement' FROM old_rows o JOIN new_rows n USING (id)
        WHERE o.used_sessions <> n.used_sessions ORDER BY id;
    RETURN NULL;
END $$;
CREATE TRIGGER log_statement AFTER UPDATE ON member_subscriptions
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION log_statement();
SET ROLE :desk;
INSERT INTO training_sessions (id, member_id) VALUES (5, 1);
INSERT INTO training_sessions (id, member_id) VALUES (6, 1), (7, 2), (8, 1);
SET ROLE :owner;
SELECT pack, before, after, changed FROM audit_log ORDER BY pack, before;
DROP TRIGGER log_statement ON member_subscriptions;

-- One that changes the counter on its way, before or after the extension's: refused.
CREATE FUNCTION tamper() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.used_sessions := 0;
    RETURN NEW;
END $$;
CREATE TRIGGER a_first BEFORE UPDATE ON member_subscriptions FOR EACH ROW EXECUTE FUNCTION tamper();
SET ROLE :desk;
INSERT INTO training_sessions (id, member_id) VALUES (9, 1);
UPDATE training_sessions SET status = 'cancelled' WHERE id = 5;
SET ROLE :owner;
UPDATE member_subscriptions SET total_sessions_snapshot = 20 WHERE id = 10;
ALTER TRIGGER a_first ON member_subscriptions RENAME TO zzz_last;
SET ROLE :desk;
INSERT INTO training_sessions (id, member_id) VALUES (9, 1);
UPDATE training_sessions SET status = 'cancelled' WHERE id = 5;
SET ROLE :owner;
UPDATE member_subscriptions SET total_sessions_snapshot = 20 WHERE id = 10;
SELECT * FROM bookings();
SELECT * FROM counters() WHERE id IN ('10', '20');
DROP TRIGGER zzz_last ON member_subscriptions;

-- One that drops the update of the counter: then the session cannot be.
CREATE FUNCTION drop_it() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RETURN NULL;
END $$;
CREATE TRIGGER drop_it BEFORE UPDATE ON member_subscriptions FOR EACH ROW EXECUTE FUNCTION drop_it();
SET ROLE :desk;
SELECT outcome('INSERT INTO training_sessions (id, member_id) VALUES (9, 1)') <> 'done' AS refused;
SELECT outcome('DELETE FROM training_sessions WHERE id = 5') <> 'done' AS refused;
SET ROLE :owner;
DROP TRIGGER drop_it ON member_subscriptions;

-- One that changes something else of the row, and one that raises.
ALTER TABLE member_subscriptions ADD touched int DEFAULT 0;
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.touched := NEW.touched + 1;
    IF NEW.used_sessions = 5 THEN RAISE division_by_zero; END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER touch BEFORE UPDATE ON member_subscriptions FOR EACH ROW EXECUTE FUNCTION touch();
SET ROLE :desk;
DELETE FROM training_sessions WHERE id IN (1, 3);
INSERT INTO training_sessions (id, member_id) VALUES (9, 1);
SELECT * FROM counters() WHERE id = '10';
INSERT INTO training_sessions (id, member_id) VALUES (10, 1);
INSERT INTO training_sessions (id, member_id) VALUES (10, 1), (11, 1);
SET ROLE :owner;
SELECT id, touched FROM member_subscriptions WHERE touched > 0 ORDER BY id;
DROP TRIGGER touch ON member_subscriptions;

-- A used-up pack that is closed by its own trigger, while the statement goes on.
CREATE FUNCTION close_it() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE member_subscriptions SET status = 'expired' WHERE id = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER close_it AFTER UPDATE ON member_subscriptions FOR EACH ROW
    WHEN (NEW.used_sessions = NEW.total_sessions_snapshot AND NEW.status = 'active') EXECUTE FUNCTION close_it();
SET ROLE :desk;
INSERT INTO training_sessions (id, member_id) VALUES (12, 2);
SELECT * FROM bookings();
SELECT * FROM counters();
INSERT INTO training_sessions (id, member_id) VALUES (13, 2);

-- Ada's pack books for Ben before it is written, whose pack the same statement has yet to charge.
SET ROLE :owner;
DELETE FROM training_sessions WHERE member_id = 2;
UPDATE member_subscriptions SET status = 'active' WHERE id = 20;
CREATE FUNCTION bring_ben() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.used_sessions > OLD.used_sessions THEN
        INSERT INTO training_sessions (id, member_id) VALUES (16, 2);
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER bring_ben BEFORE UPDATE ON member_subscriptions FOR EACH ROW
    WHEN (OLD.id = 10) EXECUTE FUNCTION bring_ben();
SET ROLE :desk;
INSERT INTO training_sessions (id, member_id) VALUES (14, 1), (15, 2);
SELECT * FROM counters();
SET ROLE :owner;

-- The recount finds nothing.
SELECT * FROM recount();
\i :finish
