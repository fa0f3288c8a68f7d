-- Keys, members and counters of every type: uuid, bigint beside integer, text beside varchar, a domain, the composite
-- key (member, id); a plain remaining column; every session consuming.
\getenv top PG_ABS_SRCDIR
\set test migrate_key_types
\set gym :top /test/fixtures/gym.sql
\i :gym
CREATE DOMAIN member_number AS bigint CHECK (VALUE > 0);
CREATE FUNCTION tables(kind text, member_type text, key_type text, session_member_type text, key text DEFAULT 'id') RETURNS void
    LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE TABLE packs_of_%s (member_id %s NOT NULL, id %s NOT NULL, status text DEFAULT ''active'',
                        total_sessions_snapshot smallint, used_sessions smallint DEFAULT 0, remaining_sessions bigint,
                        valid_from date, PRIMARY KEY (%s))', kind, member_type, key_type, key);
    EXECUTE format('CREATE TABLE sessions_of_%s (day date, id int, member_id %s, session_type text DEFAULT ''member'',
                        status text DEFAULT ''completed'', PRIMARY KEY (id))', kind, session_member_type);
END $$;
-- Each with two members, the first with an older pack of 1 credit and a newer one of 5.
CREATE FUNCTION fill(kind text, one text, other text, first text, second text, third text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('INSERT INTO packs_of_%s (member_id, id, status, total_sessions_snapshot, remaining_sessions, valid_from) VALUES
                        (%L, %L, ''expired'', 1, 9, ''2030-01-01''), (%L, %L, ''active'', 5, 5, ''2030-06-01''),
                        (%L, %L, ''active'', NULL, NULL, NULL)', kind, one, first, one, second, other, third);
    EXECUTE format('INSERT INTO sessions_of_%s (id, member_id, day) SELECT i, %L, date ''2029-11-01'' + i * 60 FROM generate_series(1, 9) i',
                   kind, one);
    EXECUTE format('INSERT INTO sessions_of_%s (id, member_id, status) SELECT i, %L, CASE i WHEN 12 THEN ''cancelled'' ELSE ''completed'' END
                    FROM generate_series(11, 13) i', kind, other);
END $$;
CREATE FUNCTION shown(kind text) RETURNS TABLE (pack text) LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY EXECUTE format('SELECT format(''pack %%s: total %%s, used %%s, remaining %%s, sessions %%s'', p.id, p.total_sessions_snapshot,
            p.used_sessions, p.remaining_sessions, (SELECT string_agg(s.id::text, '' '' ORDER BY s.id) FROM sessions_of_%1$s s
                                                    WHERE s.subscription_id = p.id AND s.member_id = p.member_id))
        FROM packs_of_%1$s p ORDER BY p.member_id::text COLLATE "C", p.valid_from', kind);
END $$;

SELECT tables('uuid', 'uuid', 'uuid', 'uuid');
SELECT fill('uuid', 'a0000000-0000-0000-0000-000000000001', 'a0000000-0000-0000-0000-000000000002',
    'f0000000-0000-0000-0000-000000000001', 'e0000000-0000-0000-0000-000000000002', 'd0000000-0000-0000-0000-000000000003');
SELECT count(*) > 0 AS attached FROM session_consistency.attach('sessions_of_uuid', 'packs_of_uuid');
CALL session_consistency.migrate('sessions_of_uuid', batch_size => 1, start_column => 'day', valid_from_column => 'valid_from');
SELECT * FROM shown('uuid');

SELECT tables('mixed', 'integer', 'smallint', 'bigint');
SELECT fill('mixed', '7', '8', '1', '2', '3');
INSERT INTO sessions_of_mixed (id, member_id) VALUES (20, 9000000000), (21, NULL);
ALTER TABLE sessions_of_mixed ADD subscription_id bigint;
SELECT count(*) > 0 AS attached FROM session_consistency.attach('sessions_of_mixed', 'packs_of_mixed');
CALL session_consistency.migrate('sessions_of_mixed', batch_size => 1, start_column => 'day', valid_from_column => 'valid_from');
SELECT * FROM shown('mixed');

SELECT tables('text', 'text', 'varchar(20)', 'varchar(10)');
SELECT fill('text', 'Zoe', 'anna', 'b', 'a', 'c d');
SELECT count(*) > 0 AS attached FROM session_consistency.attach('sessions_of_text', 'packs_of_text');
CALL session_consistency.migrate('sessions_of_text', batch_size => 1, start_column => 'day', valid_from_column => 'valid_from');
SELECT * FROM shown('text');

SELECT tables('domain', 'member_number', 'member_number', 'member_number');
SELECT fill('domain', '7', '8', '1', '2', '3');
SELECT count(*) > 0 AS attached FROM session_consistency.attach('sessions_of_domain', 'packs_of_domain');
CALL session_consistency.migrate('sessions_of_domain', batch_size => 1, start_column => 'day', valid_from_column => 'valid_from');
SELECT * FROM shown('domain');

-- With a composite key two members may have packs of the same number.
SELECT tables('pair', 'integer', 'integer', 'integer', 'member_id, id');
SELECT fill('pair', '7', '8', '1', '2', '1');
SELECT count(*) > 0 AS attached FROM session_consistency.attach('sessions_of_pair', 'packs_of_pair');
CALL session_consistency.migrate('sessions_of_pair', batch_size => 1, start_column => 'day', valid_from_column => 'valid_from');
SELECT * FROM shown('pair');
SELECT tables('riap', 'bigint', 'integer', 'integer', 'id, member_id');
SELECT fill('riap', '7', '8', '1', '2', '1');
SELECT count(*) > 0 AS attached FROM session_consistency.attach('sessions_of_riap', 'packs_of_riap');
CALL session_consistency.migrate('sessions_of_riap', batch_size => 100, start_column => 'day', valid_from_column => 'valid_from');
SELECT * FROM shown('riap');

-- Every session consumes.
SELECT tables('all', 'integer', 'integer', 'integer');
SELECT fill('all', '7', '8', '1', '2', '3');
UPDATE sessions_of_all SET session_type = NULL WHERE id < 5;
SELECT count(*) > 0 AS attached FROM session_consistency.attach('sessions_of_all', 'packs_of_all', type_column => NULL);
CALL session_consistency.migrate('sessions_of_all', batch_size => 1, start_column => 'day', valid_from_column => 'valid_from');
SELECT * FROM shown('all');

-- The recount finds nothing.
SELECT kind, r.* FROM unnest('{uuid,mixed,text,domain,pair,riap}'::text[]) kind, recount('sessions_of_' || kind, 'packs_of_' || kind) r;
SELECT * FROM recount('sessions_of_all', 'packs_of_all', type => NULL);
\i :finish
