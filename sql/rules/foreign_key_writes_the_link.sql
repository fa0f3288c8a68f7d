-- Where the links that the application writes do not count, those that the foreign key writes do: it sets NULL, or
-- follows a changed key. No session is left with a link to a pack that is gone.
\getenv top PG_ABS_SRCDIR
\set test foreign_key_writes_the_link
\set gym :top /test/fixtures/gym.sql
\i :gym
\pset format unaligned
\pset tuples_only on
CREATE TABLE packs (id int PRIMARY KEY, member_id int NOT NULL, status text NOT NULL DEFAULT 'active', credits int);
CREATE TABLE visits (id int PRIMARY KEY, member_id int NOT NULL, status text DEFAULT 'scheduled',
    pack_id int REFERENCES packs ON UPDATE CASCADE ON DELETE SET NULL);
INSERT INTO packs VALUES (1, 1, 'active', 5), (2, 2, 'active', 5), (3, 3, 'active', 5), (4, 4, 'active', 5);
SELECT count(*) > 0 FROM session_consistency.attach('visits', 'packs', subscription_column => 'pack_id', type_column => NULL,
    total_column => 'credits', remaining_column => NULL, draw_order => 'id', named_links => false);
\set dangling 'SELECT v.id, v.pack_id FROM visits v LEFT JOIN packs p ON p.id = v.pack_id WHERE v.pack_id IS NOT NULL AND p.id IS NULL'
INSERT INTO visits (id, member_id) VALUES (1, 1), (2, 2), (3, 3), (4, 4);
UPDATE visits SET status = 'cancelled' WHERE id <= 3;

-- NULL of the application keeps the link, another link is ignored.
UPDATE visits SET pack_id = NULL WHERE id IN (1, 4) RETURNING id, pack_id;
UPDATE visits SET pack_id = 2 WHERE id IN (1, 4) RETURNING id, pack_id;
-- The key's own: alone, and after a NULL of the application in the same transaction.
DELETE FROM packs WHERE id = 1;
BEGIN;
UPDATE visits SET pack_id = NULL WHERE id = 2;
DELETE FROM packs WHERE id = 2;
COMMIT;
UPDATE packs SET id = 30 WHERE id = 3;
UPDATE packs SET id = 40 WHERE id = 4;
SELECT outcome('DELETE FROM packs WHERE id = 40');
SELECT id, status, pack_id FROM visits ORDER BY id;
:dangling;
-- A pack and its member's other one: what holds a credit stays where the key has moved it.
INSERT INTO packs VALUES (5, 4, 'active', 5);
UPDATE packs SET id = 50 WHERE id = 40;
UPDATE visits SET status = 'cancelled' WHERE id = 4;
DELETE FROM packs WHERE id = 50;
SELECT id, status, pack_id FROM visits ORDER BY id;
:dangling;
SELECT * FROM recount('visits', 'packs', link => 'pack_id', type => NULL, total => 'credits', remaining => NULL);
\i :finish
