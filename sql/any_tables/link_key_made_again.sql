-- An object mapper drops the foreign key of the link and makes another one, after the tables were attached: it is judged as it
-- is then, in the gaps and in what it does, and none lets a used pack go.
\getenv top PG_ABS_SRCDIR
\set test link_key_made_again
\set gym :top /test/fixtures/gym.sql
\i :gym
\pset format unaligned
\pset tuples_only on
CREATE TABLE packs (member_id int, id int, status text DEFAULT 'active', total int, PRIMARY KEY (member_id, id));
CREATE TABLE visits (id int PRIMARY KEY, member_id int, session_type text DEFAULT 'member', status text DEFAULT 'scheduled',
    pack int, CONSTRAINT k FOREIGN KEY (member_id, pack) REFERENCES packs (member_id, id));
CREATE TABLE classes (id int PRIMARY KEY, seats int, taken int NOT NULL DEFAULT 0);
CREATE TABLE bookings (id int PRIMARY KEY, class int CONSTRAINT k REFERENCES classes);
\set attach 'session_consistency.attach(''visits'', ''packs'', subscription_column => ''pack'', total_column => ''total'', draw_order => ''id'')'
\set gaps 'SELECT enforced, gaps FROM session_consistency.attachments WHERE subscriptions = ''packs''::regclass'
\set again 'ALTER TABLE visits DROP CONSTRAINT k, ADD CONSTRAINT k FOREIGN KEY (member_id, pack) REFERENCES packs (member_id, id)'
\set recount 'SELECT p.* FROM packs p WHERE used_sessions <> (SELECT count(*) FROM visits v WHERE v.member_id = p.member_id AND v.pack = p.id AND v.status <> ''cancelled'')'
SELECT count(*) > 0 FROM :attach;

-- A composite key. One that takes the member away, too, is a gap, and what it would do is refused all the same.
INSERT INTO packs VALUES (1, 1, 'active', 2), (1, 2, 'active', 2);
INSERT INTO visits (id, member_id) VALUES (1, 1), (2, 1), (3, 1), (4, 1);
UPDATE visits SET status = 'cancelled' WHERE id = 4;
:again ON DELETE SET NULL;
:gaps;
SELECT outcome('DELETE FROM packs WHERE id = 2');
:again ON DELETE SET NULL (pack);
:gaps;
SELECT outcome('DELETE FROM packs WHERE id = 2');
:again MATCH FULL;
:gaps;
SELECT outcome('DELETE FROM packs WHERE id = 2'), outcome('INSERT INTO visits (id, member_id) VALUES (9, 1)');
:again DEFERRABLE INITIALLY DEFERRED NOT VALID;
:gaps;
SELECT outcome('DELETE FROM packs WHERE id = 2');
ALTER TABLE visits VALIDATE CONSTRAINT k;
:gaps;
:again ON UPDATE CASCADE ON DELETE CASCADE;
:gaps;
UPDATE packs SET id = 5 WHERE id = 2;
SELECT id, pack FROM visits ORDER BY id;
:recount;
DELETE FROM packs WHERE id = 5;
SELECT id, pack FROM visits ORDER BY id;
:recount;
-- None at all: nothing can be written, and attach() makes one.
ALTER TABLE visits DROP CONSTRAINT k;
:gaps;
SELECT outcome('INSERT INTO visits (id, member_id) VALUES (9, 1)');
SELECT action FROM :attach;
:gaps;
SELECT outcome('INSERT INTO visits (id, member_id) VALUES (9, 1)');
:recount;

-- A link that is given.
SELECT count(*) > 0 FROM session_consistency.attach('bookings', 'classes', member_column => NULL, subscription_column => 'class',
    type_column => NULL, status_column => NULL, subscription_status_column => NULL, total_column => 'seats',
    used_column => 'taken', remaining_column => NULL);
INSERT INTO classes VALUES (1, 2), (2, 1);
INSERT INTO bookings VALUES (1, 1), (2, 1), (3, 2), (4, NULL);
\set again 'ALTER TABLE bookings DROP CONSTRAINT k, ADD CONSTRAINT k FOREIGN KEY (class) REFERENCES classes'
\set gaps 'SELECT gaps FROM session_consistency.attachments WHERE subscriptions = ''classes''::regclass'
\set recount 'SELECT c.* FROM classes c WHERE taken <> (SELECT count(*) FROM bookings b WHERE b.class = c.id)'
:again ON DELETE SET NULL;
:gaps;
SELECT outcome('DELETE FROM classes WHERE id = 1');
:again ON DELETE SET DEFAULT;
:gaps;
SELECT outcome('DELETE FROM classes WHERE id = 1'), outcome('UPDATE bookings SET class = 2 WHERE id = 1');
:again ON UPDATE CASCADE DEFERRABLE INITIALLY DEFERRED;
:gaps;
UPDATE classes SET id = 22 WHERE id = 2;
SELECT outcome('DELETE FROM classes WHERE id = 22'), outcome('INSERT INTO bookings VALUES (5, 9)');
:again ON DELETE CASCADE;
:gaps;
DELETE FROM classes WHERE id = 1;
SELECT * FROM bookings ORDER BY id;
SELECT * FROM classes ORDER BY id;
:recount;
SELECT * FROM session_consistency.check_counts() WHERE attachment IN ('visits'::regclass, 'bookings'::regclass);
\i :finish
