-- A statement searches each member's packs once, however many of them are drawn, and finds their rows again where the
-- search has seen them. What is left of the scans of the packs' key is the foreign key's: one for each session.
-- Counting again after each statement would search once more.
SET session_consistency.recount = off;
\getenv top PG_ABS_SRCDIR
\set test drawn_pack_searched_once
\set gym :top /test/fixtures/gym.sql
\i :gym
\pset format unaligned
CREATE TABLE packs (id int PRIMARY KEY, member_id int NOT NULL, status text NOT NULL DEFAULT 'active', size int,
    until date);
CREATE TABLE visits (id int PRIMARY KEY, member_id int NOT NULL, status text DEFAULT 'scheduled', day date,
    subscription_id int REFERENCES packs);
INSERT INTO packs SELECT 10 * m + n, m, 'active', 100 * n, date '2030-01-01' + n
    FROM generate_series(1, 200) m, generate_series(1, 3) n;
SELECT count(*) > 0 AS attached FROM session_consistency.attach('visits', 'packs', type_column => NULL,
    total_column => 'size', draw_order => 'until', start_column => 'day', valid_until_column => 'until');
CREATE FUNCTION searches(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    members regclass := (SELECT indexrelid FROM pg_index WHERE indrelid = 'packs'::regclass AND NOT indisprimary);
    members_before bigint := pg_stat_get_xact_numscans(members);
    keys_before bigint := pg_stat_get_xact_numscans('packs_pkey'::regclass);
BEGIN
    EXECUTE statement;
    RETURN format('members %s, keys %s', pg_stat_get_xact_numscans(members) - members_before,
                  pg_stat_get_xact_numscans('packs_pkey'::regclass) - keys_before);
END $$;
SELECT searches($$INSERT INTO visits VALUES (1, 1, 'scheduled', '2029-01-01')$$) AS "one";
SELECT searches($$INSERT INTO visits SELECT 100 + n, 1, 'scheduled', '2029-01-01' FROM generate_series(1, 350) n$$)
    AS "350 of one member, three packs";
SELECT searches($$INSERT INTO visits SELECT 1000 + n, n, 'scheduled', '2029-01-01' FROM generate_series(2, 151) n$$)
    AS "150 members";
SELECT searches($$INSERT INTO visits SELECT 2000 + n, 2 + n % 10, 'scheduled', '2029-01-01'
    FROM generate_series(1, 100) n$$) AS "100 of ten members";
SELECT subscription_id, count(*) FROM visits WHERE member_id = 1 GROUP BY 1 ORDER BY 1;
SELECT * FROM recount('visits', 'packs', type => NULL, total => 'size', remaining => NULL);
\i :finish
