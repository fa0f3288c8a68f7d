-- A unique index whose key holds a counter would make each of its writes wait for foreign keys, and them for it: attach()
-- refuses it, and one that is made later is a gap. What no foreign key can refer to is in nobody's way.
\getenv top PG_ABS_SRCDIR
\set test attach_refuses_counters
\set gym :top /test/fixtures/gym.sql
\set objects :top /test/fixtures/objects.sql
\i :gym
ALTER TABLE member_subscriptions DROP remaining_sessions, ADD remaining_sessions integer;
DELETE FROM member_subscriptions;
\i :objects
SELECT remember();
\pset format unaligned
\pset tuples_only on
\set VERBOSITY default
\set try 'SELECT count(*) FROM session_consistency.attach(''training_sessions'', ''member_subscriptions''); ROLLBACK;'
BEGIN; ALTER TABLE member_subscriptions ADD CONSTRAINT with_used UNIQUE (id, used_sessions);
:try
BEGIN; CREATE UNIQUE INDEX with_remaining ON member_subscriptions (remaining_sessions, id);
:try
SELECT * FROM changed();
-- Not in the key, not unique, not of every row, not of the column itself.
CREATE UNIQUE INDEX included ON member_subscriptions (id) INCLUDE (used_sessions);
CREATE INDEX not_unique ON member_subscriptions (used_sessions);
CREATE UNIQUE INDEX of_some ON member_subscriptions (id, used_sessions) WHERE status = 'expired';
CREATE UNIQUE INDEX of_another ON member_subscriptions (id, (used_sessions + 1));
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
\set look 'SELECT CASE WHEN enforced THEN ''{whole}'' ELSE gaps END FROM session_consistency.attachments WHERE sessions = ''training_sessions''::regclass; ROLLBACK;'
BEGIN;
:look
BEGIN; CREATE UNIQUE INDEX with_used ON member_subscriptions (id, used_sessions);
:look
SELECT * FROM recount();
\i :finish
