-- R3 and R7 by period: dates and timestamps with and without a zone, open ends, infinity, the changes of summer time, and
-- the same answer whatever the zone of the connection.
\getenv top PG_ABS_SRCDIR
\set test periods
\set gym :top /test/fixtures/gym.sql
\i :gym
\pset format unaligned
\pset tuples_only on
-- Whether a pack with this period pays for a session that starts then, for clients in three zones; everything is undone.
CREATE FUNCTION pays(pack text, session text, zone text, lower text, upper text, start text) RETURNS text
    LANGUAGE plpgsql SET client_min_messages = error AS $$
DECLARE
    results text[];
    caller text;
BEGIN
    EXECUTE format('CREATE TABLE p (id int PRIMARY KEY, member_id int, status text DEFAULT ''active'', size int,
        lower %1$s, upper %1$s)', pack);
    EXECUTE format('CREATE TABLE v (id serial PRIMARY KEY, member_id int, status text DEFAULT ''scheduled'', start %s)', session);
    PERFORM session_consistency.attach('v', 'p', type_column => NULL, total_column => 'size', draw_order => 'id',
        start_column => 'start', valid_from_column => 'lower', valid_until_column => 'upper', time_zone => zone);
    SET LOCAL timezone = 'UTC';
    EXECUTE format('INSERT INTO p (id, member_id, lower, upper) VALUES (1, 1, %L, %L)', lower, upper);
    EXECUTE format('INSERT INTO p (id, member_id, lower, upper) VALUES (2, 2, %L, %L)', lower, upper);
    EXECUTE format('CREATE TABLE given AS SELECT %L::%s AS start', start, session);
    FOREACH caller IN ARRAY '{UTC,Europe/Berlin,Asia/Tokyo}'::text[] LOOP
        PERFORM set_config('timezone', caller, true);
        BEGIN
            INSERT INTO v (member_id, start) SELECT 1, given.start FROM given;
            results := results || 'yes'::text;
        EXCEPTION WHEN SQLSTATE '23SC4' THEN
            results := results || 'no'::text;
        END;
    END LOOP;
    RAISE EXCEPTION USING ERRCODE = 'P9999', MESSAGE = CASE WHEN results[1] = ALL (results) THEN results[1]
        ELSE results::text END;
EXCEPTION WHEN SQLSTATE 'P9999' THEN
    RETURN SQLERRM;
END $$;
CREATE FUNCTION pays_all(pack text, session text, zone text, VARIADIC cases text[]) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
    FOR n IN 1 .. cardinality(cases) BY 3 LOOP
        RETURN NEXT format('%s to %s, start %s: %s', coalesce(cases[n], 'open'), coalesce(cases[n + 1], 'open'),
            coalesce(cases[n + 2], 'none'), pays(pack, session, zone, cases[n], cases[n + 1], cases[n + 2]));
    END LOOP;
END $$;

\echo dates: both days count
SELECT * FROM pays_all('date', 'date', NULL,
    '2030-03-01', '2030-03-31', '2030-02-28',  '2030-03-01', '2030-03-31', '2030-03-01',
    '2030-03-01', '2030-03-31', '2030-03-31',  '2030-03-01', '2030-03-31', '2030-04-01',
    '2030-03-31', '2030-03-31', '2030-03-31',  '2030-03-31', '2030-03-01', '2030-03-15',
    NULL, '2030-03-31', '0001-01-01',          '2030-03-01', NULL, '9999-12-31',
    NULL, NULL, '2030-01-01',                  '-infinity', 'infinity', '2030-01-01',
    '-infinity', 'infinity', 'infinity',       'infinity', 'infinity', '2030-01-01',
    '-infinity', '-infinity', '2030-01-01',    '2030-03-01', '2030-03-31', 'infinity',
    '2030-03-01', '2030-03-31', NULL);
\echo timestamps: from counts, until does not; a start that is a date counts by its first moment
SELECT * FROM pays_all('timestamp', 'timestamp', NULL,
    '2030-03-01', '2030-04-01', '2030-02-28 23:59:59.999999', '2030-03-01', '2030-04-01', '2030-03-01',
    '2030-03-01', '2030-04-01', '2030-03-31 23:59:59.999999', '2030-03-01', '2030-04-01', '2030-04-01',
    '2030-03-01 10:00', '2030-03-01 10:00', '2030-03-01 10:00', NULL, 'infinity', '2030-03-01');
SELECT * FROM pays_all('timestamp', 'date', NULL,
    '2030-03-01', '2030-03-31', '2030-03-30', '2030-03-01', '2030-03-31', '2030-03-31',
    '2030-03-01 00:00:01', '2030-04-01', '2030-03-01');
SELECT * FROM pays_all('date', 'timestamp', NULL,
    '2030-03-01', '2030-03-31', '2030-02-28 23:59:59.999999', '2030-03-01', '2030-03-31', '2030-03-31 23:59:59.999999',
    '2030-03-01', '2030-03-31', '2030-04-01');
SELECT * FROM pays_all('timestamptz', 'timestamptz', NULL,
    '2030-03-01 00:00+01', '2030-04-01 00:00+02', '2030-02-28 23:00+00',
    '2030-03-01 00:00+01', '2030-04-01 00:00+02', '2030-03-31 21:59:59.999999+00',
    '2030-03-01 00:00+01', '2030-04-01 00:00+02', '2030-03-31 22:00+00');
