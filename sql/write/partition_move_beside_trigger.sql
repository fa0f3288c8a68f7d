-- A row that moves between partitions is one row, whatever a user's triggers on its deletion and arrival write meanwhile:
-- a legacy session is neither linked nor charged, a booked one not charged twice.
\getenv top PG_ABS_SRCDIR
\set test partition_move_beside_trigger
\set partitioned
\set gym :top /test/fixtures/gym.sql
\i :gym
\unset partitioned
INSERT INTO training_sessions (id, member_id) VALUES (1, 1), (2, 3), (3, 1), (4, 2);
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions', ledger => true);
INSERT INTO training_sessions (id, member_id) VALUES (5, 1), (6, 2), (7, 2);
SELECT * FROM counters();
-- Each deletion notes another session, cancels one and moves a third.
CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF pg_trigger_depth() > 1 THEN RETURN NULL; END IF;
    UPDATE training_sessions SET note = 'seen' WHERE id = 3;
    UPDATE training_sessions SET day = CASE day WHEN '2030-01-01' THEN date '2031-01-01' ELSE date '2030-01-01' END WHERE id = 4;
    UPDATE training_sessions SET status = CASE status WHEN 'scheduled' THEN 'cancelled' ELSE 'scheduled' END::session_status WHERE id = 6;
    RETURN NULL;
END $$;
CREATE TRIGGER after_delete AFTER DELETE ON training_sessions FOR EACH ROW EXECUTE FUNCTION meddle();
CREATE TRIGGER "00_after_delete" AFTER DELETE ON training_sessions FOR EACH ROW EXECUTE FUNCTION meddle();
CREATE TRIGGER after_insert AFTER INSERT ON training_sessions FOR EACH ROW EXECUTE FUNCTION meddle();
UPDATE training_sessions SET day = '2031-01-01' WHERE id IN (1, 2, 5);
SELECT * FROM bookings();
SELECT * FROM counters();
SELECT * FROM recount();
-- Moved and cancelled, moved and given to another member.
UPDATE training_sessions SET day = '2030-01-01', status = 'cancelled' WHERE id IN (1, 5);
UPDATE training_sessions SET day = '2031-01-01', member_id = 1 WHERE id = 7;
SELECT * FROM bookings();
SELECT * FROM counters();
SELECT session_id, subscription_id, delta, reason FROM session_consistency.ledger_lines
WHERE attachment = 'training_sessions'::regclass AND session_id LIKE '(5,%' OR session_id LIKE '(7,%' ORDER BY id;
-- One that does not arrive was deleted.
CREATE FUNCTION stay_away() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE TRIGGER stay_away BEFORE INSERT ON sessions_2030 FOR EACH ROW EXECUTE FUNCTION stay_away();
UPDATE training_sessions SET day = '2030-01-01' WHERE id = 7;
SELECT * FROM bookings();
SELECT * FROM counters();
SELECT * FROM recount();
\i :finish
