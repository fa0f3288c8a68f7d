-- How history is attributed, by every kind of date: both days of a period count, of a timestamp its first moment alone.
\getenv top PG_ABS_SRCDIR
\set test migrate_rules
\set gym :top /test/fixtures/gym.sql
\i :gym
SET timezone = 'Europe/Berlin';
-- The same story with these types of a session's start, of valid_from and valid_until: which pack each session goes to.
CREATE FUNCTION prepare(start_type text, bound_type text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    DROP TABLE IF EXISTS bookings_of_story, packs_of_story CASCADE;
    EXECUTE format('CREATE TABLE packs_of_story (id int PRIMARY KEY, member_id int NOT NULL, status text DEFAULT ''active'',
                        total_sessions_snapshot int, first %1$s, last %1$s, made %1$s)', bound_type);
    EXECUTE format('CREATE TABLE bookings_of_story (id int PRIMARY KEY, member_id int, session_type text DEFAULT ''member'',
                        status text DEFAULT ''completed'', starts %s, what text)', start_type);
    INSERT INTO packs_of_story VALUES
        (10, 1, 'expired', 10, '2030-03-01', '2030-03-31', '2030-02-28'), (11, 1, 'active', 10, '2030-04-01', NULL, '2030-03-31'),
        (20, 2, 'expired', 1, NULL, '2030-03-31', NULL), (21, 2, 'active', 1, '2030-03-01', NULL, NULL),
        (30, 3, 'expired', 10, '2030-03-01', NULL, '2030-02-02'), (31, 3, 'active', 10, '2030-03-01', NULL, '2030-02-01'),
        (40, 4, 'active', 1, '2030-03-01', '2030-03-31', NULL),
        (50, 5, 'expired', 10, NULL, NULL, NULL), (51, 5, 'expired', NULL, NULL, NULL, '2030-01-01'),
        (60, 6, 'expired', 10, '2030-03-01', '2030-03-31', NULL);
    INSERT INTO bookings_of_story (id, member_id, starts, status, what) VALUES
        (1, 1, '2030-03-01 00:00', 'completed', 'on the first day'), (2, 1, '2030-03-31 23:30', 'completed', 'on the last day'),
        (3, 1, '2030-04-01 00:00', 'completed', 'on the first day of the next'), (4, 1, '2030-02-28 23:30', 'completed', 'before the first day'),
        (5, 1, NULL, 'completed', 'without a start'), (6, 1, '2030-03-10 10:00', 'scheduled', 'scheduled on an expired one'),
        (7, 1, '2030-04-10 10:00', 'scheduled', 'scheduled on the active one'),
        (8, 2, '2030-03-10 10:00', 'completed', 'the older, of two that cover it'), (9, 2, '2030-03-11 10:00', 'completed', 'the next, the older one is full'),
        (10, 2, '2030-03-12 10:00', 'completed', 'both are full'), (11, 2, '2030-03-13 10:00', 'cancelled', 'cancelled needs no room'),
        (12, 3, '2030-03-10 10:00', 'completed', 'two began at once'), (13, 3, '2030-03-10 10:00', 'scheduled', '... but one is active'),
        (14, 4, '2030-05-10 10:00', 'completed', 'after the only one'), (15, 4, NULL, 'completed', 'without a start, the only one is full'),
        (16, 5, '2030-03-10 10:00', 'completed', 'two without a period'), (17, 5, NULL, NULL, 'without a status, two without a period'),
        (18, 6, NULL, 'scheduled', 'scheduled, none is active'), (19, 7, '2030-03-10 10:00', 'completed', 'no subscription'),
        (20, NULL, '2030-03-10 10:00', 'completed', 'no member');
    PERFORM session_consistency.attach('bookings_of_story', 'packs_of_story');
END $$;
SELECT prepare('timestamp', 'date');
CALL session_consistency.migrate('bookings_of_story', batch_size => 3, start_column => 'starts', valid_from_column => 'first', valid_until_column => 'last', created_column => 'made');
CREATE TABLE outcome_of_story AS SELECT id, what, subscription_id FROM bookings_of_story;
SELECT * FROM outcome_of_story ORDER BY id;
SELECT linked, unlinked FROM session_consistency.migration_progress WHERE sessions = 'bookings_of_story'::regclass;
SELECT * FROM recount('bookings_of_story', 'packs_of_story', remaining => NULL);

-- Other types of a start give the same, as far as they say the same.
SELECT prepare('timestamptz', 'date');
CALL session_consistency.migrate('bookings_of_story', batch_size => 3, start_column => 'starts', valid_from_column => 'first', valid_until_column => 'last', created_column => 'made');
SELECT id, what, o.subscription_id AS expected, b.subscription_id AS got
FROM bookings_of_story b JOIN outcome_of_story o USING (id, what) WHERE b.subscription_id IS DISTINCT FROM o.subscription_id;
SELECT prepare('date', 'date');
CALL session_consistency.migrate('bookings_of_story', batch_size => 1, start_column => 'starts', valid_from_column => 'first', valid_until_column => 'last', created_column => 'made');
SELECT id, what, o.subscription_id AS expected, b.subscription_id AS got
FROM bookings_of_story b JOIN outcome_of_story o USING (id, what) WHERE b.subscription_id IS DISTINCT FROM o.subscription_id;
-- A start that is a date counts by its first moment: a timestamp later that day begins after it.
SELECT prepare('date', 'timestamptz');
UPDATE packs_of_story SET first = first + interval '10 hours', last = last + interval '10 hours';
CALL session_consistency.migrate('bookings_of_story', batch_size => 1, start_column => 'starts', valid_from_column => 'first', valid_until_column => 'last', created_column => 'made');
SELECT id, what, o.subscription_id AS expected, b.subscription_id AS got
FROM bookings_of_story b JOIN outcome_of_story o USING (id, what) WHERE b.subscription_id IS DISTINCT FROM o.subscription_id;
-- A timestamp ends with its moment: what is later that day lies outside.
SELECT prepare('timestamptz', 'timestamp');
CALL session_consistency.migrate('bookings_of_story', batch_size => 1000, start_column => 'starts', valid_from_column => 'first', valid_until_column => 'last', created_column => 'made');
SELECT id, what, o.subscription_id AS expected, b.subscription_id AS got
FROM bookings_of_story b JOIN outcome_of_story o USING (id, what) WHERE b.subscription_id IS DISTINCT FROM o.subscription_id;
-- The caller's time zone decides what day a moment is on.
SELECT prepare('timestamptz', 'date');
SET timezone = 'America/New_York';
CALL session_consistency.migrate('bookings_of_story', batch_size => 1000, start_column => 'starts', valid_from_column => 'first', valid_until_column => 'last', created_column => 'made');
SELECT id, what, o.subscription_id AS expected, b.subscription_id AS got
FROM bookings_of_story b JOIN outcome_of_story o USING (id, what) WHERE b.subscription_id IS DISTINCT FROM o.subscription_id;
-- Infinity is a date.
SET timezone = 'Europe/Berlin';
SELECT prepare('timestamptz', 'date');
UPDATE packs_of_story SET first = coalesce(first, '-infinity') WHERE last IS NOT NULL;
UPDATE packs_of_story SET last = coalesce(last, 'infinity') WHERE first IS NOT NULL;
CALL session_consistency.migrate('bookings_of_story', batch_size => 1000, start_column => 'starts', valid_from_column => 'first', valid_until_column => 'last', created_column => 'made');
SELECT id, what, o.subscription_id AS expected, b.subscription_id AS got
FROM bookings_of_story b JOIN outcome_of_story o USING (id, what) WHERE b.subscription_id IS DISTINCT FROM o.subscription_id;
-- Without dates only a member's only subscription is beyond doubt.
SELECT prepare('date', 'date');
CALL session_consistency.migrate('bookings_of_story');
SELECT id, what, subscription_id FROM bookings_of_story WHERE subscription_id IS NOT NULL ORDER BY id;
SELECT linked, unlinked FROM session_consistency.migration_progress
WHERE sessions = 'bookings_of_story'::regclass ORDER BY started DESC LIMIT 1;

-- The DBA's choice for what the rules leave.
SELECT prepare('timestamp', 'date');
CALL session_consistency.migrate('bookings_of_story', batch_size => 3, start_column => 'starts', valid_from_column => 'first', valid_until_column => 'last', created_column => 'made', when_ambiguous => 'fill');
SELECT id, what, subscription_id FROM bookings_of_story b
WHERE (SELECT o.subscription_id FROM outcome_of_story o WHERE o.id = b.id) IS NULL ORDER BY id;
SELECT * FROM recount('bookings_of_story', 'packs_of_story', remaining => NULL);
SELECT prepare('timestamp', 'date');
CALL session_consistency.migrate('bookings_of_story', batch_size => 3, start_column => 'starts', valid_from_column => 'first', valid_until_column => 'last', created_column => 'made', when_ambiguous => 'active');
SELECT id, what, subscription_id FROM bookings_of_story b
WHERE (SELECT o.subscription_id FROM outcome_of_story o WHERE o.id = b.id) IS NULL ORDER BY id;
SELECT linked, unlinked FROM session_consistency.migration_progress
WHERE sessions = 'bookings_of_story'::regclass ORDER BY started DESC LIMIT 1;

-- Rows that are linked already take their room first.
SELECT prepare('timestamp', 'date');
UPDATE bookings_of_story SET subscription_id = 20 WHERE id = 10;
CALL session_consistency.migrate('bookings_of_story', batch_size => 3, start_column => 'starts', valid_from_column => 'first', valid_until_column => 'last', created_column => 'made');
SELECT id, what, subscription_id FROM bookings_of_story b WHERE member_id = 2 ORDER BY id;

-- The recount finds nothing.
SELECT * FROM recount('bookings_of_story', 'packs_of_story', remaining => NULL);
\i :finish
