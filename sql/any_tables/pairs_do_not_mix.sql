-- Two attachments of one table of sessions, whose subscriptions have the same keys: findings, repairs, the ledger's lines,
-- metrics, lists and arguments of the one are never those of the other. Sessions are partitioned, so that links of both
-- kinds are found on partitions, too.
\getenv top PG_ABS_SRCDIR
\set test pairs_do_not_mix
\set gym :top /test/fixtures/gym.sql
\i :gym
CREATE TABLE packs (id int PRIMARY KEY, member_id int NOT NULL, status text DEFAULT 'active', total int,
    used int NOT NULL DEFAULT 0);
CREATE TABLE classes (id int PRIMARY KEY, status text DEFAULT 'open', seats int, taken int NOT NULL DEFAULT 0);
CREATE TABLE bookings (id int, day int, member_id int, pack_id int, class_id int, kind text DEFAULT 'member',
    status text DEFAULT 'scheduled', deleted boolean NOT NULL DEFAULT false, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
-- The columns of a partition have other numbers.
CREATE TABLE bookings_1 (gone int, class_id int, day int NOT NULL, id int NOT NULL, pack_id int, member_id int,
    deleted boolean NOT NULL DEFAULT false, status text DEFAULT 'scheduled', kind text DEFAULT 'member');
ALTER TABLE bookings_1 DROP gone;
ALTER TABLE bookings ATTACH PARTITION bookings_1 FOR VALUES FROM (1) TO (10);
CREATE TABLE bookings_2 PARTITION OF bookings FOR VALUES FROM (10) TO (20);
INSERT INTO packs (id, member_id, total) VALUES (1, 1, 5), (2, 2, 1);
INSERT INTO classes (id, seats) VALUES (1, 2), (2, 9);
CREATE FUNCTION attach_packs(guard text DEFAULT 'reject', types text[] DEFAULT '{member}') RETURNS TABLE (action text)
    LANGUAGE sql AS $$
    SELECT action FROM session_consistency.attach('bookings', 'packs', subscription_column => 'pack_id',
        type_column => 'kind', consuming_types => types, total_column => 'total', used_column => 'used',
        remaining_column => NULL, ledger => true, guard => guard) $$;
CREATE FUNCTION attach_classes(guard text DEFAULT 'reject', seats text DEFAULT NULL) RETURNS TABLE (action text)
    LANGUAGE sql AS $$
    SELECT action FROM session_consistency.attach('bookings', 'classes', member_column => NULL,
        subscription_column => 'class_id', type_column => NULL, active_statuses => '{open}', total_column => 'seats',
        used_column => 'taken', remaining_column => NULL, counts_when => 'NOT deleted', cost => seats, ledger => true,
        guard => guard) $$;
CREATE FUNCTION recount_both(cost int DEFAULT 1) RETURNS TABLE (finding text) LANGUAGE sql AS $$
    SELECT format('pack %s: used %s, counted %s', p.id, p.used, count(b.id)) FROM packs p LEFT JOIN bookings b
        ON b.pack_id = p.id AND b.kind = 'member' AND b.status IN ('scheduled', 'in_progress', 'completed')
    GROUP BY p.id HAVING p.used <> count(b.id) OR p.used > p.total
    UNION ALL
    SELECT format('class %s: taken %s, counted %s', c.id, c.taken, count(b.id)) FROM classes c LEFT JOIN bookings b
        ON b.class_id = c.id AND b.status IN ('scheduled', 'in_progress', 'completed') AND NOT b.deleted
    GROUP BY c.id HAVING c.taken <> cost * count(b.id) OR c.taken > c.seats $$;
SELECT count(*) > 0 AS attached FROM attach_packs();
SELECT count(*) > 0 AS attached FROM attach_classes();
CALL session_consistency.migrate('bookings', 'packs');
CALL session_consistency.migrate('bookings', 'classes');
SELECT subscriptions, member_column, type_column, guard, enforced, gaps
    FROM session_consistency.attachments WHERE sessions = 'bookings'::regclass;

-- A row that moves to another partition takes its credit and its seat with it; one that also changes its class, its
-- member or its state there moves what that says.
INSERT INTO bookings (id, day, member_id, class_id) VALUES (1, 1, 1, 1), (2, 1, 2, 2), (3, 11, 1, 1);
SELECT * FROM recount_both();
UPDATE bookings SET day = day + 10 WHERE day < 10;
SELECT * FROM recount_both();
UPDATE bookings SET day = 1, class_id = 2 WHERE id = 1;
UPDATE bookings SET day = 1, status = 'cancelled' WHERE id = 2;
UPDATE bookings SET day = 1, member_id = 2 WHERE id = 3;
SELECT tableoid::regclass, id, member_id, pack_id, class_id, status FROM bookings ORDER BY id;
-- What one attachment counts, the other need not: a deleted booking has no seat and keeps its credit.
UPDATE bookings SET deleted = true, day = 12 WHERE id = 1;
SELECT id, used FROM packs ORDER BY id;
SELECT id, taken FROM classes ORDER BY id;
SELECT * FROM recount_both();
UPDATE bookings SET deleted = false WHERE id = 1;
-- Straight at a partition.
INSERT INTO bookings_1 (id, day, member_id, class_id) VALUES (4, 2, 1, 2);
SELECT outcome($$INSERT INTO bookings_1 (id, day, member_id, class_id) VALUES (5, 2, 2, 2)$$),
    outcome($$INSERT INTO bookings_1 (id, day, member_id, class_id) VALUES (5, 2, 1, 1), (6, 2, 1, 1)$$);
SELECT * FROM recount_both();

-- Arguments of the one are changed in place; the other has no step and keeps its own.
SELECT * FROM attach_classes('ignore');
SELECT * FROM attach_packs();
SELECT subscriptions, guard FROM session_consistency.attachments WHERE sessions = 'bookings'::regclass;
UPDATE classes SET taken = 0;
SELECT outcome('UPDATE packs SET used = 0');
SELECT * FROM recount_both();
SELECT * FROM attach_classes();

-- Both are wrong by hand, subscription 1 of each: the run of one pair ends and begins findings of that pair alone.
ALTER TABLE packs DISABLE TRIGGER USER;
ALTER TABLE classes DISABLE TRIGGER USER;
UPDATE packs SET used = 4 WHERE id = 1;
UPDATE classes SET taken = 2 WHERE id = 1;
ALTER TABLE packs ENABLE TRIGGER USER;
ALTER TABLE classes ENABLE TRIGGER USER;
CREATE VIEW findings AS SELECT subscriptions, code, subscription_id, expected, actual, ended IS NOT NULL AS ended
    FROM session_consistency.check_findings WHERE sessions = 'bookings'::regclass AND code NOT LIKE '%ledger%';
SELECT session_consistency.run_check('bookings', 'classes') > 0 AS checked;
SELECT * FROM findings ORDER BY 1::text, 2, 3;
SELECT session_consistency.run_check('bookings', 'packs') > 0 AS checked;
SELECT * FROM findings ORDER BY 1::text, 2, 3;
SELECT subscriptions, subscription_rows, total, used, last_check IS NOT NULL AS checked
    FROM session_consistency.metrics WHERE sessions = 'bookings'::regclass ORDER BY 1::text;
SELECT code, subscription_id, before, after FROM session_consistency.repair('bookings', 'classes', dry_run => false);
SELECT session_consistency.run_check('bookings', 'classes') > 0 AS checked;
SELECT * FROM findings ORDER BY 1::text, 2, 3;
SELECT code, subscription_id, before, after FROM session_consistency.repair('bookings', 'packs', dry_run => false);
SELECT session_consistency.run_check('bookings') > 0 AS checked;
SELECT * FROM findings ORDER BY 1::text, 2, 3;
SELECT subscriptions, member_id, subscription_id, action, before, after FROM session_consistency.repairs
    WHERE sessions = 'bookings'::regclass ORDER BY repair_id;
SELECT * FROM recount_both();
-- Each is undone by itself.
SELECT count(*) AS undone FROM session_consistency.repairs r, session_consistency.undo_repair(r.repair_id) u
    WHERE r.sessions = 'bookings'::regclass AND r.subscriptions = 'classes'::regclass;
SELECT * FROM recount_both();
SELECT count(undone_at) AS undone, count(*) AS repairs FROM session_consistency.repairs WHERE sessions = 'bookings'::regclass;
SELECT count(*) AS repaired FROM session_consistency.repair('bookings', 'classes', dry_run => false);
-- The ledger: lines of pack 1 and class 1 are numbered apart, and no gap of either is seen.
INSERT INTO bookings (id, day, member_id, class_id) VALUES (7, 3, 1, 1);
SELECT line, session_id, delta, balance, reason FROM session_consistency.explain_subscription('bookings', 'packs', '1')
    ORDER BY id DESC LIMIT 2;
SELECT line, session_id, delta, balance, reason FROM session_consistency.explain_subscription('bookings', 'classes', '1')
    ORDER BY id DESC LIMIT 2;
SELECT * FROM refusal($$SELECT session_consistency.explain_subscription('bookings', '1')$$) WHERE value IS NOT NULL;
SELECT count(*) AS gaps FROM session_consistency.ledger_gaps('bookings', 'packs');
SELECT count(*) AS gaps FROM session_consistency.ledger_gaps('bookings', 'classes');

-- History of one is counted again where its expressions change; the other stays as it is.
SELECT * FROM attach_classes(seats => '2');
SELECT subscriptions, enforced FROM session_consistency.attachments WHERE sessions = 'bookings'::regclass;
UPDATE classes SET seats = 20;
CALL session_consistency.migrate('bookings', 'classes', opening => 'give_back');
SELECT * FROM recount_both(2);
SELECT subscriptions, enforced, gaps FROM session_consistency.attachments WHERE sessions = 'bookings'::regclass;
INSERT INTO bookings (id, day, member_id, class_id) VALUES (8, 13, 1, 1);
SELECT * FROM recount_both(2);
-- A new partition has the triggers of both.
CREATE TABLE bookings_3 PARTITION OF bookings FOR VALUES FROM (20) TO (30);
UPDATE bookings SET day = 21 WHERE id = 8;
SELECT tgname FROM pg_trigger WHERE tgrelid = 'bookings_3'::regclass AND NOT tgisinternal ORDER BY 1;
SELECT * FROM recount_both(2);
DELETE FROM bookings;
SELECT * FROM recount_both(2);
SELECT count(*) > 0 AS detached FROM session_consistency.detach('bookings', 'packs');
SELECT subscriptions, enforced, gaps FROM session_consistency.attachments WHERE sessions = 'bookings'::regclass;
INSERT INTO bookings (id, day, class_id) VALUES (1, 1, 1);
UPDATE bookings SET day = 11 WHERE id = 1;
SELECT id, taken FROM classes ORDER BY id;
SELECT count(*) > 0 AS detached FROM session_consistency.detach('bookings', 'classes');
SELECT count(*) AS triggers FROM pg_trigger WHERE NOT tgisinternal
    AND tgrelid IN ('bookings'::regclass, 'bookings_1'::regclass, 'packs'::regclass, 'classes'::regclass);
\i :finish
