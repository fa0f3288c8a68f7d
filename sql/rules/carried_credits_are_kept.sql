-- Credits of sessions that are not in the table are carried: they are part of used and of every recount. Whoever may
-- insert a subscription may bring some, nobody may change them, and neither repair() nor TRUNCATE gives them back.
\getenv top PG_ABS_SRCDIR
\set test carried_credits
\set gym :top /test/fixtures/gym.sql
\i :gym
ALTER TABLE member_subscriptions DROP remaining_sessions, ADD remaining_sessions integer;
UPDATE member_subscriptions SET remaining_sessions = total_sessions_snapshot;
GRANT SELECT, INSERT, UPDATE ON member_subscriptions TO :desk;
GRANT SELECT ON members TO :desk;
SELECT action, replace(command, 'carried_credits.', '') AS command
FROM session_consistency.attach('training_sessions', 'member_subscriptions', carried_column => 'carried_over', ledger => true, dry_run => true)
WHERE command ~ 'carried_over' AND command !~ 'TRIGGER|VIEW';
SELECT count(*) > 0 AS attached
FROM session_consistency.attach('training_sessions', 'member_subscriptions', carried_column => 'carried_over', ledger => true);
ALTER TABLE member_subscriptions VALIDATE CONSTRAINT sc_member_subscriptions_used_sessions_check;
SELECT used_column, carried_column, enforced FROM session_consistency.attachments WHERE sessions = 'training_sessions'::regclass;
CREATE VIEW packs AS
    SELECT id, total_sessions_snapshot AS total, carried_over AS carried, used_sessions AS used, remaining_sessions AS remaining
    FROM member_subscriptions;
GRANT SELECT ON packs TO :desk;
-- What is right by counting again, carried credits too.
CREATE FUNCTION wrong() RETURNS TABLE (id integer, used integer, held bigint) LANGUAGE sql AS $$
    SELECT s.id, s.used_sessions, c.held FROM member_subscriptions s
         CROSS JOIN LATERAL (SELECT s.carried_over + count(*) AS held FROM training_sessions t
                             WHERE t.subscription_id = s.id AND t.session_type IN ('member', 'makeup', 'contractual')
                                   AND t.status IN ('scheduled', 'in_progress', 'completed')) c
    WHERE s.used_sessions <> c.held OR s.remaining_sessions <> s.total_sessions_snapshot - c.held $$;

-- A subscription that was begun elsewhere: used starts at what it brings.
SET ROLE :desk;
INSERT INTO member_subscriptions (id, member_id, total_sessions_snapshot, carried_over) VALUES (40, 4, 5, 3);
INSERT INTO member_subscriptions (id, member_id, status, total_sessions_snapshot, carried_over, used_sessions, remaining_sessions)
VALUES (41, 4, 'expired', 5, 5, 5, 0), (42, 4, 'expired', NULL, 7, 0, NULL);
SELECT * FROM packs WHERE id >= 40 ORDER BY id;
-- Not more than it has, not less than nothing, and not something else beside.
INSERT INTO member_subscriptions (id, member_id, status, total_sessions_snapshot, carried_over) VALUES (43, 4, 'expired', 5, 6);
INSERT INTO member_subscriptions (id, member_id, status, total_sessions_snapshot, carried_over) VALUES (43, 4, 'expired', 5, -1);
INSERT INTO member_subscriptions (id, member_id, status, total_sessions_snapshot, carried_over, used_sessions) VALUES (43, 4, 'expired', 5, 1, 2);
INSERT INTO training_sessions (id, member_id) VALUES (1, 4), (2, 4);
INSERT INTO training_sessions (id, member_id) VALUES (3, 4);
UPDATE training_sessions SET status = 'cancelled' WHERE id = 1;
UPDATE training_sessions SET status = 'completed' WHERE id = 2;
SELECT * FROM packs WHERE id = 40;
SET ROLE :owner;
SELECT * FROM wrong();
SELECT * FROM member_subscriptions_session_counts WHERE subscription_id >= 40 ORDER BY 1;
SELECT session_consistency.check_session_integrity('4');
SELECT line, session_id, delta, balance, reason FROM session_consistency.explain_subscription('training_sessions', '40') ORDER BY line;
SELECT * FROM session_consistency.ledger_gaps('training_sessions');
SELECT code, subscription_id, expected, actual FROM session_consistency.audit_findings('training_sessions');

