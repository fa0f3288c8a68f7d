-- A row that moves between partitions is deleted and inserted for the server, and the same session for the rules: it
-- asks for no credit, and for no active subscription.
\getenv top PG_ABS_SRCDIR
\set test path_partition_moves
\set partitioned yes
\set gym :top /test/fixtures/gym.sql
\i :gym
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
SET ROLE :desk;
-- At no credit left.
INSERT INTO training_sessions (id, day, member_id) VALUES (1, '2030-05-01', 2), (2, '2030-05-01', 2);
UPDATE training_sessions SET day = '2031-05-01' WHERE id = 1;
SELECT tableoid::regclass, id, subscription_id FROM training_sessions ORDER BY id;
SELECT * FROM counters() WHERE id = '20';
-- Both, in opposite directions.
UPDATE training_sessions SET day = CASE id WHEN 1 THEN date '2030-06-01' ELSE date '2031-06-01' END;
SELECT tableoid::regclass, id, subscription_id FROM training_sessions ORDER BY id;

-- Booked while the pack was active, moved after it has expired.
SET ROLE :owner;
UPDATE member_subscriptions SET status = 'expired' WHERE id = 20;
SET ROLE :desk;
UPDATE training_sessions SET day = '2031-07-01' WHERE id = 1;
UPDATE training_sessions SET day = '2030-07-01', status = 'in_progress' WHERE id = 1;
UPDATE training_sessions SET day = '2031-07-01', status = 'completed' WHERE id = 1;
UPDATE training_sessions SET day = '2030-07-01', note = 'moved' WHERE id = 2;
SELECT tableoid::regclass, id, subscription_id, status FROM training_sessions ORDER BY id;
SELECT * FROM counters() WHERE id IN ('20', '21');
-- A new pack is sold; the moved ones stay on theirs.
SET ROLE :owner;
UPDATE member_subscriptions SET status = 'active' WHERE id = 21;
SET ROLE :desk;
UPDATE training_sessions SET day = CASE id WHEN 1 THEN date '2030-06-01' ELSE date '2031-06-01' END;
SELECT tableoid::regclass, id, subscription_id FROM training_sessions ORDER BY id;

-- By MERGE.
MERGE INTO training_sessions t USING (VALUES (1, date '2031-06-01'), (2, '2030-06-01')) v (id, day) ON t.id = v.id
    WHEN MATCHED THEN UPDATE SET day = v.day;
SELECT tableoid::regclass, id, subscription_id FROM training_sessions ORDER BY id;

-- A move that is more than a move.
UPDATE training_sessions SET day = '2031-01-01', status = 'cancelled' WHERE id = 1;
UPDATE training_sessions SET day = '2030-01-01', status = 'scheduled' WHERE id = 1;
UPDATE training_sessions SET day = '2030-01-01', status = 'completed' WHERE id = 1;
UPDATE training_sessions SET day = '2030-01-01', member_id = 1 WHERE id = 2;
UPDATE training_sessions SET day = '2031-01-01', session_type = 'guest' WHERE id = 1;
UPDATE training_sessions SET day = '2030-01-01', session_type = 'member' WHERE id = 1;
UPDATE training_sessions SET day = '2031-01-01', member_id = 3 WHERE id = 1;
UPDATE training_sessions SET day = '2031-01-01', subscription_id = 11 WHERE id = 2;
UPDATE training_sessions SET day = '2031-01-01', subscription_id = 11, status = 'completed' WHERE id = 2;
SELECT tableoid::regclass, id, subscription_id FROM training_sessions ORDER BY id;
SELECT * FROM counters();

-- A cancelled one, on a pack that is neither active nor has a credit.
SET ROLE :owner;
UPDATE training_sessions SET status = 'cancelled' WHERE id = 2;
UPDATE member_subscriptions SET total_sessions_snapshot = 0 WHERE id = 11;
SET ROLE :desk;
UPDATE training_sessions SET day = '2030-01-01' WHERE id = 2;
UPDATE training_sessions SET day = '2031-01-01' WHERE id = 2;
SELECT tableoid::regclass, id, subscription_id, status FROM training_sessions ORDER BY id;
SELECT * FROM counters();

-- A row that a trigger moves on before it is judged: Cleo has no active pack.
SET ROLE :owner;
DELETE FROM training_sessions;
INSERT INTO training_sessions (id, day, member_id) VALUES (1, '2030-05-01', 1), (2, '2030-05-01', 1);
CREATE FUNCTION move_the_other() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE training_sessions SET day = '2031-05-01' WHERE id = NEW.id + 1;
    RETURN NULL;
END $$;
CREATE TRIGGER move_the_other AFTER UPDATE ON training_sessions FOR EACH ROW WHEN (NEW.id = 1)
    EXECUTE FUNCTION move_the_other();
SET ROLE :desk;
UPDATE training_sessions SET member_id = CASE id WHEN 1 THEN 2 ELSE 3 END;
SELECT * FROM recount();
UPDATE training_sessions SET member_id = 2;
SELECT tableoid::regclass, id, member_id, subscription_id FROM training_sessions ORDER BY id;
SELECT * FROM counters();

-- The recount finds nothing.
SELECT * FROM recount();
\i :finish
