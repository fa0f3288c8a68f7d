-- Savepoints, rollbacks and exception blocks: what is undone is undone for the counter too, and leaves nothing behind.
\getenv top PG_ABS_SRCDIR
\set test path_savepoints
\set gym :top /test/fixtures/gym.sql
\i :gym
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
SET ROLE :desk;
BEGIN;
INSERT INTO training_sessions (id, member_id) VALUES (1, 2);
ROLLBACK;
SELECT * FROM counters() WHERE id = '20';

BEGIN;
INSERT INTO training_sessions (id, member_id) VALUES (1, 2);
SAVEPOINT a;
INSERT INTO training_sessions (id, member_id) VALUES (2, 2);
SAVEPOINT b;
INSERT INTO training_sessions (id, member_id) VALUES (3, 2);
ROLLBACK TO b;
SELECT * FROM counters() WHERE id = '20';
ROLLBACK TO a;
SELECT * FROM counters() WHERE id = '20';
INSERT INTO training_sessions (id, member_id) VALUES (4, 2);
RELEASE a;
COMMIT;
SELECT * FROM bookings();
SELECT * FROM counters() WHERE id = '20';

-- Cancelled, then not; the credit was booked meanwhile, then not.
BEGIN;
UPDATE training_sessions SET status = 'cancelled' WHERE id = 1;
SAVEPOINT a;
INSERT INTO training_sessions (id, member_id) VALUES (5, 2);
SAVEPOINT b;
UPDATE training_sessions SET status = 'scheduled' WHERE id = 1;
ROLLBACK TO a;
UPDATE training_sessions SET status = 'scheduled' WHERE id = 1;
COMMIT;
SELECT * FROM counters() WHERE id = '20';

-- A block that catches the refusal and goes on.
CREATE FUNCTION pg_temp.book(session int, member int, other int) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO training_sessions (id, member_id) VALUES (session, member);
    RETURN 'booked';
EXCEPTION WHEN integrity_constraint_violation OR SQLSTATE '23SC2' THEN
    INSERT INTO training_sessions (id, member_id) VALUES (session, other);
    RETURN 'booked for another';
END $$;
SELECT pg_temp.book(6, 2, 1);
SELECT pg_temp.book(7, 1, 2);
SELECT n, pg_temp.book(n, 3 - n % 2, 1) FROM generate_series(8, 10) n;
DELETE FROM training_sessions WHERE id = 1;
SELECT n, pg_temp.book(n, 2, 1) FROM generate_series(11, 12) n;
SELECT * FROM bookings();
SELECT * FROM counters();

-- Blocks in blocks; only the innermost is undone, or all.
DO $$
BEGIN
    DELETE FROM training_sessions;
    BEGIN
        INSERT INTO training_sessions (id, member_id) VALUES (1, 2);
        BEGIN
            INSERT INTO training_sessions (id, member_id) VALUES (2, 2);
            RAISE division_by_zero;
        EXCEPTION WHEN division_by_zero THEN
            INSERT INTO training_sessions (id, member_id) VALUES (3, 2);
        END;
    END;
    BEGIN
        UPDATE training_sessions SET status = 'cancelled';
        INSERT INTO training_sessions (id, member_id) VALUES (4, 2), (5, 2);
        RAISE division_by_zero;
    EXCEPTION WHEN division_by_zero THEN
        NULL;
    END;
END $$;
SELECT * FROM bookings();
SELECT * FROM counters() WHERE id = '20';

-- A procedure that commits on its way.
CREATE PROCEDURE pg_temp.renew() LANGUAGE plpgsql AS $$
BEGIN
    FOR n IN 20..23 LOOP
        INSERT INTO training_sessions (id, member_id) VALUES (n, 1);
        IF n % 2 = 0 THEN COMMIT; ELSE ROLLBACK; END IF;
    END LOOP;
END $$;
CALL pg_temp.renew();
SELECT * FROM bookings();
SELECT * FROM counters();

-- The recount finds nothing.
SELECT * FROM recount();
\i :finish