\echo a start with a zone, days without one: the day in Berlin, whoever asks. Summer begins on 31 March, ends on 27 October
SELECT * FROM pays_all('date', 'timestamptz', 'Europe/Berlin',
    '2030-03-01', '2030-03-31', '2030-02-28 22:59:59+00', '2030-03-01', '2030-03-31', '2030-02-28 23:00+00',
    '2030-03-01', '2030-03-31', '2030-03-31 21:59:59+00', '2030-03-01', '2030-03-31', '2030-03-31 22:00+00',
    '2030-10-27', '2030-10-27', '2030-10-26 21:59:59+00', '2030-10-27', '2030-10-27', '2030-10-26 22:00+00',
    '2030-10-27', '2030-10-27', '2030-10-27 22:59:59+00', '2030-10-27', '2030-10-27', '2030-10-27 23:00+00',
    '2030-03-01', 'infinity', 'infinity',                 '2030-03-01', '2030-03-31', 'infinity');
\echo and local times without one. The hour from 2 to 3 is left out in March, and comes twice in October
SELECT * FROM pays_all('timestamp', 'timestamptz', 'Europe/Berlin',
    '2030-03-31 02:00', '2030-03-31 03:00', '2030-03-31 00:59:59+00', '2030-03-31 02:00', '2030-03-31 03:00', '2030-03-31 01:00+00',
    '2030-10-27 02:00', '2030-10-27 03:00', '2030-10-27 00:30+00',    '2030-10-27 02:00', '2030-10-27 03:00', '2030-10-27 01:30+00',
    '2030-10-27 02:00', '2030-10-27 03:00', '2030-10-27 02:00+00');
\echo a local start, ends with a zone
SELECT * FROM pays_all('timestamptz', 'timestamp', 'Europe/Berlin',
    '2030-03-01 00:00+01', '2030-04-01 00:00+02', '2030-02-28 23:59:59', '2030-03-01 00:00+01', '2030-04-01 00:00+02', '2030-03-01',
    '2030-03-01 00:00+01', '2030-04-01 00:00+02', '2030-03-31 23:59:59', '2030-03-01 00:00+01', '2030-04-01 00:00+02', '2030-04-01',
    '2030-03-31 00:30+00', NULL, '2030-03-31 02:30', NULL, '2030-10-27 00:30+00', '2030-10-27 02:30');
SELECT * FROM pays_all('timestamptz', 'date', 'Asia/Tokyo',
    '2030-03-01 00:00+09', '2030-03-31 00:00+09', '2030-03-01', '2030-03-01 00:00+09', '2030-03-31 00:00+09', '2030-03-31',
    '2030-03-01 00:00+00', NULL, '2030-03-01');

\echo a start that comes, moves and goes: with an order the session is drawn anew, without one it is refused
CREATE TABLE packs (id int PRIMARY KEY, member_id int, status text DEFAULT 'active', size int, valid_from date, valid_until date);
CREATE TABLE visits (id int PRIMARY KEY, member_id int, status text DEFAULT 'scheduled', day date, note text);
INSERT INTO packs (id, member_id, size, valid_from, valid_until) VALUES (1, 1, 1, NULL, '2030-01-31'), (2, 1, 9, '2030-02-01', '2030-02-28');
SELECT count(*) > 0 FROM session_consistency.attach('visits', 'packs', type_column => NULL, total_column => 'size', draw_order => 'id',
    start_column => 'day', valid_from_column => 'valid_from', valid_until_column => 'valid_until');
\set show 'SELECT id, status, day, subscription_id FROM visits ORDER BY id'
INSERT INTO visits VALUES (1, 1, 'scheduled', NULL), (2, 1, 'scheduled', '2030-02-01');
UPDATE visits SET day = '2030-01-31' WHERE id = 1;
:show;
UPDATE visits SET day = '2030-02-02' WHERE id = 1;
UPDATE visits SET day = NULL WHERE id = 1;
SELECT outcome($$UPDATE visits SET day = '2030-03-01' WHERE id = 1$$);
SELECT outcome($$UPDATE visits SET day = '2030-01-15' WHERE id IN (1, 2)$$);
UPDATE visits SET day = '2030-01-15' WHERE id = 1;
:show;
-- What holds nothing may lie anywhere; back, it needs a pack for its day. A shortened period moves nobody.
UPDATE visits SET status = 'cancelled', day = '2033-01-01' WHERE id = 1;
SELECT outcome($$UPDATE visits SET status = 'scheduled' WHERE id = 1$$);
UPDATE visits SET status = 'scheduled', day = '2030-02-03' WHERE id = 1;
UPDATE packs SET valid_until = '2030-02-01' WHERE id = 2;
UPDATE visits SET note = 'nothing that is needed' WHERE id = 1;
UPDATE visits SET status = 'completed' WHERE id = 1;
:show;
UPDATE packs SET status = 'over' WHERE id = 1;
SELECT count(*) > 0 FROM session_consistency.attach('visits', 'packs', type_column => NULL, total_column => 'size',
    start_column => 'day', valid_from_column => 'valid_from', valid_until_column => 'valid_until');
SELECT outcome($$UPDATE visits SET day = '2030-01-31' WHERE id = 2$$);
SELECT outcome($$INSERT INTO visits VALUES (3, 1, 'scheduled', '2030-02-02')$$);
INSERT INTO visits VALUES (3, 1, 'scheduled', NULL);
SELECT outcome($$UPDATE visits SET day = '2030-02-02' WHERE id = 3$$);
UPDATE visits SET day = '2030-02-01' WHERE id = 3;
:show;
SELECT * FROM recount('visits', 'packs', type => NULL, total => 'size', remaining => NULL);
\i :finish
