-- R1 and R7 with draw_order in statements that store less than they propose, or write several tables at once. A drawn
-- link is a guess until the statement ends: what becomes of its pack meanwhile never refuses a session that another pack
-- can pay for.
\getenv top PG_ABS_SRCDIR
\set test draws_in_hard_statements
\set gym :top /test/fixtures/gym.sql
\i :gym
\pset format unaligned
\pset tuples_only on
CREATE TABLE people (id int PRIMARY KEY);
CREATE TABLE packs (id int PRIMARY KEY, member_id int NOT NULL REFERENCES people ON UPDATE CASCADE ON DELETE CASCADE,
    status text NOT NULL DEFAULT 'active', size int, until date);
CREATE TABLE visits (id int PRIMARY KEY, member_id int NOT NULL REFERENCES people ON UPDATE CASCADE ON DELETE CASCADE,
    status text DEFAULT 'scheduled', day date DEFAULT '2030-01-01', note text,
    subscription_id int REFERENCES packs ON UPDATE CASCADE);
INSERT INTO people SELECT generate_series(1, 9);
INSERT INTO packs (id, member_id, size, until)
    SELECT 10 * m + n, m, n, date '2030-06-30' + 180 * (n - 1) FROM generate_series(1, 9) m, generate_series(1, 3) n;
SELECT count(*) > 0 FROM session_consistency.attach('visits', 'packs', type_column => NULL, total_column => 'size',
    draw_order => 'until', start_column => 'day', valid_until_column => 'until', ledger => true);
\set recount 'SELECT * FROM recount(''visits'', ''packs'', type => NULL, total => ''size'', remaining => NULL)'
\set show 'SELECT id, member_id, subscription_id, status FROM visits ORDER BY id; SELECT id, used_sessions FROM packs WHERE used_sessions > 0 ORDER BY id;'

\echo rows that ON CONFLICT drops count for nothing, and their links say nothing about others
INSERT INTO visits (id, member_id) VALUES (1, 9);
INSERT INTO visits (id, member_id) VALUES (1, 1), (2, 1), (1, 1), (3, 1) ON CONFLICT DO NOTHING RETURNING id, subscription_id;
INSERT INTO visits (id, member_id, subscription_id) VALUES (1, 2, 21), (4, 2, NULL), (5, 2, 21) ON CONFLICT DO NOTHING;
INSERT INTO visits (id, member_id, subscription_id) VALUES (1, 3, NULL), (6, 3, 31) ON CONFLICT DO NOTHING;
:show
\echo a named link stays what it is, beside a dropped one that was drawn, and the other way round
UPDATE visits SET status = 'cancelled' WHERE id = 6;
SELECT outcome($$INSERT INTO visits (id, member_id, subscription_id) VALUES (1, 3, NULL), (7, 3, 31), (8, 3, 31) ON CONFLICT DO NOTHING$$);
INSERT INTO visits (id, member_id, subscription_id) VALUES (1, 3, 31), (7, 3, NULL), (8, 3, 31) ON CONFLICT DO NOTHING;
SELECT id, subscription_id FROM visits WHERE member_id = 3 ORDER BY id;
DELETE FROM visits WHERE id = 8;
\echo DO UPDATE: the link that was filled in is no wish, the one that is named is
INSERT INTO visits (id, member_id, day) VALUES (7, 3, '2030-09-01')
ON CONFLICT (id) DO UPDATE SET day = EXCLUDED.day, subscription_id = EXCLUDED.subscription_id;
INSERT INTO visits (id, member_id, day, subscription_id) VALUES (7, 3, '2030-09-01', 33), (9, 3, '2030-01-01', NULL)
ON CONFLICT (id) DO UPDATE SET day = EXCLUDED.day, subscription_id = EXCLUDED.subscription_id;
SELECT outcome($$INSERT INTO visits (id, member_id, day, subscription_id) VALUES (7, 3, '2030-09-01', 31)
    ON CONFLICT (id) DO UPDATE SET subscription_id = EXCLUDED.subscription_id$$);
INSERT INTO visits (id, member_id, day) VALUES (7, 3, '2030-01-02'), (10, 3, '2030-01-02')
ON CONFLICT (id) DO UPDATE SET note = EXCLUDED.note;
SELECT id, subscription_id, status, day FROM visits WHERE member_id = 3 ORDER BY id;
:recount;

