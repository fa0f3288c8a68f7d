-- Without a total sessions are counted and never refused; a remaining column that is there is left alone. And a total
-- may be computed from other columns.
\getenv top PG_ABS_SRCDIR
\set test no_total
\set gym :top /test/fixtures/gym.sql
\i :gym
\pset format unaligned
\pset tuples_only on
CREATE TABLE trainers (id int PRIMARY KEY, member_id int NOT NULL, status text NOT NULL DEFAULT 'active', remaining_sessions int);
CREATE TABLE visits (id int PRIMARY KEY, member_id int NOT NULL, session_type text DEFAULT 'member',
    status text DEFAULT 'scheduled');
INSERT INTO trainers VALUES (10, 1, 'active', 7), (20, 2, 'expired', NULL);
\set recount 'SELECT * FROM recount(''visits'', ''trainers'', total => NULL, remaining => NULL)'

SELECT action, command FROM session_consistency.attach('visits', 'trainers', total_column => NULL, ledger => true)
WHERE action IN ('add column', 'add check', 'add constraint', 'create view') OR command LIKE '%CHECK%';
CALL session_consistency.migrate('visits');
SELECT total_column, remaining_column, enforced, gaps FROM session_consistency.attachments
WHERE sessions = 'visits'::regclass;
INSERT INTO visits SELECT n, 1 FROM generate_series(1, 30) n;
UPDATE visits SET status = 'completed' WHERE id > 20;
DELETE FROM visits WHERE id <= 5;
SELECT outcome('INSERT INTO visits VALUES (40, 2)');   -- the status of a trainer counts all the same
SELECT outcome('UPDATE trainers SET used_sessions = 3');
SELECT outcome('INSERT INTO trainers VALUES (30, 3, ''active'', 4, 1)');
UPDATE trainers SET remaining_sessions = 3 WHERE id = 10;
SELECT * FROM trainers ORDER BY id;
SELECT * FROM trainers_session_counts ORDER BY subscription_id;
SELECT session_consistency.check_session_integrity(1, 'visits');
SELECT * FROM session_consistency.audit('visits') WHERE affected > 0;
SELECT enforced, subscription_rows, unlimited_rows, total, used, remaining FROM session_consistency.metrics
WHERE sessions = 'visits'::regclass;
:recount;

-- A wrong counter is found and repaired, and below 0 it never is.
ALTER TABLE trainers DISABLE TRIGGER USER;
SELECT outcome('UPDATE trainers SET used_sessions = -1 WHERE id = 10');
UPDATE trainers SET used_sessions = 1000 WHERE id = 10;
ALTER TABLE trainers ENABLE TRIGGER USER;
SELECT subscription_id, total, completed, scheduled, remaining, used, expected_used, message
FROM session_consistency.check_counts('visits');
SELECT code, affected FROM session_consistency.audit('visits') WHERE affected > 0;
SELECT count(*) FROM session_consistency.repair('visits', dry_run => false);
:recount;
SELECT count(*) > 0 FROM session_consistency.detach('visits', drop_added_columns => true);

-- History is linked and counted.
SELECT count(*) > 0 FROM session_consistency.attach('visits', 'trainers', total_column => NULL);
CALL session_consistency.migrate('visits');
SELECT enforced, gaps FROM session_consistency.attachments WHERE sessions = 'visits'::regclass;
SELECT id, used_sessions, remaining_sessions FROM trainers ORDER BY id;
:recount;
SELECT count(*) > 0 FROM session_consistency.detach('visits', drop_added_columns => true);

-- A generated total: a remaining beside it is generated, too, or left alone.
TRUNCATE visits;
ALTER TABLE trainers ADD paid int NOT NULL DEFAULT 1, ADD bonus int NOT NULL DEFAULT 1,
    ADD size int GENERATED ALWAYS AS (paid + bonus) STORED;
SELECT * FROM refusal($$SELECT session_consistency.attach('visits', 'trainers', total_column => 'size')$$);
ALTER TABLE trainers ADD counter int NOT NULL DEFAULT 0, ADD rest int GENERATED ALWAYS AS (paid - counter) STORED;
SELECT * FROM refusal($$SELECT session_consistency.attach('visits', 'trainers', total_column => 'rest',
    used_column => 'counter', remaining_column => NULL)$$);
SELECT count(*) > 0 FROM session_consistency.attach('visits', 'trainers', total_column => 'size', remaining_column => NULL);
CALL session_consistency.migrate('visits');
SELECT total_column, remaining_column, enforced, gaps FROM session_consistency.attachments
WHERE sessions = 'visits'::regclass;
INSERT INTO trainers (id, member_id) VALUES (30, 3);
INSERT INTO visits VALUES (1, 1), (2, 1), (3, 3);
SELECT outcome('INSERT INTO visits VALUES (4, 1)');
UPDATE trainers SET bonus = 2 WHERE id = 10;
INSERT INTO visits VALUES (4, 1);
SELECT outcome('UPDATE trainers SET bonus = 1 WHERE id = 10');
SELECT id, size, used_sessions FROM trainers ORDER BY id;
SELECT subscription_id, total, scheduled, remaining, is_consistent FROM trainers_session_counts ORDER BY 1;
SELECT * FROM recount('visits', 'trainers', total => 'size', remaining => NULL);
\i :finish
