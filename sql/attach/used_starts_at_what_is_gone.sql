-- A counter that attach() adds starts at what a plain remaining column says is gone, so that nobody books what was used
-- up already; figures that say more than the total, or less than nothing, stop attach().
-- Counters that are wrong on purpose, or of sessions whose statement has not ended: not counted again.
SET session_consistency.recount = off;
\getenv top PG_ABS_SRCDIR
\set test used_starts_at_what_is_gone
\set gym :top /test/fixtures/gym.sql
\i :gym
CREATE TABLE packs (id int PRIMARY KEY, member_id int NOT NULL, status text NOT NULL DEFAULT 'active',
    total_sessions_snapshot int, remaining_sessions int, changed int DEFAULT 0);
CREATE TABLE visits (id int PRIMARY KEY, member_id int NOT NULL, session_type text DEFAULT 'member', status text DEFAULT 'completed');
-- Nobody's trigger takes the new column for a change of the row.
CREATE FUNCTION note_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.changed := NEW.changed + 1; RETURN NEW; END $$;
CREATE TRIGGER note BEFORE UPDATE ON packs FOR EACH ROW EXECUTE FUNCTION note_change();
INSERT INTO packs VALUES (1, 1, 'active', 10, 10), (2, 2, 'active', 10, 0), (3, 3, 'active', 10, 3), (4, 4, 'active', 10, NULL),
    (5, 5, 'active', NULL, NULL);

-- What stands in the way, each by name.
\set VERBOSITY default
INSERT INTO packs VALUES (6, 6, 'active', 10, 12), (7, 7, 'active', 10, -1);
SELECT FROM session_consistency.attach('visits', 'packs', dry_run => true);
SELECT FROM session_consistency.attach('visits', 'packs');
DELETE FROM packs WHERE id = 6;
SELECT FROM session_consistency.attach('visits', 'packs');
DELETE FROM packs WHERE id = 7;

SELECT step, command FROM session_consistency.attach('visits', 'packs', dry_run => true) WHERE command ~ 'COLUMN';
SELECT count(*) > 0 AS attached FROM session_consistency.attach('visits', 'packs');
SELECT id, total_sessions_snapshot AS total, used_sessions AS used, remaining_sessions AS remaining, changed FROM packs ORDER BY id;
SELECT attname, attnotnull, attgenerated = '' AS plain, pg_get_expr(adbin, adrelid) AS "default"
FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
WHERE attrelid = 'packs'::regclass AND attname = 'used_sessions';
-- Full, and no more.
SET client_min_messages = notice;
INSERT INTO visits (id, member_id) VALUES (1, 2);
INSERT INTO visits (id, member_id) SELECT n, 3 FROM generate_series(10, 13) n;
INSERT INTO visits (id, member_id) SELECT n, 3 FROM generate_series(10, 12) n;
INSERT INTO packs (id, member_id, total_sessions_snapshot) VALUES (8, 8, 5);
SELECT id, total_sessions_snapshot AS total, used_sessions AS used, remaining_sessions AS remaining FROM packs WHERE id IN (2, 3, 8) ORDER BY id;
-- History that is there after all is part of what is gone.
ALTER TABLE visits DISABLE TRIGGER USER;
INSERT INTO visits (id, member_id) SELECT n, 2 FROM generate_series(20, 25) n;
ALTER TABLE visits ENABLE TRIGGER USER;
CALL session_consistency.migrate('visits');
SELECT id, total_sessions_snapshot AS total, used_sessions AS used, remaining_sessions AS remaining FROM packs ORDER BY id;
CALL session_consistency.migrate('visits', opening => 'give_back');
SELECT * FROM recount('visits', 'packs');

-- The way back: with the column, nothing is left of it. A generated remaining, or none, says nothing of its own.
SELECT count(*) > 0 AS detached FROM session_consistency.detach('visits', drop_added_columns => true);
ALTER TABLE packs DROP remaining_sessions;
SELECT count(*) > 0 AS attached FROM session_consistency.attach('visits', 'packs');
SELECT DISTINCT used_sessions FROM packs;
SELECT count(*) > 0 AS detached FROM session_consistency.detach('visits', drop_added_columns => true);
-- Small, large and quoted ones.
CREATE TABLE "Packs 2" ("Id" bigint PRIMARY KEY, member_id int NOT NULL, status text DEFAULT 'active', "In all" smallint, "Left" bigint);
INSERT INTO "Packs 2" VALUES (1, 1, 'active', 10, 4);
SELECT command FROM session_consistency.attach('visits', '"Packs 2"', total_column => 'In all', used_column => 'Gone', remaining_column => 'Left')
WHERE command ~ 'COLUMN "Gone"';
SELECT "Gone", pg_typeof("Gone") FROM "Packs 2";
CALL session_consistency.migrate('visits', opening => 'give_back');
SELECT * FROM recount('visits', '"Packs 2"', key => 'Id', total => 'In all', used => 'Gone', remaining => 'Left');
SET client_min_messages = warning;
\i :finish
