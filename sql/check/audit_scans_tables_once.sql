-- An audit of an attachment looks at each row once, and asks only about what that look leaves in doubt: where all is
-- well it scans the sessions once, else at most three times. What it finds is what it finds without that look, which an
-- audit with a start column does not take.
\getenv top PG_ABS_SRCDIR
\set test audit_scans_tables_once
\set gym :top /test/fixtures/gym.sql
\i :gym
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
SELECT format('ALTER TABLE %s VALIDATE CONSTRAINT %I', conrelid::regclass, conname) FROM pg_constraint
WHERE NOT convalidated AND conrelid = 'member_subscriptions'::regclass \gexec
INSERT INTO training_sessions (id, member_id, session_type, status) VALUES
    (1, 1, 'member', 'scheduled'), (2, 1, 'makeup', 'in_progress'), (3, 1, 'member', 'cancelled'),
    (4, 2, 'contractual', 'completed'), (5, 4, 'trial', 'completed'), (6, 4, NULL, 'scheduled'),
    (7, 1, 'guest', 'scheduled');
SELECT * FROM recount();
RESET ROLE;

-- How often that table is scanned by an audit.
CREATE FUNCTION scans(audited regclass, scanned regclass) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    before bigint := pg_stat_get_xact_numscans(scanned);
BEGIN
    PERFORM count(*) FROM session_consistency.audit_findings(audited);
    RETURN pg_stat_get_xact_numscans(scanned) - before;
END $$;
CREATE FUNCTION scans() RETURNS TABLE (sessions bigint, subscriptions bigint, members bigint) LANGUAGE sql AS $$
    SELECT scans('training_sessions', 'training_sessions'), scans('training_sessions', 'member_subscriptions'),
           scans('training_sessions', 'members')
$$;
-- True where both audits find the same, and that is something.
CREATE FUNCTION finds_the_same() RETURNS TABLE (same boolean, codes text) LANGUAGE sql AS $$
    WITH quick AS (SELECT * FROM session_consistency.audit_findings('training_sessions')),
    asked AS (SELECT * FROM session_consistency.audit_findings('training_sessions', start_column => 'day'))
    SELECT NOT EXISTS (SELECT * FROM quick EXCEPT ALL SELECT * FROM asked)
           AND NOT EXISTS (SELECT * FROM asked EXCEPT ALL SELECT * FROM quick)
           AND (SELECT coalesce(sum(affected), 0) FROM session_consistency.audit('training_sessions'))
               = (SELECT count(*) FROM asked),
           (SELECT string_agg(DISTINCT code, ' ' ORDER BY code) FROM quick)
$$;

-- All is well: one scan of each; and one of the subscriptions for members with several active ones.
SELECT * FROM scans();
SELECT * FROM finds_the_same();

-- A wrong counter is no matter of the sessions; a wrong link may be one of the counters.
BEGIN;
SET LOCAL session_replication_role = replica;
UPDATE member_subscriptions SET used_sessions = 3 WHERE id = 10;
SELECT * FROM scans();
UPDATE training_sessions SET subscription_id = 20 WHERE id = 3;
SELECT * FROM scans();
ROLLBACK;

