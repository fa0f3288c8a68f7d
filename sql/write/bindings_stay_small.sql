-- What a backend remembers of the tables that it has booked into: a few kilobytes for each partition, given back when the
-- partition goes.
\getenv top PG_ABS_SRCDIR
\set test bindings_stay_small
\set partitioned
\set gym :top /test/fixtures/gym.sql
\i :gym
\unset partitioned
SELECT format('CREATE TABLE sessions_%s PARTITION OF training_sessions FOR VALUES FROM (%L) TO (%L)', n,
              date '2040-01-01' + n, date '2040-01-01' + n + 1) FROM generate_series(1, 200) n
\gexec
UPDATE member_subscriptions SET total_sessions_snapshot = 100000;
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions', ledger => true);
CREATE FUNCTION memory() RETURNS TABLE (bindings bigint, small boolean) LANGUAGE sql AS $$
    SELECT count(*), coalesce(sum(total_bytes), 0) < 200 * 5000 FROM pg_backend_memory_contexts
    WHERE name LIKE 'session\_consistency binding%' $$;
RESET ROLE;
INSERT INTO training_sessions (id, day, member_id) SELECT n, date '2040-01-01' + n, 1 FROM generate_series(1, 200) n;
UPDATE training_sessions SET status = 'completed';
SELECT * FROM memory();
-- A table that has changed is looked at anew, and what was known of it goes when the transaction ends.
DO $$
BEGIN
    FOR n IN 1..50 LOOP
        EXECUTE format('ALTER TABLE member_subscriptions ALTER total_sessions_snapshot SET STATISTICS %s', n);
        UPDATE training_sessions SET status = 'scheduled' WHERE id = 1;
        UPDATE training_sessions SET status = 'completed' WHERE id = 1;
    END LOOP;
END $$;
SELECT * FROM memory();
INSERT INTO training_sessions (id, day, member_id) SELECT 1000 + n, date '2040-01-01' + n, 1 FROM generate_series(1, 200) n;
SELECT * FROM memory();
DELETE FROM training_sessions;
SELECT format('DROP TABLE sessions_%s', n) FROM generate_series(1, 200) n
\gexec
INSERT INTO training_sessions (id, member_id) VALUES (1, 1);
SELECT * FROM memory();
SET ROLE :owner;
SELECT * FROM recount();
RESET ROLE;
\i :finish
