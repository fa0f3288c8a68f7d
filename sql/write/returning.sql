-- A function in RETURNING that takes the new session back: it runs before its statement is charged, when the counter
-- may be 0 still. Every order of the two leads to the same counter.
-- Counters that are wrong on purpose, or of sessions whose statement has not ended: not counted again.
SET session_consistency.recount = off;
\getenv top PG_ABS_SRCDIR
\set test path_returning
\set gym :top /test/fixtures/gym.sql
\i :gym
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
CREATE FUNCTION cancel(session int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
    UPDATE training_sessions SET status = 'cancelled' WHERE id = session;
    RETURN session;
END $$;
CREATE FUNCTION remove(session int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM training_sessions WHERE id = session;
    RETURN session;
END $$;
CREATE FUNCTION book(session int, member int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO training_sessions (id, member_id) VALUES (session, member), (session + 1, member);
    RETURN session;
END $$;
-- Takes it back and thinks better of it.
CREATE FUNCTION regret(session int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM training_sessions WHERE id = session;
    RAISE EXCEPTION 'kept';
EXCEPTION WHEN OTHERS THEN
    RETURN session;
END $$;
SET ROLE :desk;

-- One row, several, of an empty counter.
INSERT INTO training_sessions (id, member_id) VALUES (1, 1) RETURNING cancel(id);
SELECT * FROM counters() WHERE id = '10';
INSERT INTO training_sessions (id, member_id) VALUES (2, 1) RETURNING remove(id);
SELECT * FROM counters() WHERE id = '10';
INSERT INTO training_sessions (id, member_id) VALUES (3, 1), (4, 1) RETURNING cancel(id);
SELECT * FROM counters() WHERE id = '10';
INSERT INTO training_sessions (id, member_id) VALUES (5, 1) RETURNING regret(id);
SELECT * FROM counters() WHERE id = '10';
DELETE FROM training_sessions WHERE id = 5 RETURNING cancel(id);
SELECT * FROM counters() WHERE id = '10';
UPDATE training_sessions SET status = 'scheduled' WHERE id IN (1, 3) RETURNING cancel(id);
SELECT * FROM counters() WHERE id = '10';
SELECT * FROM bookings();

-- Of a full one; and a statement that is refused takes the function's work with it.
INSERT INTO training_sessions (id, member_id) VALUES (11, 2), (12, 2);
INSERT INTO training_sessions (id, member_id) VALUES (13, 2) RETURNING cancel(id);
INSERT INTO training_sessions (id, member_id) VALUES (14, 2) RETURNING regret(id);
INSERT INTO training_sessions (id, member_id) VALUES (15, 2) RETURNING cancel(11);
SELECT * FROM counters() WHERE id = '20';
UPDATE training_sessions SET status = 'completed' WHERE id = 12 RETURNING book(21, 2);
DELETE FROM training_sessions WHERE id = 12 RETURNING book(21, 2);
SELECT * FROM counters() WHERE id = '20';
SELECT * FROM bookings() WHERE member = '2';

-- The recount finds nothing.
SELECT * FROM recount();
\i :finish
