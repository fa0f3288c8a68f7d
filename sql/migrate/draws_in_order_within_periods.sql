-- History is attributed as bookings are paid for: by the order and the period of the attachment, the oldest session
-- first; what is completed from a subscription of any status. Its time zone decides, not the caller's.
\getenv top PG_ABS_SRCDIR
\set test migrate_draws
\set gym :top /test/fixtures/gym.sql
\i :gym
\set VERBOSITY terse
\pset format unaligned
\pset tuples_only on
TRUNCATE members CASCADE;
ALTER TABLE training_sessions ADD starts timestamptz, ADD what text;
ALTER TABLE member_subscriptions ADD valid_from date, ADD valid_until date, ADD ends timestamptz;
INSERT INTO members VALUES (1), (2), (3), (4);
INSERT INTO member_subscriptions (id, member_id, status, total_sessions_snapshot, valid_from, valid_until) VALUES
    (10, 1, 'active', NULL, NULL, NULL), (11, 1, 'active', 2, '2026-02-01', '2026-02-28'),
    (12, 1, 'expired', 3, '2026-01-01', '2026-01-31'), (13, 1, 'active', 1, '2026-01-01', '2026-06-30'),
    (20, 2, 'expired', 5, '2026-01-01', '2026-03-31'), (21, 2, 'active', 5, '2026-05-01', '2026-05-31'),
    (31, 3, 'active', 1, NULL, NULL), (30, 3, 'active', 1, NULL, NULL);
INSERT INTO training_sessions (id, member_id, status, starts, what) VALUES
    (1, 1, 'completed', '2026-01-05 10:00+01', 'soonest end, of any status'),
    (2, 1, 'scheduled', '2026-01-05 11:00+01', 'scheduled: soonest end of the active'),
    (3, 1, 'completed', '2026-01-31 23:59+01', 'last moment of the last day'),
    (4, 1, 'completed', '2026-02-01 00:00+01', 'first moment of the next'),
    (5, 1, 'completed', '2026-02-10 10:00+01', 'last room of it'),
    (6, 1, 'completed', '2026-02-11 10:00+01', 'unlimited last'),
    (7, 1, 'cancelled', '2026-01-11 10:00+01', 'cancelled needs no room'),
    (8, 1, 'completed', NULL, 'no start: not judged'),
    (9, 2, 'scheduled', '2026-02-01 10:00+01', 'covered by what is not active'),
    (10, 2, 'completed', '2026-04-15 10:00+02', 'between two periods'),
    (11, 2, 'completed', '2026-04-01 00:00+02', 'after the last day, in Berlin'),
    (12, 3, 'completed', '2026-01-02 10:00+01', 'no tie: then by key'), (13, 3, 'completed', '2026-01-01 10:00+01', 'the older first'),
    (14, 3, 'completed', '2026-01-03 10:00+01', 'all are full'), (15, 4, 'completed', '2026-01-03 10:00+01', 'none');
SELECT count(*) > 0 FROM session_consistency.attach('training_sessions', 'member_subscriptions',
    draw_order => 'valid_until, valid_from', start_column => 'starts', valid_from_column => 'valid_from',
    valid_until_column => 'valid_until', time_zone => 'Europe/Berlin');
SET TimeZone = 'America/Los_Angeles';
CALL session_consistency.migrate('training_sessions', batch_size => 2);
SELECT id, what, subscription_id FROM training_sessions ORDER BY id;
SELECT linked, unlinked FROM session_consistency.migration_progress WHERE sessions = 'training_sessions'::regclass;
SELECT * FROM recount();
SELECT enforced FROM session_consistency.attachments WHERE sessions = 'training_sessions'::regclass;
-- A second time changes nothing, in another zone either.
SET TimeZone = 'Asia/Tokyo';
CALL session_consistency.migrate('training_sessions');
SELECT linked, unlinked FROM session_consistency.migration_progress WHERE sessions = 'training_sessions'::regclass ORDER BY started DESC LIMIT 1;
-- Its own argument stands for the attachment's; what is completed may be attributed by choice, what is scheduled not.
UPDATE member_subscriptions SET ends = '2026-04-01 00:00+02' WHERE id = 20;
UPDATE member_subscriptions SET ends = '2026-06-01 00:00+02' WHERE id = 21;
CALL session_consistency.migrate('training_sessions', valid_until_column => 'ends');
SELECT id, what, subscription_id FROM training_sessions WHERE member_id = 2 ORDER BY id;
CALL session_consistency.migrate('training_sessions', when_ambiguous => 'fill');
SELECT id, what, subscription_id FROM training_sessions WHERE member_id = 2 ORDER BY id;
SELECT * FROM recount();

-- Without an order a period judges what is scheduled, too; the only subscription takes what is completed.
CREATE TABLE visits (id int PRIMARY KEY, member_id int, session_type text DEFAULT 'member', status text, starts date);
CREATE TABLE packs (id int PRIMARY KEY, member_id int, status text DEFAULT 'active', total_sessions_snapshot int, ends timestamp);
INSERT INTO packs VALUES (1, 1, 'active', 10, '2026-01-31 12:00'), (2, 2, 'active', 10, '2026-01-31 00:00');
INSERT INTO visits VALUES (1, 1, 'member', 'scheduled', '2026-01-31'), (2, 1, 'member', 'scheduled', '2026-02-01'),
    (3, 1, 'member', 'completed', '2026-02-01'), (4, 2, 'member', 'scheduled', '2026-01-31'), (5, 2, 'member', 'scheduled', '2026-01-30');
SELECT count(*) > 0 FROM session_consistency.attach('visits', 'packs', start_column => 'starts', valid_until_column => 'ends');
CALL session_consistency.migrate('visits', when_ambiguous => 'active');
SELECT id, status, starts, subscription_id FROM visits ORDER BY id;
SELECT unlinked FROM session_consistency.migration_progress WHERE sessions = 'visits'::regclass;
SELECT * FROM recount('visits', 'packs', remaining => NULL);
\i :finish
