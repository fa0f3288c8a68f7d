-- A class is cancelled, or moved to another day, by one UPDATE: its state and its start are carried into its bookings by
-- a composite key with ON UPDATE CASCADE.
\getenv top PG_ABS_SRCDIR
\set test recipes_of_cancelled_classes
\set gym :top /test/fixtures/gym.sql
\i :gym
\pset format unaligned
\pset tuples_only on
CREATE TABLE classes (id int PRIMARY KEY, state text NOT NULL DEFAULT 'open', starts_at timestamp NOT NULL,
    UNIQUE (id, state, starts_at));
CREATE TABLE packs (id int PRIMARY KEY, member_id int NOT NULL, status text NOT NULL DEFAULT 'active', credits int, valid_until date);
CREATE TABLE visits (id int PRIMARY KEY, member_id int NOT NULL, status text NOT NULL DEFAULT 'scheduled',
    class_id int NOT NULL, class_state text NOT NULL DEFAULT 'open', starts_at timestamp NOT NULL,
    FOREIGN KEY (class_id, class_state, starts_at) REFERENCES classes (id, state, starts_at) ON UPDATE CASCADE);
INSERT INTO classes VALUES (1, 'open', '2030-01-07 18:00'), (2, 'open', '2030-01-08 18:00');
INSERT INTO packs VALUES (10, 1, 'active', 2, '2030-01-31'), (11, 1, 'active', 5, '2030-12-31'), (20, 2, 'active', 1, '2030-12-31');
SELECT count(*) > 0 FROM session_consistency.attach('visits', 'packs', type_column => NULL, total_column => 'credits', remaining_column => NULL,
    counts_when => 'class_state <> ''cancelled''', draw_order => 'valid_until', start_column => 'starts_at',
    valid_until_column => 'valid_until');
\set check 'SELECT * FROM recount(''(SELECT * FROM visits WHERE class_state <> $$cancelled$$)'', ''packs'', type => NULL, total => ''credits'', remaining => NULL)'
INSERT INTO visits (id, member_id, class_id, starts_at) VALUES (1, 1, 1, '2030-01-07 18:00'), (2, 2, 1, '2030-01-07 18:00'),
    (3, 1, 2, '2030-01-08 18:00');
SELECT id, used_sessions FROM packs ORDER BY id;
-- Cancelled: every booking of the class gives back, none is written by the application.
UPDATE classes SET state = 'cancelled' WHERE id = 1;
SELECT id, used_sessions FROM packs ORDER BY id;
SELECT id, status, class_state, subscription_id FROM visits ORDER BY id;
:check;
-- It takes place after all: all of them are charged again, or none.
INSERT INTO visits (id, member_id, class_id, starts_at) VALUES (4, 2, 2, '2030-01-08 18:00');
SELECT outcome('UPDATE classes SET state = ''open'' WHERE id = 1');
UPDATE visits SET status = 'cancelled' WHERE id = 4;
UPDATE classes SET state = 'open' WHERE id = 1;
SELECT id, used_sessions FROM packs ORDER BY id;
-- Moved to a day that only another pack covers: drawn anew, where nobody pays then, refused.
UPDATE classes SET starts_at = '2030-02-07 18:00' WHERE id = 1;
SELECT id, class_id, starts_at, subscription_id FROM visits ORDER BY id;
SELECT outcome('UPDATE classes SET starts_at = ''2031-02-07 18:00'' WHERE id = 1');
SELECT id, used_sessions FROM packs ORDER BY id;
:check;
\i :finish
