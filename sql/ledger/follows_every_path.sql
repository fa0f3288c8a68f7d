-- Whatever the way of a write, the ledger has its lines in the same transaction: one for each session that changed what
-- it holds, none for another, and at the end of each the last balance and the sum of deltas are the counter.
\getenv top PG_ABS_SRCDIR
\set test ledger_follows_every_path
\set gym :top /test/fixtures/gym.sql
\set partitioned 1
\i :gym
UPDATE member_subscriptions SET total_sessions_snapshot = 50;
INSERT INTO members VALUES (5, 'Eve'), (6, 'Fay');
INSERT INTO member_subscriptions (id, member_id, total_sessions_snapshot) VALUES (40, 4, 50), (50, 5, 50), (60, 6, NULL);
SELECT count(*) > 0 AS attached
    FROM session_consistency.attach('training_sessions', 'member_subscriptions', ledger => true);
CALL session_consistency.migrate('training_sessions');
-- The lines of this transaction; and by plain SQL, and by every check, what does not agree.
CREATE FUNCTION told() RETURNS TABLE (subscription text, session text, delta bigint, balance bigint, reason text)
    LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS $$
    SELECT subscription_id, session_id, delta, balance, reason FROM session_consistency.ledger_lines
    WHERE transaction_id = pg_current_xact_id_if_assigned() AND attachment = 'training_sessions'::regclass ORDER BY id
$$;
CREATE FUNCTION wrong() RETURNS SETOF text LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS $$
    SELECT format('subscription %s: used %s, sum %s, last %s', s.id, s.used_sessions, l.sum, l.last)
    FROM member_subscriptions s LEFT JOIN (
        SELECT subscription_id, sum(delta), (array_agg(balance ORDER BY id DESC))[1] AS last
        FROM session_consistency.ledger_lines WHERE attachment = 'training_sessions'::regclass GROUP BY 1) l
        ON l.subscription_id = s.id::text
    WHERE s.used_sessions <> coalesce(l.sum, 0) OR s.used_sessions <> coalesce(l.last, 0)
    UNION ALL SELECT message FROM session_consistency.ledger_gaps('training_sessions')
    UNION ALL SELECT message FROM session_consistency.check_counts('training_sessions')
$$;
\set check 'SELECT * FROM told(); SELECT * FROM wrong();'

-- INSERT, COPY, ON CONFLICT, MERGE.
BEGIN;
INSERT INTO training_sessions (id, member_id) VALUES (1, 1), (2, 1), (3, 2);
:check
COMMIT;
BEGIN;
COPY training_sessions (id, member_id, status) FROM stdin;
4	1	completed
5	5	scheduled
6	5	cancelled
\.
:check
COMMIT;
BEGIN;
INSERT INTO training_sessions (id, member_id) VALUES (1, 1), (7, 1)
    ON CONFLICT (id, day) DO UPDATE SET status = 'completed';
INSERT INTO training_sessions (id, member_id) VALUES (1, 1), (8, 1) ON CONFLICT DO NOTHING;
:check
COMMIT;
BEGIN;
MERGE INTO training_sessions t USING (VALUES (1, 1), (2, 1), (9, 4)) v (id, member) ON t.id = v.id
    WHEN MATCHED AND t.id = 1 THEN DELETE
    WHEN MATCHED THEN UPDATE SET status = 'cancelled'
    WHEN NOT MATCHED THEN INSERT (id, member_id) VALUES (v.id, v.member);
SELECT subscription, session, delta, reason FROM told() ORDER BY subscription, session;
SELECT * FROM wrong();
COMMIT;
-- UPDATE … FROM, DELETE … USING, WITH.
BEGIN;
UPDATE training_sessions t SET status = v.status
    FROM (VALUES (4, 'cancelled'::session_status), (5, 'completed')) v (id, status) WHERE t.id = v.id;
DELETE FROM training_sessions t USING members m WHERE m.id = t.member_id AND m.name = 'Eve';
:check
COMMIT;
BEGIN;
WITH gone AS (DELETE FROM training_sessions WHERE id IN (7, 8) RETURNING *),
     back AS (INSERT INTO training_sessions (id, member_id, day) SELECT id + 100, member_id, '2031-02-02' FROM gone)
UPDATE training_sessions SET status = 'completed' WHERE id = 9;
SELECT subscription, session, delta, reason FROM told() ORDER BY subscription, session;
SELECT * FROM wrong();
COMMIT;
-- From partition to partition: alone, and with what changes the credit.
BEGIN;
UPDATE training_sessions SET day = '2030-05-05' WHERE id IN (107, 108);
:check
COMMIT;
BEGIN;
UPDATE training_sessions SET day = '2031-05-05', status = 'completed' WHERE id = 107;
UPDATE training_sessions SET day = '2031-05-05', member_id = 5 WHERE id = 108;
:check
COMMIT;
BEGIN;
UPDATE training_sessions SET day = '2030-05-05', status = 'cancelled' WHERE id = 107;
UPDATE training_sessions SET day = '2031-05-05', status = 'completed', subscription_id = 11 WHERE id = 107;
:check
COMMIT;
-- A partition by its own name.
BEGIN;
INSERT INTO sessions_2031 (id, day, member_id) VALUES (50, '2031-03-03', 6);
UPDATE sessions_2031 SET status = 'completed' WHERE id = 50;
DELETE FROM sessions_2031 WHERE id = 50;
:check
COMMIT;
-- Savepoints, and errors that are caught.
BEGIN;
SAVEPOINT a;
INSERT INTO training_sessions (id, member_id) VALUES (60, 6);
SAVEPOINT b;
INSERT INTO training_sessions (id, member_id) VALUES (61, 6);
ROLLBACK TO b;
INSERT INTO training_sessions (id, member_id) VALUES (62, 6);
RELEASE a;
DO $$ BEGIN
    INSERT INTO training_sessions (id, member_id) VALUES (63, 6);
    RAISE division_by_zero;
EXCEPTION WHEN division_by_zero THEN
    INSERT INTO training_sessions (id, member_id) VALUES (64, 6);
END $$;
:check
COMMIT;
-- A member goes, in cascades.
BEGIN;
DELETE FROM members WHERE id = 1;
SELECT subscription, count(*), sum(delta), min(balance), string_agg(DISTINCT reason, ', ') FROM told() GROUP BY 1 ORDER BY 1;
SELECT * FROM wrong();
COMMIT;
-- A partition goes and comes: repair() puts the counters right, and has its lines.
ALTER TABLE training_sessions DETACH PARTITION sessions_2030;
BEGIN;
SELECT count(*) FROM session_consistency.repair('training_sessions', dry_run => false);
SELECT * FROM told() ORDER BY subscription;
SELECT * FROM wrong();
COMMIT;
ALTER TABLE training_sessions ATTACH PARTITION sessions_2030 FOR VALUES FROM ('2030-01-01') TO ('2031-01-01');
BEGIN;
SELECT count(*) FROM session_consistency.repair('training_sessions', dry_run => false);
SELECT * FROM told() ORDER BY subscription;
SELECT * FROM wrong();
COMMIT;
-- TRUNCATE.
BEGIN;
TRUNCATE training_sessions;
SELECT * FROM told() ORDER BY subscription;
SELECT * FROM wrong();
COMMIT;
SELECT * FROM recount();
\i :finish