-- Nobody changes it, under no guard.
SELECT * FROM refusal('UPDATE member_subscriptions SET carried_over = 0 WHERE id = 40');
UPDATE member_subscriptions SET carried_over = 3, status = 'active' WHERE id = 40;
SELECT count(*) > 0 AS changed FROM session_consistency.attach('training_sessions', 'member_subscriptions', carried_column => 'carried_over', ledger => true, guard => 'off');
UPDATE member_subscriptions SET carried_over = 0 WHERE id = 40;
SELECT count(*) > 0 AS changed FROM session_consistency.attach('training_sessions', 'member_subscriptions', carried_column => 'carried_over', ledger => true, guard => 'ignore');
UPDATE member_subscriptions SET carried_over = 0 WHERE id = 40;
INSERT INTO member_subscriptions (id, member_id, status, total_sessions_snapshot, carried_over, used_sessions, remaining_sessions)
VALUES (44, 4, 'expired', 5, 2, 1, 5);
SELECT * FROM packs WHERE id = 44;
SELECT count(*) > 0 AS changed FROM session_consistency.attach('training_sessions', 'member_subscriptions', carried_column => 'carried_over', ledger => true);

-- A drift is measured from what is carried, and repair keeps that.
SET ROLE NONE;
SET session_replication_role = replica;
UPDATE member_subscriptions SET used_sessions = 0 WHERE id IN (40, 41);
RESET session_replication_role;
SET ROLE :owner;
SELECT subscription_id, total, carried, completed, scheduled, remaining, used, expected_used, drift, message
FROM session_consistency.check_counts('training_sessions');
SELECT code, subscription_id, expected, actual FROM session_consistency.audit_findings('training_sessions');
SELECT count(*) FROM session_consistency.repair('training_sessions', dry_run => false);
SELECT * FROM packs WHERE id >= 40 ORDER BY id;
SELECT * FROM session_consistency.ledger_gaps('training_sessions');

-- TRUNCATE gives back what sessions held, and no more.
INSERT INTO training_sessions (id, member_id) VALUES (10, 1), (11, 2);
TRUNCATE training_sessions;
SELECT * FROM packs ORDER BY id;
SELECT * FROM wrong();
SELECT * FROM session_consistency.check_counts('training_sessions');
SELECT * FROM session_consistency.ledger_gaps('training_sessions');
SELECT line, delta, balance, reason FROM session_consistency.explain_subscription('training_sessions', '41') ORDER BY line DESC LIMIT 1;
-- A subscription without sessions may go, whatever it carries.
DELETE FROM member_subscriptions WHERE id = 41;
-- It is in nobody's key, is dropped with the rest, and found where it was.
BEGIN;
ALTER TABLE member_subscriptions RENAME carried_over TO elsewhere;
SELECT unnest(gaps) FROM session_consistency.attachments WHERE sessions = 'training_sessions'::regclass;
ROLLBACK;
DROP FUNCTION wrong;
DROP VIEW packs;
SELECT command FROM session_consistency.detach('training_sessions', drop_added_columns => true) WHERE action = 'drop column';
ALTER TABLE member_subscriptions ADD carried_over integer;
CREATE UNIQUE INDEX with_carried ON member_subscriptions (id, carried_over);
SELECT count(*) FROM session_consistency.attach('training_sessions', 'member_subscriptions', carried_column => 'carried_over');
\i :finish
