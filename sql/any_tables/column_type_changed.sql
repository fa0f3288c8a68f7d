-- A column whose type somebody has changed to one that attach() refuses: an error that names it, never a value that is
-- misread; and all is well when the type is back.
\getenv top PG_ABS_SRCDIR
\set test column_type_changed
\set gym :top /test/fixtures/gym.sql
\i :gym
CREATE TABLE packs (
    code text PRIMARY KEY, customer text, status text DEFAULT 'active', total_sessions_snapshot int,
    used_sessions int NOT NULL DEFAULT 0, remaining_sessions int);
CREATE TABLE visits (
    id int PRIMARY KEY, customer text, pack text REFERENCES packs, session_type text DEFAULT 'member',
    status text DEFAULT 'scheduled');
INSERT INTO packs (code, customer, total_sessions_snapshot) VALUES ('a', '1', 5), ('b', '2', 5);
SELECT count(*) > 0 AS attached FROM session_consistency.attach(
    'visits', 'packs', member_column => 'customer', subscription_column => 'pack',
    subscription_member_column => 'customer');
DROP VIEW packs_session_counts;
INSERT INTO visits (id, customer) VALUES (1, '1'), (2, '2');
PREPARE gone AS DELETE FROM visits WHERE id = $1;

-- The member of the sessions: an integer is no pointer to a text.
ALTER TABLE visits ALTER customer TYPE int USING customer::int;
SELECT * FROM refusal('INSERT INTO visits (id, customer) VALUES (3, 1)');
EXECUTE gone (1);
SELECT outcome('UPDATE visits SET status = ''cancelled''');
SELECT outcome('UPDATE packs SET customer = ''3'' WHERE code = ''a''');
SELECT outcome('TRUNCATE visits');
ALTER TABLE visits ALTER customer TYPE varchar(10);
INSERT INTO visits (id, customer) VALUES (3, '1');
-- That of the subscriptions.
ALTER TABLE packs ALTER customer TYPE int USING customer::int;
EXECUTE gone (1);
SELECT outcome('UPDATE packs SET customer = 3 WHERE code = ''a''');
ALTER TABLE packs ALTER customer TYPE text;
EXECUTE gone (1);

-- The counters.
ALTER TABLE packs ALTER used_sessions TYPE numeric;
SELECT * FROM refusal('EXECUTE gone (2)');
SELECT outcome('UPDATE packs SET used_sessions = 0');
SELECT outcome('INSERT INTO packs (code, customer) VALUES (''c'', ''3'')');
ALTER TABLE packs ALTER used_sessions TYPE smallint;
ALTER TABLE packs ALTER total_sessions_snapshot TYPE text;
EXECUTE gone (2);
ALTER TABLE packs ALTER total_sessions_snapshot TYPE bigint USING total_sessions_snapshot::bigint;
ALTER TABLE packs ALTER remaining_sessions TYPE double precision;
EXECUTE gone (2);
ALTER TABLE packs ALTER remaining_sessions TYPE bigint;
EXECUTE gone (2);

-- The key, where the server itself allows it.
CREATE TABLE counted (
    id int PRIMARY KEY, member_id int, status text DEFAULT 'active', total_sessions_snapshot int,
    used_sessions int NOT NULL DEFAULT 0);
CREATE TABLE booked (id int PRIMARY KEY, member_id int, status text DEFAULT 'scheduled');
INSERT INTO counted (id, member_id, total_sessions_snapshot) VALUES (1, 1, 5);
SELECT count(*) > 0 AS attached FROM session_consistency.attach('booked', 'counted', type_column => NULL);
DROP VIEW counted_session_counts;
INSERT INTO booked (id, member_id) VALUES (1, 1);
ALTER TABLE counted ALTER id TYPE numeric;
SELECT * FROM refusal('INSERT INTO booked (id, member_id) VALUES (2, 1)');
SELECT outcome('DELETE FROM booked');
SELECT outcome('UPDATE counted SET member_id = 2');
ALTER TABLE counted ALTER id TYPE bigint;
INSERT INTO booked (id, member_id) VALUES (2, 1);
SELECT used_sessions FROM counted;

-- The recount finds nothing.
SELECT * FROM recount('booked', 'counted', type => NULL, remaining => NULL);
SELECT * FROM recount('visits', 'packs', session_member => 'customer', subscription_member => 'customer',
                      link => 'pack', key => 'code');
\i :finish
