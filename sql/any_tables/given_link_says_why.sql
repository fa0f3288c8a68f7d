-- What refusals of given links say to who may read the rows: a row of the table, by its key, with the figures; nothing of
-- members. Purging such sessions carries the seats, and the credits where there is a pack, too.
\getenv top PG_ABS_SRCDIR
\set test given_link_says_why
\set gym :top /test/fixtures/gym.sql
\i :gym
\pset format unaligned
\pset tuples_only on
CREATE TABLE rooms (name text PRIMARY KEY, status text DEFAULT 'open', kinds text[], hours int, taken int, before int);
CREATE TABLE bookings (id int PRIMARY KEY, room text, state text DEFAULT 'booked', kind text DEFAULT 'course', length int DEFAULT 1,
    day date, member_id int, subscription_id int);
CREATE FUNCTION attach_rooms() RETURNS bigint LANGUAGE sql AS $$
    SELECT count(*) FROM session_consistency.attach('bookings', 'rooms', member_column => NULL,
        subscription_column => 'room', type_column => NULL, status_column => 'state', scheduled_statuses => '{booked}',
        completed_statuses => '{held}', active_statuses => '{open}', total_column => 'hours', used_column => 'taken',
        remaining_column => NULL, carried_column => 'before', start_column => 'day', cost => 'length',
        pays_when => 'subscription.kinds IS NULL OR session.kind = ANY (subscription.kinds)') $$;
SELECT attach_rooms() > 0;
INSERT INTO rooms (name, hours) VALUES ('hall', 4), ('gym', NULL), ('cellar', 9);
INSERT INTO rooms (name, hours, kinds, before) VALUES ('studio', 5, '{course}', 2);
UPDATE rooms SET status = 'closed' WHERE name = 'cellar';
INSERT INTO bookings (id, room, length) VALUES (1, 'hall', 3), (2, 'studio', 1);
SELECT name, hours, before, taken FROM rooms ORDER BY 1;
-- R4 with the cost, R3, pays_when, a cost that is none.
SELECT * FROM refusal($$INSERT INTO bookings (id, room, length) VALUES (9, 'hall', 2)$$);
SELECT * FROM refusal($$INSERT INTO bookings (id, room) VALUES (9, 'cellar')$$);
SELECT * FROM refusal($$INSERT INTO bookings (id, room, kind) VALUES (9, 'studio', 'party')$$);
SELECT * FROM refusal($$INSERT INTO bookings (id, room, length) VALUES (9, 'hall', NULL)$$);
SELECT * FROM refusal($$UPDATE bookings SET length = 5 WHERE id = 1$$);
-- R9, R10, R11.
SELECT * FROM refusal($$UPDATE rooms SET taken = 0 WHERE name = 'hall'$$);
SELECT * FROM refusal($$UPDATE rooms SET before = 1 WHERE name = 'studio'$$);
SELECT * FROM refusal($$UPDATE rooms SET hours = 2 WHERE name = 'hall'$$);
SELECT * FROM refusal($$DELETE FROM rooms WHERE name = 'hall'$$);
SELECT * FROM refusal($$INSERT INTO bookings (id, room) VALUES (9, 'attic')$$);
-- What is not about members does not ask for one.
SELECT * FROM refusal($$SELECT session_consistency.check_session_integrity('1', 'bookings')$$);
SELECT * FROM refusal($$SELECT session_consistency.check_session_integrity('1')$$);
-- Upserts that name another room, and the same.
INSERT INTO bookings (id, room) VALUES (2, 'gym') ON CONFLICT (id) DO UPDATE SET room = EXCLUDED.room;
INSERT INTO bookings (id, room) VALUES (2, 'hall') ON CONFLICT (id) DO NOTHING;
INSERT INTO bookings (id, room) VALUES (2, 'hall') ON CONFLICT (id) DO UPDATE SET room = NULL;
SELECT name, hours, before, taken FROM rooms ORDER BY 1;
SELECT id, room FROM bookings ORDER BY 1;
SELECT subscription_id, message FROM session_consistency.check_counts('bookings');

-- A second attachment, of packs: what is purged is carried by both, each at its own cost.
SELECT count(*) > 0 FROM session_consistency.attach('bookings', 'member_subscriptions', type_column => NULL,
    status_column => 'state', scheduled_statuses => '{booked}', completed_statuses => '{held}', carried_column => 'carried',
    start_column => 'day');
CALL session_consistency.migrate('bookings', 'member_subscriptions', opening => 'give_back');
INSERT INTO bookings (id, room, member_id, length, day) VALUES (10, 'gym', 1, 2, '2020-01-01'), (11, 'gym', 1, 3, '2020-01-02'),
    (12, NULL, 1, 1, '2020-01-03'), (13, 'gym', 1, 1, '2030-01-01');
SELECT name, before, taken FROM rooms WHERE name = 'gym';
SELECT id, carried, used_sessions FROM member_subscriptions WHERE id = 10;
SELECT * FROM refusal($$CALL session_consistency.purge_sessions('bookings', '2021-01-01')$$);
CALL session_consistency.purge_sessions('bookings', '2021-01-01', subscriptions => 'rooms');
SELECT name, before, taken FROM rooms WHERE name = 'gym';
SELECT id, carried, used_sessions FROM member_subscriptions WHERE id = 10;
SELECT id FROM bookings ORDER BY 1;
SELECT subscription_id, message FROM session_consistency.check_counts();
SELECT format('room %s: taken %s, counted %s', r.name, taken, r.before + coalesce(sum(b.length), 0)) FROM rooms r
    LEFT JOIN bookings b ON b.room = r.name AND b.state IN ('booked', 'held')
    GROUP BY r.name HAVING taken <> coalesce(r.before, 0) + coalesce(sum(b.length), 0);
SELECT subscriptions, enforced, gaps FROM session_consistency.attachments WHERE sessions = 'bookings'::regclass;
SELECT count(*) > 0 FROM session_consistency.detach('bookings', 'rooms');
SELECT count(*) > 0 FROM session_consistency.detach('bookings');
\i :finish
