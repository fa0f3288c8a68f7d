-- purge_sessions() deletes old sessions and gives nothing back: what they held is carried, a part of used and of every
-- recount, whatever comes after it.
-- Counters that are wrong on purpose, or of sessions whose statement has not ended: not counted again.
SET session_consistency.recount = off;
\getenv top PG_ABS_SRCDIR
\set test purges
\set gym :top /test/fixtures/gym.sql
\i :gym
\set attach 'SELECT count(*) > 0 AS attached FROM session_consistency.attach(''training_sessions'', ''member_subscriptions'', carried_column => ''carried'', start_column => ''day'', ledger => true)'
ALTER TABLE member_subscriptions DROP remaining_sessions, ADD remaining_sessions integer;
UPDATE member_subscriptions SET remaining_sessions = total_sessions_snapshot;
:attach;
ALTER TABLE member_subscriptions VALIDATE CONSTRAINT sc_member_subscriptions_used_sessions_check;
CREATE VIEW packs AS
    SELECT id, total_sessions_snapshot AS total, carried, used_sessions AS used, remaining_sessions AS remaining
    FROM member_subscriptions WHERE used_sessions > 0 ORDER BY id;
CREATE FUNCTION wrong() RETURNS TABLE (id integer, used integer, held bigint) LANGUAGE sql AS $$
    SELECT s.id, s.used_sessions, c.held FROM member_subscriptions s
         CROSS JOIN LATERAL (SELECT s.carried + count(*) AS held FROM training_sessions t
                             WHERE t.subscription_id = s.id AND t.session_type IN ('member', 'makeup', 'contractual')
                                   AND t.status IN ('scheduled', 'in_progress', 'completed')) c
    WHERE s.used_sessions <> c.held OR s.remaining_sessions <> s.total_sessions_snapshot - c.held $$;
SELECT id, member_id, status, total_sessions_snapshot FROM member_subscriptions ORDER BY id;
INSERT INTO training_sessions (id, member_id, session_type, status, day) VALUES
    (1, 1, 'member', 'completed', '2024-01-01'), (2, 1, 'makeup', 'scheduled', '2024-06-30'),
    (3, 1, 'member', 'cancelled', '2024-02-01'), (4, 1, 'trial', 'completed', '2024-03-01'),
    (5, 1, 'member', 'completed', '2025-01-01'), (6, 2, 'member', 'completed', '2024-12-31'),
    (7, 2, 'member', 'scheduled', '2026-01-01');
ALTER TABLE training_sessions ALTER day DROP NOT NULL;
INSERT INTO training_sessions (id, member_id, day) VALUES (8, 1, NULL);
UPDATE member_subscriptions SET status = 'expired' WHERE id = 20;
SELECT * FROM packs;

-- Batch by batch, with a rest of a transaction's own.
\set VERBOSITY default
SET client_min_messages = notice;
CALL session_consistency.purge_sessions('training_sessions', '2025-01-01', batch_size => 2);
SET client_min_messages = warning;
\set VERBOSITY terse
SELECT id, day FROM training_sessions ORDER BY id;
SELECT * FROM packs;
SELECT * FROM wrong();
SELECT * FROM session_consistency.check_counts('training_sessions');
SELECT * FROM session_consistency.ledger_gaps('training_sessions');
SELECT code, subscription_id, expected, actual FROM session_consistency.audit_findings('training_sessions');
SELECT subscription, line, session_id, delta, balance, reason
FROM unnest('{10,20}'::text[]) subscription, session_consistency.explain_subscription('training_sessions', subscription)
WHERE reason = 'purged' ORDER BY 1, 2;
SELECT * FROM member_subscriptions_session_counts WHERE used > 0 ORDER BY 1;
SELECT enforced FROM session_consistency.attachments WHERE sessions = 'training_sessions'::regclass;
-- Again: nothing is left to do.
CALL session_consistency.purge_sessions('training_sessions', '2025-01-01');
SELECT * FROM packs;

