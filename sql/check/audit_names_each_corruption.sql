-- Each thing that can be wrong, made wrong on its own: the audit finds it, what follows from it, and nothing else.
\getenv top PG_ABS_SRCDIR
\set test audit_names_each_corruption
\set gym :top /test/fixtures/gym.sql
\i :gym
-- An application that keeps links and counters by itself: Ada's two packs, Ben's full one, Cleo's expired one; Dan only
-- ever came as a guest. Nothing is attached.
ALTER TABLE training_sessions ADD subscription_id integer;
ALTER TABLE member_subscriptions ADD starts_on date;
INSERT INTO training_sessions (id, member_id, session_type, status, subscription_id) VALUES
    (1, 1, 'member', 'scheduled', 10), (2, 1, 'makeup', 'completed', 10), (3, 1, 'member', 'cancelled', 10),
    (4, 1, 'contractual', 'completed', 11), (5, 1, 'trial', 'completed', NULL), (6, 2, 'member', 'scheduled', 20),
    (7, 2, 'member', 'in_progress', 20), (8, 3, 'member', 'completed', 30), (9, 4, 'guest', 'scheduled', NULL),
    (10, 4, NULL, 'scheduled', NULL), (11, 3, 'member', NULL, 30);
UPDATE member_subscriptions SET used_sessions = 2 WHERE id IN (10, 20);
UPDATE member_subscriptions SET used_sessions = 1 WHERE id IN (11, 30);
CREATE FUNCTION found() RETURNS TABLE (code text, severity text, member text, subscription text, session text,
                                       expected text, actual text, repair_sql text)
    LANGUAGE sql AS $$
    SELECT * FROM session_consistency.audit_findings('training_sessions', 'member_subscriptions',
                                                     valid_from_column => 'starts_on')
$$;
RESET ROLE;
-- So that a member can go and leave rows behind.
SET session_replication_role = replica;

-- Clean tables: a row for every category, and no finding.
SELECT code, severity, affected, samples
FROM session_consistency.audit('training_sessions', 'member_subscriptions', valid_from_column => 'starts_on');
SELECT * FROM found();

-- A session lost its link. Which pack held it nobody can say, so Ada is compared in sum, and her sums agree.
BEGIN;
UPDATE training_sessions SET subscription_id = NULL WHERE id = 1;
SELECT * FROM found();
-- With a counter that was changed too they do not; no single pack is accused.
UPDATE member_subscriptions SET used_sessions = used_sessions - 1 WHERE id = 10;
SELECT * FROM found();
ROLLBACK;

-- One that holds no credit lost its link: it needs none.
BEGIN;
UPDATE training_sessions SET subscription_id = NULL WHERE id = 3;
SELECT * FROM found();
ROLLBACK;

-- A link to nothing.
BEGIN;
UPDATE training_sessions SET subscription_id = 99 WHERE id = 1;
SELECT * FROM found();
ROLLBACK;

-- A pack was deleted under its sessions.
BEGIN;
DELETE FROM member_subscriptions WHERE id = 11;
SELECT * FROM found();
ROLLBACK;

-- A link to another member's pack, which is full: it is overdrawn now.
BEGIN;
UPDATE training_sessions SET subscription_id = 20 WHERE id = 1;
SELECT * FROM found();
ROLLBACK;

-- The same of a session that holds no credit.
BEGIN;
UPDATE training_sessions SET subscription_id = 20 WHERE id = 3;
SELECT * FROM found();
ROLLBACK;

-- A trial with a link to another member's pack: of a session, the first category alone.
BEGIN;
UPDATE training_sessions SET subscription_id = 20 WHERE id = 5;
SELECT * FROM found();
ROLLBACK;

-- A counted session became a trial, or lost its type, and kept its link.
BEGIN;
UPDATE training_sessions SET session_type = 'trial' WHERE id = 1;
SELECT * FROM found();
UPDATE training_sessions SET session_type = NULL WHERE id = 1;
SELECT * FROM found();
ROLLBACK;

-- The same of a session that holds no credit.
BEGIN;
UPDATE training_sessions SET session_type = 'guest' WHERE id = 3;
SELECT * FROM found();
ROLLBACK;

-- A member who never bought a pack took a session.
BEGIN;
UPDATE training_sessions SET session_type = 'member' WHERE id = 9;
SELECT * FROM found();
ROLLBACK;

-- A deleted member's sessions, of every type; whatever else is wrong with them.
BEGIN;
DELETE FROM members WHERE id = 1;
SELECT * FROM found();
UPDATE training_sessions SET subscription_id = 99 WHERE id = 3;
SELECT * FROM found();
-- The member's packs went too.
DELETE FROM member_subscriptions WHERE member_id = 1;
SELECT * FROM found();
ROLLBACK;

-- Two active packs.
BEGIN;
UPDATE member_subscriptions SET status = 'active' WHERE id IN (11, 21);
SELECT * FROM found();
ROLLBACK;

-- Two that are frozen, or expired, are fine.
BEGIN;
UPDATE member_subscriptions SET status = 'frozen' WHERE id IN (10, 11);
SELECT * FROM found();
ROLLBACK;

-- A counter that drifted: too high, above the total, too low, below 0.
BEGIN;
UPDATE member_subscriptions SET used_sessions = 3 WHERE id = 10;
SELECT * FROM found();
UPDATE member_subscriptions SET used_sessions = 11 WHERE id = 10;
SELECT * FROM found();
UPDATE member_subscriptions SET used_sessions = 1 WHERE id = 10;
SELECT * FROM found();
UPDATE member_subscriptions SET used_sessions = -1 WHERE id = 10;
SELECT * FROM found();
ROLLBACK;

-- A counted session was deleted, or came, or was cancelled, and the counter stayed.
BEGIN;
DELETE FROM training_sessions WHERE id = 2;
SELECT * FROM found();
ROLLBACK;
BEGIN;
INSERT INTO training_sessions (id, member_id, subscription_id) VALUES (100, 1, 10);
SELECT * FROM found();
ROLLBACK;
BEGIN;
UPDATE training_sessions SET status = 'cancelled' WHERE id = 1;
SELECT * FROM found();
ROLLBACK;

-- One session more than the pack holds: counted, or not.
BEGIN;
INSERT INTO training_sessions (id, member_id, subscription_id) VALUES (100, 2, 20);
SELECT * FROM found();
UPDATE member_subscriptions SET used_sessions = 3 WHERE id = 20;
SELECT * FROM found();
ROLLBACK;

-- A total that was lowered, to 0, or became unlimited.
BEGIN;
UPDATE member_subscriptions SET total_sessions_snapshot = 1 WHERE id = 20;
SELECT * FROM found();
UPDATE member_subscriptions SET total_sessions_snapshot = 0 WHERE id IN (20, 21);
SELECT * FROM found();
UPDATE member_subscriptions SET total_sessions_snapshot = NULL;
SELECT * FROM found();
-- Unlimited packs are counted.
UPDATE member_subscriptions SET used_sessions = 1000 WHERE id = 10;
SELECT * FROM found();
ROLLBACK;

-- Active before it begins; one that is expired is not, nor one that begins today.
BEGIN;
UPDATE member_subscriptions SET starts_on = DATE '2999-01-01' WHERE id IN (10, 11);
UPDATE member_subscriptions SET starts_on = current_date WHERE id = 20;
SELECT * FROM found();
ROLLBACK;

-- The recount finds nothing.
SELECT * FROM recount();
RESET session_replication_role;
\i :finish
