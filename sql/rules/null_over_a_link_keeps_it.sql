-- R1: NULL written over the link of a session that stays with its member keeps the link: an ORM saves an object that
-- never read it back. The credit does not move to whatever pack is active now.
\getenv top PG_ABS_SRCDIR
\set test null_over_a_link_keeps_it
\set gym :top /test/fixtures/gym.sql
\i :gym
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions', ledger => true);
INSERT INTO training_sessions (id, member_id) VALUES (1, 1), (2, 2), (3, 1), (4, 1);
UPDATE training_sessions SET status = 'cancelled' WHERE id = 3;
UPDATE member_subscriptions SET status = 'expired' WHERE id = 10;
UPDATE member_subscriptions SET status = 'active' WHERE id = 11;
SET ROLE :desk;
-- Saved whole, completed, cancelled and booked again.
UPDATE training_sessions SET member_id = 1, session_type = 'member', status = 'scheduled', note = 'saved', subscription_id = NULL WHERE id = 1;
UPDATE training_sessions SET subscription_id = NULL WHERE id IN (2, 3);
UPDATE training_sessions SET status = 'completed', subscription_id = NULL WHERE id = 4;
SELECT * FROM bookings();
SELECT * FROM counters() WHERE id IN ('10', '11', '20');
-- An upsert of the whole object: its proposed row is filled in with the pack that is active now.
INSERT INTO training_sessions (id, member_id, status, subscription_id) VALUES (1, 1, 'completed', NULL)
    ON CONFLICT (id) DO UPDATE SET status = EXCLUDED.status, subscription_id = EXCLUDED.subscription_id;
INSERT INTO training_sessions (id, member_id, status, subscription_id) VALUES (5, 1, 'completed', NULL), (4, 1, 'completed', NULL)
    ON CONFLICT (id) DO UPDATE SET status = EXCLUDED.status, subscription_id = EXCLUDED.subscription_id;
SELECT * FROM bookings();
SELECT * FROM counters() WHERE id IN ('10', '11', '20');
-- A link that the statement names is a wish.
UPDATE training_sessions SET subscription_id = 11 WHERE id = 1;
INSERT INTO training_sessions (id, member_id, status, subscription_id) VALUES (4, 1, 'completed', 11)
    ON CONFLICT (id) DO UPDATE SET subscription_id = EXCLUDED.subscription_id;
MERGE INTO training_sessions t USING (VALUES (3, 1, 10), (6, 1, NULL)) v (id, member_id, link) ON t.id = v.id
    WHEN MATCHED THEN UPDATE SET subscription_id = 11
    WHEN NOT MATCHED THEN INSERT (id, member_id) VALUES (v.id, v.member_id);
SELECT * FROM bookings();
SELECT * FROM counters() WHERE id IN ('10', '11', '20');
-- With another member it is one to search.
UPDATE training_sessions SET member_id = 2, subscription_id = NULL WHERE id = 5;
SELECT * FROM bookings() WHERE id = '5';
-- Another trigger that takes it away: put back in the same statement, which needs no credit for that.
SET ROLE :owner;
CREATE FUNCTION take_away() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.note = 'none' THEN NEW.subscription_id := NULL; END IF;
    IF NEW.note LIKE 'member %' THEN NEW.member_id := substr(NEW.note, 8)::int; END IF;
    NEW.note := NULL;
    RETURN NEW;
END $$;
CREATE TRIGGER zzzz BEFORE UPDATE ON training_sessions FOR EACH ROW EXECUTE FUNCTION take_away();
SELECT * FROM counters() WHERE id = '20';
UPDATE training_sessions SET note = 'none' WHERE id = 2;
UPDATE training_sessions SET note = 'member 1' WHERE id = 2;
SELECT * FROM bookings() WHERE id = '2';
SELECT * FROM counters() WHERE id IN ('10', '11', '20');
SELECT session_id, subscription_id, delta, reason FROM session_consistency.ledger_lines WHERE attachment = 'training_sessions'::regclass AND session_id IN ('1', '2', '5') ORDER BY id;
SELECT * FROM recount();
\i :finish