-- What stays is charged and given back as before.
UPDATE training_sessions SET status = 'cancelled' WHERE id = 5;
INSERT INTO training_sessions (id, member_id) VALUES (9, 1);
DELETE FROM training_sessions WHERE id = 7;
SELECT * FROM packs;
SELECT * FROM wrong();
-- Neither migrate nor repair nor TRUNCATE gives it back, and the pack with it may go.
CALL session_consistency.migrate('training_sessions', opening => 'give_back');
SELECT count(*) FROM session_consistency.repair('training_sessions', dry_run => false);
SET ROLE NONE;
SET session_replication_role = replica;
UPDATE member_subscriptions SET used_sessions = 0 WHERE id = 10;
RESET session_replication_role;
SET ROLE :owner;
SELECT subscription_id, carried, completed, scheduled, used, expected_used FROM session_consistency.check_counts('training_sessions');
-- With a drift, which stays what it was, too.
UPDATE training_sessions SET day = '2024-07-01' WHERE id = 9;
CALL session_consistency.purge_sessions('training_sessions', '2025-01-01');
SELECT subscription_id, carried, completed, scheduled, used, expected_used FROM session_consistency.check_counts('training_sessions');
SELECT subscription_id, before, after FROM session_consistency.repair('training_sessions', dry_run => false);
SELECT session_consistency.undo_repair((SELECT max(repair_id) FROM session_consistency.repairs));
SELECT subscription_id, before, after FROM session_consistency.repair('training_sessions', dry_run => false);
SELECT * FROM packs;
SELECT * FROM wrong();
TRUNCATE training_sessions;
SELECT * FROM packs;
SELECT * FROM wrong();
SELECT * FROM session_consistency.ledger_gaps('training_sessions');
DELETE FROM member_subscriptions WHERE id = 20;

-- The table's own triggers and keys are as with any DELETE: one that books is charged, one that keeps a session is told.
CREATE TABLE notes (session_id int REFERENCES training_sessions, note text);
CREATE FUNCTION follow() RETURNS trigger LANGUAGE plpgsql SET search_path = purges AS $$
BEGIN
    IF TG_WHEN = 'BEFORE' THEN
        RETURN CASE WHEN OLD.id <> 23 THEN OLD END;
    END IF;
    INSERT INTO training_sessions (id, member_id, day) VALUES (OLD.id + 100, OLD.member_id, '2030-01-01');
    RETURN NULL;
END $$;
INSERT INTO training_sessions (id, member_id, day) SELECT n, 1, '2024-01-01' FROM generate_series(20, 23) n;
SELECT * FROM packs;
CREATE TRIGGER follow AFTER DELETE ON training_sessions FOR EACH ROW WHEN (OLD.id = 21) EXECUTE FUNCTION follow();
CREATE TRIGGER keep BEFORE DELETE ON training_sessions FOR EACH ROW EXECUTE FUNCTION follow();
\set VERBOSITY default
SET client_min_messages = notice;
CALL session_consistency.purge_sessions('training_sessions', '2025-01-01', batch_size => 2);
SET client_min_messages = warning;
\set VERBOSITY terse
SELECT id, day FROM training_sessions ORDER BY id;
SELECT * FROM packs;
SELECT * FROM wrong();
SELECT * FROM session_consistency.ledger_gaps('training_sessions');
DROP TRIGGER keep ON training_sessions;
INSERT INTO notes VALUES (23, 'kept');
CALL session_consistency.purge_sessions('training_sessions', '2025-01-01', batch_size => 2);
SELECT * FROM packs;
DROP TABLE notes;
-- A pack that is full stays full for whom a purge triggers.
UPDATE member_subscriptions SET total_sessions_snapshot = used_sessions WHERE id = 10;
UPDATE training_sessions SET day = '2024-01-01' WHERE id = 121;
DROP TRIGGER follow ON training_sessions;
CREATE TRIGGER follow AFTER DELETE ON training_sessions FOR EACH ROW EXECUTE FUNCTION follow();
CALL session_consistency.purge_sessions('training_sessions', '2025-01-01');
DROP TRIGGER follow ON training_sessions;
SELECT * FROM packs;
SELECT * FROM wrong();
CALL session_consistency.purge_sessions('training_sessions', 'infinity');
SELECT * FROM packs;
SELECT count(*) FROM training_sessions;
SELECT * FROM wrong();
DROP VIEW packs;
\i :finish
