-- A pack pays for some services only, and not once it is deleted: what pays for what is a condition on both rows.
\getenv top PG_ABS_SRCDIR
\set test pays_when
\set gym :top /test/fixtures/gym.sql
\i :gym
\pset format unaligned
\pset tuples_only on
ALTER TABLE training_sessions ADD service int, ADD booked_at timestamp DEFAULT '2030-01-01';
ALTER TABLE member_subscriptions ADD services int[], ADD deleted_at timestamptz;
\set condition '''subscription.deleted_at IS NULL AND (subscription.services IS NULL OR session.service = ANY (subscription.services))'''
SELECT command FROM session_consistency.attach('training_sessions', 'member_subscriptions', pays_when => :condition)
WHERE command LIKE '%CREATE TRIGGER session_consistency_expressions%';
SELECT pays_when FROM session_consistency.attachments WHERE sessions = 'training_sessions'::regclass;
CALL session_consistency.migrate('training_sessions');
UPDATE member_subscriptions SET services = '{7,8}' WHERE id = 10;

-- Only false refuses: NULL pays.
INSERT INTO training_sessions (id, member_id, service) VALUES (1, 1, 7), (2, 1, NULL), (3, 2, 99);
SELECT * FROM refusal('INSERT INTO training_sessions (id, member_id, service) VALUES (4, 1, 9)');
SELECT outcome('INSERT INTO training_sessions (id, member_id, service) VALUES (4, 1, 8), (5, 1, 9)');
INSERT INTO training_sessions (id, member_id, service, session_type) VALUES (4, 1, 9, 'trial');
INSERT INTO training_sessions (id, member_id, service, status) VALUES (5, 1, 9, 'cancelled');

-- Judged when a session starts to hold, or a column that the condition reads changes.
SELECT outcome('UPDATE training_sessions SET session_type = ''member'' WHERE id = 4');
SELECT outcome('UPDATE training_sessions SET status = ''scheduled'' WHERE id = 5');
UPDATE training_sessions SET service = 8 WHERE id = 1;
SELECT outcome('UPDATE training_sessions SET service = 9 WHERE id = 1');
UPDATE training_sessions SET service = 7 WHERE id = 5;
UPDATE training_sessions SET status = 'scheduled' WHERE id = 5;
-- Not for history, which may be attributed by name.
UPDATE member_subscriptions SET services = '{1}', status = 'frozen' WHERE id = 10;
INSERT INTO member_subscriptions VALUES (12, 1, 'active', 5);
BEGIN;
UPDATE training_sessions SET subscription_id = 12 WHERE id = 5;
UPDATE training_sessions SET service = 9, status = 'completed' WHERE id = 5;
UPDATE member_subscriptions SET services = '{1}' WHERE id = 12;
UPDATE training_sessions SET service = 8 WHERE id = 5;
UPDATE training_sessions SET subscription_id = 11 WHERE id = 5;
SELECT outcome('UPDATE training_sessions SET status = ''scheduled'', subscription_id = 12 WHERE id = 5');
ROLLBACK;
DELETE FROM member_subscriptions WHERE id = 12;
UPDATE member_subscriptions SET services = '{7,8}', status = 'active' WHERE id = 10;
-- The pack may change at any time; its sessions stay, and what does not need the pack anew is not judged.
UPDATE member_subscriptions SET deleted_at = '2030-01-01' WHERE id = 10;
UPDATE training_sessions SET status = 'completed', note = 'seen' WHERE id = 1;
SELECT outcome('INSERT INTO training_sessions (id, member_id, service) VALUES (6, 1, 7)');
SELECT outcome('UPDATE training_sessions SET service = 8 WHERE id = 5');
UPDATE training_sessions SET status = 'cancelled' WHERE id = 5;
SELECT outcome('UPDATE training_sessions SET status = ''scheduled'' WHERE id = 5');
UPDATE member_subscriptions SET deleted_at = NULL WHERE id = 10;
UPDATE training_sessions SET status = 'scheduled' WHERE id = 5;
SELECT id, member, link, type, status FROM bookings();
SELECT * FROM recount();

-- What another rule refuses first is told first; who may not read the packs gets no figures.
SELECT outcome('INSERT INTO training_sessions (id, member_id, subscription_id, service) VALUES (7, 2, 10, 9)');
UPDATE member_subscriptions SET status = 'frozen' WHERE id = 10;
SELECT value FROM refusal('INSERT INTO training_sessions (id, member_id, subscription_id, service) VALUES (7, 1, 10, 9)')
WHERE field = 'constraint';
UPDATE member_subscriptions SET status = 'active' WHERE id = 10;
RESET ROLE;
SET ROLE :desk;
SELECT * FROM refusal('INSERT INTO training_sessions (id, member_id, service) VALUES (7, 1, 9)');
RESET ROLE;
SET ROLE :owner;

-- One of the user's triggers makes of the row what the pack pays for.
CREATE FUNCTION settle() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE training_sessions SET service = 7 WHERE id = NEW.id AND service = 9;
    RETURN NULL;
END $$;
CREATE TRIGGER settle AFTER INSERT ON training_sessions FOR EACH ROW EXECUTE FUNCTION settle();
INSERT INTO training_sessions (id, member_id, service) VALUES (8, 1, 9);
INSERT INTO training_sessions (id, member_id, service) VALUES (9, 1, 9), (10, 1, 7);
DROP TRIGGER settle ON training_sessions;
SELECT id, service, subscription_id FROM training_sessions WHERE id IN (8, 9, 10);
SELECT * FROM recount();
SELECT * FROM session_consistency.check_counts('training_sessions');

-- The condition is changed in place, and counts nothing otherwise.
SELECT action FROM session_consistency.attach('training_sessions', 'member_subscriptions',
                                              pays_when => 'subscription.deleted_at IS NULL');
SELECT enforced, gaps FROM session_consistency.attachments WHERE sessions = 'training_sessions'::regclass;
INSERT INTO training_sessions (id, member_id, service) VALUES (11, 1, 9);
SELECT action FROM session_consistency.attach('training_sessions', 'member_subscriptions');
SELECT count(*) FROM pg_trigger WHERE tgname LIKE '%expressions%' AND tgrelid = 'training_sessions'::regclass;
SELECT * FROM recount();
SELECT count(*) > 0 FROM session_consistency.detach('training_sessions');
\i :finish