\echo the pack that is drawn gets another key, is deleted, or another member in the same query
WITH k AS (UPDATE packs SET id = 141 WHERE id = 41)
INSERT INTO visits (id, member_id) VALUES (20, 4);
WITH d AS (DELETE FROM packs WHERE id = 51)
INSERT INTO visits (id, member_id) VALUES (21, 5), (22, 5);
WITH m AS (UPDATE packs SET member_id = 7 WHERE id = 61)
INSERT INTO visits (id, member_id) VALUES (23, 6), (24, 6);
WITH m AS (UPDATE packs SET status = 'frozen' WHERE id = 62)
INSERT INTO visits (id, member_id) VALUES (25, 6);
WITH m AS (UPDATE packs SET until = '2029-01-01' WHERE id = 71)
INSERT INTO visits (id, member_id) VALUES (26, 7), (27, 7);
:show
:recount;
\echo the key of a member changes; sessions and packs follow, and nothing is drawn
UPDATE people SET id = 40 WHERE id = 4;
UPDATE people SET id = id + 100 WHERE id IN (6, 7);
SELECT id, member_id, subscription_id FROM visits WHERE id BETWEEN 20 AND 27 ORDER BY id;
:recount;
\echo MERGE books, moves, cancels and deletes
MERGE INTO visits v USING (VALUES (2, 'cancel'), (3, 'delete'), (30, 'book'), (31, 'book'), (20, 'move'), (32, 'book')) AS w (id, what)
    ON v.id = w.id
WHEN MATCHED AND what = 'cancel' THEN UPDATE SET status = 'cancelled'
WHEN MATCHED AND what = 'delete' THEN DELETE
WHEN MATCHED THEN UPDATE SET day = '2030-12-01'
WHEN NOT MATCHED THEN INSERT (id, member_id) VALUES (w.id, 1);
-- In which order is the server's choice.
SELECT id, subscription_id, status FROM visits WHERE id IN (2, 20) ORDER BY id;
SELECT subscription_id, count(*) FROM visits WHERE id BETWEEN 30 AND 32 GROUP BY 1 ORDER BY 1;
:recount;
\echo un-cancelled: the old pack is full, or not active any more, or does not cover the day any more
UPDATE visits SET status = 'cancelled' WHERE id IN (30, 31, 32);
UPDATE packs SET status = 'frozen' WHERE id = 12;
UPDATE visits SET status = 'scheduled' WHERE id IN (2, 30, 31);
SELECT id, subscription_id, status FROM visits WHERE id IN (2, 30, 31) ORDER BY id;
\echo a swap of two sessions of one full pack adds nothing, and a session outside is refused all the same
INSERT INTO packs (id, member_id, size, until) VALUES (81, 8, 1, '2030-06-30'), (82, 8, 0, '2031-06-30')
ON CONFLICT (id) DO UPDATE SET size = EXCLUDED.size, until = EXCLUDED.until;
UPDATE packs SET size = 0 WHERE id = 83;
INSERT INTO visits VALUES (40, 8, 'scheduled', '2030-01-01'), (41, 8, 'cancelled', '2030-08-01');
UPDATE visits SET subscription_id = 81 WHERE id = 41;
\set swap 'UPDATE visits SET status = CASE id WHEN 40 THEN ''cancelled'' ELSE ''scheduled'' END WHERE id IN (40, 41)'
SELECT outcome(:'swap');
UPDATE packs SET size = 1 WHERE id = 83;
:swap;
SELECT id, subscription_id, status FROM visits WHERE id IN (40, 41) ORDER BY id;
:recount;
\echo savepoints
BEGIN;
SAVEPOINT a;
INSERT INTO visits (id, member_id) VALUES (50, 2), (51, 2), (52, 2);
ROLLBACK TO a;
INSERT INTO visits (id, member_id) VALUES (53, 2), (54, 2);
SAVEPOINT b;
UPDATE visits SET status = 'cancelled' WHERE id = 53;
RELEASE b;
INSERT INTO visits (id, member_id) VALUES (55, 2);
COMMIT;
SELECT id, subscription_id, status FROM visits WHERE id >= 50 ORDER BY id;
:recount;
SELECT * FROM session_consistency.ledger_gaps();
\i :finish
