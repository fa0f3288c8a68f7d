-- The INSERT of one row is charged with that row, before the foreign key's own trigger; anything else when the
-- statement ends. A trigger of the user's that fires in between can tell; the counters are the same.
\getenv top PG_ABS_SRCDIR
\set test one_row_settled_at_once
\set partitioned yes
\set gym :top /test/fixtures/gym.sql
\i :gym
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
CREATE TABLE seen (session integer, used integer);
CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO seen SELECT NEW.id, used_sessions FROM member_subscriptions s WHERE s.id = NEW.subscription_id;
    RETURN NULL;
END $$;
-- Its name sorts after the extension's trigger and before the foreign key's.
CREATE TRIGGER "01_look" AFTER INSERT ON training_sessions FOR EACH ROW EXECUTE FUNCTION look();
CREATE FUNCTION seen_of(statement text) RETURNS TABLE (session integer, used integer) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    RETURN QUERY DELETE FROM seen RETURNING seen.session, seen.used;
END $$;

-- At once: one row, through the table or straight at a partition.
INSERT INTO training_sessions (id, member_id) VALUES (1, 1);
INSERT INTO sessions_2030 (id, member_id, subscription_id) VALUES (2, 1, 10);
PREPARE book(integer) AS INSERT INTO training_sessions (id, member_id) VALUES ($1, 1);
EXECUTE book(3);
SELECT * FROM seen ORDER BY session;
DELETE FROM seen;

-- At the end: several rows, a query, another writing part, a statement within a function.
INSERT INTO training_sessions (id, member_id) VALUES (11, 1), (12, 1);
INSERT INTO training_sessions (id, member_id) SELECT 13, 1 FROM members WHERE id = 1;
WITH other AS (DELETE FROM training_sessions WHERE id = 13)
INSERT INTO training_sessions (id, member_id) VALUES (14, 1);
SELECT * FROM seen ORDER BY session;
DELETE FROM seen;
SELECT * FROM seen_of('INSERT INTO training_sessions (id, member_id) VALUES (15, 1)');

-- What is not settled at once is judged at the end.
INSERT INTO training_sessions (id, member_id) VALUES (21, 2);
INSERT INTO training_sessions (id, member_id) VALUES (22, 2);
INSERT INTO training_sessions (id, member_id) VALUES (23, 2);
INSERT INTO training_sessions (id, member_id, subscription_id) VALUES (23, 2, 10);
INSERT INTO training_sessions (id, member_id, subscription_id) VALUES (23, 2, 21);
SELECT * FROM seen ORDER BY session;
SELECT * FROM counters() WHERE used > 0;
SELECT * FROM recount();
\i :finish
