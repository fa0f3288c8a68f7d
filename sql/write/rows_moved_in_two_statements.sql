-- What moves rows by a DELETE and an INSERT, as tools do that fill partitions: in one query it is judged in sum, in two
-- the second books anew, which an expired pack refuses. Without triggers, by who may switch them off, it changes nothing.
\getenv top PG_ABS_SRCDIR
\set test rows_moved_in_two_statements
\set partitioned 1
\set gym :top /test/fixtures/gym.sql
\i :gym
SELECT count(*) > 0 AS attached
    FROM session_consistency.attach('training_sessions', 'member_subscriptions', ledger => true);
CREATE TABLE rest PARTITION OF training_sessions DEFAULT;
INSERT INTO training_sessions (id, day, member_id, status) VALUES
    (1, '2032-01-01', 1, 'scheduled'), (2, '2032-01-02', 1, 'completed'), (3, '2032-02-01', 2, 'scheduled'),
    (4, '2032-02-02', 1, 'cancelled');
UPDATE member_subscriptions SET status = 'expired' WHERE id = 10;
SELECT * FROM bookings();
SELECT * FROM counters() WHERE id IN ('10', '20');

-- The rows have to leave the default partition before there can be another one for them.
CREATE TABLE sessions_2032 (LIKE training_sessions INCLUDING ALL);
BEGIN;
CREATE TEMPORARY TABLE moved ON COMMIT DROP AS TABLE rest;
DELETE FROM rest;
SELECT * FROM counters() WHERE id IN ('10', '20');
ALTER TABLE training_sessions ATTACH PARTITION sessions_2032 FOR VALUES FROM ('2032-01-01') TO ('2033-01-01');
SAVEPOINT moved;
INSERT INTO training_sessions SELECT * FROM moved;
ROLLBACK TO moved;
-- What holds no scheduled credit of an expired pack goes as it is.
INSERT INTO training_sessions SELECT * FROM moved WHERE id <> 1;
SELECT * FROM counters() WHERE id IN ('10', '20');
ROLLBACK;

-- One query: nothing is added in sum. Its lines in the ledger cancel out.
BEGIN;
WITH gone AS (DELETE FROM rest RETURNING *)
INSERT INTO training_sessions (id, day, member_id, session_type, status, note, subscription_id)
    SELECT id, '2031-12-31', member_id, session_type, status, note, subscription_id FROM gone;
SELECT * FROM bookings();
SELECT * FROM counters() WHERE id IN ('10', '20');
SELECT session_id, delta, balance, reason FROM session_consistency.explain_subscription('training_sessions', '20');
SELECT * FROM session_consistency.check_counts('training_sessions');
ROLLBACK;

-- Without triggers: links, counters and the ledger stay as they are. Who may switch them off need not be a superuser.
SET session_replication_role = replica;
RESET ROLE;
GRANT SET ON PARAMETER session_replication_role TO :owner;
SET ROLE :owner;
BEGIN;
SET LOCAL session_replication_role = replica;
CREATE TEMPORARY TABLE moved ON COMMIT DROP AS TABLE rest;
DELETE FROM rest;
ALTER TABLE training_sessions ATTACH PARTITION sessions_2032 FOR VALUES FROM ('2032-01-01') TO ('2033-01-01');
INSERT INTO training_sessions SELECT * FROM moved;
COMMIT;
SELECT tableoid::regclass, count(*) FROM training_sessions GROUP BY 1;
SELECT * FROM bookings();
SELECT * FROM counters() WHERE id IN ('10', '20');
SELECT session_id, delta, balance, reason FROM session_consistency.explain_subscription('training_sessions', '20');
SELECT * FROM session_consistency.check_counts('training_sessions');
SELECT * FROM session_consistency.ledger_gaps('training_sessions');
-- The rules are on from there.
RESET ROLE;
REVOKE SET ON PARAMETER session_replication_role FROM :owner;
SET ROLE :owner;
SELECT enforced, gaps FROM session_consistency.attachments WHERE sessions = 'training_sessions'::regclass;
DELETE FROM training_sessions WHERE id = 3;
SELECT * FROM counters() WHERE id = '20';
SELECT * FROM recount();
\i :finish
