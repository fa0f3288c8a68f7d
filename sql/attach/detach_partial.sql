-- detach takes back what attach made and is still there; what somebody has changed since is left alone, or refuses it.
\getenv top PG_ABS_SRCDIR
\set test detach_partial
\set gym :top /test/fixtures/gym.sql
\set objects :top /test/fixtures/objects.sql
\i :gym
ALTER TABLE member_subscriptions DROP remaining_sessions, DROP used_sessions;
\i :objects
\set VERBOSITY default
\pset format unaligned
\pset tuples_only on
SELECT remember();
\set attach 'SELECT count(*) FROM session_consistency.attach(''training_sessions'', ''member_subscriptions'', link_check => true);'
\set detach 'SELECT command FROM session_consistency.detach(''training_sessions'', drop_added_columns => true);'

-- A user's view on the counts, or on an added column: refused by the server, and nothing is taken back.
:attach
CREATE TABLE attached AS SELECT o FROM objects() o;
CREATE VIEW mine AS SELECT * FROM member_subscriptions_session_counts;
:detach
DROP VIEW mine;
CREATE VIEW mine AS SELECT used_sessions FROM member_subscriptions;
:detach
DROP VIEW mine;
SELECT count(*) FROM (SELECT o FROM attached EXCEPT SELECT o FROM objects() o) x;
DROP TABLE attached;
-- Without the columns it can go.
CREATE VIEW mine AS SELECT used_sessions FROM member_subscriptions;
SELECT command FROM session_consistency.detach('training_sessions');
SELECT * FROM changed();
DROP VIEW mine;
ALTER TABLE member_subscriptions DROP used_sessions;
ALTER TABLE training_sessions DROP subscription_id;

-- Everything that attach made is gone already, but for the triggers.
:attach
ALTER TABLE training_sessions DROP subscription_id CASCADE;
ALTER TABLE member_subscriptions DROP used_sessions CASCADE;
DROP INDEX sc_member_subscriptions_member_id_idx;
:detach
SELECT * FROM changed();

-- Renamed: whoever gave it a name of their own keeps it.
:attach
ALTER TABLE training_sessions RENAME CONSTRAINT sc_training_sessions_subscription_id_fkey TO my_key;
ALTER TABLE training_sessions RENAME CONSTRAINT sc_training_sessions_subscription_id_check TO my_link_check;
ALTER TABLE member_subscriptions RENAME CONSTRAINT sc_member_subscriptions_used_sessions_check TO my_check;
ALTER INDEX sc_member_subscriptions_member_id_idx RENAME TO my_active_index;
ALTER INDEX sc_training_sessions_subscription_id_idx RENAME TO my_link_index;
ALTER VIEW member_subscriptions_session_counts RENAME TO my_counts;
SELECT subscriptions, counts_view FROM session_consistency.attachments WHERE sessions = 'training_sessions'::regclass;
BEGIN;
SELECT command FROM session_consistency.detach('training_sessions');
SELECT * FROM changed();
ROLLBACK;
DROP VIEW my_counts;
:detach
SELECT c FROM changed() c;
DROP INDEX my_active_index;

-- A thing of the same name that is somebody else's is not touched.
:attach
DROP VIEW member_subscriptions_session_counts;
CREATE TABLE member_subscriptions_session_counts (subscription_id integer);
DROP INDEX sc_training_sessions_subscription_id_idx;
CREATE INDEX sc_training_sessions_subscription_id_idx ON members (name);
:detach
SELECT * FROM changed();
DROP TABLE member_subscriptions_session_counts;
DROP INDEX sc_training_sessions_subscription_id_idx;

-- The foreign key is gone: the subscriptions are those that are guarded alike.
:attach
ALTER TABLE training_sessions DROP CONSTRAINT sc_training_sessions_subscription_id_fkey;
SELECT subscriptions FROM session_consistency.attachments WHERE sessions = 'training_sessions'::regclass;
CREATE TABLE lessons (LIKE training_sessions INCLUDING ALL);
SELECT session_consistency.attach('lessons', 'member_subscriptions');
CREATE TABLE packs (LIKE member_subscriptions);
ALTER TABLE packs ADD PRIMARY KEY (id);
SELECT count(*) FROM session_consistency.attach('lessons', 'packs');
BEGIN;
:detach
SELECT session_consistency.detach('lessons', drop_added_columns => true) IS NOT NULL AS done LIMIT 1;
ROLLBACK;
-- Both are gone: which one belongs where nobody can say, until one foreign key is back.
ALTER TABLE lessons DROP CONSTRAINT sc_lessons_subscription_id_fkey;
:detach
ALTER TABLE lessons ADD FOREIGN KEY (subscription_id) REFERENCES packs NOT VALID;
:detach
SELECT count(*) FROM session_consistency.detach('lessons', drop_added_columns => true);
DROP TABLE lessons, packs;
SELECT * FROM changed();

-- One of the two tables is dropped. Sessions: what is left on the subscriptions goes when something is attached to them.
SET client_min_messages = error;
:attach
DROP TABLE training_sessions CASCADE;
SELECT o FROM objects() o WHERE o LIKE 'trigger%' AND o ~ 'consistency';
CREATE TABLE training_sessions (id integer PRIMARY KEY, member_id integer, session_type session_type, status session_status);
SELECT action, regexp_replace(command, ' EXECUTE.*', '') FROM session_consistency.attach('training_sessions', 'member_subscriptions')
WHERE action <> 'create view';
INSERT INTO training_sessions VALUES (1, 1, 'member', 'scheduled');
SELECT id, used_sessions FROM member_subscriptions WHERE used_sessions > 0;
SELECT * FROM recount(remaining => NULL);
-- A trigger that somebody has dropped, so that nothing is charged any more: attached anew.
DROP TRIGGER "00_session_consistency_charge_member_subscriptions" ON training_sessions;
SELECT count(*) FROM session_consistency.attachments WHERE sessions = 'training_sessions'::regclass;
DROP VIEW member_subscriptions_session_counts;
SELECT action, regexp_replace(command, ' EXECUTE.*', '') FROM session_consistency.attach('training_sessions', 'member_subscriptions')
WHERE action <> 'create view';
INSERT INTO training_sessions VALUES (2, 1, 'member', 'scheduled');
SELECT * FROM recount(remaining => NULL);
-- Subscriptions.
DROP TABLE member_subscriptions CASCADE;
SELECT command FROM session_consistency.detach('training_sessions');
SELECT o FROM objects() o WHERE o LIKE 'trigger%';
\i :finish
