-- Partitions that were filled before the attachment: a legacy row without a link may move as it is, and no new session
-- is ever mistaken for one that moves.
\getenv top PG_ABS_SRCDIR
\set test path_partition_legacy
\set partitioned yes
\set gym :top /test/fixtures/gym.sql
\i :gym
INSERT INTO training_sessions (id, day, member_id, status) VALUES
    (1, '2030-01-01', 1, 'scheduled'), (2, '2030-01-01', 3, 'scheduled'), (3, '2030-01-01', 3, 'completed'),
        (4, '2030-01-01', 4, 'cancelled'),
    (5, '2030-01-01', 3, 'scheduled'), (6, '2030-01-01', 3, 'scheduled'), (7, '2030-01-01', 1, 'cancelled'),
        (8, '2030-01-01', 3, 'cancelled');
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
SET ROLE :desk;

-- They move as they are.
UPDATE training_sessions SET day = '2031-01-01' WHERE id <= 4;
UPDATE training_sessions SET day = '2030-01-01', status = 'completed' WHERE id = 2;
UPDATE training_sessions SET day = '2030-01-01', status = 'cancelled' WHERE id IN (1, 3);
SELECT tableoid::regclass, id, subscription_id, status FROM training_sessions ORDER BY id;
-- What starts to hold a credit on its way is linked.
UPDATE training_sessions SET day = '2031-01-01', status = 'scheduled' WHERE id = 7;
UPDATE training_sessions SET day = '2031-01-01', status = 'scheduled' WHERE id = 8;
SELECT tableoid::regclass, id, subscription_id, status FROM training_sessions WHERE id >= 7 ORDER BY id;

-- A new one right after such a row was deleted, changed or moved: Cleo has no active pack.
DELETE FROM training_sessions WHERE id = 5;
INSERT INTO training_sessions (id, member_id) VALUES (9, 3);
BEGIN;
DELETE FROM training_sessions WHERE id = 6;
INSERT INTO training_sessions (id, member_id) VALUES (9, 3);
ROLLBACK;
BEGIN;
UPDATE training_sessions SET note = 'seen' WHERE id = 6;
INSERT INTO training_sessions (id, member_id) VALUES (9, 3);
ROLLBACK;
BEGIN;
UPDATE training_sessions SET day = '2031-01-01' WHERE id = 6;
INSERT INTO training_sessions (id, member_id) VALUES (9, 3);
ROLLBACK;
INSERT INTO training_sessions (id, member_id, status) VALUES (9, 3, 'cancelled');
DELETE FROM training_sessions WHERE id = 9;
DO $$
BEGIN
    DELETE FROM training_sessions WHERE id = 6;
    INSERT INTO training_sessions (id, member_id) VALUES (9, 3);
END $$;
-- In one statement.
WITH gone AS (DELETE FROM training_sessions WHERE id = 6 RETURNING member_id, status)
INSERT INTO training_sessions (id, member_id, status) SELECT 9, member_id, status FROM gone;
WITH gone AS (DELETE FROM sessions_2030 WHERE id = 6 RETURNING member_id, status)
INSERT INTO sessions_2031 (id, day, member_id, status) SELECT 9, '2031-01-01', member_id, status FROM gone;
WITH seen AS (UPDATE training_sessions SET note = 'seen' WHERE id = 6 RETURNING member_id, status)
INSERT INTO training_sessions (id, member_id, status) SELECT 9, member_id, status FROM seen;
WITH moved AS (UPDATE training_sessions SET day = '2031-01-01' WHERE id = 6 RETURNING member_id, status)
INSERT INTO training_sessions (id, member_id, status) SELECT 9, member_id, status FROM moved;

-- The same with a link: a cancelled one is deleted, one on an expired pack is new.
INSERT INTO training_sessions (id, member_id, status, subscription_id)
    VALUES (10, 1, 'completed', 11), (11, 1, 'cancelled', 11);
WITH gone AS (DELETE FROM training_sessions WHERE id = 10 RETURNING member_id, subscription_id)
INSERT INTO training_sessions (id, member_id, subscription_id) SELECT 12, member_id, subscription_id FROM gone;
WITH gone AS (DELETE FROM training_sessions WHERE id = 11 RETURNING member_id, subscription_id)
INSERT INTO training_sessions (id, member_id, status, subscription_id)
    SELECT 12, member_id, 'scheduled', subscription_id FROM gone;
WITH gone AS (DELETE FROM training_sessions WHERE id = 11 RETURNING member_id, subscription_id)
INSERT INTO training_sessions (id, member_id, status, subscription_id) SELECT 12, member_id, 'cancelled', 20 FROM gone;
SELECT * FROM bookings();
SELECT * FROM counters();

-- Rows that move with BEFORE triggers of the user's in between.
SET ROLE :owner;
CREATE FUNCTION note_it() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.note := concat(NEW.note, TG_OP);
    RETURN NEW;
END $$;
CREATE TRIGGER a_first BEFORE INSERT OR UPDATE ON training_sessions FOR EACH ROW EXECUTE FUNCTION note_it();
CREATE TRIGGER zzz_last BEFORE INSERT OR UPDATE ON training_sessions FOR EACH ROW EXECUTE FUNCTION note_it();
SET ROLE :desk;
UPDATE training_sessions SET day = CASE WHEN day < '2031-01-01' THEN '2031-02-02'::date ELSE '2030-02-02'::date END;
SELECT tableoid::regclass, id, member_id, subscription_id, status FROM training_sessions ORDER BY id;
SELECT * FROM counters();

-- The recount finds nothing.
SELECT * FROM recount();
\i :finish
