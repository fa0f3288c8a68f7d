-- A counter is looked for where its row was seen when the session was linked: one search less. Where the row is no longer
-- there, it is searched by its key.
\getenv top PG_ABS_SRCDIR
\set test counter_found_again
\set gym :top /test/fixtures/gym.sql
\i :gym
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
-- How many searches of the subscriptions by key a statement does less than the same with the link given.
CREATE FUNCTION searches(statement text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    key regclass := 'member_subscriptions_pkey';
    before bigint := pg_stat_get_xact_numscans(key);
BEGIN
    EXECUTE statement;
    RETURN pg_stat_get_xact_numscans(key) - before;
END $$;
CREATE FUNCTION saved(first int, rows int) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    given bigint := searches(format('INSERT INTO training_sessions (id, member_id, subscription_id)
                                     SELECT i, 1, 10 FROM generate_series(%s, %s) i', first, first + rows - 1));
BEGIN
    RETURN given - searches(format('INSERT INTO training_sessions (id, member_id)
                                    SELECT i, 1 FROM generate_series(%s, %s) i', first + rows, first + 2 * rows - 1));
END $$;
UPDATE member_subscriptions SET total_sessions_snapshot = 100 WHERE id = 10;
SELECT saved(101, 1) AS "one row", saved(111, 5) AS "five rows";
SELECT searches('INSERT INTO training_sessions (id, member_id, subscription_id) VALUES (1, 1, 10)')
       - searches('INSERT INTO training_sessions (id, member_id) VALUES (2, 1)') AS "one row, settled at once";

-- A trigger of the user's writes the subscription after the session was linked, and before it is charged.
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE member_subscriptions SET total_sessions_snapshot = total_sessions_snapshot + 1
    WHERE member_id = NEW.member_id AND status = 'active';
    RETURN NEW;
END $$;
CREATE TRIGGER zzz_touch BEFORE INSERT ON training_sessions FOR EACH ROW EXECUTE FUNCTION touch();
SELECT saved(201, 1) AS "one row, moved", saved(211, 5) AS "five rows, moved";
-- The place is taken by nothing else, or by another row, and the subscription is gone or another one is active.
CREATE OR REPLACE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE member_subscriptions SET status = 'expired' WHERE id = 10;
    UPDATE member_subscriptions SET status = 'active' WHERE id = 11;
    RETURN NEW;
END $$;
SELECT outcome('INSERT INTO training_sessions (id, member_id) VALUES (8, 1)');
CREATE OR REPLACE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE member_subscriptions SET id = 12 WHERE id = 20;
    RETURN NEW;
END $$;
SELECT outcome('INSERT INTO training_sessions (id, member_id) VALUES (8, 2)');
DROP TRIGGER zzz_touch ON training_sessions;

-- What an earlier statement has seen is only a hint.
BEGIN;
SELECT outcome('INSERT INTO training_sessions (id, member_id) VALUES (9, 2)');
UPDATE member_subscriptions SET total_sessions_snapshot = 1 WHERE id = 20;
SELECT outcome('INSERT INTO training_sessions (id, member_id) VALUES (10, 2)');
ROLLBACK;
SELECT outcome('INSERT INTO training_sessions (id, member_id) VALUES (11, 2)');
SELECT * FROM counters() WHERE used > 0;
SELECT * FROM recount();
\i :finish
