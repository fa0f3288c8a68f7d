-- What history has used beyond the sessions that are there is an opening balance: migrate() leaves it, names it, and the
-- attachment is not enforced until a person has decided. Nobody gets a credit back that the table says is gone.
-- Counters that are wrong on purpose, or of sessions whose statement has not ended: not counted again.
SET session_consistency.recount = off;
\getenv top PG_ABS_SRCDIR
\set test migrate_opening
\set gym :top /test/fixtures/gym.sql
\i :gym
CREATE TABLE packs (id int PRIMARY KEY, member_id int NOT NULL, status text NOT NULL DEFAULT 'active',
    total_sessions_snapshot int, used_sessions int, remaining_sessions int);
CREATE TABLE visits (id int PRIMARY KEY, member_id int NOT NULL, session_type text DEFAULT 'member', status text DEFAULT 'completed');
-- 1 agrees with its history, 2 has used more, 3 less, 4 nothing that is known, 5 is unlimited, 6 shows less left than used
-- says, 7 more, 8 has used more than its total, and 9 is below 0.
INSERT INTO packs (id, member_id, total_sessions_snapshot, used_sessions, remaining_sessions) VALUES
    (1, 1, 10, 2, 8), (2, 2, 10, 5, 5), (3, 3, 10, 0, 10), (4, 4, 10, NULL, NULL), (5, 5, NULL, 7, NULL),
    (6, 6, 10, 0, 3), (7, 7, 10, 2, 10), (8, 8, 3, 5, -2), (9, 9, 10, -1, 11);
INSERT INTO visits (id, member_id) SELECT 10 * m + n, m FROM generate_series(1, 9) m, generate_series(1, 2) n;
SELECT count(*) > 0 AS attached FROM session_consistency.attach('visits', 'packs');
CREATE VIEW gaps AS SELECT unnest(gaps) AS gap FROM session_consistency.attachments WHERE sessions = 'visits'::regclass;
SELECT * FROM gaps;
\set VERBOSITY default
SET client_min_messages = notice;
CALL session_consistency.migrate('visits');
SELECT id, total_sessions_snapshot AS total, used_sessions AS used, remaining_sessions AS remaining FROM packs ORDER BY id;
SELECT * FROM gaps;
SELECT subscription_id, total, used, expected_used, drift FROM session_consistency.check_counts('visits');
-- Again: it is no different.
CALL session_consistency.migrate('visits', opening => 'report');
SELECT id, total_sessions_snapshot AS total, used_sessions AS used, remaining_sessions AS remaining FROM packs ORDER BY id;

-- Bookings and cancellations move it by one each.
INSERT INTO visits (id, member_id) VALUES (100, 2), (101, 6);
DELETE FROM visits WHERE id = 21;
SELECT id, total_sessions_snapshot AS total, used_sessions AS used, remaining_sessions AS remaining FROM packs WHERE id IN (2, 6) ORDER BY id;
INSERT INTO visits (id, member_id) VALUES (102, 8);

-- The words that there are, and one that needs more than these tables have.
CALL session_consistency.migrate('visits', opening => 'keep');
CALL session_consistency.migrate('visits', opening => NULL);
CALL session_consistency.migrate('visits', opening => 'carry');

-- A person decides.
CALL session_consistency.migrate('visits', opening => 'give_back');
SELECT id, total_sessions_snapshot AS total, used_sessions AS used, remaining_sessions AS remaining FROM packs ORDER BY id;
SELECT * FROM gaps;
SELECT * FROM recount('visits', 'packs');

-- Rows that are named by nobody have no history: nothing is left to decide.
SELECT count(*) > 0 AS detached FROM session_consistency.detach('visits', drop_added_columns => true);
TRUNCATE visits;
UPDATE packs SET used_sessions = 0, remaining_sessions = total_sessions_snapshot;
SELECT count(*) > 0 AS attached FROM session_consistency.attach('visits', 'packs');
ALTER TABLE packs VALIDATE CONSTRAINT sc_packs_used_sessions_check;
SELECT * FROM gaps;
-- The other way round, nothing is in excess, and the constraints alone do not make it enforced.
SELECT count(*) > 0 AS detached FROM session_consistency.detach('visits', drop_added_columns => true);
UPDATE packs SET used_sessions = 1, remaining_sessions = total_sessions_snapshot - 1 WHERE id = 1;
SELECT count(*) > 0 AS attached FROM session_consistency.attach('visits', 'packs');
ALTER TABLE packs VALIDATE CONSTRAINT sc_packs_used_sessions_check;
SELECT * FROM gaps;
-- repair() gives back, too; the next call of migrate() finds it resolved.
SELECT count(*) FROM session_consistency.repair('visits', dry_run => false);
CALL session_consistency.migrate('visits');
SELECT * FROM gaps;
SELECT * FROM recount('visits', 'packs');
SET client_min_messages = warning;
\i :finish
