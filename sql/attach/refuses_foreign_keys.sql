-- A foreign key on the link that attach cannot build on is refused, with the way out.
\getenv top PG_ABS_SRCDIR
\set test attach_refuses_foreign_keys
\set gym :top /test/fixtures/gym.sql
\set objects :top /test/fixtures/objects.sql
\i :gym
\i :objects
ALTER TABLE training_sessions ADD subscription_id integer, ADD pack_total integer;
ALTER TABLE member_subscriptions ADD UNIQUE (id, total_sessions_snapshot), ADD UNIQUE (member_id, id), ADD UNIQUE (id, member_id);
SELECT remember();
\pset format unaligned
\pset tuples_only on
\set VERBOSITY default
-- Adds the key, tries to attach, takes it away.
\set try 'BEGIN; ALTER TABLE training_sessions ADD CONSTRAINT k :key; SELECT count(*) FROM session_consistency.attach(''training_sessions'', ''member_subscriptions''); ROLLBACK;'

\set key 'FOREIGN KEY (subscription_id) REFERENCES member_subscriptions ON DELETE SET DEFAULT'
:try
\set key 'FOREIGN KEY (subscription_id) REFERENCES member_subscriptions ON UPDATE SET NULL'
:try
\set key 'FOREIGN KEY (subscription_id) REFERENCES member_subscriptions MATCH FULL'
:try
\set key 'FOREIGN KEY (subscription_id) REFERENCES members'
:try
\set key 'FOREIGN KEY (subscription_id, pack_total) REFERENCES member_subscriptions (id, total_sessions_snapshot)'
:try
\set key 'FOREIGN KEY (member_id, subscription_id) REFERENCES member_subscriptions (member_id, id) MATCH FULL'
:try
\set key 'FOREIGN KEY (member_id, subscription_id) REFERENCES member_subscriptions (id, member_id)'
:try
\set key 'FOREIGN KEY (subscription_id) REFERENCES member_subscriptions, ADD FOREIGN KEY (subscription_id) REFERENCES member_subscriptions'
:try
\set key 'FOREIGN KEY (subscription_id) REFERENCES member_subscriptions, ADD FOREIGN KEY (subscription_id) REFERENCES members'
:try
SELECT * FROM changed();

-- These will do: the key of another column, a composite one in either order, one that cascades, takes the link away or
-- may be broken for a while.
\set key 'FOREIGN KEY (subscription_id) REFERENCES member_subscriptions ON DELETE CASCADE'
:try
\set key 'FOREIGN KEY (subscription_id) REFERENCES member_subscriptions ON DELETE SET NULL'
:try
\set key 'FOREIGN KEY (subscription_id) REFERENCES member_subscriptions ON UPDATE CASCADE'
:try
\set key 'FOREIGN KEY (subscription_id) REFERENCES member_subscriptions DEFERRABLE'
:try
\set key 'FOREIGN KEY (subscription_id) REFERENCES member_subscriptions DEFERRABLE INITIALLY DEFERRED'
:try
\set key 'FOREIGN KEY (pack_total) REFERENCES member_subscriptions ON DELETE CASCADE'
:try
\set key 'FOREIGN KEY (member_id, subscription_id) REFERENCES member_subscriptions (member_id, id)'
:try
\set key 'FOREIGN KEY (subscription_id, member_id) REFERENCES member_subscriptions (id, member_id) ON UPDATE RESTRICT'
:try
SELECT * FROM changed();

-- On a partition: a key of its own that the partitioned table's would not take over.
CREATE TABLE lessons (id integer, day date, member_id integer, session_type session_type, status session_status,
    subscription_id integer, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE lessons_2030 PARTITION OF lessons FOR VALUES FROM ('2030-01-01') TO ('2031-01-01');
SELECT remember();
\set try 'BEGIN; ALTER TABLE lessons_2030 ADD CONSTRAINT k :key; SELECT count(*) FROM session_consistency.attach(''lessons'', ''member_subscriptions''); ROLLBACK;'
\set key 'FOREIGN KEY (subscription_id) REFERENCES member_subscriptions ON DELETE CASCADE'
:try
\set key 'FOREIGN KEY (subscription_id) REFERENCES member_subscriptions ON DELETE RESTRICT'
:try
\set key 'FOREIGN KEY (subscription_id) REFERENCES member_subscriptions NOT VALID'
:try
\set key 'FOREIGN KEY (member_id, subscription_id) REFERENCES member_subscriptions (member_id, id)'
:try
\set key 'FOREIGN KEY (subscription_id) REFERENCES members'
:try
\set key 'FOREIGN KEY (subscription_id) REFERENCES member_subscriptions, ADD FOREIGN KEY (subscription_id) REFERENCES member_subscriptions'
:try
BEGIN;
ALTER TABLE lessons ADD FOREIGN KEY (subscription_id) REFERENCES member_subscriptions;
ALTER TABLE lessons_2030 ADD CONSTRAINT k FOREIGN KEY (subscription_id) REFERENCES member_subscriptions;
SELECT count(*) FROM session_consistency.attach('lessons', 'member_subscriptions');
ROLLBACK;
\set key 'FOREIGN KEY (subscription_id) REFERENCES member_subscriptions'
:try
-- A key of the subscriptions that holds a counter: it is not looked at when one is written.
CREATE TABLE allowed (used integer PRIMARY KEY);
INSERT INTO allowed VALUES (0), (1);
BEGIN;
ALTER TABLE member_subscriptions ADD CONSTRAINT k FOREIGN KEY (used_sessions) REFERENCES allowed;
SELECT count(*) FROM session_consistency.attach('training_sessions', 'member_subscriptions');
ROLLBACK;
BEGIN;
ALTER TABLE member_subscriptions ADD "left" integer, ADD CONSTRAINT k FOREIGN KEY ("left") REFERENCES allowed;
SELECT count(*) FROM session_consistency.attach('training_sessions', 'member_subscriptions', remaining_column => 'left');
ROLLBACK;
BEGIN;
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
ALTER TABLE member_subscriptions ADD CONSTRAINT k FOREIGN KEY (used_sessions) REFERENCES allowed;
SELECT enforced, gaps FROM session_consistency.attachments WHERE sessions = 'training_sessions'::regclass;
ROLLBACK;
DROP TABLE allowed;
SELECT * FROM changed();
\i :finish
