-- An error in the middle of a statement leaves nothing behind in the backend: the same subscription is booked right
-- afterwards.
\getenv top PG_ABS_SRCDIR
\set test error_leaves_no_state
\set gym :top /test/fixtures/gym.sql
\i :gym
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
CREATE FUNCTION fail_on_demand() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.note = 'fail' THEN RAISE division_by_zero; END IF;
    IF NEW.note = 'nest' THEN INSERT INTO training_sessions (id, member_id, note)
        VALUES (NEW.id + 100, 1, 'fail'); END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER " fail_first" AFTER INSERT OR UPDATE ON training_sessions FOR EACH ROW EXECUTE FUNCTION fail_on_demand();
SET ROLE :desk;

-- Rows were charged in memory, then a row fails; then the judgement fails; then a key.
INSERT INTO training_sessions (id, member_id, note) VALUES (1, 1, ''), (2, 1, ''), (3, 1, 'fail');
INSERT INTO training_sessions (id, member_id) VALUES (1, 1), (2, 2), (3, 2), (4, 2);
INSERT INTO training_sessions (id, member_id) VALUES (1, 1), (2, 1), (1, 1);
INSERT INTO training_sessions (id, member_id) SELECT n, 1 / (4 - n) FROM generate_series(3, 4) n;
INSERT INTO training_sessions (id, member_id) VALUES (1, 1);
SELECT * FROM counters() WHERE id IN ('10', '20');

-- The same within a transaction that goes on after each.
BEGIN;
SAVEPOINT s;
INSERT INTO training_sessions (id, member_id, note) VALUES (2, 1, ''), (3, 1, 'fail');
ROLLBACK TO s;
INSERT INTO training_sessions (id, member_id) VALUES (2, 1);
SELECT * FROM counters() WHERE id = '10';
SAVEPOINT s2;
INSERT INTO training_sessions (id, member_id) VALUES (3, 2), (4, 2), (5, 2);
ROLLBACK TO s2;
INSERT INTO training_sessions (id, member_id) VALUES (3, 2), (4, 2);
SELECT * FROM counters() WHERE id IN ('10', '20');
SAVEPOINT s3;
INSERT INTO training_sessions (id, member_id, note) VALUES (5, 1, ''), (6, 1, 'nest');
ROLLBACK TO s3;
INSERT INTO training_sessions (id, member_id) VALUES (5, 1);
COMMIT;
SELECT * FROM bookings();
SELECT * FROM counters() WHERE id IN ('10', '20');

-- In exception blocks, again and again.
DO $$
BEGIN
    FOR n IN 1..100 LOOP
        BEGIN
            INSERT INTO training_sessions (id, member_id, note)
                VALUES (n + 1000, 1, ''), (n + 2000, 1, (ARRAY['fail', 'nest'])[1 + n % 2]);
        EXCEPTION WHEN division_by_zero THEN
            NULL;
        END;
        BEGIN
            UPDATE training_sessions SET status = 'cancelled', note = CASE id WHEN 5 THEN 'fail' END;
        EXCEPTION WHEN division_by_zero THEN
            NULL;
        END;
        BEGIN
            INSERT INTO training_sessions (id, member_id) VALUES (n + 1000, 1), (n + 2000, 2);
        EXCEPTION WHEN SQLSTATE '23SC2' THEN
            NULL;
        END;
    END LOOP;
END $$;
SELECT * FROM counters() WHERE id IN ('10', '20');
INSERT INTO training_sessions (id, member_id) VALUES (6, 1);
DELETE FROM training_sessions WHERE id IN (3, 4);
INSERT INTO training_sessions (id, member_id) VALUES (7, 2);
SELECT * FROM counters() WHERE id IN ('10', '20');

-- A statement that is cancelled.
SET statement_timeout = '200ms';
INSERT INTO training_sessions (id, member_id) SELECT n, 1 FROM generate_series(8, 9) n
    WHERE n = 8 OR pg_sleep(10) IS NOT NULL;
RESET statement_timeout;
INSERT INTO training_sessions (id, member_id) VALUES (8, 1);
SELECT * FROM counters() WHERE id IN ('10', '20');

-- A trigger of the subscriptions fails while the counters are written, and the failure is caught.
SET ROLE :owner;
CREATE FUNCTION fail_on_ben() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.id = 20 THEN RAISE division_by_zero; END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER fail_on_ben AFTER UPDATE ON member_subscriptions FOR EACH ROW EXECUTE FUNCTION fail_on_ben();
SET ROLE :desk;
DO $$
BEGIN
    FOR n IN 1..10 LOOP
        BEGIN
            INSERT INTO training_sessions (id, member_id) VALUES (n + 1000, 1), (n + 2000, 2);
        EXCEPTION WHEN division_by_zero THEN
            NULL;
        END;
    END LOOP;
END $$;
SELECT current_user = :'desk' AS still_the_desk, current_setting('search_path') AS path;
SELECT * FROM counters() WHERE id IN ('10', '20');
SET ROLE :owner;
DROP TRIGGER fail_on_ben ON member_subscriptions;
SET ROLE :desk;

-- A COPY that breaks off.
COPY training_sessions (id, member_id) FROM stdin;
9	1
10	one
\.
INSERT INTO training_sessions (id, member_id) VALUES (9, 1);

-- A refusal at COMMIT, by a deferred constraint trigger.
SET ROLE :owner;
CREATE FUNCTION fail_late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE division_by_zero; END $$;
CREATE CONSTRAINT TRIGGER fail_at_commit AFTER INSERT ON training_sessions DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.note = 'fail at commit') EXECUTE FUNCTION fail_late();
SET ROLE :desk;
BEGIN;
INSERT INTO training_sessions (id, member_id, note) VALUES (10, 1, 'fail at commit');
SELECT * FROM counters() WHERE id = '10';
COMMIT;
INSERT INTO training_sessions (id, member_id) VALUES (10, 1);
SELECT * FROM bookings();
SELECT * FROM counters();

-- The recount finds nothing.
SELECT * FROM recount();
\i :finish
