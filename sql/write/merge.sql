-- MERGE: every action of it, judged in one sum.
\getenv top PG_ABS_SRCDIR
\set test path_merge
\set gym :top /test/fixtures/gym.sql
\i :gym
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
SET ROLE :desk;
CREATE TEMPORARY TABLE wanted (id int, member_id int, status session_status);
INSERT INTO wanted VALUES (1, 1, 'scheduled'), (2, 2, 'scheduled'), (3, 2, 'completed');
PREPARE synchronize AS
    MERGE INTO training_sessions t USING wanted w ON t.id = w.id
    WHEN MATCHED AND w.status IS NULL THEN DELETE
    WHEN MATCHED THEN UPDATE SET status = w.status, member_id = w.member_id
    WHEN NOT MATCHED AND w.member_id IS NOT NULL THEN INSERT (id, member_id, status)
        VALUES (w.id, w.member_id, w.status);
EXECUTE synchronize;
SELECT * FROM bookings();
SELECT * FROM counters() WHERE id IN ('10', '20');
-- A second time changes nothing, though Ben has no credit left.
EXECUTE synchronize;
SELECT * FROM counters() WHERE id IN ('10', '20');

-- One cancelled, one deleted, two booked, on two credits.
TRUNCATE wanted;
INSERT INTO wanted VALUES (4, 2, 'scheduled'), (5, 2, 'scheduled'), (2, 2, 'cancelled'), (3, 2, NULL), (6, NULL, NULL);
EXECUTE synchronize;
SELECT * FROM bookings();
SELECT * FROM counters() WHERE id IN ('10', '20');

-- One too many.
INSERT INTO wanted VALUES (7, 2, 'scheduled');
EXECUTE synchronize;
DELETE FROM wanted WHERE id = 7;
INSERT INTO wanted VALUES (8, 3, 'scheduled');
EXECUTE synchronize;

-- Moved to another member by an update.
TRUNCATE wanted;
INSERT INTO wanted VALUES (4, 1, 'completed'), (1, 2, 'scheduled');
EXECUTE synchronize;
MERGE INTO training_sessions t USING wanted w ON t.id = w.id WHEN MATCHED THEN DO NOTHING;
SELECT * FROM bookings();
SELECT * FROM counters();

-- The recount finds nothing.
SELECT * FROM recount();
\i :finish
