-- A reset is a new row for each period, never a counter that is set back; what is left may be carried over. A status
-- that the application sets when a pack is used up is listed among the active ones. A period that asks whether one may
-- book now is judged by the moment of booking, else by that of the class.
\getenv top PG_ABS_SRCDIR
\set test recipes_of_cycles
\set gym :top /test/fixtures/gym.sql
\i :gym
\pset format unaligned
\pset tuples_only on
CREATE TABLE packs (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, member_id int NOT NULL, status text NOT NULL DEFAULT 'active', credits int,
    valid_from date, valid_until date, UNIQUE (member_id, valid_from));
CREATE TABLE visits (id int PRIMARY KEY, member_id int NOT NULL, status text NOT NULL DEFAULT 'scheduled', starts_at timestamp,
    booked_at timestamp);
\set arguments '''visits'', ''packs'', type_column => NULL, total_column => ''credits'', remaining_column => NULL, draw_order => ''valid_until'', valid_from_column => ''valid_from'', valid_until_column => ''valid_until'''
\set check 'SELECT * FROM recount(''visits'', ''packs'', type => NULL, total => ''credits'', remaining => NULL)'
SELECT count(*) > 0 FROM session_consistency.attach(:arguments, start_column => 'starts_at');

-- Four a month: a row for each month, of all members at once, again and again without harm.
INSERT INTO packs (member_id, credits, valid_from, valid_until)
SELECT member, 4, month, month + interval '1 month - 1 day'
FROM unnest('{1,2}'::int[]) AS member, unnest('{2030-01-01,2030-02-01}'::date[]) AS month
ON CONFLICT (member_id, valid_from) DO NOTHING;
INSERT INTO visits (id, member_id, starts_at) SELECT n, 1, '2030-01-10 18:00' FROM generate_series(1, 3) AS n;
INSERT INTO visits (id, member_id, starts_at) VALUES (4, 1, '2030-02-10 18:00');
SELECT valid_from, credits, used_sessions FROM packs WHERE member_id = 1 ORDER BY valid_from;
SELECT outcome('UPDATE packs SET used_sessions = 0 WHERE member_id = 1');
-- What is left is carried over: taken from the month that ends, given to the next, in one statement.
WITH ended AS (UPDATE packs SET credits = used_sessions WHERE member_id = 1 AND valid_until = '2030-01-31' RETURNING id, member_id),
     left_over AS (SELECT p.member_id, p.credits - p.used_sessions AS credits FROM packs p JOIN ended USING (id))
UPDATE packs p SET credits = p.credits + l.credits FROM left_over l WHERE p.member_id = l.member_id AND p.valid_from = '2030-02-01';
SELECT valid_from, credits, used_sessions FROM packs WHERE member_id = 1 ORDER BY valid_from;
:check;

-- Used up is a status of the application's, which sets it when the last credit is gone. A credit that comes back can be
-- booked only if it is listed.
UPDATE packs SET status = 'used_up' WHERE credits = used_sessions;
UPDATE visits SET status = 'cancelled' WHERE id = 1;
SELECT outcome('INSERT INTO visits (id, member_id, starts_at) VALUES (5, 1, ''2030-01-11 18:00'')');
SELECT DISTINCT action FROM session_consistency.attach(:arguments, start_column => 'starts_at', active_statuses => '{active,used_up}')
WHERE action <> 'remark';
INSERT INTO visits (id, member_id, starts_at) VALUES (5, 1, '2030-01-11 18:00');
SELECT valid_from, status, credits, used_sessions FROM packs WHERE member_id = 1 ORDER BY valid_from;
:check;

-- Does the class lie in the period? A class in March has no pack yet. May one book now? It has.
SELECT outcome('INSERT INTO visits (id, member_id, starts_at, booked_at) VALUES (6, 2, ''2030-03-10 18:00'', ''2030-02-20'')');
SELECT count(*) > 0 FROM session_consistency.attach(:arguments, start_column => 'booked_at', active_statuses => '{active,used_up}');
INSERT INTO visits (id, member_id, starts_at, booked_at) VALUES (6, 2, '2030-03-10 18:00', '2030-02-20');
SELECT outcome('INSERT INTO visits (id, member_id, starts_at, booked_at) VALUES (7, 2, ''2030-03-10 18:00'', ''2030-03-01'')');
-- Moving the class asks nothing: the booking was made in time.
UPDATE visits SET starts_at = '2031-03-10 18:00' WHERE id = 6;
SELECT v.id, valid_from FROM visits v JOIN packs p ON p.id = subscription_id WHERE v.id > 4 ORDER BY 1;
:check;
\i :finish
