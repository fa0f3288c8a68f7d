-- Two attachments of one table of bookings: each takes a credit of the member's pack and a seat of its class in one
-- statement, or neither.
\getenv top PG_ABS_SRCDIR
\set test pack_and_class
\set gym :top /test/fixtures/gym.sql
\i :gym
CREATE TABLE classes (id int PRIMARY KEY, status text NOT NULL DEFAULT 'active', seats int, taken int NOT NULL DEFAULT 0);
ALTER TABLE training_sessions ADD class_id int;
INSERT INTO classes (id, seats) VALUES (1, 2), (2, 3), (3, 20);
CREATE FUNCTION attach_classes(link text DEFAULT 'class_id', dry_run boolean DEFAULT false)
    RETURNS bigint LANGUAGE sql AS $$
    SELECT count(*) FROM session_consistency.attach('training_sessions', 'classes', member_column => NULL,
        subscription_column => link, consuming_types => '{member,makeup,contractual,trial}', total_column => 'seats',
        used_column => 'taken', remaining_column => NULL, ledger => true, dry_run => dry_run) $$;
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions', ledger => true);
SELECT attach_classes() > 0 AS attached;
-- Packs and seats, for any role; and each that is wrong, counted by plain SQL.
CREATE FUNCTION left_of() RETURNS TABLE (relation text, id int, total int, used int) LANGUAGE sql SECURITY DEFINER
    SET search_path FROM CURRENT AS $$
    SELECT 'pack', id, total_sessions_snapshot, used_sessions FROM member_subscriptions WHERE status = 'active'
    UNION ALL SELECT 'class', id, seats, taken FROM classes ORDER BY 1 DESC, 2 $$;
CREATE FUNCTION recount_both() RETURNS TABLE (finding text) LANGUAGE sql SECURITY DEFINER
    SET search_path FROM CURRENT AS $$
    SELECT * FROM recount() UNION ALL
    SELECT format('class %s: taken %s, counted %s', c.id, c.taken, count(t.id)) FROM classes c
        LEFT JOIN training_sessions t ON t.class_id = c.id AND t.session_type <> 'guest'
        AND t.status IN ('scheduled', 'in_progress', 'completed')
    GROUP BY c.id, c.taken, c.seats HAVING c.taken <> count(t.id) OR c.taken > c.seats $$;
SET ROLE :desk;
-- A booking takes both; a trial takes a seat and no credit, a guest neither; without a class only the credit is taken.
INSERT INTO training_sessions (id, member_id, class_id) VALUES (1, 1, 1);
INSERT INTO training_sessions (id, member_id, class_id, session_type) VALUES (2, 4, 1, 'trial'), (3, 3, 1, 'guest');
INSERT INTO training_sessions (id, member_id) VALUES (4, 2);
SELECT * FROM left_of();
SELECT id, member_id, subscription_id, class_id, session_type FROM training_sessions ORDER BY id;
-- No seat: no credit either. No credit: no seat either. Neither: the pack is asked first, which is searched.
SELECT * FROM refusal($$INSERT INTO training_sessions (id, member_id, class_id) VALUES (5, 1, 1)$$);
INSERT INTO training_sessions (id, member_id, class_id) VALUES (5, 2, 2);
SELECT * FROM refusal($$INSERT INTO training_sessions (id, member_id, class_id) VALUES (6, 2, 2)$$);
SELECT * FROM refusal($$INSERT INTO training_sessions (id, member_id, class_id) VALUES (6, 2, 1)$$);
SELECT outcome($$INSERT INTO training_sessions (id, member_id, class_id) VALUES (6, 1, 3), (7, 1, 1)$$);
SELECT outcome($$INSERT INTO training_sessions (id, member_id, class_id) VALUES (6, 3, 3)$$);
SELECT * FROM left_of();
SELECT * FROM recount_both();
-- A class is changed: the seats move, the credits stay. The member is changed: the credits move, the seats stay.
UPDATE training_sessions SET class_id = 2 WHERE id = 1;
SELECT * FROM left_of();
UPDATE training_sessions SET member_id = 1 WHERE id = 5;
SELECT * FROM left_of();
-- Into a class that is full: nothing.
INSERT INTO training_sessions (id, member_id, class_id) VALUES (6, 1, 1);
SELECT outcome($$UPDATE training_sessions SET class_id = 1, status = 'completed' WHERE id = 5$$);
-- Two change places in a class that is full.
UPDATE training_sessions SET class_id = CASE id WHEN 6 THEN 2 ELSE 1 END WHERE id IN (5, 6);
SELECT * FROM left_of();
-- A trial that becomes a member's takes a credit and keeps its seat, and back.
SELECT outcome($$UPDATE training_sessions SET session_type = 'member' WHERE id = 2$$);
UPDATE training_sessions SET session_type = 'member', member_id = 1 WHERE id = 2;
SELECT * FROM left_of();
UPDATE training_sessions SET session_type = 'trial' WHERE id = 2;
-- Cancelled, booked again, completed, deleted.
UPDATE training_sessions SET status = 'cancelled' WHERE id IN (1, 2);
SELECT * FROM left_of();
UPDATE training_sessions SET status = 'scheduled' WHERE id = 1;
UPDATE training_sessions SET status = 'completed' WHERE class_id = 2;
DELETE FROM training_sessions WHERE id IN (2, 4, 6);
SELECT * FROM left_of();
SELECT * FROM recount_both();
-- Many rows, an upsert, COPY.
INSERT INTO training_sessions (id, member_id, class_id, session_type)
    SELECT n, 1, 3, CASE WHEN n % 2 = 0 THEN 'trial' ELSE 'member' END::session_type FROM generate_series(20, 29) n;
