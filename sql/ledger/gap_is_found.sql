-- The ledger is its owner's to spoil, and nobody's to spoil unseen: run_check() finds a line that is missing, wherever
-- it stood, one that was changed or put in, and what would let others at it. One finding for each place, until the
-- books are opened again.
\getenv top PG_ABS_SRCDIR
\set test ledger_gap_is_found
\set gym :top /test/fixtures/gym.sql
\i :gym
SELECT count(*) > 0 AS attached
    FROM session_consistency.attach('training_sessions', 'member_subscriptions', ledger => true);
CALL session_consistency.migrate('training_sessions');
INSERT INTO training_sessions (id, member_id) SELECT n, 1 FROM generate_series(1, 5) n;
UPDATE training_sessions SET status = 'completed' WHERE id IN (1, 2);
UPDATE training_sessions SET status = 'cancelled' WHERE id = 3;
INSERT INTO training_sessions (id, member_id) VALUES (6, 2), (7, 2);
UPDATE training_sessions SET status = 'completed' WHERE id = 7;
SELECT line, session_id, delta, balance, reason FROM session_consistency.explain_subscription('training_sessions', '10');
-- Runs a check and says what changed.
CREATE FUNCTION checked() RETURNS TABLE (sort text, code text, severity text, subscription text, actual text)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    this bigint := session_consistency.run_check('training_sessions');
    r record;
BEGIN
    SELECT * INTO r FROM session_consistency.check_runs WHERE run_id = this;
    sort := format('%s new, %s ended, %s open', r.new_findings, r.ended_findings, r.open_findings);
    RETURN NEXT;
    RETURN QUERY
    SELECT CASE WHEN f.first_run = this THEN 'new' WHEN f.ended IS NULL THEN 'old' ELSE 'ended' END, f.code, f.severity,
           f.subscription_id, f.actual
    FROM session_consistency.check_findings f
    WHERE f.sessions = 'training_sessions'::regclass AND (f.last_run = this OR f.ended = r.started)
    ORDER BY 1, f.code, f.subscription_id, f.actual COLLATE "C";
END $$;
-- The owner of the table, who may.
CREATE VIEW lines AS
    SELECT * FROM session_consistency.ledger_lines WHERE attachment = 'training_sessions'::regclass;
SELECT DISTINCT pair FROM lines \gset
SELECT * FROM checked();
RESET ROLE;

-- In the middle: what changed the balance, what did not, two that cancel out.
BEGIN;
DELETE FROM session_consistency.ledger WHERE id IN (SELECT id FROM lines WHERE subscription_id = '10' AND line = 3);
SELECT * FROM checked();
DELETE FROM session_consistency.ledger WHERE id IN (SELECT id FROM lines WHERE subscription_id = '10' AND line = 7);
SELECT * FROM checked();
SELECT * FROM checked();
ROLLBACK;
BEGIN;
INSERT INTO training_sessions (id, member_id) VALUES (8, 1);
DELETE FROM training_sessions WHERE id = 8;
INSERT INTO training_sessions (id, member_id) VALUES (9, 1);
SELECT * FROM checked();
DELETE FROM session_consistency.ledger WHERE id IN (SELECT id FROM lines WHERE session_id = '8');
SELECT * FROM checked();
ROLLBACK;
-- The first one, one that nothing followed, and all of a subscription.
BEGIN;
DELETE FROM session_consistency.ledger WHERE id IN (SELECT id FROM lines WHERE subscription_id = '11');
DELETE FROM session_consistency.ledger WHERE id IN (SELECT id FROM lines WHERE subscription_id = '10' AND line = 1);
DELETE FROM session_consistency.ledger WHERE id IN (SELECT id FROM lines WHERE subscription_id = '20');
SELECT * FROM checked();
ROLLBACK;
-- The last one: what changed the balance is missed by the counter, what did not by the check that has seen it, also
-- when the next line has taken its number.
BEGIN;
DELETE FROM session_consistency.ledger WHERE id IN (SELECT id FROM lines WHERE subscription_id = '10' AND line = 9);
DELETE FROM session_consistency.ledger WHERE id IN (SELECT id FROM lines WHERE subscription_id = '20' AND line = 4);
SELECT subscription_id, ledger_id, expected, actual, message
    FROM session_consistency.ledger_gaps('training_sessions');
