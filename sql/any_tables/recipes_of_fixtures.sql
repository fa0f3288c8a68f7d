-- Fixtures that insert a booking before its pack are refused: both in one statement, or the sessions left unpaid until
-- migrate().
\getenv top PG_ABS_SRCDIR
\set test recipes_of_fixtures
\set gym :top /test/fixtures/gym.sql
\i :gym
\pset format unaligned
\pset tuples_only on
CREATE TABLE packs (id int PRIMARY KEY, member_id int NOT NULL, status text NOT NULL DEFAULT 'active', credits int);
CREATE TABLE visits (id int PRIMARY KEY, member_id int NOT NULL, status text NOT NULL DEFAULT 'scheduled');
\set arguments '''visits'', ''packs'', type_column => NULL, total_column => ''credits'', remaining_column => NULL'
\set check 'SELECT * FROM recount(''visits'', ''packs'', type => NULL, total => ''credits'', remaining => NULL)'
SELECT count(*) > 0 FROM session_consistency.attach(:arguments);
SELECT outcome('INSERT INTO visits VALUES (1, 1)');
-- One statement is judged at its end.
WITH booked AS (INSERT INTO visits VALUES (1, 1)) INSERT INTO packs VALUES (10, 1, 'active', 5);
SELECT v.id, subscription_id, used_sessions FROM visits v JOIN packs p ON p.id = subscription_id ORDER BY 1;
-- A loader that keeps no order: for as long as it runs, who cannot be paid for stays. Then history is linked.
SELECT count(*) > 0 FROM session_consistency.attach(:arguments, when_none => 'leave');
INSERT INTO visits VALUES (2, 2), (3, 2);
INSERT INTO packs VALUES (20, 2, 'active', 5);
CALL session_consistency.migrate('visits');
SELECT count(*) > 0 FROM session_consistency.attach(:arguments);
SELECT v.id, subscription_id, used_sessions FROM visits v JOIN packs p ON p.id = subscription_id ORDER BY 1;
SELECT outcome('INSERT INTO visits VALUES (4, 4)');
SELECT enforced, gaps FROM session_consistency.attachments WHERE sessions = 'visits'::regclass;
:check;
\i :finish
