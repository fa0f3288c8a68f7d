-- The lines of each subscription are numbered from 1 without a gap, whatever wrote them and in whatever order: bulk,
-- taken back, in triggers of the subscriptions while a statement is being charged, of subscriptions whose ids are equal.
\getenv top PG_ABS_SRCDIR
\set test ledger_lines_are_numbered
\set gym :top /test/fixtures/gym.sql
\i :gym
SELECT count(*) > 0 AS attached
    FROM session_consistency.attach('training_sessions', 'member_subscriptions', ledger => true);
INSERT INTO members SELECT n, 'member ' || n FROM generate_series(101, 140) n;
INSERT INTO member_subscriptions (id, member_id, total_sessions_snapshot) SELECT n, n, NULL FROM generate_series(101, 140) n;
-- Lines that have another number than their place.
CREATE FUNCTION misnumbered(attached regclass DEFAULT 'training_sessions')
    RETURNS TABLE (subscription text, member text, line bigint, place bigint) LANGUAGE sql AS $$
    SELECT subscription_id, member_id, line, place
    FROM (SELECT *, row_number() OVER (PARTITION BY subscription_id, member_id ORDER BY id) AS place
          FROM session_consistency.ledger_lines WHERE attachment = attached) l
    WHERE line <> place ORDER BY id
$$;

-- More lines than are written together, subscription by subscription and mixed; some of them long.
INSERT INTO training_sessions (id, member_id) SELECT n, 101 + n % 40 FROM generate_series(1, 400) n;
SET session_consistency.actor = 'the desk';
UPDATE training_sessions SET status = 'completed' WHERE id % 3 = 0;
SELECT set_config('session_consistency.actor', string_agg(md5(n::text), ''), false) IS NOT NULL AS long
    FROM generate_series(1, 500) n;
UPDATE training_sessions SET member_id = 101 + (member_id + 6) % 40 WHERE id BETWEEN 100 AND 180;
RESET session_consistency.actor;
SELECT * FROM misnumbered();

-- Taken back: the next line takes the number.
BEGIN;
SAVEPOINT one;
DELETE FROM training_sessions WHERE id = 1;
ROLLBACK TO one;
DELETE FROM training_sessions WHERE id = 2;
SAVEPOINT two;
DELETE FROM training_sessions WHERE id = 3;
RELEASE two;
ROLLBACK;
DELETE FROM training_sessions WHERE id IN (1, 41);
SELECT * FROM misnumbered();

-- Triggers of the subscriptions that book on what the same statement has charged already, on what it has yet to charge,
-- and afterwards on itself.
CREATE FUNCTION book_more() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF pg_trigger_depth() < 4 AND NEW.used_sessions > OLD.used_sessions THEN
        INSERT INTO training_sessions (id, member_id)
            SELECT greatest(max(id), 10000) + n, m
            FROM training_sessions, (VALUES (1, NEW.member_id - 1), (2, NEW.member_id), (3, NEW.member_id + 1)) v (n, m)
            WHERE m BETWEEN 110 AND 119 AND (TG_WHEN = 'AFTER' OR m <> NEW.member_id) GROUP BY n, m;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER a_book_before BEFORE UPDATE ON member_subscriptions FOR EACH ROW
    WHEN (OLD.member_id IN (112, 115)) EXECUTE FUNCTION book_more();
CREATE TRIGGER b_book_after AFTER UPDATE ON member_subscriptions FOR EACH ROW
    WHEN (OLD.member_id IN (111, 113, 116)) EXECUTE FUNCTION book_more();
INSERT INTO training_sessions (id, member_id) SELECT n, 110 + n % 10 FROM generate_series(1001, 1020) n;
SELECT count(*) > 25 AS booked_more FROM training_sessions WHERE id > 1000;
SELECT * FROM misnumbered();
SELECT message FROM session_consistency.ledger_gaps('training_sessions');
DROP TRIGGER a_book_before ON member_subscriptions;
DROP TRIGGER b_book_after ON member_subscriptions;

-- Ids that are unique within a member only.
CREATE TABLE packs (id int, member_id int, status text DEFAULT 'active', total_sessions_snapshot int,
                    PRIMARY KEY (member_id, id));
CREATE TABLE visits (id int PRIMARY KEY, member_id int, session_type text DEFAULT 'member', status text DEFAULT 'scheduled',
                     pack int, FOREIGN KEY (member_id, pack) REFERENCES packs (member_id, id));
INSERT INTO packs (id, member_id) SELECT 1, n FROM generate_series(1, 20) n;
SELECT count(*) > 0 AS attached
    FROM session_consistency.attach('visits', 'packs', subscription_column => 'pack', ledger => true);
INSERT INTO visits (id, member_id) SELECT n, 1 + n % 20 FROM generate_series(1, 100) n;
UPDATE visits SET status = 'cancelled' WHERE id % 7 = 0;
DELETE FROM visits WHERE id % 5 = 0;
SELECT count(DISTINCT member_id), count(DISTINCT subscription_id), count(*) > 100 AS many
    FROM session_consistency.ledger_lines WHERE attachment = 'visits'::regclass;
SELECT * FROM misnumbered('visits');
SELECT message FROM session_consistency.ledger_gaps('visits');

-- What is of no single session: opened again, repaired, truncated.
SELECT session_consistency.open_ledger('visits');
RESET ROLE;
SET session_replication_role = replica;
UPDATE packs SET used_sessions = 9 WHERE member_id = 3;
RESET session_replication_role;
SET ROLE :owner;
SELECT count(*) FROM session_consistency.repair('visits', dry_run => false);
TRUNCATE visits;
INSERT INTO visits (id, member_id) VALUES (1, 3);
SELECT line, session_id, delta, balance, reason FROM session_consistency.explain_subscription('visits', '1')
    WHERE member_id = '3' AND line > 6;
SELECT * FROM misnumbered('visits');
SELECT message FROM session_consistency.ledger_gaps('visits');

-- Indexes and columns that the table's owner has added.
RESET ROLE;
BEGIN;
ALTER TABLE session_consistency.ledger ADD COLUMN remark text;
ALTER TABLE session_consistency.ledger ADD COLUMN written timestamptz NOT NULL DEFAULT clock_timestamp();
CREATE INDEX by_actor ON session_consistency.ledger (left(lower(actor), 9));
CREATE INDEX by_time ON session_consistency.ledger (at) WHERE actor IS NOT NULL AND pair <> 0;
CREATE INDEX by_day ON session_consistency.ledger USING brin (at);
SET LOCAL session_consistency.actor = 'Ada';
INSERT INTO visits (id, member_id) SELECT n, 1 + n % 20 FROM generate_series(2, 100) n;
DELETE FROM visits WHERE id = 2;
SET LOCAL enable_seqscan = off;
SELECT count(*) FROM session_consistency.ledger WHERE left(lower(actor), 9) = 'ada' AND remark IS NULL;
SELECT count(*) FROM session_consistency.ledger WHERE at >= now() AND actor IS NOT NULL AND pair <> 0;
SELECT * FROM misnumbered('visits');
SELECT message FROM session_consistency.ledger_gaps('visits');
-- A CHECK of the owner's holds for the lines, too.
ALTER TABLE session_consistency.ledger ADD CHECK (actor <> 'Mallory') NOT VALID;
SAVEPOINT one;
SET LOCAL session_consistency.actor = 'Mallory';
INSERT INTO visits (id, member_id) VALUES (101, 1);
ROLLBACK TO one;
INSERT INTO visits (id, member_id) VALUES (101, 1);
ROLLBACK;
SET ROLE :owner;
SELECT * FROM recount();
\i :finish
