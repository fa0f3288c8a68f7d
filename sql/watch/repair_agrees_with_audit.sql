-- repair() finds its counters by a recount and not by an audit: whatever is wrong with two tables, it sets what the audit
-- has a repair for, to what the audit expects, and nothing else.
\getenv top PG_ABS_SRCDIR
\set test repair_agrees_with_audit
\set gym :top /test/fixtures/gym.sql
\i :gym
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
INSERT INTO members SELECT n, n FROM generate_series(101, 160) n;
-- What only one of the two would do, in some state of the tables.
CREATE FUNCTION disagreements() RETURNS TABLE (what text, subscription text, session text, value text)
    LANGUAGE sql SET search_path FROM CURRENT AS $$
    WITH audited AS (
        SELECT subscription_id, session_id, CASE WHEN session_id IS NULL THEN expected END AS value
        FROM session_consistency.audit_findings('training_sessions')
        WHERE repair_sql IS NOT NULL AND (session_id IS NOT NULL OR code = 'count_mismatch')),
    repaired AS (
        SELECT subscription_id, session_id, CASE WHEN session_id IS NULL THEN after ->> 'used' END AS value
        FROM session_consistency.repair('training_sessions'))
    SELECT 'audit alone', a.* FROM (TABLE audited EXCEPT ALL TABLE repaired) a
    UNION ALL SELECT 'repair alone', r.* FROM (TABLE repaired EXCEPT ALL TABLE audited) r
$$;
SELECT setseed(0.5);
CREATE FUNCTION spoil(turns int, OUT disagreed bigint, OUT counters bigint, OUT links bigint) LANGUAGE plpgsql AS $$
BEGIN
    disagreed := 0;
    counters := 0;
    links := 0;
    FOR turn IN 1 .. turns LOOP
        TRUNCATE training_sessions;
        DELETE FROM member_subscriptions WHERE id > 100;
        SET LOCAL session_replication_role = replica;
        INSERT INTO member_subscriptions (id, member_id, status, total_sessions_snapshot, used_sessions)
            SELECT 1000 + n, 101 + n / 2, (CASE n % 2 WHEN 0 THEN 'active' ELSE 'expired' END)::subscription_status,
                   total, least(total, (random() * 3)::int)
            FROM (SELECT n, nullif((random() * 6)::int, 6) AS total FROM generate_series(0, 119) n) p
            WHERE random() < 0.9;
        INSERT INTO training_sessions (id, member_id, session_type, status, subscription_id)
            SELECT n, m, (CASE WHEN random() < 0.9 THEN 'member' WHEN random() < 0.9 THEN 'trial' END)::session_type,
                   (enum_range(NULL::session_status))[1 + (random() * 4)::int],
                   CASE WHEN random() < 0.95 THEN 1000 + (m - 101) * 2 + (random() < 0.3)::int
                        WHEN random() < 0.3 THEN 1000 + (random() * 130)::int END
            FROM (SELECT n, 101 + (random() * 62)::int AS m FROM generate_series(1, 150) n) s;
        SET LOCAL session_replication_role = origin;
        disagreed := disagreed + (SELECT count(*) FROM disagreements());
        counters := counters + (SELECT count(*) FROM session_consistency.repair('training_sessions') WHERE session_id IS NULL);
        links := links + (SELECT count(*) FROM session_consistency.repair('training_sessions') WHERE session_id IS NOT NULL);
        PERFORM session_consistency.repair('training_sessions', dry_run => false);
        disagreed := disagreed + (SELECT count(*) FROM session_consistency.repair('training_sessions'))
                               + (SELECT count(*) FROM disagreements());
    END LOOP;
END $$;
RESET ROLE;
SELECT disagreed, counters > 500 AS counters, links > 20 AS links FROM spoil(20);
TRUNCATE training_sessions;
SELECT * FROM disagreements();

-- Triggers of the user's that book in the middle of a repair, on counters that it has counted and not yet set.
INSERT INTO member_subscriptions (id, member_id, total_sessions_snapshot) SELECT 2000 + n, 100 + n, NULL
    FROM generate_series(1, 60) n ON CONFLICT (member_id) WHERE status = 'active' DO NOTHING;
UPDATE member_subscriptions SET total_sessions_snapshot = NULL;
INSERT INTO training_sessions (id, member_id) SELECT n, 100 + n FROM generate_series(1, 60, 2) n;
CREATE FUNCTION book_next() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO training_sessions (id, member_id)
        SELECT coalesce(max(id), 0) + 1, NEW.member_id + 1 FROM training_sessions
        HAVING count(*) < 200 AND NEW.member_id BETWEEN 101 AND 159;
    RETURN NEW;
END $$;
CREATE TRIGGER a_before BEFORE UPDATE ON member_subscriptions FOR EACH ROW
    WHEN (NEW.id % 3 = 0 AND pg_trigger_depth() = 0) EXECUTE FUNCTION book_next();
CREATE TRIGGER b_after AFTER UPDATE ON member_subscriptions FOR EACH ROW
    WHEN (NEW.id % 3 = 1 AND pg_trigger_depth() = 0) EXECUTE FUNCTION book_next();
SET session_replication_role = replica;
UPDATE member_subscriptions SET used_sessions = used_sessions + 2;
RESET session_replication_role;
SELECT count(*) > 50 AS repaired FROM session_consistency.repair('training_sessions', dry_run => false);
SELECT count(*) > 40 AS booked FROM training_sessions;
SELECT * FROM session_consistency.repair('training_sessions', dry_run => false);
SELECT * FROM recount();
\i :finish
