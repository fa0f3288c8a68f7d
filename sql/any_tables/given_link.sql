-- Links that the application gives: a seat of a class. No member is known, nothing is looked up or cleared, and a booking
-- that names no class is not charged.
\getenv top PG_ABS_SRCDIR
\set test given_link
\set gym :top /test/fixtures/gym.sql
\i :gym
CREATE TABLE classes (code text PRIMARY KEY, status text NOT NULL DEFAULT 'open', seats int, taken int NOT NULL DEFAULT 0);
CREATE TABLE bookings (id int PRIMARY KEY, class_code text, state text DEFAULT 'booked', kind text DEFAULT 'paid');
GRANT SELECT, INSERT, UPDATE, DELETE ON bookings TO :desk;
INSERT INTO classes VALUES ('yoga', 'open', 2), ('box', 'open', 3), ('old', 'over', 5), ('any', 'open', NULL);
CREATE FUNCTION attach_bookings(dry_run boolean DEFAULT false, ledger boolean DEFAULT true)
    RETURNS TABLE (action text, command text) LANGUAGE sql AS $$
    SELECT action, command FROM session_consistency.attach('bookings', 'classes', member_column => NULL,
        subscription_column => 'class_code', type_column => 'kind', consuming_types => '{paid,trial}',
        status_column => 'state', scheduled_statuses => '{booked}', completed_statuses => '{attended}',
        active_statuses => '{open}', total_column => 'seats', used_column => 'taken', remaining_column => NULL,
        ledger => ledger, dry_run => dry_run) $$;
CREATE FUNCTION seats() RETURNS TABLE (code text, seats int, taken int) LANGUAGE sql SECURITY DEFINER
    SET search_path FROM CURRENT AS $$ SELECT code, seats, taken FROM classes ORDER BY code $$;
-- Plain SQL, beside the extension.
CREATE FUNCTION recount_seats() RETURNS TABLE (code text, taken int, counted bigint) LANGUAGE sql SECURITY DEFINER
    SET search_path FROM CURRENT AS $$
    SELECT c.code, c.taken, count(b.id) FROM classes c LEFT JOIN bookings b ON b.class_code = c.code
        AND b.kind IN ('paid', 'trial') AND b.state IN ('booked', 'attended')
    GROUP BY c.code, c.taken, c.seats HAVING c.taken <> count(b.id) OR c.taken > c.seats $$;
CREATE FUNCTION findings() RETURNS TABLE (code text, subscription_id text, session_id text, expected text, actual text,
    repairable boolean) LANGUAGE sql AS $$
    SELECT code, subscription_id, session_id, expected, actual, repair_sql IS NOT NULL
    FROM session_consistency.audit_findings('bookings', 'classes', member_column => NULL,
        subscription_column => 'class_code', type_column => 'kind', consuming_types => '{paid,trial}',
        status_column => 'state', scheduled_statuses => '{booked}', completed_statuses => '{attended}',
        active_statuses => '{open}', total_column => 'seats', used_column => 'taken', remaining_column => NULL)
    ORDER BY 1, 2, 3 $$;

-- Before: a dangling link is found, and a counter that is wrong. Nobody misses a link or a member.
INSERT INTO bookings VALUES (90, 'yoga', 'booked', 'paid'), (91, NULL, 'booked', 'paid'),
    (92, 'gone', 'booked', 'paid'), (93, 'box', 'booked', 'staff');
SELECT * FROM findings();
DELETE FROM bookings WHERE id = 92;
-- No BEFORE trigger, no index on active ones; history is what is linked.
\pset format unaligned
SELECT * FROM attach_bookings(true);
\pset format aligned
SELECT count(*) > 0 AS attached FROM attach_bookings();
SELECT tgname, tgrelid::regclass FROM pg_trigger WHERE tgrelid IN ('bookings'::regclass, 'classes'::regclass)
    AND NOT tgisinternal ORDER BY 2, 1;
SELECT member_column, subscription_member_column, subscription_column, enforced, gaps FROM session_consistency.attachments
    WHERE sessions = 'bookings'::regclass;
CALL session_consistency.migrate('bookings');
SELECT gaps FROM session_consistency.attachments WHERE sessions = 'bookings'::regclass;
SELECT * FROM seats();

SET ROLE :desk;
-- R4: the last seat once; who is on staff takes none and keeps the link; who names no class takes none.
INSERT INTO bookings VALUES (1, 'yoga', 'booked', 'paid'), (2, 'box', 'booked', 'staff'), (3, NULL, 'booked', 'paid'),
    (4, 'any', 'attended', 'trial');
