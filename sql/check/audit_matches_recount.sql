-- Mixed corruption over 120,000 generated sessions: the audit finds exactly what plain SQL finds, written here from the
-- definitions, one category at a time.
\getenv top PG_ABS_SRCDIR
\set test audit_matches_recount
\set gym :top /test/fixtures/gym.sql
\i :gym
DROP TABLE training_sessions, member_subscriptions, members CASCADE;
-- The same numbers on every server: each salt its own sequence.
CREATE FUNCTION dice(seed integer, salt text, sides integer) RETURNS integer LANGUAGE sql IMMUTABLE AS $$
    SELECT abs(('x' || substr(md5(salt || seed), 1, 7))::bit(28)::integer) % sides
$$;
SET work_mem = '64MB';
SET jit = off;
CREATE TABLE members (id integer PRIMARY KEY);
CREATE TABLE member_subscriptions (id integer PRIMARY KEY, member_id integer, status text,
    total_sessions_snapshot integer, used_sessions integer, remaining_sessions integer, starts_on date);
CREATE TABLE training_sessions (id integer PRIMARY KEY, member_id integer, subscription_id integer, session_type text,
    status text);

-- 12,000 members, of whom every 200th is gone; up to four packs each, none for every 50th.
INSERT INTO members SELECT g FROM generate_series(1, 12000) g WHERE g % 200 <> 0;
INSERT INTO member_subscriptions (id, member_id, status, total_sessions_snapshot, starts_on)
SELECT g * 10 + n, g,
       CASE WHEN n = 0 OR dice(g, 'second', 40) = n THEN 'active' ELSE 'expired' END,
       CASE WHEN dice(g * 10 + n, 'unlimited', 20) > 0 THEN dice(g * 10 + n, 'total', 16) END,
       CASE WHEN dice(g * 10 + n, 'starts', 50) > 0 THEN DATE '2020-01-01' ELSE DATE '2999-01-01' END
FROM generate_series(1, 12000) g, generate_series(0, 3) n
WHERE g % 50 <> 1 AND n <= dice(g, 'packs', 4);
-- 120,000 sessions, each linked to one of its member's packs; then some are not, are linked to nothing, or to the next
-- member's pack.
INSERT INTO training_sessions
SELECT g, m, m * 10 + dice(g, 'pack', dice(m, 'packs', 4) + 1),
       (ARRAY['member', 'member', 'makeup', 'contractual', 'trial', 'guest', NULL])[dice(g, 'type', 7) + 1],
       (ARRAY['completed', 'completed', 'scheduled', 'in_progress', 'cancelled', 'no_show',
              NULL])[dice(g, 'status', 7) + 1]
FROM (SELECT g, dice(g, 'member', 12000) + 1 AS m FROM generate_series(1, 120000) g) s;
UPDATE training_sessions SET subscription_id = NULL
WHERE session_type NOT IN ('member', 'makeup', 'contractual') OR session_type IS NULL
      OR NOT EXISTS (SELECT FROM member_subscriptions s WHERE s.id = subscription_id);
CREATE INDEX ON training_sessions (subscription_id);
CREATE INDEX ON training_sessions (member_id);
CREATE INDEX ON member_subscriptions (member_id);
UPDATE member_subscriptions s
SET used_sessions = (SELECT count(*) FROM training_sessions t WHERE t.subscription_id = s.id
                     AND t.status IN ('completed', 'scheduled', 'in_progress'));
UPDATE member_subscriptions SET total_sessions_snapshot = greatest(used_sessions, total_sessions_snapshot)
WHERE dice(id, 'fits', 10) > 0;
UPDATE member_subscriptions SET remaining_sessions = total_sessions_snapshot - used_sessions;
UPDATE training_sessions SET subscription_id = NULL WHERE dice(id, 'unlinked', 60) = 0;
UPDATE training_sessions SET subscription_id = -id WHERE dice(id, 'dangling', 300) = 0;
UPDATE training_sessions SET subscription_id = (member_id + 1) * 10 WHERE dice(id, 'foreign', 300) = 0;
UPDATE training_sessions SET subscription_id = member_id * 10 WHERE dice(id, 'linked', 90) = 0;
UPDATE training_sessions SET member_id = NULL WHERE dice(id, 'nobody', 2000) = 0;
UPDATE member_subscriptions SET used_sessions = used_sessions + dice(id, 'by', 9) - 4 WHERE dice(id, 'drift', 50) = 0;
UPDATE member_subscriptions SET used_sessions = NULL WHERE dice(id, 'unknown', 500) = 0;
UPDATE member_subscriptions SET remaining_sessions = remaining_sessions - 3 WHERE dice(id, 'rest', 100) = 0;
ANALYZE members, member_subscriptions, training_sessions;

