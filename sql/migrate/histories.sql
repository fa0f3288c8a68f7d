-- Generated histories whose truth is known: how many sessions migrate() attributes correctly, wrongly and not at all.
-- None is wrong; where periods do not overlap, all are right that their pack has room for.
\getenv top PG_ABS_SRCDIR
\set test migrate_histories
\set gym :top /test/fixtures/gym.sql
\i :gym
-- Numbers that look random and are the same on every machine.
CREATE FUNCTION dice(seed bigint, sides int) RETURNS int LANGUAGE sql IMMUTABLE AS
    $$ SELECT ((seed * 7919 + seed * seed % 104729 * 31 + 12345) % 1000003 % sides)::int $$;
CREATE TABLE kinds (kind int PRIMARY KEY, name text);
INSERT INTO kinds VALUES (0, 'renewals'), (1, 'gaps'), (2, 'overlaps'), (3, 'overbooked'),
    (4, 'no dates'), (5, 'no start'), (6, 'unlimited');
CREATE TABLE packs (
    id int PRIMARY KEY, member_id int NOT NULL, status text NOT NULL, total_sessions_snapshot int, valid_from date, valid_until date,
    created timestamptz, length int, wanted int);
CREATE TABLE visits (
    id int PRIMARY KEY, member_id int NOT NULL, session_type text NOT NULL DEFAULT 'member', status text NOT NULL, starts timestamptz,
    truth int, begun timestamptz);
-- 1400 members, 200 of a kind, with 1 to 6 packs that follow each other; overlapping ones begin ten days early.
INSERT INTO packs
    SELECT m * 10 + p, m, CASE WHEN p = dice(m, 6) THEN 'active' ELSE 'expired' END,
           CASE WHEN m % 7 <> 6 THEN 6 + dice(m * 10 + p, 7) END,
           date '2030-01-01' + p * 70 - CASE WHEN m % 7 = 2 THEN p * 10 ELSE 0 END,
           date '2030-01-01' + p * 70 - CASE WHEN m % 7 = 2 THEN p * 10 ELSE 0 END + CASE WHEN m % 7 = 1 THEN 40 ELSE 69 END,
           timestamptz '2029-12-01' + p * interval '70 days', CASE WHEN m % 7 = 1 THEN 41 ELSE 70 END, 0
    FROM generate_series(1, 1400) m, generate_series(0, dice(m, 6)) p;
UPDATE packs SET wanted = coalesce(total_sessions_snapshot, 9) - dice(id, 4) + CASE WHEN member_id % 7 = 3 THEN 5 ELSE 0 END;
-- Where two overlap the older one is used, which is never used up.
INSERT INTO visits (id, member_id, status, truth, begun)
    SELECT p.id * 20 + i, p.member_id,
           CASE dice(p.id * 20 + i, 10) WHEN 0 THEN 'cancelled' WHEN 1 THEN CASE p.status WHEN 'active' THEN 'scheduled' ELSE 'completed' END
                ELSE 'completed' END,
           p.id, p.valid_from + (overlap * 24 + dice(p.id * 100 + i, (length - overlap) * 24)) * interval '1 hour'
    FROM packs p, LATERAL (SELECT CASE WHEN member_id % 7 = 2 AND id % 10 > 0 THEN 10 ELSE 0 END) o (overlap),
         generate_series(1, p.wanted) i;
UPDATE visits SET starts = begun WHERE member_id % 7 <> 5 OR dice(id, 3) > 0;
UPDATE packs SET valid_from = NULL, valid_until = NULL WHERE member_id % 7 = 4;
-- Some members have sessions that consume nothing, or no pack at all.
INSERT INTO visits SELECT 1000000 + i, 1 + i % 1400, 'trial', 'completed', '2030-05-05', NULL, NULL FROM generate_series(1, 500) i;
INSERT INTO visits SELECT 2000000 + i, 5000 + i, 'member', 'completed', '2030-05-05', NULL, NULL FROM generate_series(1, 50) i;
SELECT count(*) > 0 AS attached FROM session_consistency.attach('visits', 'packs');
CALL session_consistency.migrate('visits', batch_size => 500, start_column => 'starts', valid_from_column => 'valid_from', valid_until_column => 'valid_until', created_column => 'created');

CREATE VIEW score AS
    SELECT k.kind, name, count(*) AS sessions, count(*) FILTER (WHERE subscription_id = truth) AS correct,
           count(*) FILTER (WHERE subscription_id <> truth) AS wrong, count(*) FILTER (WHERE subscription_id IS NULL) AS "left"
    FROM visits v JOIN kinds k ON k.kind = v.member_id % 7 WHERE truth IS NOT NULL GROUP BY 1, 2;
SELECT name, sessions, round(100.0 * correct / sessions, 2) AS "correct %", round(100.0 * wrong / sessions, 2) AS "wrong %",
       round(100.0 * "left" / sessions, 2) AS "left %"
FROM score ORDER BY kind;
SELECT count(*) AS wrong FROM visits WHERE subscription_id <> truth;
-- Left are those whose pack is full, or whose start or period is not known.
SELECT count(*) AS missed FROM visits v JOIN packs p ON p.id = v.truth
WHERE v.subscription_id IS NULL AND v.starts IS NOT NULL AND p.valid_from IS NOT NULL AND p.used_sessions < p.total_sessions_snapshot;
SELECT linked, unlinked FROM session_consistency.migration_progress WHERE sessions = 'visits'::regclass;
SELECT count(*) AS trials FROM visits WHERE session_type = 'trial' AND subscription_id IS NOT NULL;

-- What the DBA chooses for the rest fills what room there is, and takes nothing back.
CREATE TABLE certain AS SELECT id, subscription_id FROM visits WHERE subscription_id IS NOT NULL;
CALL session_consistency.migrate('visits', batch_size => 500, start_column => 'starts', valid_from_column => 'valid_from', valid_until_column => 'valid_until', created_column => 'created', when_ambiguous => 'fill');
SELECT count(*) AS taken_back FROM certain JOIN visits USING (id) WHERE certain.subscription_id IS DISTINCT FROM visits.subscription_id;
SELECT count(*) AS left_with_room FROM visits v WHERE subscription_id IS NULL AND session_type = 'member' AND status = 'completed'
    AND EXISTS (SELECT FROM packs p WHERE p.member_id = v.member_id AND p.used_sessions < coalesce(p.total_sessions_snapshot, 1000));

-- The recount finds nothing.
SELECT * FROM recount('visits', 'packs', remaining => NULL);
\i :finish