INSERT INTO training_sessions (id, member_id, class_id) VALUES (1, 1, 3)
    ON CONFLICT (id) DO UPDATE SET class_id = EXCLUDED.class_id;
COPY training_sessions (id, member_id, class_id) FROM stdin;
30	1	3
31	2	3
\.
SELECT * FROM left_of();
SELECT * FROM recount_both();

SET ROLE :owner;
-- Everything is by the pair: who names one of several is asked which.
CALL session_consistency.migrate('training_sessions', subscriptions => 'classes');
CALL session_consistency.migrate('training_sessions', subscriptions => 'member_subscriptions');
SELECT sessions, subscriptions, subscription_column, member_column, counts_view, enforced, gaps
    FROM session_consistency.attachments WHERE sessions = 'training_sessions'::regclass;
SELECT * FROM refusal($$SELECT session_consistency.check_counts('training_sessions')$$);
SELECT * FROM refusal($$SELECT session_consistency.detach('training_sessions')$$);
SELECT * FROM refusal($$SELECT session_consistency.check_session_integrity(1, 'training_sessions', 'classes')$$);
SELECT session_consistency.check_session_integrity(1, 'training_sessions', 'member_subscriptions') ->> 'message' AS message;
ALTER TABLE classes DISABLE TRIGGER USER;
ALTER TABLE member_subscriptions DISABLE TRIGGER USER;
UPDATE classes SET taken = 2 WHERE id = 2;
UPDATE member_subscriptions SET used_sessions = 9 WHERE id = 10;
SELECT subscriptions, gaps FROM session_consistency.attachments WHERE sessions = 'training_sessions'::regclass;
ALTER TABLE classes ENABLE TRIGGER USER;
ALTER TABLE member_subscriptions ENABLE TRIGGER USER;
SELECT attachment, subscriptions, subscription_id, member_id, used, expected_used FROM session_consistency.check_counts();
SELECT code, repair_sql FROM session_consistency.audit_findings('training_sessions', 'classes');
SELECT subscription_id, before, after FROM session_consistency.repair('training_sessions', 'classes', dry_run => false);
SELECT subscription_id, before, after
    FROM session_consistency.repair('training_sessions', 'member_subscriptions', dry_run => false);
