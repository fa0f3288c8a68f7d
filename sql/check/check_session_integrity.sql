-- check_session_integrity tells of one member what check_counts would tell of their active subscription.
\getenv top PG_ABS_SRCDIR
\set test check_session_integrity
\set gym :top /test/fixtures/gym.sql
\i :gym
SELECT * FROM refusal($$SELECT session_consistency.check_session_integrity('1')$$);
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
INSERT INTO training_sessions (id, member_id, status) VALUES
    (1, 1, 'scheduled'), (2, 1, 'in_progress'), (3, 1, 'completed'), (4, 1, 'cancelled'), (5, 2, 'completed');

-- All is well; the literal, the number and the text find the same.
SELECT jsonb_pretty(session_consistency.check_session_integrity('1'));
SELECT count(DISTINCT answer) FROM (VALUES
    (session_consistency.check_session_integrity('1')),
    (session_consistency.check_session_integrity(1)),
    (session_consistency.check_session_integrity(1::smallint)),
    (session_consistency.check_session_integrity('1'::text)),
    (session_consistency.check_session_integrity('1'::varchar)),
    (session_consistency.check_session_integrity(p_member_id => 1, sessions => 'training_sessions'))) AS a(answer);

-- An unlimited subscription; a member without an active one; a member who does not exist.
UPDATE member_subscriptions SET total_sessions_snapshot = NULL WHERE id = 20;
SELECT jsonb_pretty(session_consistency.check_session_integrity(2));
SELECT jsonb_pretty(session_consistency.check_session_integrity(3));
SELECT session_consistency.check_session_integrity(99) -> 'valid' AS valid;

-- A wrong counter, and one above the total.
RESET ROLE;
SET session_replication_role = replica;
UPDATE member_subscriptions SET used_sessions = 5 WHERE id = 10;
RESET session_replication_role;
SELECT jsonb_pretty(session_consistency.check_session_integrity(1));
SELECT session_consistency.check_session_integrity(2) -> 'valid' AS valid_of_another;
SELECT used_sessions AS used, s.total_sessions_snapshot AS total FROM member_subscriptions s WHERE id = 10;
DO $$
BEGIN
    EXECUTE (SELECT string_agg(format('ALTER TABLE member_subscriptions DROP CONSTRAINT %I', conname), ';')
             FROM pg_constraint WHERE contype = 'c' AND conrelid = 'member_subscriptions'::regclass);
END $$;
ALTER TABLE member_subscriptions ALTER used_sessions DROP NOT NULL;
SET session_replication_role = replica;
UPDATE member_subscriptions SET total_sessions_snapshot = 4 WHERE id = 10;
SELECT jsonb_pretty(session_consistency.check_session_integrity(1) -> 'issues');
UPDATE member_subscriptions SET used_sessions = NULL WHERE id = 10;
SELECT jsonb_pretty(session_consistency.check_session_integrity(1));
UPDATE member_subscriptions SET used_sessions = 3, total_sessions_snapshot = 10 WHERE id = 10;
SELECT session_consistency.check_session_integrity(1) -> 'valid' AS valid;

-- Several active subscriptions, once the unique index is gone.
DO $$
BEGIN
    EXECUTE (SELECT format('DROP INDEX %s', indexrelid::regclass) FROM pg_index
             WHERE indrelid = 'member_subscriptions'::regclass AND indisunique AND indpred IS NOT NULL);
END $$;
UPDATE member_subscriptions SET status = 'active', used_sessions = 1 WHERE id = 11;
RESET session_replication_role;
SELECT jsonb_pretty(session_consistency.check_session_integrity(1));
SET session_replication_role = replica;
UPDATE member_subscriptions SET status = 'expired', used_sessions = 0 WHERE id = 11;
RESET session_replication_role;

-- Bad input.
SELECT * FROM refusal($$SELECT session_consistency.check_session_integrity(NULL)$$);
SELECT * FROM refusal($$SELECT session_consistency.check_session_integrity(NULL::uuid, 'training_sessions')$$);
SELECT * FROM refusal($$SELECT session_consistency.check_session_integrity('Ada')$$);
SELECT * FROM refusal($$SELECT session_consistency.check_session_integrity('1; DROP TABLE members')$$);
SELECT * FROM refusal($$SELECT session_consistency.check_session_integrity(12345678901)$$);
SELECT * FROM refusal($$
    SELECT session_consistency.check_session_integrity('00000000-0000-0000-0000-000000000001'::uuid)$$);
SELECT * FROM refusal($$SELECT session_consistency.check_session_integrity(1, 'members')$$);
SELECT * FROM refusal($$SELECT session_consistency.check_session_integrity(1, '-')$$);

-- Who may not read every row gets no answer.
SET ROLE :desk;
SELECT session_consistency.check_session_integrity(1);
RESET ROLE;
GRANT SELECT ON member_subscriptions TO :desk;
SET ROLE :desk;
SELECT session_consistency.check_session_integrity(1) -> 'valid' AS valid;
RESET ROLE;
ALTER TABLE training_sessions ENABLE ROW LEVEL SECURITY;
SET ROLE :desk;
SELECT session_consistency.check_session_integrity(1);
RESET ROLE;
ALTER TABLE training_sessions DISABLE ROW LEVEL SECURITY;
BEGIN READ ONLY;
SELECT session_consistency.check_session_integrity(1) -> 'valid' AS valid;
COMMIT;

-- A member of another type; with two attachments the table must be named.
SET ROLE :owner;
CREATE TABLE packs (
    id uuid PRIMARY KEY, member_id uuid NOT NULL, status text NOT NULL, total_sessions_snapshot bigint);
CREATE TABLE visits (id bigint PRIMARY KEY, member_id uuid NOT NULL, session_type text, status text);
SELECT count(*) > 0 AS attached FROM session_consistency.attach('visits', 'packs');
INSERT INTO packs (id, member_id, status, total_sessions_snapshot) VALUES
    ('00000000-0000-0000-0000-00000000000a', '00000000-0000-0000-0000-000000000001', 'active', 8);
INSERT INTO visits VALUES (1, '00000000-0000-0000-0000-000000000001', 'member', 'completed');
SELECT * FROM refusal($$SELECT session_consistency.check_session_integrity('00000000-0000-0000-0000-000000000001')$$);
SELECT session_consistency.check_session_integrity('00000000-0000-0000-0000-000000000001', 'visits');
SELECT session_consistency.check_session_integrity('00000000-0000-0000-0000-000000000001'::uuid, 'visits') -> 'valid'
       AS valid;
SELECT session_consistency.check_session_integrity(1, 'training_sessions') -> 'valid' AS valid;
SELECT * FROM refusal($$SELECT session_consistency.check_session_integrity(1, 'visits')$$);

-- The recount finds nothing.
SELECT * FROM recount();
SELECT * FROM recount('visits', 'packs', remaining => NULL);
\i :finish
