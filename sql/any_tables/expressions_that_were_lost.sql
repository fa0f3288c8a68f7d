-- If the trigger that carries the expressions is gone, nothing can be booked, and whoever looks is told so by a finding. To
-- attach again with other words makes history of what was counted by those that are lost: migrate() treats it.
\getenv top PG_ABS_SRCDIR
\set test expressions_lost
\set gym :top /test/fixtures/gym.sql
\i :gym
\pset format unaligned
\pset tuples_only on
CREATE TABLE packs (id int PRIMARY KEY, member_id int NOT NULL, status text DEFAULT 'active', total int);
CREATE TABLE visits (id int PRIMARY KEY, member_id int NOT NULL, status text DEFAULT 'scheduled', paid boolean, guests int DEFAULT 0);
INSERT INTO packs VALUES (1, 1, 'active', 5), (2, 2, 'active', 5), (3, 3, 'active', 5);
\set columns '''visits'', ''packs'', type_column => NULL, total_column => ''total'''
\set gaps 'SELECT enforced, gaps FROM session_consistency.attachments WHERE sessions = ''visits''::regclass'
SELECT count(*) > 0 FROM session_consistency.attach(:columns, counts_when => 'paid', cost => 'guests + 1');
CALL session_consistency.migrate('visits');
INSERT INTO visits VALUES (1, 1, 'scheduled', true, 1), (2, 2, 'scheduled', false, 0), (3, 3, 'scheduled', true, 0);
SELECT id, used_sessions FROM packs ORDER BY id;
DROP TRIGGER session_consistency_expressions_packs ON visits;
SELECT outcome('INSERT INTO visits VALUES (9, 1, ''scheduled'', true)'), outcome('DELETE FROM visits WHERE id = 1'),
    outcome('CALL session_consistency.migrate(''visits'')'), outcome('SELECT session_consistency.repair(''visits'')');
:gaps;
SELECT code, severity, affected, samples -> 0 ->> 'actual' FROM session_consistency.audit('visits') WHERE affected > 0;
SELECT code, description FROM session_consistency.audit('visits') WHERE code IN ('count_mismatch', 'unpinned_trigger');
SELECT code, expected, actual FROM session_consistency.audit_findings('visits');
SELECT message FROM session_consistency.check_counts() WHERE attachment = 'visits'::regclass;
SELECT * FROM refusal('SELECT session_consistency.check_counts(''visits'')') WHERE value <> '';
SET ROLE NONE;
BEGIN;
SELECT session_consistency.run_check('visits') IS NOT NULL;
SELECT code, severity, actual, ended IS NULL FROM session_consistency.check_findings WHERE sessions = 'visits'::regclass ORDER BY finding_id;
ROLLBACK;
SET ROLE :owner;

-- The same words again: nothing has happened.
BEGIN;
SELECT action FROM session_consistency.attach(:columns, counts_when => 'paid', cost => 'guests + 1');
:gaps;
INSERT INTO visits VALUES (9, 1, 'scheduled', true, 2);
SELECT id, used_sessions FROM packs WHERE id = 1;
ROLLBACK;

-- Others, by which 1 costs less, 2 counts, which was never linked, and 3 counts no more.
SELECT action FROM session_consistency.attach(:columns, counts_when => 'id <> 3', cost => '1');
:gaps;
SELECT code, affected FROM session_consistency.audit('visits') WHERE affected > 0 AND code <> 'enforcement_gap';
SELECT subscription_id, used, expected_used FROM session_consistency.check_counts('visits') ORDER BY 1;
CALL session_consistency.migrate('visits');
:gaps;
CALL session_consistency.migrate('visits', opening => 'give_back');
:gaps;
SELECT id, subscription_id FROM visits ORDER BY id;
SELECT p.id, used_sessions, count(v.id) FILTER (WHERE v.id <> 3) AS counted
FROM packs p LEFT JOIN visits v ON v.subscription_id = p.id GROUP BY p.id ORDER BY p.id;
SELECT * FROM session_consistency.check_counts('visits');

-- None at all: the trigger is not missed.
DROP TRIGGER session_consistency_expressions_packs ON visits;
SELECT action FROM session_consistency.attach(:columns);
CALL session_consistency.migrate('visits');
:gaps;
SELECT p.id FROM packs p WHERE used_sessions <> (SELECT count(*) FROM visits v WHERE v.subscription_id = p.id);
SELECT count(*) > 0 FROM session_consistency.detach('visits');
\i :finish
