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
\i :finish