-- What is wrong, by the definitions. These are the parts that they share.
CREATE VIEW consuming AS
    SELECT *, status IN ('completed', 'scheduled', 'in_progress') IS TRUE AS counted FROM training_sessions
    WHERE session_type IN ('member', 'makeup', 'contractual');
CREATE VIEW in_sum AS
    SELECT DISTINCT member_id FROM consuming WHERE counted AND subscription_id IS NULL AND member_id IS NOT NULL;
CREATE VIEW recounted AS
    SELECT s.*, (SELECT count(*) FROM consuming t WHERE t.subscription_id = s.id AND t.counted) AS counted,
           s.member_id IN (SELECT member_id FROM in_sum) AS in_sum
    FROM member_subscriptions s;
CREATE VIEW orphaned AS
    SELECT * FROM training_sessions t
    WHERE t.member_id IS NOT NULL AND NOT EXISTS (SELECT FROM members m WHERE m.id = t.member_id);
CREATE VIEW expected AS
    SELECT 'orphaned_session' AS code, member_id, subscription_id, id AS session_id FROM orphaned
    UNION ALL
    SELECT 'dangling_subscription', member_id, subscription_id, id FROM training_sessions t
    WHERE id NOT IN (SELECT id FROM orphaned) AND subscription_id IS NOT NULL
          AND NOT EXISTS (SELECT FROM member_subscriptions s WHERE s.id = t.subscription_id)
    UNION ALL
    SELECT 'foreign_subscription', t.member_id, subscription_id, t.id
    FROM training_sessions t JOIN member_subscriptions s ON s.id = t.subscription_id
    WHERE t.id NOT IN (SELECT id FROM orphaned) AND t.member_id IS DISTINCT FROM s.member_id
    UNION ALL
    SELECT 'linked_non_consuming', t.member_id, subscription_id, t.id
    FROM training_sessions t JOIN member_subscriptions s ON s.id = t.subscription_id AND t.member_id = s.member_id
    WHERE t.id NOT IN (SELECT id FROM orphaned) AND t.id NOT IN (SELECT id FROM consuming)
    UNION ALL
    SELECT CASE WHEN EXISTS (SELECT FROM member_subscriptions s WHERE s.member_id = t.member_id)
                THEN 'unlinked_session' ELSE 'no_subscription' END, member_id, NULL, id
    FROM consuming t
    WHERE id NOT IN (SELECT id FROM orphaned) AND subscription_id IS NULL
          AND (status IN ('scheduled', 'in_progress', 'completed')
               OR NOT EXISTS (SELECT FROM member_subscriptions s WHERE s.member_id = t.member_id))
    UNION ALL
    SELECT 'multiple_active_subscriptions', member_id, NULL, NULL FROM member_subscriptions
    WHERE status = 'active' GROUP BY member_id HAVING count(*) > 1
    UNION ALL
    SELECT 'negative_remaining', member_id, id, NULL FROM member_subscriptions
    WHERE total_sessions_snapshot < used_sessions OR remaining_sessions < 0
    UNION ALL
    SELECT 'overdrawn', member_id, id, NULL FROM recounted WHERE NOT in_sum AND counted > total_sessions_snapshot
    UNION ALL
    SELECT 'count_mismatch', member_id, id, NULL FROM recounted
    WHERE NOT in_sum AND (used_sessions IS DISTINCT FROM counted
                          OR remaining_sessions IS DISTINCT FROM total_sessions_snapshot - used_sessions)
    UNION ALL
    SELECT 'overdrawn', member_id, NULL, NULL FROM member_subscriptions s WHERE member_id IN (SELECT * FROM in_sum)
    GROUP BY member_id
    HAVING count(total_sessions_snapshot) = count(*) AND sum(total_sessions_snapshot)
           < (SELECT count(*) FROM consuming t WHERE t.member_id = s.member_id AND counted)
    UNION ALL
    SELECT 'count_mismatch', member_id, NULL, NULL FROM member_subscriptions s WHERE member_id IN (SELECT * FROM in_sum)
    GROUP BY member_id
    HAVING coalesce(sum(used_sessions), 0)
           <> (SELECT count(*) FROM consuming t WHERE t.member_id = s.member_id AND counted)
           OR sum(CASE WHEN total_sessions_snapshot IS NOT NULL THEN remaining_sessions END)
              IS DISTINCT FROM sum(total_sessions_snapshot - coalesce(used_sessions, 0))
    UNION ALL
    SELECT 'zero_total', member_id, id, NULL FROM member_subscriptions WHERE total_sessions_snapshot = 0
    UNION ALL
    SELECT 'future_subscription', member_id, id, NULL FROM member_subscriptions
    WHERE status = 'active' AND starts_on > now();

