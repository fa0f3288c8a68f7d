-- The ledger has a line for each session that changed what it holds, and its replay is the counter.
-- Counters that are wrong on purpose, or of sessions whose statement has not ended: not counted again.
SET session_consistency.recount = off;
\getenv top PG_ABS_SRCDIR
\set test ledger_explains_every_credit
\set gym :top /test/fixtures/gym.sql
\i :gym
INSERT INTO training_sessions (id, member_id, status) VALUES (901, 1, 'completed'), (902, 1, 'completed');
SELECT step, action, command FROM session_consistency.attach('training_sessions', 'member_subscriptions',
    ledger => true) WHERE action = 'open ledger';
SELECT ledger FROM session_consistency.attachments WHERE sessions = 'training_sessions'::regclass;
-- What a subscription's life looks like, without what differs from run to run.
CREATE FUNCTION life(pack int)
    RETURNS TABLE (role text, actor text, session text, delta bigint, balance bigint, reason text)
    LANGUAGE sql AS $$
    SELECT coalesce(substring(role FROM '^regress_.*_(.*)'), 'superuser'), actor, session_id, delta, balance, reason
    FROM session_consistency.explain_subscription('training_sessions', pack::text) $$;
CREATE FUNCTION gaps() RETURNS TABLE (pack text, expected bigint, actual bigint, message text)
    LANGUAGE sql SECURITY DEFINER AS $$
    SELECT subscription_id, expected, actual, regexp_replace(message, 'line \d+', 'line N')
    FROM session_consistency.ledger_gaps('training_sessions') $$;
SELECT * FROM life(10);
SELECT * FROM gaps();

-- Booked, completed, reopened, cancelled, un-cancelled, deleted; by somebody on somebody's behalf.
SET ROLE :desk;
SET session_consistency.actor = 'desk 1';
INSERT INTO training_sessions (id, member_id) VALUES (1, 1), (2, 1);
UPDATE training_sessions SET status = 'in_progress' WHERE id = 1;
UPDATE training_sessions SET status = 'completed' WHERE id = 1;
SET session_consistency.actor = 'desk 2';
UPDATE training_sessions SET status = 'scheduled' WHERE id = 1;
UPDATE training_sessions SET status = 'cancelled' WHERE id = 1;
UPDATE training_sessions SET status = 'cancelled', note = 'again' WHERE id = 1;
UPDATE training_sessions SET status = 'scheduled' WHERE id = 1;
RESET session_consistency.actor;
DELETE FROM training_sessions WHERE id = 1;
UPDATE training_sessions SET status = 'cancelled' WHERE id = 2;
DELETE FROM training_sessions WHERE id = 2;
SET ROLE :owner;
SELECT * FROM life(10);

-- Another subscription, another member, another type.
INSERT INTO training_sessions (id, member_id, status) VALUES (3, 1, 'completed'), (4, 1, 'scheduled');
UPDATE training_sessions SET subscription_id = 11 WHERE id = 3;
UPDATE training_sessions SET member_id = 2 WHERE id = 4;
UPDATE training_sessions SET session_type = 'trial' WHERE id = 4;
UPDATE training_sessions SET session_type = 'makeup' WHERE id = 4;
SELECT * FROM life(11);
SELECT * FROM life(20);
SELECT * FROM gaps();

-- What sums to nothing is told all the same; what is refused is not, nor what a savepoint takes back.
BEGIN;
INSERT INTO training_sessions (id, member_id) VALUES (5, 2);
WITH gone AS (DELETE FROM training_sessions WHERE id = 4 RETURNING member_id)
INSERT INTO training_sessions (id, member_id) SELECT 6, member_id FROM gone;
SAVEPOINT used_up;
INSERT INTO training_sessions (id, member_id) VALUES (7, 2);
ROLLBACK TO used_up;
UPDATE training_sessions SET status = 'completed' WHERE id = 6;
ROLLBACK TO used_up;
COMMIT;
SELECT * FROM life(20);

-- A trigger of the user's that writes sessions: credits that are carried to the end of the enclosing statement.
CREATE FUNCTION swap() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM training_sessions WHERE member_id = NEW.member_id AND note = 'swap' AND id <> NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER swap AFTER INSERT ON training_sessions FOR EACH ROW EXECUTE FUNCTION swap();
INSERT INTO training_sessions (id, member_id, status, subscription_id, note) VALUES
    (30, 3, 'completed', 30, 'swap'), (31, 3, 'completed', 30, 'swap'), (32, 3, 'completed', 30, 'swap');
DROP TRIGGER swap ON training_sessions;
SELECT * FROM life(30);
SELECT * FROM gaps();

-- A member goes, the sessions and packs in a cascade: every credit is given back.
INSERT INTO training_sessions (id, member_id, status, subscription_id) VALUES
    (33, 3, 'completed', 30), (34, 3, 'completed', 30);
DELETE FROM members WHERE id = 3;
SELECT * FROM life(30);
SELECT * FROM gaps();

-- TRUNCATE.
TRUNCATE training_sessions;
SELECT * FROM life(11);
INSERT INTO training_sessions (id, member_id) VALUES (8, 2);
SELECT * FROM gaps();
SELECT * FROM counters();

