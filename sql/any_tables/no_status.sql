-- Either table may have no status: every session counts, as scheduled, and every subscription is active.
\getenv top PG_ABS_SRCDIR
\set test no_status
\set gym :top /test/fixtures/gym.sql
\i :gym
\pset format unaligned
\pset tuples_only on
CREATE TABLE packs (id int PRIMARY KEY, member_id int NOT NULL, size int);
CREATE TABLE visits (id int PRIMARY KEY, member_id int NOT NULL, kind text DEFAULT 'member');
INSERT INTO packs VALUES (10, 1, 2), (20, 2, NULL);
\set arguments '''visits'', ''packs'', type_column => ''kind'', status_column => NULL, subscription_status_column => NULL, total_column => ''size'''
\set recount 'SELECT * FROM recount(''visits'', ''packs'', type => ''kind'', status => NULL, total => ''size'', remaining => NULL)'

-- Two packs of one member would both be active.
INSERT INTO packs VALUES (11, 1, 2);
SELECT code, affected FROM session_consistency.audit(:arguments) WHERE affected > 0;
SELECT * FROM refusal($$SELECT session_consistency.attach($$ || :'arguments' || $$)$$)
WHERE field IN ('sqlstate', 'message', 'detail');
DELETE FROM packs WHERE id = 11;

-- One for each member is the index; it finds all of them, so that the view needs no other.
SELECT command FROM session_consistency.attach(:arguments)
WHERE action IN ('create index', 'add check', 'add constraint', 'create view');
CALL session_consistency.migrate('visits');
SELECT type_column, status_column, subscription_status_column, enforced, gaps
FROM session_consistency.attachments WHERE sessions = 'visits'::regclass;
SELECT outcome('INSERT INTO packs VALUES (12, 2, 5)');
INSERT INTO visits VALUES (1, 1, 'member'), (2, 2, 'member'), (3, 1, 'guest'), (4, 1, NULL);
SELECT outcome('INSERT INTO visits VALUES (5, 3, ''member'')');
SELECT outcome('UPDATE visits SET kind = ''makeup'' WHERE id IN (3, 4)');
UPDATE visits SET kind = 'makeup' WHERE id = 3;
SELECT outcome('INSERT INTO visits VALUES (6, 1)');
UPDATE visits SET member_id = 2 WHERE id = 1;
SELECT * FROM visits ORDER BY id;
SELECT * FROM packs_session_counts ORDER BY subscription_id;
SELECT session_consistency.check_session_integrity(2, 'visits');
:recount;

-- Checks, repair and migrate count the same.
ALTER TABLE packs DISABLE TRIGGER USER;
UPDATE packs SET used_sessions = 0;
ALTER TABLE packs ENABLE TRIGGER USER;
SELECT subscription_id, completed, scheduled, expected_used, drift FROM session_consistency.check_counts('visits');
SELECT code, affected FROM session_consistency.audit('visits') WHERE affected > 0;
SELECT count(*) FROM session_consistency.repair('visits', dry_run => false);
:recount;
SELECT enforced, gaps FROM session_consistency.attachments WHERE sessions = 'visits'::regclass;

-- Without the index it is a gap, and more than one pack is ambiguous.
DROP INDEX sc_packs_member_id_idx;
INSERT INTO packs VALUES (11, 1, 2);
SELECT gaps FROM session_consistency.attachments WHERE sessions = 'visits'::regclass;
SELECT outcome('INSERT INTO visits VALUES (7, 1)');
DELETE FROM packs WHERE id = 11;
SELECT count(*) > 0 FROM session_consistency.detach('visits');

-- History is linked and counted; a unique member that is there already is taken.
ALTER TABLE packs ADD UNIQUE (member_id);
DROP TABLE visits;
CREATE TABLE visits (id int PRIMARY KEY, member_id int NOT NULL, kind text DEFAULT 'member');
INSERT INTO visits VALUES (1, 1, 'member'), (2, 2, 'member'), (3, 1, 'guest');
UPDATE packs SET used_sessions = 0;
SELECT command FROM session_consistency.attach(:arguments) WHERE action = 'create index' AND command LIKE '%packs (%';
CALL session_consistency.migrate('visits');
SELECT * FROM visits ORDER BY id;
SELECT enforced, gaps FROM session_consistency.attachments WHERE sessions = 'visits'::regclass;
:recount;
\i :finish
