-- What attach() would add may be missing: without a link nothing is linked, without a counter nothing can mismatch, and
-- what cannot be told is said to be so.
\getenv top PG_ABS_SRCDIR
\set test audit_without_columns
\set gym :top /test/fixtures/gym.sql
\i :gym
INSERT INTO training_sessions (id, member_id, session_type, status) VALUES
    (1, 1, 'member', 'completed'), (2, 1, 'trial', 'completed'), (3, 4, 'member', 'scheduled'),
    (4, 2, 'member', 'cancelled');
CREATE FUNCTION found() RETURNS TABLE (code text, member text, subscription text, session text, expected text,
                                       actual text, repair_sql text)
    LANGUAGE sql AS $$
    SELECT code, member_id, subscription_id, session_id, expected, actual, repair_sql
    FROM session_consistency.audit_findings('training_sessions', 'member_subscriptions')
$$;

-- No link column: what consumes is unlinked, and every member with a counted session is compared in sum.
SELECT * FROM found();

-- No counter at all; a plain remaining column alone; a generated one alone is not a counter that anybody can set.
ALTER TABLE member_subscriptions DROP used_sessions CASCADE;
SELECT code, affected, description FROM session_consistency.audit('training_sessions', 'member_subscriptions')
WHERE code IN ('negative_remaining', 'overdrawn', 'count_mismatch');
SELECT * FROM found() WHERE code <> 'unlinked_session';
ALTER TABLE member_subscriptions ADD remaining_sessions integer;
UPDATE member_subscriptions SET remaining_sessions = total_sessions_snapshot;
SELECT * FROM found() WHERE code <> 'unlinked_session';
DELETE FROM training_sessions WHERE id = 1;
UPDATE member_subscriptions SET remaining_sessions = 4 WHERE id = 30;
UPDATE member_subscriptions SET remaining_sessions = 0, total_sessions_snapshot = NULL WHERE id = 20;
SELECT * FROM found() WHERE code <> 'unlinked_session';
ALTER TABLE member_subscriptions DROP remaining_sessions;
ALTER TABLE member_subscriptions
    ADD remaining_sessions integer GENERATED ALWAYS AS (total_sessions_snapshot - 6) STORED;
SELECT * FROM found() WHERE code NOT IN ('unlinked_session');
ALTER TABLE member_subscriptions DROP remaining_sessions;

-- No members table, until it is named; no beginning; nothing attached.
ALTER TABLE member_subscriptions DROP CONSTRAINT member_subscriptions_member_id_fkey;
ALTER TABLE training_sessions DROP CONSTRAINT training_sessions_member_id_fkey;
INSERT INTO training_sessions (id, member_id, session_type) VALUES (5, 9, 'trial'), (6, 9, 'member');
SELECT code, affected, description FROM session_consistency.audit('training_sessions', 'member_subscriptions')
WHERE code IN ('orphaned_session', 'no_subscription', 'future_subscription', 'enforcement_gap');
SELECT code, affected, description
FROM session_consistency.audit('training_sessions', 'member_subscriptions', members => 'members')
WHERE code IN ('orphaned_session', 'no_subscription');

-- Every category with its words.
\x
SELECT code, severity, description, recommendation
FROM session_consistency.audit('training_sessions', 'member_subscriptions', members => 'members');
\x
\i :finish