-- Nobody but the table's owner changes it, whatever was granted.
SET ROLE :desk;
SELECT count(*) FROM session_consistency.ledger;
SELECT count(*) > 0 AS readable FROM session_consistency.ledger_lines WHERE attachment = 'training_sessions'::regclass;
RESET ROLE;
GRANT pg_write_all_data TO :desk;
SET ROLE :desk;
DELETE FROM session_consistency.ledger;
UPDATE session_consistency.ledger SET balance = 0;
INSERT INTO session_consistency.ledger (id, at, transaction_id, role, pair, subscription_id, line, delta, balance, reason)
    VALUES (1, now(), '3', 'me', 1, '10', 1, 1, 1, 'booked');

-- A line that is missing, one that was changed, and a counter that was: each is found.
RESET ROLE;
BEGIN;
DELETE FROM session_consistency.ledger l USING (SELECT max(id) AS id FROM session_consistency.ledger) x
    WHERE l.id = x.id;
SELECT * FROM gaps();
ROLLBACK;
BEGIN;
INSERT INTO training_sessions (id, member_id) VALUES (9, 1), (10, 1), (11, 1);
DELETE FROM session_consistency.ledger WHERE id = (SELECT id FROM session_consistency.ledger_lines
    WHERE session_id = '10' AND attachment = 'training_sessions'::regclass);
SELECT * FROM gaps();
ROLLBACK;
BEGIN;
SET LOCAL session_replication_role = replica;
UPDATE member_subscriptions SET used_sessions = 2 WHERE id = 20;
SELECT * FROM gaps();
ROLLBACK;

-- Bad input.
SET ROLE :owner;
\set VERBOSITY default
SELECT * FROM session_consistency.explain_subscription('training_sessions', '99');
SELECT * FROM session_consistency.explain_subscription('training_sessions', 'ten');
SELECT * FROM session_consistency.explain_subscription('training_sessions', NULL);
SELECT * FROM session_consistency.explain_subscription(NULL, '10');
SELECT * FROM session_consistency.explain_subscription('members', '10');
SET ROLE :desk;
SELECT * FROM session_consistency.explain_subscription('training_sessions', '10');
SELECT session_consistency.open_ledger('training_sessions');
SET ROLE :owner;
\set VERBOSITY sqlstate

-- The books are opened again: earlier lines are history. Without the ledger, nothing is written.
SELECT session_consistency.open_ledger('training_sessions');
SELECT * FROM life(20);
RESET ROLE;
BEGIN;
DELETE FROM session_consistency.ledger l USING (
    SELECT pair, subscription_id, max(line) AS opened FROM session_consistency.ledger_lines
    WHERE attachment = 'training_sessions'::regclass AND reason = 'opened' GROUP BY 1, 2) o
WHERE l.pair = o.pair AND l.subscription_id = o.subscription_id AND l.line < o.opened;
DELETE FROM training_sessions;
SELECT * FROM life(20);
SELECT * FROM gaps();
ROLLBACK;
SET ROLE :owner;
SELECT count(*) > 0 AS detached FROM session_consistency.detach('training_sessions');
SELECT * FROM life(20);
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
SELECT * FROM life(20);
INSERT INTO training_sessions (id, member_id) VALUES (12, 2);
SELECT count(*) FROM session_consistency.ledger_lines
    WHERE attachment = 'training_sessions'::regclass AND session_id = '12';

-- With it again: also of those that went meanwhile and come back, and whatever the actor is called.
SELECT count(*) > 0 AS detached FROM session_consistency.detach('training_sessions');
DELETE FROM training_sessions;
DELETE FROM member_subscriptions WHERE id = 20;
SELECT count(*) > 0 AS attached
    FROM session_consistency.attach('training_sessions', 'member_subscriptions', ledger => true);
INSERT INTO member_subscriptions (id, member_id, total_sessions_snapshot) VALUES (20, 2, 10);
SELECT set_config('session_consistency.actor', string_agg(md5(n::text), ''), false) IS NOT NULL AS long
    FROM generate_series(1, 500) n;
INSERT INTO training_sessions (id, member_id) VALUES (13, 2), (14, 2);
SELECT session, delta, balance, reason, length(actor) FROM life(20) OFFSET 10;
SELECT * FROM gaps();

-- A repair closes the gap that it repairs; undone, the counter is explained as it was.
RESET session_consistency.actor;
RESET ROLE;
SET session_replication_role = replica;
UPDATE member_subscriptions SET used_sessions = 5 WHERE id = 20;
RESET session_replication_role;
SET ROLE :owner;
INSERT INTO training_sessions (id, member_id) VALUES (15, 2);
SELECT * FROM gaps();
SELECT min(repair_id) AS repair FROM session_consistency.repair('training_sessions', dry_run => false) WHERE subscription_id = '20' \gset
SELECT * FROM gaps();
SELECT FROM session_consistency.undo_repair(:repair);
SELECT * FROM gaps();
SELECT count(*) FROM session_consistency.repair('training_sessions', dry_run => false);
SELECT session, delta, balance, reason FROM life(20) OFFSET 13;
SELECT * FROM gaps();
SELECT * FROM recount();
\i :finish
