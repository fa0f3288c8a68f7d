-- Partitioned sessions, in two levels: attach takes over nothing that a partition has of its own, or gives it back on
-- the way out, under its own name.
\getenv top PG_ABS_SRCDIR
\set test attach_partitioned
\set gym :top /test/fixtures/gym.sql
\set objects :top /test/fixtures/objects.sql
\i :gym
\i :objects
\set VERBOSITY default
\pset format unaligned
\pset tuples_only on
DROP TABLE training_sessions;
CREATE TABLE training_sessions (id integer, day date, member_id integer, session_type session_type DEFAULT 'member',
    status session_status DEFAULT 'scheduled', subscription_id integer, PRIMARY KEY (id, day, member_id))
    PARTITION BY RANGE (day);
CREATE TABLE "Year 2030" PARTITION OF training_sessions FOR VALUES FROM ('2030-01-01') TO ('2031-01-01');
CREATE TABLE year_2031 (subscription_id integer, status session_status, gone text, day date NOT NULL, id integer NOT NULL,
    session_type session_type, member_id integer, PRIMARY KEY (id, day, member_id)) PARTITION BY LIST (member_id);
ALTER TABLE year_2031 DROP gone;
CREATE TABLE year_2031_1 PARTITION OF year_2031 FOR VALUES IN (1);
CREATE TABLE year_2031_rest PARTITION OF year_2031 DEFAULT;
ALTER TABLE training_sessions ATTACH PARTITION year_2031 FOR VALUES FROM ('2031-01-01') TO ('2032-01-01');
SELECT remember();

-- Nothing there: one index, one key, for every partition.
SELECT action, command FROM session_consistency.attach('training_sessions', 'member_subscriptions')
WHERE action IN ('create index', 'attach index', 'add foreign key');
SELECT c FROM changed() c WHERE c LIKE '+ trigger%' OR c LIKE '+ index%';
ALTER TABLE member_subscriptions VALIDATE CONSTRAINT sc_member_subscriptions_used_sessions_check;
SELECT enforced, gaps FROM session_consistency.attachments WHERE sessions = 'training_sessions'::regclass;
INSERT INTO training_sessions VALUES (1, '2030-01-01', 1), (2, '2031-01-01', 1), (3, '2031-01-01', 2);
INSERT INTO year_2031_1 (id, day, member_id, session_type, status) VALUES (4, '2031-05-05', 1, 'member', 'completed');

-- A partition that comes later is attached with its table; one that leaves keeps its rows and no trigger.
CREATE TABLE year_2032 PARTITION OF training_sessions FOR VALUES FROM ('2032-01-01') TO ('2033-01-01');
INSERT INTO training_sessions VALUES (5, '2032-01-01', 2);
SELECT enforced, gaps FROM session_consistency.attachments WHERE sessions = 'training_sessions'::regclass;
SELECT * FROM counters() WHERE used > 0;
SELECT * FROM recount();
SELECT outcome('SELECT session_consistency.attach(''year_2032'', ''member_subscriptions'')'),
       outcome('SELECT session_consistency.detach(''year_2032'')');
DELETE FROM training_sessions;
ALTER TABLE training_sessions DETACH PARTITION year_2032;
SELECT count(*) FROM pg_trigger WHERE tgrelid = 'year_2032'::regclass AND NOT tgisinternal;
DROP TABLE year_2032;
SELECT action, command FROM session_consistency.detach('training_sessions');
SELECT * FROM changed();

-- Indexes and foreign keys of partitions, as they would stand before; one key per branch of the tree.
CREATE INDEX "My index" ON "Year 2030" (subscription_id);
CREATE INDEX year_2031_link ON year_2031 (subscription_id);
CREATE INDEX rest_link ON ONLY year_2031_rest (subscription_id) WHERE subscription_id IS NOT NULL;
ALTER TABLE "Year 2030" ADD CONSTRAINT "My.key" FOREIGN KEY (subscription_id) REFERENCES member_subscriptions;
ALTER TABLE year_2031 ADD CONSTRAINT year_2031_key FOREIGN KEY (subscription_id) REFERENCES member_subscriptions;
SELECT remember();
SELECT o FROM before WHERE o ~ 'subscription_id' AND o !~ '^column' ORDER BY o COLLATE "C";
SELECT action, command FROM session_consistency.attach('training_sessions', 'member_subscriptions')
WHERE action IN ('create index', 'attach index', 'add foreign key');
SELECT c FROM changed() c WHERE c !~ '^. (trigger|relation)';
SELECT enforced, gaps FROM session_consistency.attachments WHERE sessions = 'training_sessions'::regclass;
INSERT INTO training_sessions VALUES (1, '2030-01-01', 1), (2, '2031-01-01', 1), (3, '2031-01-01', 2);
UPDATE training_sessions SET day = '2031-01-01' WHERE id = 1;
SELECT * FROM counters() WHERE used > 0;
SELECT * FROM recount();
DELETE FROM training_sessions;
SELECT action, command FROM session_consistency.detach('training_sessions') WHERE action NOT IN ('drop trigger', 'drop view');
SELECT * FROM changed();

-- A partition that left meanwhile keeps the key that it came with, and is left alone.
SELECT count(*) FROM session_consistency.attach('training_sessions', 'member_subscriptions');
ALTER TABLE training_sessions DETACH PARTITION "Year 2030";
SELECT command FROM session_consistency.detach('training_sessions') WHERE action = 'add foreign key';
SELECT c FROM changed() c WHERE c !~ '_pkey|column';
-- One that has triggers of its own, since it was attached by itself, cannot be attached with the others.
CREATE TABLE packs (LIKE member_subscriptions INCLUDING ALL);
ALTER TABLE "Year 2030" DROP CONSTRAINT "My.key";
SELECT count(*) FROM session_consistency.attach('"Year 2030"', 'packs');
ALTER TABLE training_sessions ATTACH PARTITION "Year 2030" FOR VALUES FROM ('2030-01-01') TO ('2031-01-01');
SELECT session_consistency.attach('training_sessions', 'member_subscriptions');
SELECT action, command FROM session_consistency.detach('"Year 2030"') WHERE action = 'drop trigger';
\i :finish
