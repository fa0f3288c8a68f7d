-- The composite key (member, id), in either order, with its composite foreign key: made, reused, taken back.
\getenv top PG_ABS_SRCDIR
\set test attach_composite_key
\set gym :top /test/fixtures/gym.sql
\set objects :top /test/fixtures/objects.sql
\i :gym
\i :objects
\set VERBOSITY default
\pset format unaligned
\pset tuples_only on
CREATE DOMAIN pack_id AS varchar(12);
CREATE DOMAIN positive AS bigint NOT NULL CHECK (VALUE > 0);
CREATE TABLE packs (customer bigint, code pack_id COLLATE "C", status text, total bigint, PRIMARY KEY (customer, code));
CREATE TABLE visits (id integer PRIMARY KEY, member_id integer, status text);
SELECT remember();
\set columns 'type_column => NULL, subscription_column => ''pack'', subscription_member_column => ''customer'', total_column => ''total'''

-- The key's order is the primary key's; the link gets the key's type and collation.
SELECT action, command FROM session_consistency.attach('visits', 'packs', :columns) WHERE action NOT LIKE '%trigger';
INSERT INTO packs VALUES (1, 'a', 'active', 2), (2, 'a', 'active', 2);
INSERT INTO visits VALUES (1, 1, 'scheduled'), (2, 1, 'cancelled'), (3, 2, 'completed');
SELECT * FROM packs ORDER BY customer;
SELECT sessions, subscriptions, type_column, consuming_types, enforced, gaps FROM session_consistency.attachments
WHERE sessions = 'visits'::regclass;
SELECT * FROM recount('visits', 'packs', link => 'pack', type => NULL, key => 'code', subscription_member => 'customer',
    total => 'total', remaining => NULL);
SELECT outcome('INSERT INTO visits VALUES (4, 2, ''scheduled'', ''b'')');
SELECT count(*) FROM session_consistency.detach('visits', drop_added_columns => true);
SELECT * FROM changed();

-- The other order; an index that starts with both columns serves, in either order.
DELETE FROM packs;
DELETE FROM visits;
ALTER TABLE packs DROP CONSTRAINT packs_pkey, ADD PRIMARY KEY (code, customer);
ALTER TABLE visits ADD pack text COLLATE "C";
CREATE INDEX member_and_pack ON visits (member_id, pack);
SELECT remember();
SELECT action, command FROM session_consistency.attach('visits', 'packs', :columns) WHERE action NOT LIKE '%trigger';
INSERT INTO packs VALUES (1, 'a', 'active', 2), (2, 'a', 'active', 2);
INSERT INTO visits VALUES (1, 1, 'scheduled'), (2, 1, 'cancelled'), (3, 2, 'completed');
UPDATE visits SET member_id = 2 WHERE id = 1;
SELECT * FROM packs ORDER BY customer;
SELECT enforced, gaps FROM session_consistency.attachments WHERE sessions = 'visits'::regclass;
SELECT * FROM recount('visits', 'packs', link => 'pack', type => NULL, key => 'code', subscription_member => 'customer',
    total => 'total', remaining => NULL);
SELECT count(*) FROM session_consistency.detach('visits', drop_added_columns => true);
SELECT * FROM changed();

-- A key whose type refuses NULL: the link gets the type below it.
CREATE TABLE coupons (id positive PRIMARY KEY, member_id integer, status text, total positive);
SELECT command FROM session_consistency.attach('visits', 'coupons', type_column => NULL, total_column => 'total', dry_run => true)
WHERE action = 'add column';
SELECT count(*) FROM session_consistency.attach('visits', 'coupons', type_column => NULL, total_column => 'total');
INSERT INTO coupons VALUES (1, 1, 'active', 2), (2, 2, 'active', 2);
INSERT INTO visits VALUES (5, 1, 'scheduled');
SELECT * FROM recount('visits', 'coupons', type => NULL, total => 'total', remaining => NULL);

-- A domain over an enum cannot be compared in SQL, and is refused.
CREATE DOMAIN mood AS session_status;
CREATE TABLE moody (id integer PRIMARY KEY, member_id integer, status mood);
SELECT session_consistency.attach('moody', 'packs', :columns);
\i :finish
