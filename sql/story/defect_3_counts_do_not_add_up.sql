-- The third defect: completed + scheduled + remaining was not the total, since each screen counted in its own way.
\getenv top PG_ABS_SRCDIR
\set test defect_3_counts_do_not_add_up
\set gym :top /test/fixtures/gym.sql
\i :gym
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
CREATE FUNCTION sums() RETURNS TABLE (id int, completed bigint, scheduled bigint, remaining bigint, total bigint,
    adds_up boolean)
    LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS $$
    SELECT s.id, c.completed, c.scheduled, s.remaining_sessions, s.total_sessions_snapshot,
           c.completed + c.scheduled + s.remaining_sessions = s.total_sessions_snapshot
    FROM member_subscriptions s
         CROSS JOIN LATERAL (
             SELECT count(*) FILTER (WHERE t.status = 'completed') AS completed,
                    count(*) FILTER (WHERE t.status IN ('scheduled', 'in_progress')) AS scheduled
             FROM training_sessions t
             WHERE t.subscription_id = s.id AND t.session_type IN ('member', 'makeup', 'contractual')) c
    ORDER BY s.id $$;
SET ROLE :desk;

-- A session's whole life, and everything that can happen to it on the way.
INSERT INTO training_sessions (id, member_id) SELECT n, 1 FROM generate_series(1, 6) n;
SELECT * FROM sums() WHERE id = 10;
UPDATE training_sessions SET status = 'in_progress' WHERE id = 1;
UPDATE training_sessions SET status = 'completed' WHERE id IN (1, 2);
SELECT * FROM sums() WHERE id = 10;
UPDATE training_sessions SET status = 'cancelled' WHERE id = 3;
UPDATE training_sessions SET status = 'no_show' WHERE id = 4;
UPDATE training_sessions SET session_type = 'trial' WHERE id = 5;
SELECT * FROM sums() WHERE id = 10;
UPDATE training_sessions SET status = 'scheduled' WHERE id IN (2, 3);
DELETE FROM training_sessions WHERE id = 6;
SELECT * FROM sums() WHERE id = 10;

-- The total changes; so does what remains.
SET ROLE :owner;
UPDATE member_subscriptions SET total_sessions_snapshot = 5 WHERE id = 10;
SELECT * FROM sums();

-- The recount finds nothing.
SELECT * FROM recount();
\i :finish