SELECT * FROM session_consistency.check_counts();
-- A class and a pack with the same number have a story each.
INSERT INTO member_subscriptions (id, member_id, total_sessions_snapshot) VALUES (3, 4, 5);
INSERT INTO training_sessions (id, member_id, class_id) VALUES (50, 4, 3);
SELECT session_id, delta, balance, reason
    FROM session_consistency.explain_subscription('training_sessions', 'classes', '3') WHERE session_id = '50';
SELECT session_id, delta, balance, reason
    FROM session_consistency.explain_subscription('training_sessions', 'member_subscriptions', '3');
SELECT * FROM session_consistency.ledger_gaps();
SELECT subscriptions, subscription_rows, total, used FROM session_consistency.metrics
    WHERE sessions = 'training_sessions'::regclass ORDER BY 1::text;
BEGIN;
SELECT session_consistency.run_check('training_sessions', 'classes') IS NOT NULL AS checked;
SELECT code, subscription_id FROM session_consistency.check_findings WHERE sessions = 'training_sessions'::regclass
    ORDER BY 1, 2;
ROLLBACK;

-- The same again is no step. Refused: the pair with another link; the link of the one for another; other sessions on the
-- same classes.
SELECT attach_classes() AS steps;
CREATE TABLE rooms (LIKE classes INCLUDING ALL);
CREATE TABLE other_bookings (id int PRIMARY KEY, session_type text, status text, class_id int);
SELECT * FROM refusal($$SELECT attach_classes('place_id')$$);
SELECT * FROM refusal($$SELECT session_consistency.attach('training_sessions', 'rooms', member_column => NULL,
    subscription_column => 'class_id', total_column => 'seats', used_column => 'taken')$$);
SELECT * FROM refusal($$SELECT session_consistency.attach('other_bookings', 'classes', member_column => NULL,
    subscription_column => 'class_id', total_column => 'seats', used_column => 'taken')$$);

-- A charge trigger that is dropped leaves the other attachment whole, is told by a check, and detach takes the rest.
DROP TRIGGER "00_session_consistency_charge_classes" ON training_sessions;
SELECT subscriptions, enforced FROM session_consistency.attachments WHERE sessions = 'training_sessions'::regclass;
BEGIN;
SELECT session_consistency.run_check() IS NOT NULL AS checked;
SELECT code, actual FROM session_consistency.check_findings WHERE sessions = 'training_sessions'::regclass
    ORDER BY 1, 2;
ROLLBACK;
SELECT action, command FROM session_consistency.detach('training_sessions', 'classes');
SELECT tgname, tgrelid::regclass FROM pg_trigger WHERE NOT tgisinternal
    AND tgrelid IN ('training_sessions'::regclass, 'classes'::regclass, 'member_subscriptions'::regclass) ORDER BY 2, 1;
DROP VIEW classes_session_counts;
ALTER TABLE classes DROP CONSTRAINT sc_classes_taken_check;
SELECT attach_classes() > 0 AS attached;
CALL session_consistency.migrate('training_sessions', subscriptions => 'classes');
SELECT subscriptions, enforced, gaps FROM session_consistency.attachments WHERE sessions = 'training_sessions'::regclass;
INSERT INTO training_sessions (id, member_id, class_id) VALUES (51, 4, 3);
SELECT * FROM recount_both();
-- TRUNCATE empties both; detaching one leaves the other whole.
TRUNCATE training_sessions;
SELECT * FROM left_of();
SELECT count(*) > 0 AS detached FROM session_consistency.detach('training_sessions', 'member_subscriptions');
SELECT subscriptions, enforced, gaps FROM session_consistency.attachments WHERE sessions = 'training_sessions'::regclass;
INSERT INTO training_sessions (id, member_id, class_id) VALUES (1, 4, 1), (2, 4, 1);
SELECT outcome($$INSERT INTO training_sessions (id, member_id, class_id) VALUES (3, 4, 1)$$);
SELECT * FROM left_of();
SELECT count(*) > 0 AS detached FROM session_consistency.detach('training_sessions');
SELECT count(*) AS triggers FROM pg_trigger WHERE NOT tgisinternal
    AND tgrelid IN ('training_sessions'::regclass, 'classes'::regclass, 'member_subscriptions'::regclass);
\i :finish
