-- What attach does not attach: each relation that is not a plain table of its own, and tables of somebody else.
\getenv top PG_ABS_SRCDIR
\set test attach_refuses_tables
\set gym :top /test/fixtures/gym.sql
\set objects :top /test/fixtures/objects.sql
\i :gym
\i :objects
CREATE VIEW shown AS SELECT * FROM training_sessions;
CREATE VIEW packs AS SELECT * FROM member_subscriptions;
CREATE MATERIALIZED VIEW stored AS SELECT * FROM training_sessions;
CREATE SEQUENCE numbers;
CREATE TYPE pair AS (a integer, b integer);
CREATE TABLE days (LIKE training_sessions, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE day_1 PARTITION OF days FOR VALUES FROM ('2030-01-01') TO ('2030-01-02') PARTITION BY LIST (day);
CREATE TABLE day_1_rest PARTITION OF day_1 DEFAULT;
CREATE TABLE parent (LIKE training_sessions INCLUDING ALL);
CREATE TABLE child (PRIMARY KEY (id)) INHERITS (parent);
CREATE TABLE parent_packs (LIKE member_subscriptions INCLUDING ALL);
CREATE TABLE child_packs (PRIMARY KEY (id)) INHERITS (parent_packs);
CREATE TABLE parted_packs (LIKE member_subscriptions, PRIMARY KEY (id)) PARTITION BY HASH (id);
CREATE TABLE parted_packs_0 PARTITION OF parted_packs FOR VALUES WITH (MODULUS 1, REMAINDER 0);
CREATE TEMP TABLE temporary_sessions (LIKE training_sessions INCLUDING ALL);
CREATE TEMP TABLE temporary_packs (LIKE member_subscriptions INCLUDING ALL);
CREATE UNLOGGED TABLE unlogged_sessions (LIKE training_sessions INCLUDING ALL);
CREATE UNLOGGED TABLE unlogged_packs (LIKE member_subscriptions INCLUDING ALL);
CREATE TABLE keyless_sessions (LIKE training_sessions);
CREATE TABLE keyless_packs (LIKE member_subscriptions);
CREATE TABLE waiting_packs (LIKE member_subscriptions, PRIMARY KEY (id) DEFERRABLE);
CREATE TABLE broad_packs (LIKE member_subscriptions, PRIMARY KEY (id, total_sessions_snapshot));
CREATE TABLE broader_packs (LIKE member_subscriptions, PRIMARY KEY (member_id, id, total_sessions_snapshot));
CREATE TABLE text_packs (id text PRIMARY KEY, member_id integer, status text, total_sessions_snapshot integer);
CREATE TABLE c_packs (id text COLLATE "C" PRIMARY KEY, member_id integer, status text, total_sessions_snapshot integer);
CREATE TABLE text_member_packs (id integer PRIMARY KEY, member_id text, status text, total_sessions_snapshot integer);
CREATE TABLE linked_sessions (LIKE training_sessions INCLUDING ALL, subscription_id uuid, text_id text);
SET ROLE NONE;
CREATE FOREIGN DATA WRAPPER attach_refuses_tables;
CREATE SERVER attach_refuses_tables FOREIGN DATA WRAPPER attach_refuses_tables;
CREATE FOREIGN TABLE elsewhere (id integer, member_id integer, session_type session_type, status session_status)
    SERVER attach_refuses_tables;
CREATE TABLE weeks (id integer NOT NULL, day date NOT NULL, member_id integer, session_type session_type,
    status session_status) PARTITION BY RANGE (day);
CREATE FOREIGN TABLE week_1 PARTITION OF weeks FOR VALUES FROM ('2030-01-01') TO ('2030-01-08') SERVER attach_refuses_tables;
CREATE TABLE months (LIKE weeks, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE UNLOGGED TABLE month_1 PARTITION OF months FOR VALUES FROM ('2030-01-01') TO ('2030-02-01');
SELECT count(remember());
\pset format unaligned
\pset tuples_only on
\set VERBOSITY default

\set refuse 'SELECT session_consistency.attach(:sessions, :subscriptions);'
\set subscriptions '''member_subscriptions'''
\set sessions '''shown'''
:refuse
\set sessions '''stored'''
:refuse
\set sessions '''numbers'''
:refuse
\set sessions '''pair'''
:refuse
\set sessions '''training_sessions_pkey'''
:refuse
\set sessions '''elsewhere'''
:refuse
\set sessions '''day_1'''
:refuse
\set sessions '''day_1_rest'''
:refuse
\set sessions '''parent'''
:refuse
\set sessions '''child'''
:refuse
\set sessions '''temporary_sessions'''
:refuse
\set sessions '''unlogged_sessions'''
:refuse
\set sessions '''keyless_sessions'''
:refuse
\set sessions '''months'''
:refuse
\set sessions '''weeks'''
:refuse
\set sessions '''linked_sessions'''
:refuse
SELECT session_consistency.attach('linked_sessions', 'c_packs', subscription_column => 'text_id');

\set sessions '''training_sessions'''
\set subscriptions '''packs'''
:refuse
\set subscriptions '''parent_packs'''
:refuse
\set subscriptions '''child_packs'''
:refuse
\set subscriptions '''parted_packs'''
:refuse
\set subscriptions '''parted_packs_0'''
:refuse
\set subscriptions '''temporary_packs'''
:refuse
\set subscriptions '''unlogged_packs'''
:refuse
\set subscriptions '''keyless_packs'''
:refuse
\set subscriptions '''waiting_packs'''
:refuse
\set subscriptions '''broad_packs'''
:refuse
\set subscriptions '''broader_packs'''
:refuse
\set subscriptions '''text_member_packs'''
:refuse
SELECT session_consistency.attach('pg_class', 'member_subscriptions');

-- Whoever does not own both tables. The owner of the sessions alone is told so as well; a dry run is no way around.
SET ROLE :desk;
\set sessions '''training_sessions'''
\set subscriptions '''member_subscriptions'''
:refuse
SELECT session_consistency.attach('training_sessions', 'member_subscriptions', dry_run => true);
RESET ROLE;
ALTER TABLE linked_sessions OWNER TO :desk;
SET ROLE :desk;
\set sessions '''linked_sessions'''
:refuse
RESET ROLE;
SELECT session_consistency.attach('linked_sessions', 'text_packs', subscription_column => 'text_id');
ALTER TABLE linked_sessions OWNER TO :owner;
SELECT count(*) FROM session_consistency.attach('linked_sessions', 'text_packs', subscription_column => 'text_id');
SET ROLE :desk;
SELECT session_consistency.detach('linked_sessions');
SELECT session_consistency.detach('linked_sessions', dry_run => true);
RESET ROLE;
SELECT count(*) FROM session_consistency.detach('linked_sessions');

SELECT * FROM changed();
DROP FOREIGN DATA WRAPPER attach_refuses_tables CASCADE;
\i :finish
