-- Where only what remains is stored, nobody can tell what is used: nothing mismatches, what is below 0 is found, and what
-- attach() would refuse is named. A used column beside it is compared.
\getenv top PG_ABS_SRCDIR
\set test audit_of_remaining_alone
\set gym :top /test/fixtures/gym.sql
\i :gym
\pset format unaligned
\pset tuples_only on
CREATE TABLE packs (id int PRIMARY KEY, member_id int NOT NULL, status text DEFAULT 'active', left_over int);
CREATE TABLE visits (id int PRIMARY KEY, member_id int NOT NULL, session_type text DEFAULT 'member', status text DEFAULT 'completed',
    pack int);
INSERT INTO packs VALUES (1, 1, 'active', 5), (2, 2, 'active', -2), (3, 3, 'active', NULL);
INSERT INTO visits (id, member_id, pack) VALUES (1, 1, 1), (2, 1, 1), (3, 2, NULL), (4, 3, 3), (5, 4, NULL);
\set named 'subscription_column => ''pack'', total_column => ''total'', remaining_column => ''left_over'''
\set found 'SELECT code, member_id, subscription_id, session_id, expected, actual, repair_sql FROM session_consistency.audit_findings(''visits'', ''packs'', ' :named ')'
:found;
SELECT code, description FROM session_consistency.audit('visits', 'packs', :named) WHERE code IN ('count_mismatch', 'overdrawn');
-- The default name of the total does as well, and a name without a remaining column does not.
SELECT count(*) FROM session_consistency.audit_findings('visits', 'packs', subscription_column => 'pack', remaining_column => 'left_over');
SELECT * FROM refusal($$SELECT session_consistency.audit_findings('visits', 'packs', subscription_column => 'pack', total_column => 'total')$$)
WHERE field IN ('sqlstate', 'message');
-- Two active packs stand in the way, as attach() says.
INSERT INTO packs VALUES (4, 1, 'active', 1);
SELECT code, affected FROM session_consistency.audit('visits', 'packs', :named) WHERE affected > 0;
SELECT * FROM refusal($$SELECT session_consistency.attach('visits', 'packs', $$ || :'named' || ')') WHERE field = 'sqlstate';
DELETE FROM packs WHERE id = 4;
-- With a counter of what was used.
ALTER TABLE packs ADD used_sessions int NOT NULL DEFAULT 0;
UPDATE packs SET used_sessions = 3 WHERE id = 1;
UPDATE packs SET used_sessions = 1 WHERE id = 3;
:found;
-- Attached, the same is asked of all three columns.
UPDATE packs SET left_over = 2 WHERE id = 2;
SELECT count(*) > 0 FROM session_consistency.attach('visits', 'packs', :named);
SELECT code, subscription_id, expected, actual FROM session_consistency.audit_findings('visits') WHERE code <> 'enforcement_gap';
CALL session_consistency.migrate('visits', opening => 'give_back');
SELECT id, total, used_sessions, left_over FROM packs ORDER BY id;
SELECT code, subscription_id, session_id FROM session_consistency.audit_findings('visits');
SELECT p.id FROM packs p WHERE used_sessions <> (SELECT count(*) FROM visits WHERE pack = p.id) OR left_over <> total - used_sessions;
\i :finish
