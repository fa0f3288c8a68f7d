-- repair counts the sessions of many counters by one scan, and those of a few by the index; what it sets, logs and
-- returns is the same.
\getenv top PG_ABS_SRCDIR
\set test repair_counts_many_at_once
\set gym :top /test/fixtures/gym.sql
\i :gym
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
INSERT INTO members SELECT i FROM generate_series(100, 599) i;
INSERT INTO member_subscriptions (id, member_id, total_sessions_snapshot) SELECT i, i, 9 FROM generate_series(100, 599) i;
INSERT INTO training_sessions (id, member_id) SELECT i, 100 + i % 500 FROM generate_series(1, 1500) i;
RESET ROLE;

-- Makes every second counter wrong, repairs, and says how often the sessions were scanned, and the index on their link.
CREATE FUNCTION repair_and_look() RETURNS TABLE (repaired bigint, as_counted bigint, scans bigint, lookups bigint)
    LANGUAGE plpgsql AS $$
DECLARE
    link regclass := (SELECT indexrelid FROM pg_index WHERE indrelid = 'training_sessions'::regclass
                      AND NOT indisprimary);
    scans_before bigint;
    lookups_before bigint;
BEGIN
    SET LOCAL session_replication_role = replica;
    UPDATE member_subscriptions SET used_sessions = 1 WHERE id >= 100 AND id % 2 = 0;
    SET LOCAL session_replication_role = origin;
    scans_before := pg_stat_get_xact_numscans('training_sessions'::regclass);
    lookups_before := pg_stat_get_xact_numscans(link);
    SELECT count(*), count(*) FILTER (WHERE (before ->> 'used', after ->> 'used') = ('1', '3'))
    INTO repaired, as_counted FROM session_consistency.repair('training_sessions', dry_run => false);
    scans := pg_stat_get_xact_numscans('training_sessions'::regclass) - scans_before;
    lookups := pg_stat_get_xact_numscans(link) - lookups_before;
    RETURN NEXT;
END $$;

-- Nobody knows how many sessions there are: one look-up for each. (Besides, check_counts and a look for links that are
-- to be cleared scan them once each, and sessions without a link are looked up together.)
SELECT * FROM repair_and_look();
SELECT * FROM recount();
ANALYZE training_sessions;
SELECT * FROM repair_and_look();
SELECT * FROM recount();
-- A few are looked up all the same.
BEGIN;
SET LOCAL session_replication_role = replica;
UPDATE member_subscriptions SET used_sessions = 1 WHERE id = 100;
SET LOCAL session_replication_role = origin;
CREATE TEMPORARY TABLE before AS SELECT pg_stat_get_xact_numscans('training_sessions'::regclass) AS scans;
SELECT subscription_id, before, after FROM session_consistency.repair('training_sessions', dry_run => false);
SELECT pg_stat_get_xact_numscans('training_sessions'::regclass) - scans AS scans FROM before;
COMMIT;
SELECT * FROM recount();
\i :finish