SELECT * FROM checked();
UPDATE training_sessions SET status = 'scheduled' WHERE id = 7;
SELECT * FROM checked();
ROLLBACK;
-- Changed, put in: two lines of one number cannot be.
INSERT INTO session_consistency.ledger (id, at, transaction_id, role, pair, subscription_id, line, session_id, delta,
                                        balance, reason)
    SELECT id + 1, at, transaction_id, role, pair, subscription_id, line, session_id, 0, 2, 'reopened'
    FROM lines WHERE subscription_id = '20' AND line = 4;
BEGIN;
UPDATE session_consistency.ledger SET delta = 2, balance = 3 WHERE id IN (
    SELECT id FROM lines WHERE subscription_id = '10' AND line = 3);
INSERT INTO session_consistency.ledger (id, at, transaction_id, role, pair, subscription_id, line, session_id, delta,
                                        balance, reason)
    SELECT id + 1, at, transaction_id, role, pair, subscription_id, line + 3, session_id, 0, 2, 'reopened'
    FROM lines WHERE subscription_id = '20' AND line = 4;
SELECT * FROM checked();
-- Told and counted like every finding; ended when the books are opened again.
SELECT severity, findings, oldest IS NOT NULL AS dated FROM session_consistency.open_findings
    WHERE sessions = 'training_sessions'::regclass AND findings > 0;
SELECT enforced FROM session_consistency.attachments WHERE sessions = 'training_sessions'::regclass;
SELECT session_consistency.open_ledger('training_sessions');
SELECT * FROM checked();
SELECT * FROM checked();
ROLLBACK;
-- A counter that was changed past the triggers is one, too, until it is repaired.
BEGIN;
SET LOCAL session_replication_role = replica;
UPDATE member_subscriptions SET used_sessions = 5 WHERE id = 11;
SET LOCAL session_replication_role = origin;
SELECT * FROM checked();
SELECT count(*) FROM session_consistency.repair('training_sessions', dry_run => false);
SELECT * FROM checked();
ROLLBACK;
-- Older lines may go where the books were opened since, also all that a check has seen, of subscriptions that are gone,
-- too.
BEGIN;
DELETE FROM training_sessions WHERE member_id = 2;
DELETE FROM member_subscriptions WHERE id = 20;
SELECT * FROM checked();
DELETE FROM session_consistency.ledger WHERE id IN (SELECT id FROM lines WHERE subscription_id = '20');
SELECT * FROM checked();
SELECT session_consistency.open_ledger('training_sessions');
DELETE FROM session_consistency.ledger WHERE pair = :pair AND transaction_id <> pg_current_xact_id();
SELECT count(*) FROM lines;
SELECT * FROM checked();
UPDATE training_sessions SET status = 'completed' WHERE id = 4;
SELECT * FROM checked();
DELETE FROM session_consistency.ledger WHERE pair = :pair;
SELECT session_consistency.open_ledger('training_sessions');
SELECT * FROM checked();
ROLLBACK;

-- What keeps everybody else from it.
BEGIN;
ALTER TABLE session_consistency.ledger DISABLE TRIGGER keep_ledger;
SELECT * FROM checked();
DROP TRIGGER keep_ledger ON session_consistency.ledger;
SELECT * FROM checked();
CREATE TRIGGER keep_ledger BEFORE INSERT OR UPDATE OR DELETE ON session_consistency.ledger
    FOR EACH STATEMENT EXECUTE FUNCTION session_consistency.keep_ledger();
SELECT * FROM checked();
ROLLBACK;

-- Lines of an attachment without a ledger are nobody's any more.
BEGIN;
SET LOCAL ROLE :owner;
SELECT count(*) > 0 AS detached FROM session_consistency.detach('training_sessions');
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
RESET ROLE;
DELETE FROM session_consistency.ledger WHERE pair = :pair;
SELECT * FROM checked();
SELECT count(*) FROM session_consistency._ledger_seen WHERE pair = :pair;
ROLLBACK;
SELECT * FROM recount();
\i :finish
