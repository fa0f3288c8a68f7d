-- A member with a counted session that has no link: nobody can say which pack it is on, so that member is compared in
-- sum over all packs, with one finding for the member; every other member pack by pack.
\getenv top PG_ABS_SRCDIR
\set test audit_compares_by_member
\set gym :top /test/fixtures/gym.sql
\i :gym
CREATE FUNCTION found() RETURNS TABLE (code text, member text, subscription text, session text, expected text,
                                       actual text, repair_sql text)
    LANGUAGE sql AS $$
    SELECT code, member_id, subscription_id, session_id, expected, actual, repair_sql
    FROM session_consistency.audit_findings('training_sessions', 'member_subscriptions')
    WHERE code <> 'unlinked_session'
$$;

-- Before there is a link column: Ada took three sessions of her two packs, Ben filled his.
INSERT INTO training_sessions (id, member_id, status) VALUES
    (1, 1, 'completed'), (2, 1, 'completed'), (3, 1, 'scheduled'), (4, 1, 'cancelled'),
    (5, 2, 'completed'), (6, 2, 'scheduled');
UPDATE member_subscriptions SET used_sessions = 1 WHERE id IN (10, 20, 21);
UPDATE member_subscriptions SET used_sessions = 2 WHERE id = 11;
SELECT * FROM found();
-- The used sessions may stand on any of the packs, as far as anyone can tell.
UPDATE member_subscriptions SET used_sessions = 3 WHERE id = 10;
UPDATE member_subscriptions SET used_sessions = 0 WHERE id = 11;
SELECT * FROM found();

-- The sum is wrong: one finding for the member.
UPDATE member_subscriptions SET used_sessions = 4 WHERE id = 10;
SELECT * FROM found();
UPDATE member_subscriptions SET used_sessions = 3 WHERE id = 10;

-- A session too many for all of Ben's packs together.
INSERT INTO training_sessions (id, member_id, status) SELECT g, 2, 'completed' FROM generate_series(11, 13) g;
SELECT * FROM found();
UPDATE member_subscriptions SET used_sessions = 4 WHERE id = 21;
SELECT * FROM found();
-- One of them is unlimited: then never too many.
UPDATE member_subscriptions SET total_sessions_snapshot = NULL WHERE id = 21;
SELECT * FROM found();
DELETE FROM training_sessions WHERE id >= 11;
UPDATE member_subscriptions SET used_sessions = 1, total_sessions_snapshot = 2 WHERE id = 21;

-- What a pack itself says is still said of the pack.
UPDATE member_subscriptions SET used_sessions = 3 WHERE id = 21;
UPDATE member_subscriptions SET used_sessions = -1 WHERE id = 20;
SELECT * FROM found();
UPDATE member_subscriptions SET used_sessions = 1 WHERE id IN (20, 21);

-- Ada's sessions are linked, all but one: she is compared in sum, and the links count for nothing. Ben's are all
-- linked: he is compared pack by pack. A session without a link that holds no credit changes nothing.
ALTER TABLE training_sessions ADD subscription_id integer;
UPDATE training_sessions SET subscription_id = 11 WHERE id IN (2, 3);
UPDATE training_sessions SET subscription_id = 20 WHERE id = 5;
UPDATE training_sessions SET subscription_id = 21 WHERE id = 6;
INSERT INTO training_sessions (id, member_id, status) VALUES (7, 2, 'cancelled');
SELECT * FROM found();
UPDATE training_sessions SET subscription_id = 21 WHERE id = 5;
SELECT * FROM found();
-- All of Ada's linked too: now each pack must be right.
UPDATE training_sessions SET subscription_id = 10 WHERE id = 1;
SELECT * FROM found();

-- A session of Ada's that is linked to nothing, or to a pack of Ben's, is still hers in the sum.
UPDATE training_sessions SET subscription_id = NULL WHERE id = 1;
UPDATE training_sessions SET subscription_id = 99 WHERE id = 2;
SELECT * FROM found();
UPDATE training_sessions SET subscription_id = 20 WHERE id = 2;
SELECT * FROM found();

-- A plain remaining column is compared in sum too.
BEGIN;
DELETE FROM training_sessions WHERE id = 2;
ALTER TABLE member_subscriptions DROP remaining_sessions;
ALTER TABLE member_subscriptions ADD remaining_sessions integer;
UPDATE member_subscriptions SET used_sessions = CASE id WHEN 10 THEN 0 WHEN 11 THEN 2 WHEN 21 THEN 2 ELSE 0 END;
UPDATE member_subscriptions SET remaining_sessions = total_sessions_snapshot - used_sessions;
SELECT * FROM found();
UPDATE member_subscriptions SET remaining_sessions = remaining_sessions - 1 WHERE id = 11;
UPDATE member_subscriptions SET remaining_sessions = remaining_sessions - 1 WHERE id = 20;
SELECT * FROM found();
ROLLBACK;

-- The recount finds nothing, once each is on its pack.
UPDATE training_sessions SET subscription_id = 10 WHERE member_id = 1;
UPDATE training_sessions SET subscription_id = CASE id WHEN 5 THEN 20 ELSE 21 END WHERE member_id = 2;
UPDATE member_subscriptions s
SET used_sessions = (SELECT count(*) FROM training_sessions t
                     WHERE t.subscription_id = s.id AND t.status <> 'cancelled');
SELECT * FROM found();
SELECT * FROM recount();
\i :finish