SELECT * FROM refusal($$INSERT INTO bookings VALUES (5, 'yoga')$$);
SELECT * FROM refusal($$INSERT INTO bookings VALUES (5, 'box'), (6, 'box'), (7, 'box'), (8, 'box')$$);
SELECT * FROM seats();
-- R3: a class that is over takes attended ones alone. A class that is not there.
SELECT * FROM refusal($$INSERT INTO bookings VALUES (5, 'old')$$);
INSERT INTO bookings VALUES (5, 'old', 'attended');
SELECT outcome($$INSERT INTO bookings VALUES (6, 'nowhere')$$);
-- R5, R6: cancelled, deleted, moved, made another kind, unlinked, linked.
UPDATE bookings SET state = 'cancelled' WHERE id = 1;
UPDATE bookings SET class_code = 'box' WHERE id = 90;
UPDATE bookings SET kind = 'paid' WHERE id = 2;
SELECT * FROM seats();
UPDATE bookings SET class_code = 'yoga' WHERE id = 3;
UPDATE bookings SET state = 'booked' WHERE id = 1;
SELECT outcome($$UPDATE bookings SET class_code = 'yoga' WHERE id = 90$$);
UPDATE bookings SET class_code = NULL WHERE id = 3;
UPDATE bookings SET kind = 'staff' WHERE id = 2;
UPDATE bookings SET class_code = 'yoga' WHERE id = 90;
DELETE FROM bookings WHERE id = 4;
SELECT id, class_code, state, kind FROM bookings ORDER BY id;
SELECT * FROM seats();
-- One that cancels and one that books are judged in sum.
WITH gone AS (UPDATE bookings SET state = 'cancelled' WHERE id = 90) INSERT INTO bookings VALUES (7, 'yoga');
SELECT * FROM seats();
SELECT * FROM recount_seats();

SET ROLE :owner;
-- R9, R10, R11.
SELECT outcome($$UPDATE classes SET taken = 0 WHERE code = 'yoga'$$), outcome($$UPDATE classes SET seats = 1 WHERE code = 'yoga'$$),
    outcome($$DELETE FROM classes WHERE code = 'yoga'$$), outcome($$UPDATE classes SET seats = 3 WHERE code = 'yoga'$$);
ALTER TABLE bookings DROP CONSTRAINT sc_bookings_class_code_fkey;
ALTER TABLE bookings ADD CONSTRAINT class_key FOREIGN KEY (class_code) REFERENCES classes ON DELETE SET NULL ON UPDATE CASCADE;
SELECT * FROM refusal($$DELETE FROM classes WHERE code = 'yoga'$$);
UPDATE classes SET code = 'hatha' WHERE code = 'yoga';
SELECT * FROM seats();
UPDATE bookings SET state = 'cancelled' WHERE class_code = 'hatha';
DELETE FROM classes WHERE code = 'hatha';
SELECT id, class_code, state FROM bookings ORDER BY id;
SELECT * FROM recount_seats();
ALTER TABLE bookings DROP CONSTRAINT class_key;
ALTER TABLE bookings ADD CONSTRAINT class_key FOREIGN KEY (class_code) REFERENCES classes ON DELETE CASCADE;
INSERT INTO bookings VALUES (20, 'any');
DELETE FROM classes WHERE code = 'any';
INSERT INTO classes VALUES ('any', 'open', NULL);
ALTER TABLE bookings DROP CONSTRAINT class_key;
ALTER TABLE bookings ADD CONSTRAINT class_key FOREIGN KEY (class_code) REFERENCES classes;

-- Whoever reads: the view has no member, checks have none, and asking for one says so.
SELECT * FROM classes_session_counts ORDER BY 1;
ALTER TABLE classes DISABLE TRIGGER USER;
UPDATE classes SET taken = 2 WHERE code = 'box';
ALTER TABLE classes ENABLE TRIGGER USER;
SELECT subscription_id, member_id, total, used, expected_used, message FROM session_consistency.check_counts('bookings');
SELECT * FROM findings();
SELECT code, affected, description FROM session_consistency.audit('bookings') WHERE description LIKE '%not apply%';
SELECT * FROM refusal($$SELECT session_consistency.check_session_integrity(1, 'bookings')$$);
SELECT subscription_id, code, before, after FROM session_consistency.repair('bookings', dry_run => false);
SELECT * FROM session_consistency.check_counts('bookings');
SELECT member_id, line, session_id, delta, balance, reason
    FROM session_consistency.explain_subscription('bookings', 'box');
SELECT count(*) AS gaps FROM session_consistency.ledger_gaps('bookings');
SELECT subscription_rows, total, used FROM session_consistency.metrics WHERE sessions = 'bookings'::regclass;
TRUNCATE bookings;
SELECT * FROM seats();

-- What attach() refuses: a key with the member in it, a column that is not there; NULL for the other member alone.
CREATE TABLE rooms (id int, member_id int, status text, total_sessions_snapshot int, PRIMARY KEY (member_id, id));
CREATE TABLE hours (id int PRIMARY KEY, member_id int, session_type text, status text);
SELECT * FROM refusal($$SELECT session_consistency.attach('hours', 'rooms', member_column => NULL)$$);
SELECT * FROM refusal($$SELECT session_consistency.attach('training_sessions', 'member_subscriptions',
    subscription_member_column => NULL)$$);
-- Nothing is searched: what says how means nothing.
SELECT * FROM refusal($$SELECT session_consistency.attach('hours', 'rooms', member_column => NULL, draw_order => 'id')$$);
SELECT outcome($$SELECT session_consistency.attach('hours', 'rooms', member_column => NULL, named_links => false)$$),
    outcome($$SELECT session_consistency.attach('hours', 'rooms', member_column => NULL, when_none => 'leave')$$);
SELECT count(*) > 0 AS detached FROM session_consistency.detach('bookings');
SELECT count(*) AS left FROM pg_trigger WHERE tgrelid IN ('bookings'::regclass, 'classes'::regclass) AND NOT tgisinternal;
SELECT * FROM recount_seats();
\i :finish
