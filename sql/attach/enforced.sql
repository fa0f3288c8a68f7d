-- The view says whether an attachment is whole: each thing that is taken away shows, by name, and shows no more once it
-- is put back.
\getenv top PG_ABS_SRCDIR
\set test attach_enforced
\set partitioned on
\set gym :top /test/fixtures/gym.sql
\set objects :top /test/fixtures/objects.sql
\i :gym
\i :objects
\set VERBOSITY default
\pset format unaligned
\pset tuples_only on
SELECT count(*) FROM session_consistency.attach('training_sessions', 'member_subscriptions', link_check => true);
ALTER TABLE member_subscriptions VALIDATE CONSTRAINT sc_member_subscriptions_used_sessions_check;
SELECT remember();
CREATE FUNCTION gaps() RETURNS SETOF text LANGUAGE sql AS $$
    SELECT g FROM session_consistency.attachments a, unnest(CASE WHEN enforced THEN '{whole}' ELSE gaps END) g
    WHERE sessions = 'training_sessions'::regclass $$;
SELECT gaps();
\set look 'SELECT gaps(); ROLLBACK;'

-- Triggers: disabled, on one partition too, firing on replicas alone; ALWAYS will do; dropped; other than attach made it.
BEGIN; ALTER TABLE training_sessions DISABLE TRIGGER "00_session_consistency_charge_member_subscriptions"; :look
BEGIN; ALTER TABLE sessions_2031 DISABLE TRIGGER zz_session_consistency_link_member_subscriptions; :look
BEGIN; ALTER TABLE ONLY training_sessions ENABLE REPLICA TRIGGER "00_session_consistency_reset_member_subscriptions"; :look
BEGIN; ALTER TABLE training_sessions ENABLE ALWAYS TRIGGER "00_session_consistency_charge_member_subscriptions"; :look
BEGIN; ALTER TABLE member_subscriptions DISABLE TRIGGER USER; :look
BEGIN; DROP TRIGGER zz_session_consistency_link_member_subscriptions ON training_sessions; :look
BEGIN; DROP TRIGGER zz_session_consistency_keep_member_subscriptions ON member_subscriptions; :look
BEGIN;
SELECT pg_get_triggerdef(oid) AS definition FROM pg_trigger
WHERE tgrelid = 'member_subscriptions'::regclass AND tgname = '00_session_consistency_guard_member_subscriptions' \gset
DROP TRIGGER "00_session_consistency_guard_member_subscriptions" ON member_subscriptions;
SELECT replace(:'definition', 'INSERT OR DELETE OR UPDATE', 'INSERT OR DELETE') \gexec
:look
BEGIN;
DROP TRIGGER "00_session_consistency_guard_member_subscriptions" ON member_subscriptions;
SELECT replace(:'definition', 'FOR EACH ROW', 'FOR EACH ROW WHEN (pg_trigger_depth() = 0)') \gexec
:look
BEGIN;
DROP TRIGGER "00_session_consistency_guard_member_subscriptions" ON member_subscriptions;
SELECT replace(:'definition', '{format=1', '{format=1,guard=off') \gexec
:look

-- The foreign key: gone, one too many, its own triggers disabled.
BEGIN; ALTER TABLE training_sessions DROP CONSTRAINT sc_training_sessions_subscription_id_fkey; :look
BEGIN; ALTER TABLE sessions_2030 ADD CONSTRAINT second FOREIGN KEY (subscription_id) REFERENCES members; :look
-- Made again as none can be counted by.
\set again 'BEGIN; ALTER TABLE training_sessions DROP CONSTRAINT sc_training_sessions_subscription_id_fkey; ALTER TABLE training_sessions ADD CONSTRAINT again FOREIGN KEY (subscription_id) REFERENCES member_subscriptions'
:again ON DELETE SET DEFAULT; :look
:again ON UPDATE SET NULL; :look
-- Made again as some ORMs do, which is judged as it is then.
:again ON DELETE CASCADE; :look
:again ON DELETE SET NULL DEFERRABLE; :look
SET ROLE NONE;
BEGIN; ALTER TABLE sessions_2030 DISABLE TRIGGER ALL; :look
BEGIN; ALTER TABLE member_subscriptions DISABLE TRIGGER ALL; :look
-- Sessions whose owner is not trusted with the subscriptions: nothing can be charged for them.
BEGIN; ALTER TABLE training_sessions OWNER TO :desk; :look
SET ROLE :owner;

-- A partition that a crash would empty.
BEGIN; ALTER TABLE sessions_2031 SET UNLOGGED; :look

-- CHECKs: gone, narrower than needed, not validated.
BEGIN; ALTER TABLE member_subscriptions DROP CONSTRAINT sc_member_subscriptions_used_sessions_check; :look
BEGIN;
ALTER TABLE member_subscriptions DROP CONSTRAINT sc_member_subscriptions_used_sessions_check;
ALTER TABLE member_subscriptions ADD CHECK (used_sessions BETWEEN 0 AND total_sessions_snapshot) NOT VALID;
:look
BEGIN;
ALTER TABLE member_subscriptions DROP CONSTRAINT sc_member_subscriptions_used_sessions_check;
ALTER TABLE member_subscriptions ADD CHECK (used_sessions BETWEEN 1 AND total_sessions_snapshot - 1) NOT VALID;
:look
BEGIN; ALTER TABLE training_sessions DROP CONSTRAINT sc_training_sessions_subscription_id_check; :look

-- Indexes: gone, replaced by one that does not do the same.
BEGIN; DROP INDEX sc_member_subscriptions_member_id_idx; :look
BEGIN; DROP INDEX sc_training_sessions_subscription_id_idx; :look
BEGIN;
DROP INDEX sc_training_sessions_subscription_id_idx;
CREATE INDEX incomplete ON ONLY training_sessions (subscription_id);
:look

-- Columns: renamed, of another type; values that are no more.
BEGIN; ALTER TABLE training_sessions RENAME subscription_id TO pack; :look
BEGIN; ALTER TABLE training_sessions RENAME session_type TO kind; :look
BEGIN; ALTER TABLE member_subscriptions RENAME status TO state; :look
BEGIN; ALTER TYPE subscription_status RENAME VALUE 'active' TO 'running'; :look
BEGIN; ALTER TYPE session_type RENAME VALUE 'makeup' TO 'make-up'; :look

-- The subscriptions gone altogether: what is left can be detached.
BEGIN;
SET LOCAL client_min_messages = error;
DROP TABLE member_subscriptions CASCADE;
SELECT gaps();
SELECT subscriptions, counts_view FROM session_consistency.attachments WHERE sessions = 'training_sessions'::regclass;
SELECT action, command FROM session_consistency.detach('training_sessions', drop_added_columns => true);
SELECT c FROM changed() c WHERE c LIKE '+%';
ROLLBACK;

-- All is as it was.
SELECT gaps();
SELECT * FROM changed();
\i :finish
