-- The user's own triggers fire when a link is written, as for any UPDATE, as the owner of the sessions and with the search
-- path of their own; what they do to sessions is counted.
\getenv top PG_ABS_SRCDIR
\set test migrate_user_triggers
\set gym :top /test/fixtures/gym.sql
\i :gym
CREATE TABLE log (entry serial, what text);
CREATE FUNCTION log_row() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO log (what) VALUES (format('%s %s: session %s %s -> %s by %s', TG_NAME, TG_WHEN, NEW.id, OLD.subscription_id,
                                          NEW.subscription_id, CASE current_user WHEN 'regress_migrate_user_triggers_owner' THEN 'owner' END));
    RETURN NEW;
END $$;
CREATE FUNCTION log_statement() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO log (what) VALUES (format('%s %s', TG_NAME, TG_WHEN));
    RETURN NULL;
END $$;
INSERT INTO training_sessions (id, member_id, status) VALUES (1, 1, 'completed'), (2, 1, 'scheduled'), (3, 2, 'cancelled');
UPDATE member_subscriptions SET status = 'frozen' WHERE id = 30;
DELETE FROM member_subscriptions WHERE id IN (11, 21);
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
CREATE TRIGGER each_before BEFORE UPDATE ON training_sessions FOR EACH ROW EXECUTE FUNCTION log_row();
CREATE TRIGGER each_after AFTER UPDATE ON training_sessions FOR EACH ROW EXECUTE FUNCTION log_row();
CREATE TRIGGER of_link AFTER UPDATE OF subscription_id ON training_sessions FOR EACH ROW EXECUTE FUNCTION log_row();
CREATE TRIGGER of_status AFTER UPDATE OF status ON training_sessions FOR EACH ROW EXECUTE FUNCTION log_row();
CREATE TRIGGER when_null AFTER UPDATE ON training_sessions FOR EACH ROW WHEN (OLD.subscription_id IS NULL AND NEW.id > 1) EXECUTE FUNCTION log_row();
CREATE TRIGGER all_before BEFORE UPDATE ON training_sessions EXECUTE FUNCTION log_statement();
CREATE TRIGGER all_after AFTER UPDATE ON training_sessions EXECUTE FUNCTION log_statement();
CREATE TRIGGER all_after_status AFTER UPDATE OF status ON training_sessions EXECUTE FUNCTION log_statement();
CREATE TRIGGER disabled BEFORE UPDATE ON training_sessions FOR EACH ROW EXECUTE FUNCTION log_row();
ALTER TABLE training_sessions DISABLE TRIGGER disabled;
CREATE CONSTRAINT TRIGGER at_commit AFTER UPDATE ON training_sessions DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION log_row();
CALL session_consistency.migrate('training_sessions');
SELECT what FROM log ORDER BY entry;
SELECT * FROM bookings();
SELECT * FROM counters();
SELECT string_agg(format('DROP TRIGGER %I ON training_sessions', tgname), '; ') AS drop_all
FROM pg_trigger WHERE tgrelid = 'training_sessions'::regclass AND NOT tgisinternal AND tgfoid IN ('log_row'::regproc, 'log_statement'::regproc) \gset
:drop_all;

-- One that changes the row on its way: what is stored is what counts.
INSERT INTO member_subscriptions (id, member_id, total_sessions_snapshot) VALUES (40, 4, 5);
INSERT INTO members VALUES (5, 'five'), (6, 'six');
INSERT INTO member_subscriptions (id, member_id, total_sessions_snapshot) VALUES (50, 5, 5), (60, 6, 5);
ALTER TABLE training_sessions DISABLE TRIGGER USER;
INSERT INTO training_sessions (id, member_id, status) VALUES (10, 4, 'scheduled'), (11, 4, 'completed'), (12, 4, 'cancelled');
ALTER TABLE training_sessions ENABLE TRIGGER USER;
CREATE FUNCTION settle() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    NEW.status := CASE OLD.status WHEN 'scheduled' THEN 'cancelled' WHEN 'cancelled' THEN 'completed' ELSE OLD.status END::session_status;
    NEW.note := 'settled';
    RETURN NEW;
