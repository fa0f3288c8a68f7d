-- Two attachments in one database, written by one statement and by each other's triggers: neither counts for the other.
\getenv top PG_ABS_SRCDIR
\set test two_attachments
\set gym :top /test/fixtures/gym.sql
\i :gym
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
-- Court hours beside training sessions, on packs of their own, with keys that are the same numbers.
CREATE TABLE court_packs (id int PRIMARY KEY, member_id int NOT NULL, status text NOT NULL DEFAULT 'active',
    total_sessions_snapshot int, used_sessions int NOT NULL DEFAULT 0,
    remaining_sessions int GENERATED ALWAYS AS (total_sessions_snapshot - used_sessions) STORED);
CREATE TABLE court_hours (id int PRIMARY KEY, member_id int NOT NULL, session_type text DEFAULT 'member',
    status text DEFAULT 'scheduled');
GRANT SELECT, INSERT, UPDATE, DELETE ON court_hours TO :desk;
INSERT INTO court_packs (id, member_id, total_sessions_snapshot) VALUES (10, 1, 3), (20, 2, 3);
SELECT count(*) > 0 AS attached FROM session_consistency.attach('court_hours', 'court_packs');
CREATE FUNCTION court_counters() RETURNS TABLE (id int, used int) LANGUAGE sql SECURITY DEFINER SET search_path
    FROM CURRENT AS
    $$ SELECT id, used_sessions FROM court_packs ORDER BY id $$;
SET ROLE :desk;
WITH court AS (INSERT INTO court_hours (id, member_id) VALUES (1, 1), (2, 2), (3, 2) RETURNING id, member_id)
INSERT INTO training_sessions (id, member_id) SELECT id, member_id FROM court;
SELECT * FROM counters() WHERE id IN ('10', '20');
SELECT * FROM court_counters();
-- Either one's refusal undoes both.
WITH court AS (INSERT INTO court_hours (id, member_id) VALUES (4, 2) RETURNING id, member_id)
INSERT INTO training_sessions (id, member_id) SELECT id, member_id FROM court;
WITH court AS (INSERT INTO court_hours (id, member_id) SELECT n, 1 FROM generate_series(4, 6) n RETURNING id, member_id)
INSERT INTO training_sessions (id, member_id) SELECT id, member_id FROM court;
SELECT * FROM counters() WHERE id IN ('10', '20');
SELECT * FROM court_counters();

-- Each session books a court, each court that is cancelled cancels its session.
SET ROLE :owner;
CREATE FUNCTION book_court() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO court_hours (id, member_id) VALUES (NEW.id, NEW.member_id);
    RETURN NULL;
END $$;
CREATE FUNCTION cancel_session() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE training_sessions SET status = 'cancelled' WHERE id = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER book_court AFTER INSERT ON training_sessions FOR EACH ROW EXECUTE FUNCTION book_court();
CREATE TRIGGER cancel_session AFTER UPDATE ON court_hours FOR EACH ROW WHEN (NEW.status = 'cancelled')
    EXECUTE FUNCTION cancel_session();
SET ROLE :desk;
INSERT INTO training_sessions (id, member_id) VALUES (4, 1), (5, 1);
INSERT INTO training_sessions (id, member_id) VALUES (6, 1);
SELECT * FROM counters() WHERE id IN ('10', '20');
SELECT * FROM court_counters();
UPDATE court_hours SET status = 'cancelled' WHERE id IN (1, 2, 4);
SELECT * FROM counters() WHERE id IN ('10', '20');
SELECT * FROM court_counters();
INSERT INTO training_sessions (id, member_id) VALUES (6, 1), (7, 2);
SELECT * FROM bookings();
SELECT * FROM counters() WHERE id IN ('10', '20');
SELECT * FROM court_counters();
SELECT * FROM recount('court_hours', 'court_packs');

-- The recount finds nothing.
SELECT * FROM recount();
\i :finish