-- Each corruption on its own, behind the triggers' back.
CREATE TABLE corruptions (place integer GENERATED ALWAYS AS IDENTITY, command text);
INSERT INTO corruptions (command) VALUES
    ('UPDATE training_sessions SET subscription_id = 99 WHERE id = 3'),
    ('UPDATE training_sessions SET subscription_id = 20 WHERE id = 3'),
    ('UPDATE training_sessions SET subscription_id = 30 - subscription_id WHERE id IN (1, 4)'),
    ('UPDATE training_sessions SET subscription_id = 30 WHERE id = 5'),
    ('UPDATE training_sessions SET subscription_id = 10 WHERE id = 7'),
    ('UPDATE training_sessions SET subscription_id = NULL WHERE id = 1'),
    ('UPDATE training_sessions SET status = ''cancelled'', subscription_id = NULL WHERE id = 4'),
    ('UPDATE training_sessions SET session_type = ''member'' WHERE id = 5'),
    ('UPDATE training_sessions SET session_type = ''member'', status = ''cancelled'' WHERE id = 6'),
    ('UPDATE training_sessions SET member_id = 5 WHERE id = 5'),
    ('UPDATE training_sessions SET member_id = 5 WHERE id = 1'),
    ('DELETE FROM members WHERE id = 1'),
    ('DELETE FROM members WHERE id = 2'),
    ('DELETE FROM members WHERE id = 4'),
    ('DELETE FROM members WHERE id = 3'),
    ('DELETE FROM member_subscriptions WHERE id = 10'),
    ('DELETE FROM member_subscriptions WHERE id = 11'),
    ('UPDATE member_subscriptions SET member_id = 4 WHERE id = 20'),
    ('UPDATE member_subscriptions SET member_id = 4 WHERE id = 21'),
    ('UPDATE member_subscriptions SET used_sessions = 1 WHERE id = 10'),
    ('ALTER TABLE member_subscriptions DROP CONSTRAINT sc_member_subscriptions_used_sessions_check;'
     'UPDATE member_subscriptions SET used_sessions = -1 WHERE id = 30'),
    ('ALTER TABLE member_subscriptions DROP CONSTRAINT sc_member_subscriptions_used_sessions_check;'
     'UPDATE member_subscriptions SET total_sessions_snapshot = 1 WHERE id = 10'),
    ('UPDATE member_subscriptions SET total_sessions_snapshot = 0 WHERE id = 11'),
    ('UPDATE member_subscriptions SET total_sessions_snapshot = NULL WHERE id = 10'),
    ('UPDATE training_sessions SET status = ''completed'' WHERE id = 3'),
    ('ALTER TABLE training_sessions ALTER member_id DROP NOT NULL;'
     'UPDATE training_sessions SET member_id = NULL WHERE id = 1'),
    ('ALTER TABLE training_sessions ALTER member_id DROP NOT NULL;'
     'UPDATE training_sessions SET member_id = NULL, session_type = ''trial'' WHERE id = 6'),
    ('ALTER TABLE training_sessions ALTER member_id DROP NOT NULL;'
     'UPDATE training_sessions SET member_id = NULL WHERE id = 3');
\pset format unaligned
\pset tuples_only on
SET session_replication_role = replica;
SELECT format('BEGIN; %1$s; SELECT %2$s, * FROM finds_the_same(); ROLLBACK;', command, place) FROM corruptions
ORDER BY place \gexec
RESET session_replication_role;
\pset tuples_only off
\pset format aligned

-- Keys of two columns, and of uuids.
BEGIN;
CREATE TABLE packs (id uuid, owner bigint, status text, total integer, PRIMARY KEY (owner, id));
CREATE TABLE visits (id uuid PRIMARY KEY, member_id bigint NOT NULL, status text);
SELECT count(*) > 0 AS attached FROM session_consistency.attach('visits', 'packs', type_column => NULL,
    subscription_column => 'pack', subscription_member_column => 'owner', total_column => 'total');
INSERT INTO packs SELECT lpad(i::text, 32, '0')::uuid, i, 'active', 5 FROM generate_series(1, 3) i;
INSERT INTO visits SELECT lpad(i::text, 32, '0')::uuid, 1 + i % 3, 'scheduled' FROM generate_series(1, 9) i;
SELECT code FROM session_consistency.audit_findings('visits') WHERE code <> 'enforcement_gap';
SELECT scans('visits', 'visits');
SET LOCAL session_replication_role = replica;
UPDATE visits SET pack = lpad('2', 32, '0')::uuid WHERE id = lpad('3', 32, '0')::uuid;
SELECT code, member_id, expected, actual FROM session_consistency.audit_findings('visits')
WHERE code <> 'enforcement_gap' ORDER BY 1, 2, 3;
ROLLBACK;
SELECT * FROM recount();
\i :finish
