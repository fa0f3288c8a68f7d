-- A booking costs what it takes: an hour pack is used by the half hour that has begun.
\getenv top PG_ABS_SRCDIR
\set test minutes
\set gym :top /test/fixtures/gym.sql
\i :gym
\pset format unaligned
\pset tuples_only on
ALTER TABLE training_sessions ADD subscription_id int, ADD minutes int, ADD cancelled boolean NOT NULL DEFAULT false;
CREATE VIEW wrong AS
    SELECT s.id, s.used_sessions, c.held FROM member_subscriptions s
        CROSS JOIN LATERAL (SELECT coalesce(sum((t.minutes + 29) / 30), 0) AS held FROM training_sessions t
                            WHERE t.subscription_id = s.id AND t.session_type IN ('member', 'makeup', 'contractual')
                                  AND t.status IN ('scheduled', 'in_progress', 'completed') AND NOT t.cancelled) c
    WHERE s.used_sessions <> c.held OR s.used_sessions > s.total_sessions_snapshot;
-- History first: 3 half hours, 2 completed ones, what holds nothing, and a cost that no session can have.
INSERT INTO training_sessions (id, member_id, status, minutes) VALUES (1, 1, 'scheduled', 90), (2, 1, 'completed', 60);
INSERT INTO training_sessions (id, member_id, minutes, cancelled) VALUES (3, 1, NULL, true), (4, 1, 0, false);
INSERT INTO training_sessions (id, member_id, minutes) VALUES (5, 1, NULL);
SELECT DISTINCT action FROM session_consistency.attach('training_sessions', 'member_subscriptions',
    counts_when => 'NOT cancelled', cost => '(minutes + 29) / 30', ledger => true) WHERE action LIKE '%trigger';
SELECT enforced, gaps FROM session_consistency.attachments WHERE sessions = 'training_sessions'::regclass;
CALL session_consistency.migrate('training_sessions', when_ambiguous => 'active');
SELECT enforced, gaps FROM session_consistency.attachments WHERE sessions = 'training_sessions'::regclass;
SELECT * FROM counters() WHERE id = '10';
TABLE wrong;

-- Each booking takes its cost, whole or not at all; the last credits are given once.
SELECT outcome('INSERT INTO training_sessions (id, member_id, minutes) VALUES (20, 2, 61)');
INSERT INTO training_sessions (id, member_id, minutes) VALUES (21, 2, 60);
SELECT outcome('INSERT INTO training_sessions (id, member_id, minutes) VALUES (22, 2, 1)');
INSERT INTO training_sessions (id, member_id, minutes) VALUES (23, 2, 0), (24, 4, 0);
-- Another cost: a lowered one is never refused, whatever the pack is now.
SELECT outcome('UPDATE training_sessions SET minutes = 90 WHERE id = 21');
UPDATE member_subscriptions SET status = 'frozen' WHERE id = 20;
UPDATE training_sessions SET minutes = 30 WHERE id = 21;
SELECT outcome('UPDATE training_sessions SET minutes = 60 WHERE id = 21');
UPDATE member_subscriptions SET status = 'active' WHERE id = 20;
UPDATE training_sessions SET minutes = 60 WHERE id = 21;
UPDATE training_sessions SET minutes = CASE id WHEN 21 THEN 30 ELSE 1 END WHERE id IN (21, 23);
SELECT * FROM counters() WHERE id = '20';
TABLE wrong;

-- NULL and less than nothing are refused where the session counts, and not asked for where it does not.
SELECT * FROM refusal('INSERT INTO training_sessions (id, member_id) VALUES (30, 1)');
SELECT * FROM refusal('UPDATE training_sessions SET minutes = -90 WHERE id = 1') WHERE field <> 'table';
INSERT INTO training_sessions (id, member_id, session_type) VALUES (30, 1, 'trial');
INSERT INTO training_sessions (id, member_id, cancelled) VALUES (31, 1, true);
INSERT INTO training_sessions (id, member_id, status) VALUES (32, 1, 'cancelled');
SELECT outcome('UPDATE training_sessions SET session_type = ''member'' WHERE id = 30');
SELECT outcome('UPDATE training_sessions SET status = ''completed'' WHERE id = 5');
UPDATE training_sessions SET note = 'legacy' WHERE id = 5;
UPDATE training_sessions SET status = 'cancelled' WHERE id = 5;
DELETE FROM training_sessions WHERE id = 5;
SELECT outcome('INSERT INTO training_sessions (id, member_id, minutes) VALUES (33, 1, 2147483647)');
INSERT INTO training_sessions (id, member_id, minutes) VALUES (34, 1, NULL) ON CONFLICT DO NOTHING;
TABLE wrong;

-- Everybody who counts sums the costs.
SELECT * FROM member_subscriptions_session_counts ORDER BY subscription_id;
SELECT session_id, delta, balance, reason FROM session_consistency.explain_subscription('training_sessions', '20');
SELECT * FROM session_consistency.ledger_gaps('training_sessions');
ALTER TABLE member_subscriptions DISABLE TRIGGER USER;
UPDATE member_subscriptions SET used_sessions = used_sessions + 1 WHERE id IN (10, 21);
ALTER TABLE member_subscriptions ENABLE TRIGGER USER;
SELECT subscription_id, completed, scheduled, used, expected_used, drift FROM session_consistency.check_counts('training_sessions');
SELECT session_consistency.check_session_integrity(1, 'training_sessions');
SELECT code, subscription_id, expected, actual FROM session_consistency.audit_findings('training_sessions')
WHERE code = 'count_mismatch' ORDER BY 2;
SELECT count(*) FROM session_consistency.repair('training_sessions', dry_run => false);
TABLE wrong;

-- A row's cost goes with it: to another pack, to another member, away.
UPDATE training_sessions SET member_id = 2 WHERE id = 2;
SELECT outcome('UPDATE training_sessions SET member_id = 2 WHERE id = 1');
SELECT outcome('DELETE FROM member_subscriptions WHERE id = 20');
DELETE FROM training_sessions WHERE id IN (1, 21);
SELECT * FROM counters() WHERE id IN ('10', '20');
TRUNCATE training_sessions;
TABLE wrong;
SELECT count(*) FROM session_consistency.check_counts('training_sessions');
SELECT count(*) > 0 FROM session_consistency.detach('training_sessions', drop_added_columns => true);
\d training_sessions
\i :finish
