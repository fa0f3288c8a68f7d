-- R11 where links are drawn: packs whose keys change in the query that books are the same packs, with the same room.
\getenv top PG_ABS_SRCDIR
\set test draws_while_keys_change
\set gym :top /test/fixtures/gym.sql
\i :gym
\pset format unaligned
\pset tuples_only on
CREATE TABLE packs (id int PRIMARY KEY, member_id int NOT NULL, status text NOT NULL DEFAULT 'active', size int);
CREATE TABLE visits (id int PRIMARY KEY, member_id int NOT NULL, status text DEFAULT 'scheduled',
    subscription_id int REFERENCES packs ON UPDATE CASCADE);
INSERT INTO packs VALUES (1, 1, 'active', 2), (2, 1, 'active', 1), (3, 1, 'active', 1);
SELECT count(*) > 0 FROM session_consistency.attach('visits', 'packs', type_column => NULL, total_column => 'size',
    draw_order => 'size DESC, id', ledger => true);
\set show 'SELECT id, status, subscription_id FROM visits ORDER BY id; SELECT id, used_sessions FROM packs ORDER BY id;'
\set recount 'SELECT * FROM recount(''visits'', ''packs'', type => NULL, total => ''size'', remaining => NULL)'
INSERT INTO visits (id, member_id) VALUES (1, 1), (2, 1), (3, 1);
:show
-- One query cancels, books and gives the first pack another key.
WITH k AS (UPDATE packs SET id = 11 WHERE id = 1), c AS (UPDATE visits SET status = 'cancelled' WHERE id = 1)
INSERT INTO visits (id, member_id) VALUES (4, 1);
:show
:recount;
-- What was cancelled comes back to its pack while that gets another key, and elsewhere where that is full meanwhile.
WITH k AS (UPDATE packs SET id = 12 WHERE id = 11) UPDATE visits SET status = 'scheduled' WHERE id = 1;
UPDATE visits SET status = 'cancelled' WHERE id IN (1, 3);
INSERT INTO visits (id, member_id) VALUES (5, 1);
:show
WITH k AS (UPDATE packs SET id = 13 WHERE id = 12) UPDATE visits SET status = 'scheduled' WHERE id = 1;
:show
-- A key that changes alone moves nothing.
UPDATE packs SET id = 20 - id;
:show
:recount;
SELECT * FROM session_consistency.ledger_gaps();
\i :finish
