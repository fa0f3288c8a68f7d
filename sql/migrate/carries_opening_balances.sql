-- migrate(opening => 'carry') keeps what history has used beyond its sessions: it is carried from then on, part of every
-- recount, and the attachment is enforced. A counter that is added starts at what is carried already.
\getenv top PG_ABS_SRCDIR
\set test migrate_carries
\set gym :top /test/fixtures/gym.sql
\i :gym
CREATE TABLE packs (id int PRIMARY KEY, member_id int NOT NULL, status text NOT NULL DEFAULT 'active',
    total int, remaining int, before bigint NOT NULL DEFAULT 0);
CREATE TABLE visits (id int PRIMARY KEY, member_id int NOT NULL, session_type text DEFAULT 'member', status text DEFAULT 'completed');
INSERT INTO packs VALUES (1, 1, 'active', 10, 3, 0), (2, 2, 'active', 10, 8, 1), (3, 3, 'active', NULL, NULL, 4), (4, 4, 'active', 5, NULL, 2);
INSERT INTO visits (id, member_id) SELECT 10 * m + n, m FROM generate_series(1, 4) m, generate_series(1, 2) n;
SELECT count(*) > 0 AS attached FROM session_consistency.attach('visits', 'packs', total_column => 'total', used_column => 'used',
    remaining_column => 'remaining', carried_column => 'before', ledger => true);
SELECT id, total, before, used, remaining FROM packs ORDER BY id;
\set VERBOSITY default
SET client_min_messages = notice;
CALL session_consistency.migrate('visits');
SELECT id, total, before, used, remaining FROM packs ORDER BY id;
CALL session_consistency.migrate('visits', opening => 'carry');
SELECT id, total, before, used, remaining FROM packs ORDER BY id;
SELECT enforced, gaps FROM session_consistency.attachments WHERE sessions = 'visits'::regclass;
SELECT * FROM session_consistency.check_counts('visits');
SELECT * FROM session_consistency.ledger_gaps('visits');
-- Nothing of it is given back, whoever asks.
CALL session_consistency.migrate('visits', opening => 'give_back');
SELECT count(*) FROM session_consistency.repair('visits', dry_run => false);
SELECT id, total, before, used, remaining FROM packs ORDER BY id;
SELECT id, used FROM packs p WHERE used <> before + (SELECT count(*) FROM visits v WHERE v.subscription_id = p.id);
-- Without a remaining column a counter that is added starts at what is carried.
SELECT count(*) > 0 AS detached FROM session_consistency.detach('visits', drop_added_columns => true);
SELECT action, command FROM session_consistency.attach('visits', 'packs', total_column => 'total', used_column => 'used',
    remaining_column => NULL, carried_column => 'before') WHERE command LIKE '%COLUMN used%';
SELECT id, total, before, used FROM packs ORDER BY id;
SET client_min_messages = warning;
\i :finish
