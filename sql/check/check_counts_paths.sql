-- check_counts reads plain heap tables itself and leaves the rest to the planner: the same answer in both ways.
\getenv top PG_ABS_SRCDIR
\set test check_counts_paths
\set gym :top /test/fixtures/gym.sql
\i :gym
-- Tables with those keys, filled by formulas: 1 to 400 packs, of which every fifth is wrong in one of five ways.
-- part: '' or PARTITION BY ...; the key is (member, id) where composite.
CREATE FUNCTION fill(kind text, member_type text, key_type text, link_type text, value text, composite boolean,
                     part text DEFAULT '') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    packs text := 'packs_' || kind;
    visits text := 'visits_' || kind;
    member_value text := replace(replace(value, 'T', member_type), 'N', '(n / 2)');
    key_value text := replace(replace(value, 'T', key_type), 'N', 'n');
BEGIN
    EXECUTE format('CREATE TABLE %s (gone int, id %s PRIMARY KEY, member_id %s NOT NULL,
                                     status text DEFAULT ''active'', total_sessions_snapshot smallint,
                                     used_sessions bigint NOT NULL DEFAULT 0, remaining_sessions int, n int,
                                     UNIQUE (member_id, id))', packs, key_type, member_type);
    EXECUTE format('ALTER TABLE %s DROP gone', packs);
    EXECUTE format('CREATE TABLE %s (id int, n int DEFAULT 0, session_type text, member_id %s, subscription_id %s,
                                     status varchar(20), PRIMARY KEY (id, n)%s) %s', visits, member_type, link_type,
                   CASE WHEN composite
                        THEN format(', FOREIGN KEY (member_id, subscription_id) REFERENCES %s (member_id, id)', packs)
                        ELSE format(', FOREIGN KEY (subscription_id) REFERENCES %s', packs) END, part);
    IF part <> '' THEN
        EXECUTE format('CREATE TABLE %s_odd (status varchar(20), subscription_id %s, member_id %s, dropped text,
                                             session_type text, n int NOT NULL DEFAULT 0, id int NOT NULL)',
                       visits, link_type, member_type);
        EXECUTE format('ALTER TABLE %1$s_odd DROP dropped;
                        ALTER TABLE %1$s ATTACH PARTITION %1$s_odd FOR VALUES WITH (MODULUS 2, REMAINDER 1);
                        CREATE TABLE %1$s_even PARTITION OF %1$s FOR VALUES WITH (MODULUS 2, REMAINDER 0)', visits);
    END IF;
    PERFORM session_consistency.attach(visits, packs, guard => 'off');
    EXECUTE format('INSERT INTO %s (id, member_id, status, total_sessions_snapshot, remaining_sessions, n)
                    SELECT %s, %s, CASE WHEN n %% 2 = 0 THEN ''active'' ELSE ''expired'' END, 30, 30, n
                    FROM generate_series(2, 401) n', packs, key_value, member_value);
    EXECUTE format('INSERT INTO %s (id, n, session_type, member_id, subscription_id, status)
                    SELECT i, i, (ARRAY[''member'', ''makeup'', ''trial'', NULL])[1 + i %% 4], %s,
                           CASE WHEN i %% 4 < 2 THEN %s END,
                           (ARRAY[''completed'', ''completed'', ''cancelled'', ''no_show'', NULL])[1 + i %% 5]
                    FROM (SELECT i, 2 + i %% 400 AS n FROM generate_series(1, 4000) i) s',
                   visits, member_value, key_value);
    EXECUTE format('ALTER TABLE %s DISABLE TRIGGER USER', packs);
    EXECUTE format('ALTER TABLE %s DROP CONSTRAINT sc_%s_used_sessions_check', packs, packs);
    EXECUTE format('UPDATE %s SET used_sessions = used_sessions + CASE n %% 15 WHEN 0 THEN 1 WHEN 3 THEN -100
                                                                      WHEN 6 THEN 100 ELSE 0 END,
                                  remaining_sessions = remaining_sessions + CASE n %% 15 WHEN 9 THEN 1 ELSE 0 END,
                                  total_sessions_snapshot = CASE n %% 15 WHEN 12 THEN NULL
                                                                         ELSE total_sessions_snapshot END', packs);
    RETURN kind;
END $$;
SELECT fill('int', 'int', 'int', 'int', 'N::T', false);
SELECT fill('wide', 'bigint', 'smallint', 'bigint', '(200 - N)::T', false);
SELECT fill('uuid', 'uuid', 'uuid', 'uuid', 'md5(N::text)::T', false);
SELECT fill('both', 'bigint', 'int', 'int', 'N::T', true);
SELECT fill('uuids', 'uuid', 'uuid', 'uuid', 'md5(N::text)::T', true);
SELECT fill('parts', 'int', 'int', 'bigint', 'N::T', false, 'PARTITION BY HASH (id)');
SELECT fill('text', 'text', 'text', 'text', 'N::T', false);
SELECT fill('child', 'int', 'int', 'int', 'N::T', false);
CREATE TABLE child_of_visits () INHERITS (visits_child);
INSERT INTO child_of_visits SELECT id + 4000, n, session_type, member_id, subscription_id, status FROM visits_child
    WHERE id <= 10;
CREATE TABLE child_of_packs () INHERITS (packs_child);
INSERT INTO child_of_packs (id, member_id, used_sessions) VALUES (1000, 1, 3);

-- With sequential scans discouraged a query uses an index, and is told by it: a table read directly uses none.
CREATE FUNCTION index_scans() RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS
    'SELECT sum(pg_stat_get_xact_numscans(indexrelid)) FROM pg_index
     WHERE indrelid IN (SELECT oid FROM pg_class WHERE relnamespace = current_schema()::regnamespace)';
CREATE FUNCTION checked(kind text, OUT path text, OUT findings bigint, OUT digest text) LANGUAGE plpgsql AS $$
DECLARE
    before bigint := index_scans();
BEGIN
    SELECT count(*), md5(string_agg(c::text, E'\n')) INTO findings, digest
    FROM session_consistency.check_counts('visits_' || kind) c;
    path := CASE WHEN index_scans() > before THEN 'a query' ELSE 'reading' END;
END $$;
CREATE TABLE answers (kind text, pass text, path text, findings bigint, digest text);
SET enable_seqscan = off;
\set kinds '(VALUES (''int''), (''wide''), (''uuid''), (''both''), (''uuids''), (''parts''), (''text''), (''child'')) AS k(kind)'
INSERT INTO answers SELECT k.kind, 'first', c.* FROM :kinds, checked(k.kind) c;
-- An inheritance child leaves it to the planner, as long as there is one.
SELECT string_agg(format('CREATE TABLE none_of_%1$s () INHERITS (%1$s)', relname), ';') AS make,
    string_agg(format('DROP TABLE none_of_%1$s; ANALYZE %1$s', relname), ';') AS drop
FROM pg_class WHERE relnamespace = :'test'::regnamespace AND relkind = 'r' AND relname ~ '^packs_' \gset
:make;
INSERT INTO answers SELECT k.kind, 'second', c.* FROM :kinds, checked(k.kind) c;
:drop;
RESET enable_seqscan;
SELECT kind, a.path, a.findings, b.path AS "with a child", a.digest = b.digest AS same
FROM answers a JOIN answers b USING (kind) WHERE a.pass = 'first' AND b.pass = 'second' ORDER BY kind COLLATE "C";

-- And the same as a recount that shares no code with either.
CREATE FUNCTION wrong(kind text, composite boolean) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    result bigint;
BEGIN
    EXECUTE format('SELECT count(*) FROM packs_%1$s s WHERE used_sessions > total_sessions_snapshot
                    OR remaining_sessions IS DISTINCT FROM total_sessions_snapshot - used_sessions
                    OR used_sessions <> (SELECT count(*) FROM visits_%1$s t WHERE t.subscription_id = s.id
                        AND (NOT %2$L OR t.member_id = s.member_id)
                        AND status = ''completed'' AND session_type IN (''member'', ''makeup''))', kind, composite)
        INTO result;
    RETURN result;
END $$;
SELECT kind, wrong(kind, kind IN ('both', 'uuids')) FROM :kinds ORDER BY kind COLLATE "C";

-- A column that was added later with a default, and what this very transaction did, are read like anything else.
BEGIN;
SET LOCAL enable_seqscan = off;
ALTER TABLE visits_int DROP COLUMN session_type CASCADE;
ALTER TABLE visits_int ADD COLUMN session_type text DEFAULT 'member';
SELECT path, findings, findings = wrong('int', false) AS right FROM checked('int');
ALTER TABLE visits_int DISABLE TRIGGER USER;
DELETE FROM visits_int WHERE id > 100;
SELECT path, findings, findings = wrong('int', false) AS right FROM checked('int');
ROLLBACK;

-- So many keys that a hash table may not hold them are left to the planner: here the links of 800,000 sessions.
RESET ROLE;
BEGIN;
SET LOCAL session_replication_role = replica;
INSERT INTO visits_uuids (id, session_type, member_id, subscription_id, status)
    SELECT i, 'member', gen_random_uuid(), gen_random_uuid(), 'completed' FROM generate_series(10001, 810000) i;
SET LOCAL session_replication_role = origin;
SET LOCAL enable_seqscan = off;
SELECT path, findings FROM checked('uuids');
SET LOCAL hash_mem_multiplier = 1;
SELECT path, findings FROM checked('uuids');
ROLLBACK;
\i :finish
