-- A mapped column gets another type as docs/moving.md says, in one transaction and without migrate(): the view goes and
-- comes back, the index with the word of the status too, and the trigger of the expressions that name the column.
\getenv top PG_ABS_SRCDIR
\set test type_changed
\set gym :top /test/fixtures/gym.sql
\i :gym
\pset format unaligned
\pset tuples_only on
CREATE TABLE packs (id int PRIMARY KEY, member_id int, status text DEFAULT 'active', total int, remaining int NOT NULL);
CREATE TABLE visits (id int PRIMARY KEY, member_id int, session_type text DEFAULT 'member', status text DEFAULT 'scheduled',
    paid boolean DEFAULT true, minutes int DEFAULT 60, pack int REFERENCES packs);
INSERT INTO packs VALUES (1, 1, 'active', 10, 10), (2, 2, 'active', 5, 5);
\set arguments '''visits'', ''packs'', subscription_column => ''pack'', total_column => ''total'', remaining_column => ''remaining'', carried_column => ''carried'', ledger => true, counts_when => ''paid'', cost => ''minutes / 30'''
\set whole 'SELECT enforced, gaps FROM session_consistency.attachments WHERE sessions = ''visits''::regclass'
\set away 'SELECT action FROM session_consistency.attach(' :arguments ', make_view => false) WHERE action !~ ''trigger'''
\set again 'SELECT action FROM session_consistency.attach(' :arguments ')'
SELECT count(*) > 0 FROM session_consistency.attach(:arguments);
CALL session_consistency.migrate('visits');
INSERT INTO visits (id, member_id) VALUES (1, 1), (2, 1), (3, 2);

-- The counters and the members; the keys.
BEGIN;
:away;
ALTER TABLE packs ALTER used_sessions TYPE bigint, ALTER total TYPE bigint, ALTER remaining TYPE bigint, ALTER carried TYPE bigint,
    ALTER member_id TYPE bigint;
ALTER TABLE visits ALTER member_id TYPE bigint;
:again;
COMMIT;
:whole;
BEGIN;
:away;
ALTER TABLE packs ALTER id TYPE bigint;
ALTER TABLE visits ALTER pack TYPE bigint, ALTER id TYPE bigint;
:again;
COMMIT;
:whole;
INSERT INTO visits (id, member_id, minutes) VALUES (4, 1, 30);

-- Words become enums.
BEGIN;
:away;
ALTER TABLE visits ALTER status DROP DEFAULT, ALTER status TYPE session_status USING status::session_status,
    ALTER session_type DROP DEFAULT, ALTER session_type TYPE session_type USING session_type::session_type;
ALTER TABLE visits ALTER status SET DEFAULT 'scheduled', ALTER session_type SET DEFAULT 'member';
DROP INDEX sc_packs_member_id_idx;
ALTER TABLE packs ALTER status DROP DEFAULT, ALTER status TYPE subscription_status USING status::subscription_status,
    ALTER status SET DEFAULT 'active';
:again;
COMMIT;
:whole;
SELECT outcome('INSERT INTO packs (id, member_id, total, remaining) VALUES (3, 1, 5, 5)');

-- A column that an expression names.
SELECT outcome('ALTER TABLE visits ALTER minutes TYPE smallint');
BEGIN;
DROP TRIGGER session_consistency_expressions_packs ON visits;
DROP VIEW packs_session_counts;
ALTER TABLE visits ALTER minutes TYPE smallint;
:again;
COMMIT;
:whole;
INSERT INTO visits (id, member_id, minutes) VALUES (5, 2, 90);
SELECT outcome('INSERT INTO visits (id, member_id) VALUES (6, 2)');
SELECT id, total, used_sessions, remaining, pg_typeof(used_sessions) FROM packs ORDER BY id;
SELECT p.id FROM packs p WHERE used_sessions <> (SELECT coalesce(sum(minutes / 30), 0) FROM visits WHERE pack = p.id AND paid)
    OR remaining <> total - used_sessions;
SELECT * FROM session_consistency.check_counts('visits');
SELECT count(*) FROM session_consistency.ledger_gaps('visits');
\i :finish
