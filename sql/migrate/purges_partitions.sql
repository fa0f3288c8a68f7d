-- purge_sessions() of a partitioned table with a composite key: rows of several partitions in one batch, one that is in
-- the default partition, keys that cascade; a partition that is empty then goes without a finding.
\getenv top PG_ABS_SRCDIR
\set test purges_partitions
\set gym :top /test/fixtures/gym.sql
\i :gym
CREATE TABLE packs (member_id uuid, id text, status text DEFAULT 'active', total int, PRIMARY KEY (member_id, id));
CREATE TABLE visits (id int, starts timestamp, member_id uuid, session_type text DEFAULT 'member',
    status text DEFAULT 'completed', PRIMARY KEY (id, starts)) PARTITION BY RANGE (starts);
CREATE TABLE visits_2024 PARTITION OF visits FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE visits_2025 (dropped int, status text DEFAULT 'completed', starts timestamp NOT NULL, id int NOT NULL, member_id uuid,
    session_type text DEFAULT 'member');
ALTER TABLE visits_2025 DROP dropped;
ALTER TABLE visits ATTACH PARTITION visits_2025 FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE visits_else PARTITION OF visits DEFAULT;
INSERT INTO packs SELECT md5(n::text)::uuid, 'p', 'active', 100 FROM generate_series(1, 3) n;
SELECT count(*) > 0 AS attached FROM session_consistency.attach('visits', 'packs', total_column => 'total', used_column => 'used',
    remaining_column => NULL, carried_column => 'gone', start_column => 'starts');
CALL session_consistency.migrate('visits');
CREATE TABLE notes (id int, starts timestamp, FOREIGN KEY (id, starts) REFERENCES visits ON DELETE CASCADE);
INSERT INTO visits (id, starts, member_id) SELECT n, timestamp '2023-06-01' + n * interval '14 days', md5((n % 3 + 1)::text)::uuid
FROM generate_series(1, 70) n;
INSERT INTO notes SELECT id, starts FROM visits WHERE id % 2 = 0;
SELECT id, gone, used FROM packs ORDER BY member_id;
SELECT session_consistency.run_check('visits') > 0 AS checked;
CALL session_consistency.purge_sessions('visits', '2025-02-01', batch_size => 33);
SELECT tableoid::regclass, count(*), min(starts) FROM visits GROUP BY 1 ORDER BY 1;
SELECT count(*) > 0 AS some, count(*) FILTER (WHERE starts < '2025-02-01') AS old FROM notes;
SELECT id, gone, used FROM packs ORDER BY member_id;
SELECT p.id FROM packs p WHERE used <> gone + (SELECT count(*) FROM visits v WHERE v.subscription_id = p.id AND v.member_id = p.member_id);
DROP TABLE visits_2024 CASCADE;
SELECT session_consistency.run_check('visits') > 0 AS checked;
SELECT code, severity, actual FROM session_consistency.check_findings WHERE sessions = 'visits'::regclass AND ended IS NULL;
SELECT count(*) FROM session_consistency.repair('visits');
SELECT * FROM session_consistency.check_counts('visits');
DROP TABLE notes;
\i :finish
