-- A statement looks each member's subscription up once, as long as nothing is written in between, and keys are of a
-- fixed size. Else it looks again.
\getenv top PG_ABS_SRCDIR
\set test member_looked_up_once
\set gym :top /test/fixtures/gym.sql
\i :gym
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
CREATE FUNCTION searches(statement text, key regclass) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    before bigint := pg_stat_get_xact_numscans(key);
BEGIN
    EXECUTE statement;
    RETURN pg_stat_get_xact_numscans(key) - before;
END $$;
UPDATE member_subscriptions SET total_sessions_snapshot = 100 WHERE status = 'active';
SELECT indexrelid::regclass AS active_index FROM pg_index
WHERE indrelid = 'member_subscriptions'::regclass AND indisunique AND indpred IS NOT NULL \gset
SELECT searches('INSERT INTO training_sessions (id, member_id) SELECT i, 1 FROM generate_series(1, 10) i',
                :'active_index') AS "one member",
       searches('INSERT INTO training_sessions (id, member_id) SELECT i, 1 + i % 2 FROM generate_series(11, 20) i',
                :'active_index') AS "two members";

-- A trigger of the user's writes between the rows: what was seen may be so no more.
CREATE TABLE log (id integer);
CREATE FUNCTION log() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO log VALUES (NEW.id);
    RETURN NEW;
END $$;
CREATE TRIGGER aa_log BEFORE INSERT ON training_sessions FOR EACH ROW EXECUTE FUNCTION log();
SELECT searches('INSERT INTO training_sessions (id, member_id) SELECT i, 1 FROM generate_series(21, 30) i',
                :'active_index') AS "written in between";
DROP TRIGGER aa_log ON training_sessions;

-- Many members, more than are remembered at first.
INSERT INTO members SELECT i FROM generate_series(1001, 4000) i;
INSERT INTO member_subscriptions (id, member_id, total_sessions_snapshot)
    SELECT i, i, 5 FROM generate_series(1001, 4000) i;
SELECT searches('INSERT INTO training_sessions (id, member_id) SELECT 1000 + i, 1001 + i % 3000
                 FROM generate_series(0, 11999) i', :'active_index') < 6000 AS "three thousand members, four rows each";

-- Text has no fixed size.
CREATE TABLE packs (id text PRIMARY KEY, member_id text, status text DEFAULT 'active', total_sessions_snapshot int);
CREATE TABLE visits (id int PRIMARY KEY, member_id text, session_type text DEFAULT 'member',
                     status text DEFAULT 'scheduled');
INSERT INTO packs VALUES ('p', 'm', 'active', 100);
SELECT count(*) > 0 AS attached FROM session_consistency.attach('visits', 'packs');
SELECT indexrelid::regclass AS active_index FROM pg_index
WHERE indrelid = 'packs'::regclass AND indisunique AND indpred IS NOT NULL \gset
SELECT searches($$INSERT INTO visits (id, member_id) SELECT i, 'm' FROM generate_series(1, 10) i$$,
                :'active_index') AS "text";
SELECT sum(used) FROM counters();
SELECT * FROM recount();
SELECT * FROM recount('visits', 'packs', remaining => NULL);
\i :finish
