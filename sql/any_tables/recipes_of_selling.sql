-- How to sell more, whatever the guard: the total is raised. Old code that writes used and remaining by itself goes on
-- under guard => 'ignore'; where it means to sell by a raised remaining, it is warned. A refusal says the next step to
-- the one who reads it: whoever may not change the packs is not told to raise a total.
\getenv top PG_ABS_SRCDIR
\set test recipes_of_selling
\set gym :top /test/fixtures/gym.sql
\i :gym
\pset format unaligned
\pset tuples_only on
CREATE TABLE packs (id int PRIMARY KEY, member_id int NOT NULL, status text NOT NULL DEFAULT 'active', "Credits" int, used int NOT NULL DEFAULT 0,
    left_over int);
CREATE TABLE visits (id int PRIMARY KEY, member_id int NOT NULL, status text DEFAULT 'scheduled');
GRANT INSERT ON visits TO :desk;
INSERT INTO packs VALUES (1, 1, 'active', 2, 0, 2), (2, 2, 'active', NULL, 0, NULL);
\set arguments '''visits'', ''packs'', type_column => NULL, total_column => ''Credits'', used_column => ''used'', remaining_column => ''left_over'''
SELECT count(*) > 0 FROM session_consistency.attach(:arguments);
INSERT INTO visits VALUES (1, 1), (2, 1), (3, 2);
-- Refused: the hint says how. An equal value is no change.
SELECT * FROM refusal('UPDATE packs SET left_over = left_over + 5 WHERE id = 1');
SELECT * FROM refusal('UPDATE packs SET used = 0 WHERE id = 1') WHERE field = 'hint';
UPDATE packs SET used = 2, left_over = 0 WHERE id = 1;
UPDATE packs SET "Credits" = "Credits" + 1 WHERE id = 1 RETURNING *;

-- Old code under guard => 'ignore': what it counts down is counted already, what it raises is kept and warned of.
SELECT DISTINCT action FROM session_consistency.attach(:arguments, guard => 'ignore') WHERE action <> 'remark';
\set VERBOSITY default
BEGIN;
INSERT INTO visits VALUES (4, 1);
UPDATE packs SET used = used + 1, left_over = left_over - 1 WHERE id = 1 RETURNING *;
COMMIT;
UPDATE packs SET left_over = left_over + 5 WHERE id = 1 RETURNING *;
UPDATE packs SET "Credits" = "Credits" + 5, left_over = left_over + 5 WHERE id = 1 RETURNING *;
UPDATE packs SET left_over = 7 WHERE id = 2 RETURNING *;
\set VERBOSITY sqlstate
SELECT * FROM recount('visits', 'packs', type => NULL, total => 'Credits', used => 'used', remaining => 'left_over');

-- Who may not change a total is not told to raise one; one who may change that column alone is.
INSERT INTO visits SELECT 10 + n, 1 FROM generate_series(1, 5) AS n;
SELECT * FROM refusal('INSERT INTO visits VALUES (20, 1)') WHERE field IN ('detail', 'hint');
GRANT SELECT ON packs TO :desk;
SET ROLE :desk;
SELECT * FROM refusal('INSERT INTO visits VALUES (20, 1)') WHERE field IN ('detail', 'hint');
SET ROLE :owner;
GRANT UPDATE ("Credits") ON packs TO :desk;
SET ROLE :desk;
SELECT * FROM refusal('INSERT INTO visits VALUES (20, 1)') WHERE field = 'hint';
SET ROLE :owner;
REVOKE UPDATE ("Credits") ON packs FROM :desk;
SELECT count(*) > 0 FROM session_consistency.attach(:arguments, draw_order => 'id');
SELECT * FROM refusal('INSERT INTO visits VALUES (20, 1)') WHERE field IN ('message', 'hint');
SET ROLE :desk;
SELECT * FROM refusal('INSERT INTO visits VALUES (20, 1)') WHERE field = 'hint';
SET ROLE :owner;
SELECT * FROM recount('visits', 'packs', type => NULL, total => 'Credits', used => 'used', remaining => 'left_over');
\i :finish