END $$;
CREATE TRIGGER settle BEFORE UPDATE ON training_sessions FOR EACH ROW EXECUTE FUNCTION settle();
CALL session_consistency.migrate('training_sessions');
SELECT id, status, note, subscription_id FROM training_sessions WHERE member_id = 4 ORDER BY id;
SELECT * FROM counters() WHERE id = '40';
DROP TRIGGER settle ON training_sessions;

-- One that writes sessions itself.
ALTER TABLE training_sessions DISABLE TRIGGER USER;
INSERT INTO training_sessions (id, member_id, status) VALUES (20, 5, 'scheduled'), (21, 5, 'completed'), (22, 5, 'completed');
ALTER TABLE training_sessions ENABLE TRIGGER USER;
CREATE FUNCTION follow_up() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF NEW.status = 'scheduled' THEN
        UPDATE training_sessions SET status = 'cancelled' WHERE id = NEW.id;
    ELSIF NEW.id = 21 THEN
        INSERT INTO training_sessions (id, member_id) VALUES (121, NEW.member_id);
    ELSIF NEW.id = 22 THEN
        DELETE FROM training_sessions WHERE id = 22;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER follow_up AFTER UPDATE OF subscription_id ON training_sessions FOR EACH ROW EXECUTE FUNCTION follow_up();
CALL session_consistency.migrate('training_sessions');
SELECT id, status, subscription_id FROM training_sessions WHERE member_id = 5 ORDER BY id;
SELECT * FROM counters() WHERE id = '50';
DROP TRIGGER follow_up ON training_sessions;

-- One that keeps the link from being written, or raises: an error, and what was treated before stays.
ALTER TABLE training_sessions DISABLE TRIGGER USER;
INSERT INTO training_sessions (id, member_id, status) VALUES (30, 5, 'completed'), (31, 6, 'completed');
ALTER TABLE training_sessions ENABLE TRIGGER USER;
CREATE FUNCTION keep_history() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF NEW.member_id <> 6 THEN RETURN NEW; END IF;
    IF NEW.note = 'null' THEN RETURN NULL; END IF;
    IF NEW.note = 'clear' THEN NEW.subscription_id := NULL; RETURN NEW; END IF;
    RAISE division_by_zero;
END $$;
CREATE TRIGGER keep_history BEFORE UPDATE ON training_sessions FOR EACH ROW WHEN (OLD.note IS NOT DISTINCT FROM NEW.note) EXECUTE FUNCTION keep_history();
UPDATE training_sessions SET note = 'null' WHERE id = 31;
CALL session_consistency.migrate('training_sessions', batch_size => 1);
UPDATE training_sessions SET note = 'clear' WHERE id = 31;
CALL session_consistency.migrate('training_sessions', batch_size => 1);
UPDATE training_sessions SET note = 'raise' WHERE id = 31;
CALL session_consistency.migrate('training_sessions', batch_size => 1);
SELECT id, status, subscription_id FROM training_sessions WHERE member_id IN (5, 6) ORDER BY id;
SELECT phase FROM session_consistency.migration_progress WHERE sessions = 'training_sessions'::regclass ORDER BY started DESC LIMIT 1;
DROP TRIGGER keep_history ON training_sessions;
CALL session_consistency.migrate('training_sessions', batch_size => 1);
SELECT * FROM counters() WHERE id IN ('50', '60');

-- Triggers of the subscriptions see the counters change, and may react.
UPDATE member_subscriptions SET total_sessions_snapshot = 3 WHERE id = 60;
ALTER TABLE training_sessions DISABLE TRIGGER USER;
INSERT INTO training_sessions (id, member_id, status) VALUES (40, 6, 'completed'), (41, 6, 'completed');
ALTER TABLE training_sessions ENABLE TRIGGER USER;
CREATE FUNCTION close_it() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE member_subscriptions SET status = 'expired' WHERE id = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER close_it AFTER UPDATE ON member_subscriptions FOR EACH ROW
    WHEN (NEW.used_sessions = NEW.total_sessions_snapshot AND NEW.status = 'active') EXECUTE FUNCTION close_it();
CALL session_consistency.migrate('training_sessions', batch_size => 1);
SELECT * FROM counters() WHERE id = '60';

-- The recount finds nothing.
SELECT * FROM recount();
\i :finish
