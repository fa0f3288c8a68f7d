-- A drawn link that turns out to have no credit left is written again, and the users' BEFORE triggers fire again for
-- that. What they change then is either the same to the counters, or the statement fails: nothing is counted that is
-- not there.
\getenv top PG_ABS_SRCDIR
\set test user_triggers_on_drawn_links
\set gym :top /test/fixtures/gym.sql
\i :gym
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions', draw_order => 'id');
UPDATE member_subscriptions SET status = 'active';
-- The first session is given the one credit of 10, which the second names: so the first becomes one of 11.
UPDATE member_subscriptions SET total_sessions_snapshot = 1 WHERE id = 10;
PREPARE book AS INSERT INTO training_sessions (id, member_id, subscription_id) VALUES ($1, 1, NULL), ($1 + 1, 1, 10);
CREATE FUNCTION on_update() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    new.note := coalesce(new.note, '') || 'again';
    CASE current_setting('gym.change')
        WHEN 'status' THEN new.status := 'cancelled';
        WHEN 'words' THEN new.status := 'in_progress';
        WHEN 'member' THEN new.member_id := 2;
        WHEN 'type' THEN new.session_type := 'trial';
        ELSE NULL;
    END CASE;
    RETURN new;
END $$;
CREATE TRIGGER zzzz BEFORE UPDATE ON training_sessions FOR EACH ROW EXECUTE FUNCTION on_update();
SET gym.change = 'words';
EXECUTE book(1);
SELECT * FROM bookings();
SELECT note FROM training_sessions ORDER BY id;
SELECT * FROM counters() WHERE id IN ('10', '11');
DELETE FROM training_sessions;
SET gym.change = 'status';
\set VERBOSITY default
EXECUTE book(1);
\set VERBOSITY sqlstate
SET gym.change = 'member';
EXECUTE book(1);
SET gym.change = 'type';
EXECUTE book(1);
SELECT * FROM bookings();
SELECT * FROM counters() WHERE id IN ('10', '11');
SELECT * FROM recount();
DROP TRIGGER zzzz ON training_sessions;
-- A trigger of the packs that writes sessions finds each with its own link: the first session is one of 11 by then.
CREATE FUNCTION on_counter() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    DELETE FROM training_sessions WHERE new.id = 10 AND status = 'in_progress';
    UPDATE training_sessions SET status = 'cancelled' WHERE new.id = 10 AND note = 'cancel';
    RETURN NULL;
END $$;
CREATE TRIGGER zzzz AFTER UPDATE ON member_subscriptions FOR EACH ROW EXECUTE FUNCTION on_counter();
INSERT INTO training_sessions (id, member_id, status, note, subscription_id)
    VALUES (1, 1, 'in_progress', NULL, NULL), (2, 1, 'scheduled', 'cancel', NULL), (3, 1, 'scheduled', NULL, NULL), (4, 1, 'scheduled', NULL, 10);
SELECT * FROM bookings();
SELECT * FROM counters() WHERE id IN ('10', '11');
SELECT * FROM recount();
-- So it is where one stays without a pack.
SELECT count(*) > 0 AS changed FROM session_consistency.attach('training_sessions', 'member_subscriptions', draw_order => 'id', when_none => 'leave');
DELETE FROM training_sessions;
UPDATE member_subscriptions SET status = 'expired' WHERE id = 11;
INSERT INTO training_sessions (id, member_id, status, note, subscription_id)
    VALUES (1, 1, 'in_progress', NULL, NULL), (2, 1, 'scheduled', 'cancel', NULL), (3, 1, 'scheduled', NULL, 10);
SELECT * FROM bookings();
SELECT * FROM counters() WHERE id IN ('10', '11');
SELECT * FROM recount();
-- A trigger of the sessions that takes another one away, whose link has not been written yet.
DROP TRIGGER zzzz ON member_subscriptions;
CREATE FUNCTION on_link() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM training_sessions WHERE id = new.id + 1;
    RETURN NULL;
END $$;
CREATE TRIGGER zzzz AFTER UPDATE ON training_sessions FOR EACH ROW EXECUTE FUNCTION on_link();
DELETE FROM training_sessions;
UPDATE member_subscriptions SET status = 'active' WHERE id = 11;
UPDATE member_subscriptions SET total_sessions_snapshot = 2 WHERE id = 10;
SELECT outcome('INSERT INTO training_sessions (id, member_id, subscription_id) VALUES (1, 1, NULL), (2, 1, NULL), (3, 1, 10), (4, 1, 10)');
INSERT INTO training_sessions (id, member_id, subscription_id) VALUES (2, 1, NULL), (1, 1, NULL), (3, 1, 10), (4, 1, 10);
SELECT * FROM bookings();
SELECT * FROM recount();
-- One that writes a subscription, and books on another, which the statement settles next.
DROP TRIGGER zzzz ON training_sessions;
DELETE FROM training_sessions;
CREATE FUNCTION on_link_too() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE member_subscriptions SET total_sessions_snapshot = total_sessions_snapshot + 1 WHERE id IN (10, 11);
    INSERT INTO training_sessions (id, member_id, subscription_id) SELECT 100 * new.id + n, 1, n FROM unnest('{10,11}'::int[]) n
        WHERE new.id < 100;
    RETURN NULL;
END $$;
CREATE TRIGGER zzzz AFTER UPDATE ON training_sessions FOR EACH ROW EXECUTE FUNCTION on_link_too();
INSERT INTO training_sessions (id, member_id, subscription_id) VALUES (1, 1, NULL), (2, 1, NULL), (3, 1, 10), (4, 1, 10);
SELECT * FROM bookings();
SELECT * FROM counters() WHERE id IN ('10', '11');
SELECT * FROM recount();
-- One that only notes something in the row that was written: its link is judged, and drawn anew, as without it.
DROP TRIGGER zzzz ON training_sessions;
DELETE FROM training_sessions;
UPDATE member_subscriptions SET status = 'expired' WHERE id = 21;
CREATE FUNCTION on_session() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE training_sessions SET note = coalesce(note, '') || 'n' WHERE id = new.id AND pg_trigger_depth() = 1;
    RETURN NULL;
END $$;
CREATE TRIGGER "00_first" AFTER INSERT OR UPDATE ON training_sessions FOR EACH ROW EXECUTE FUNCTION on_session();
CREATE TRIGGER zzzz AFTER INSERT OR UPDATE ON training_sessions FOR EACH ROW EXECUTE FUNCTION on_session();
SELECT count(*) > 0 AS changed FROM session_consistency.attach('training_sessions', 'member_subscriptions', draw_order => 'id');
UPDATE member_subscriptions SET total_sessions_snapshot = 2 WHERE id IN (10, 20);
INSERT INTO training_sessions (id, member_id, subscription_id) VALUES (1, 1, NULL), (2, 1, NULL), (3, 1, 10), (4, 1, 10), (5, 2, NULL);
UPDATE training_sessions SET member_id = 2 WHERE id = 3;
SELECT outcome('UPDATE training_sessions SET member_id = 2 WHERE id = 4') AS full,
    outcome('UPDATE training_sessions SET member_id = 4 WHERE id = 4') AS none;
SELECT * FROM bookings();
SELECT * FROM counters() WHERE id IN ('10', '11', '20');
SELECT * FROM recount();
\i :finish
