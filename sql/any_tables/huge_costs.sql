-- Costs so huge that no counter can hold their sum are refused, and never wrap around to one that looks free.
\getenv top PG_ABS_SRCDIR
\set test huge_costs
\set gym :top /test/fixtures/gym.sql
\i :gym
\set most 9223372036854775807
CREATE TABLE packs (id int PRIMARY KEY, member_id int, status text DEFAULT 'active', prio int, total bigint, used bigint NOT NULL DEFAULT 0);
CREATE TABLE visits (id int PRIMARY KEY, member_id int, status text DEFAULT 'scheduled', c bigint DEFAULT 1);
\set packs 'total_column => ''total'', used_column => ''used'', remaining_column => NULL, type_column => NULL, cost => ''c'''
SELECT count(*) > 0 AS attached FROM session_consistency.attach('visits', 'packs', :packs);
INSERT INTO packs (id, member_id, total) VALUES (1, 1, NULL), (2, 2, :most), (3, 3, 5);
-- In one statement, whatever is left of it in sum.
SELECT outcome(format('INSERT INTO visits (id, member_id, c) VALUES (1, %s, %s), (2, %s, %s), (3, %s, 2)', m, :most, m, :most, m))
    FROM generate_series(1, 3) m;
SELECT * FROM refusal(format('INSERT INTO visits (id, member_id, c) VALUES (1, 1, %s), (2, 1, 1)', :most));
-- In two statements.
INSERT INTO visits (id, member_id, c) VALUES (1, 1, :most);
INSERT INTO visits (id, member_id, c) VALUES (2, 2, :most);
SELECT outcome('INSERT INTO visits (id, member_id) VALUES (3, 1)') AS unlimited,
    outcome('INSERT INTO visits (id, member_id) VALUES (3, 2)') AS full;
BEGIN;
UPDATE visits SET c = c - 1 WHERE id = 1;
SELECT outcome('INSERT INTO visits (id, member_id, c) VALUES (3, 1, 2)');
INSERT INTO visits (id, member_id) VALUES (3, 1);
ROLLBACK;
-- Taken over from another one.
SELECT outcome('UPDATE visits SET member_id = 1');
SELECT outcome('UPDATE visits SET member_id = 2');
UPDATE visits SET member_id = 3 - member_id, c = c - 1;
SELECT id, total, used FROM packs ORDER BY id;
-- With an order.
DELETE FROM visits;
SELECT count(*) > 0 AS changed FROM session_consistency.attach('visits', 'packs', draw_order => 'prio', ledger => true, :packs);
INSERT INTO packs (id, member_id, total, prio) VALUES (4, 2, NULL, 1);
SELECT outcome(format('INSERT INTO visits (id, member_id, c) VALUES (1, 2, %s), (2, 2, %s), (3, 2, 2)', :most, :most));
UPDATE packs SET prio = 0 WHERE id = 2;
INSERT INTO visits (id, member_id, c) VALUES (1, 2, :most), (2, 2, :most);
SELECT id, used FROM packs WHERE member_id = 2 ORDER BY id;
SELECT outcome('INSERT INTO visits (id, member_id) VALUES (3, 2)');
SELECT outcome('UPDATE visits SET member_id = 1');
UPDATE visits SET c = 1;
SELECT p.id, used FROM packs p WHERE member_id = 2 ORDER BY id;
-- A narrower counter.
ALTER TABLE packs ADD small smallint NOT NULL DEFAULT 0;
SELECT count(*) > 0 AS detached FROM session_consistency.detach('visits');
DELETE FROM visits;
DELETE FROM packs WHERE id = 4;
UPDATE packs SET used = 0;
\set packs 'total_column => ''total'', used_column => ''small'', remaining_column => NULL, type_column => NULL, cost => ''c'''
SELECT count(*) > 0 AS attached FROM session_consistency.attach('visits', 'packs', :packs);
SELECT outcome('INSERT INTO visits (id, member_id, c) VALUES (1, 1, 32768)') AS one,
    outcome('INSERT INTO visits (id, member_id, c) SELECT n, 1, 100 FROM generate_series(1, 328) n') AS many;
INSERT INTO visits (id, member_id, c) VALUES (1, 1, 32767);
SELECT outcome('INSERT INTO visits (id, member_id, c) VALUES (2, 1, 1)') AS one_more;
SELECT p.id, p.small FROM packs p WHERE p.small <> (SELECT coalesce(sum(c), 0) FROM visits v WHERE v.subscription_id = p.id);
SELECT count(*) FROM session_consistency.check_counts('visits');
\i :finish
