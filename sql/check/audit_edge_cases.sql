-- Members and packs at the edges: what is a finding, and what is not.
\getenv top PG_ABS_SRCDIR
\set test audit_edge_cases
\set gym :top /test/fixtures/gym.sql
\i :gym
ALTER TABLE training_sessions ADD subscription_id integer, ALTER member_id DROP NOT NULL;
ALTER TABLE member_subscriptions ADD starts timestamptz, ADD starts_local timestamp, ADD starts_on date,
    ALTER member_id DROP NOT NULL, ALTER status DROP NOT NULL;
CREATE FUNCTION found(starts name DEFAULT NULL, types text[] DEFAULT '{member,makeup,contractual}')
    RETURNS TABLE (code text, member text, subscription text, session text, expected text, actual text)
    LANGUAGE sql AS $$
    SELECT code, member_id, subscription_id, session_id, expected, actual
    FROM session_consistency.audit_findings('training_sessions', 'member_subscriptions', consuming_types => types,
                                            valid_from_column => starts)
$$;

-- A member with no pack: a guest's visit is fine, a member's is not, cancelled or not.
BEGIN;
INSERT INTO training_sessions (id, member_id, session_type, status) VALUES
    (1, 4, 'guest', 'completed'), (2, 4, 'member', 'completed'), (3, 4, 'member', 'cancelled'), (4, 4, NULL, NULL);
SELECT * FROM found();
ROLLBACK;

-- A member whose only pack has expired: its history is fine, a session without a link is not.
BEGIN;
INSERT INTO training_sessions (id, member_id, status, subscription_id, day) VALUES
    (1, 3, 'completed', 30, '2029-01-01'), (2, 3, 'completed', NULL, '2030-02-01');
UPDATE member_subscriptions SET used_sessions = 2 WHERE id = 30;
SELECT * FROM found();
ROLLBACK;

-- A session older than every pack of its member: the audit does not attribute, it only says that the link is missing.
BEGIN;
UPDATE member_subscriptions SET starts_on = DATE '2020-01-01';
INSERT INTO training_sessions (id, member_id, status, day) VALUES (1, 1, 'completed', '1999-01-01');
UPDATE member_subscriptions SET used_sessions = 1 WHERE id = 10;
SELECT * FROM found('starts_on');
ROLLBACK;

-- A deleted member with sessions, the packs gone or left behind.
BEGIN;
INSERT INTO training_sessions (id, member_id, session_type, status, subscription_id) VALUES
    (1, 1, 'member', 'completed', 10), (2, 1, 'trial', 'completed', NULL);
UPDATE member_subscriptions SET used_sessions = 1 WHERE id = 10;
RESET ROLE;
SET LOCAL session_replication_role = replica;
DELETE FROM members WHERE id = 1;
SELECT * FROM found();
DELETE FROM member_subscriptions WHERE member_id = 1;
SELECT * FROM found();
ROLLBACK;

-- A session of nobody: no member is gone, none has a pack.
BEGIN;
INSERT INTO training_sessions (id, member_id, session_type, subscription_id) VALUES
    (1, NULL, 'trial', NULL), (2, NULL, 'member', NULL), (3, NULL, 'member', 30), (4, NULL, 'trial', 30);
UPDATE member_subscriptions SET used_sessions = 1 WHERE id = 30;
SELECT * FROM found();
ROLLBACK;

-- Packs of nobody are nobody's: neither several active ones of one member, nor those of the sessions of nobody.
BEGIN;
UPDATE member_subscriptions SET member_id = NULL, status = 'active', used_sessions = 1 WHERE id IN (20, 21);
INSERT INTO training_sessions (id, member_id, subscription_id) VALUES (1, NULL, 20), (2, NULL, NULL);
SELECT * FROM found();
ROLLBACK;

-- A pack without a status is not active.
BEGIN;
UPDATE member_subscriptions SET status = NULL WHERE id IN (10, 11);
UPDATE member_subscriptions SET starts_on = DATE '2999-01-01';
SELECT * FROM found('starts_on');
ROLLBACK;

-- Total 0: low by itself; a critical finding once something is counted on it. Total NULL: unlimited. Below 0: no zero.
BEGIN;
UPDATE member_subscriptions SET total_sessions_snapshot = 0 WHERE id IN (10, 11);
UPDATE member_subscriptions SET total_sessions_snapshot = NULL WHERE id IN (20, 21);
UPDATE member_subscriptions SET total_sessions_snapshot = -1 WHERE id = 30;
INSERT INTO training_sessions (id, member_id, subscription_id) VALUES (1, 1, 10), (2, 2, 20);
UPDATE member_subscriptions SET used_sessions = 1 WHERE id IN (10, 20);
SELECT * FROM found();
ROLLBACK;

-- Figures at the ends of their type do not overflow.
BEGIN;
ALTER TABLE member_subscriptions DROP remaining_sessions;
ALTER TABLE member_subscriptions ALTER total_sessions_snapshot TYPE bigint, ALTER used_sessions TYPE bigint,
    ADD remaining_sessions bigint;
UPDATE member_subscriptions SET total_sessions_snapshot = 9223372036854775807,
    used_sessions = CASE WHEN id IN (10, 11) THEN -9223372036854775808 ELSE 0 END,
    remaining_sessions = 9223372036854775807;
SELECT * FROM found();
INSERT INTO training_sessions (id, member_id) VALUES (1, 1);
SELECT * FROM found();
ROLLBACK;

-- A pack that begins in the future, by a date or a timestamp; without a beginning it is not said to be in the future.
BEGIN;
UPDATE member_subscriptions SET starts_on = DATE '2999-01-01', starts = '2999-01-01 12:00+00',
    starts_local = '2999-01-01 12:00' WHERE id = 10;
UPDATE member_subscriptions SET starts_on = 'infinity', starts = 'infinity', starts_local = 'infinity' WHERE id = 20;
UPDATE member_subscriptions SET starts_on = current_date, starts = now(), starts_local = localtimestamp WHERE id = 11;
SET LOCAL TimeZone = 'UTC';
SELECT * FROM found('starts_on');
SELECT * FROM found('starts');
SET LOCAL DateStyle = 'German';
SELECT * FROM found('starts_local');
SELECT * FROM found();
ROLLBACK;

-- The types that consume are what the caller says.
BEGIN;
INSERT INTO training_sessions (id, member_id, session_type) VALUES (1, 4, 'trial'), (2, 4, 'member');
SELECT * FROM found(types => '{trial}');
ROLLBACK;

-- Several findings: counted all, the first five as samples, in the order of their keys.
BEGIN;
INSERT INTO training_sessions (id, member_id) SELECT g, 4 FROM generate_series(12, 1, -1) g;
SELECT code, affected, jsonb_pretty(samples) AS samples
FROM session_consistency.audit('training_sessions', 'member_subscriptions')
WHERE affected > 0;
SELECT session FROM found();
ROLLBACK;

-- Empty tables.
TRUNCATE training_sessions, member_subscriptions, members;
SELECT * FROM found();
SELECT count(*), sum(affected) FROM session_consistency.audit('training_sessions', 'member_subscriptions');

-- The recount finds nothing.
SELECT * FROM recount();
\i :finish