-- How many there are of each, and what one side found and the other did not.
CREATE FUNCTION compared() RETURNS TABLE (code text, affected bigint, missed bigint, false_alarms bigint,
                                          samples_wrong boolean)
    LANGUAGE plpgsql AS $$
BEGIN
    CREATE TEMPORARY TABLE found AS
        SELECT f.code, f.member_id, f.subscription_id, f.session_id, f.expected, f.actual, row_number() OVER () AS place
        FROM session_consistency.audit_findings('training_sessions', 'member_subscriptions', members => 'members',
                                                valid_from_column => 'starts_on') f;
    CREATE TEMPORARY TABLE wanted AS
        SELECT e.code, e.member_id::text, e.subscription_id::text, e.session_id::text FROM expected e;
    ANALYZE found, wanted;
    RETURN QUERY
        WITH kept AS (SELECT f.code, f.member_id, f.subscription_id, f.session_id FROM found f),
             lost AS (TABLE wanted EXCEPT ALL TABLE kept),
             extra AS (TABLE kept EXCEPT ALL TABLE wanted),
             first AS (SELECT f.code, count(*) AS findings, jsonb_agg(to_jsonb(f) - 'code' ORDER BY place)
                                                            FILTER (WHERE number <= 5) AS samples
                       FROM (SELECT f.*, row_number() OVER (PARTITION BY f.code ORDER BY place) AS number
                             FROM found f) n,
                            LATERAL (SELECT n.code, n.member_id, n.subscription_id, n.session_id, n.expected,
                                            n.actual) f
                       GROUP BY f.code)
        SELECT a.code, a.affected, (SELECT count(*) FROM lost l WHERE l.code = a.code),
               (SELECT count(*) FROM extra e WHERE e.code = a.code),
               (a.affected, a.samples) <> (coalesce(f.findings, 0), coalesce(f.samples, '[]'))
        FROM session_consistency.audit('training_sessions', 'member_subscriptions', members => 'members',
                                       valid_from_column => 'starts_on') WITH ORDINALITY a
             LEFT JOIN first f USING (code)
        ORDER BY a.ordinality;
    DROP TABLE found, wanted;
END $$;
SELECT count(*) AS sessions, count(subscription_id) AS linked FROM training_sessions;
SELECT * FROM compared();

-- What the findings carry repairs what it says, and brings nothing new.
CREATE TEMPORARY TABLE before AS
    SELECT * FROM session_consistency.audit_findings('training_sessions', 'member_subscriptions', members => 'members');
DO $$
DECLARE
    command text;
BEGIN
    FOR command IN SELECT DISTINCT repair_sql FROM before WHERE repair_sql IS NOT NULL LOOP
        EXECUTE command;
    END LOOP;
END $$;
CREATE TEMPORARY TABLE after AS
    SELECT * FROM session_consistency.audit_findings('training_sessions', 'member_subscriptions', members => 'members');
VACUUM ANALYZE member_subscriptions, training_sessions;
SELECT count(*) FILTER (WHERE repair_sql IS NOT NULL) AS repaired, count(*) AS findings FROM before;
SELECT count(*) FILTER (WHERE repair_sql IS NOT NULL) AS repairable, count(*) AS findings FROM after;
SELECT code, member_id, subscription_id, session_id FROM after
EXCEPT SELECT code, member_id, subscription_id, session_id FROM before;
SELECT code, missed, false_alarms, samples_wrong FROM compared() WHERE missed + false_alarms > 0 OR samples_wrong;

-- The same sessions without links: every member is compared in sum.
UPDATE training_sessions SET subscription_id = NULL;
VACUUM ANALYZE training_sessions;
CREATE TEMPORARY TABLE link_is_null AS
    SELECT * FROM session_consistency.audit_findings('training_sessions', 'member_subscriptions', members => 'members');
SELECT * FROM compared();
ALTER TABLE training_sessions DROP subscription_id CASCADE;
CREATE TEMPORARY TABLE no_link AS
    SELECT * FROM session_consistency.audit_findings('training_sessions', 'member_subscriptions', members => 'members');
SELECT count(*) FROM no_link;
(TABLE no_link EXCEPT ALL TABLE link_is_null) UNION ALL (TABLE link_is_null EXCEPT ALL TABLE no_link);
\i :finish
