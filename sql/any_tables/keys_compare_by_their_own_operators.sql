-- Keys and members of every type: whatever compares them does it with the operators that their own indexes use, also where
-- these are in another schema than pg_catalog, or need a collation that nobody can guess.
-- Counters that are wrong on purpose, or of sessions whose statement has not ended: not counted again.
SET session_consistency.recount = off;
\getenv top PG_ABS_SRCDIR
\set test keys_compare_by_their_own
\set gym :top /test/fixtures/gym.sql
\i :gym
RESET ROLE;
CREATE EXTENSION IF NOT EXISTS citext SCHEMA public;
CREATE DOMAIN short AS public.citext CHECK (length(VALUE) < 10);
CREATE TYPE size AS ENUM ('small', 'large', 'huge', 'none');
CREATE COLLATION looks_alike (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE COLLATION another (provider = icu, locale = 'de');

-- One life of two tables whose keys have that type: history with and without links, bookings, every check, a drift and its
-- repair, a needless link and its. packs are two keys and a third spelling, which is that of the first, as are members.
CREATE PROCEDURE live(type text, packs text[], members text[], by_member boolean DEFAULT false) LANGUAGE plpgsql AS $$
DECLARE
    said text[] := '{}';
    seen text;
BEGIN
    SET client_min_messages = warning;
    DROP TABLE IF EXISTS visits_of_type, packs_of_type CASCADE;
    EXECUTE format('CREATE TABLE packs_of_type (id %1$s NOT NULL, member_id %1$s NOT NULL, status text DEFAULT ''active'',
                        total_sessions_snapshot int DEFAULT 10, used_sessions int DEFAULT 0, PRIMARY KEY (%2$s))',
                   type, CASE WHEN by_member THEN 'member_id, id' ELSE 'id' END);
    EXECUTE format('CREATE TABLE visits_of_type (id int PRIMARY KEY, member_id %1$s, session_type text DEFAULT ''member'',
                        status text DEFAULT ''completed'', subscription_id %1$s)', type);
    EXECUTE format('INSERT INTO packs_of_type (id, member_id) VALUES (%L, %L), (%L, %L)', packs[1], members[1], packs[2], members[2]);
    EXECUTE format('INSERT INTO visits_of_type (id, member_id, subscription_id) VALUES (1, %L, %L), (2, %L, NULL), (3, %L, NULL)',
                   members[3], packs[3], members[3], members[2]);
    PERFORM session_consistency.attach('visits_of_type', 'packs_of_type', ledger => true);
    EXECUTE format('INSERT INTO visits_of_type (id, member_id, subscription_id) VALUES (4, %L, NULL), (5, %L, %L)', members[3], members[1], packs[3]);
    CALL session_consistency.migrate('visits_of_type');
    SELECT string_agg(used_sessions::text, ' ' ORDER BY used_sessions) INTO seen FROM packs_of_type;
    said := said || format('used %s', seen);
    said := said || looked(members[3], packs[1]);
    -- A drift.
    SET session_replication_role = replica;
    UPDATE packs_of_type SET used_sessions = used_sessions + 1;
    UPDATE visits_of_type SET session_type = 'guest' WHERE id = 5;
    RESET session_replication_role;
    SELECT string_agg(c.drift::text, ' ' ORDER BY c.drift) INTO seen FROM session_consistency.check_counts('visits_of_type') c;
    said := said || format('drift %s', seen);
    SELECT string_agg(format('%s %s', f.code, f.n), ', ') INTO seen
    FROM (SELECT code, count(*) AS n FROM session_consistency.audit_findings('visits_of_type') GROUP BY code ORDER BY code) f;
    said := said || format('found %s', seen);
    SELECT count(*)::text INTO seen FROM session_consistency.ledger_gaps('visits_of_type');
    said := said || format('gaps %s', seen);
    PERFORM session_consistency.repair('visits_of_type', dry_run => false);
    SELECT string_agg(used_sessions::text, ' ' ORDER BY used_sessions) INTO seen FROM packs_of_type;
    said := said || format('repaired %s', seen);
    said := said || looked(members[3], packs[1]);
    -- A member may not go while sessions are there.
    BEGIN
        EXECUTE format('UPDATE packs_of_type SET member_id = %L WHERE used_sessions > 1', members[4]);
        said := said || 'moved'::text;
    EXCEPTION WHEN foreign_key_violation OR unique_violation THEN
        NULL;
    END;
    PERFORM session_consistency.detach('visits_of_type');
    SET client_min_messages = notice;
    RAISE NOTICE '%: %', type, array_to_string(said, '; ');
END $$;
-- What is wrong by any of the checks.
CREATE FUNCTION looked(member text, pack text) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
    said text[] := '{}';
    seen text;
BEGIN
    SELECT string_agg(format('count of %s is off by %s', subscription_id, drift), ', ') INTO seen FROM session_consistency.check_counts('visits_of_type');
    said := said || seen;
    SELECT string_agg(DISTINCT code, ', ') INTO seen FROM session_consistency.audit_findings('visits_of_type');
    said := said || seen;
    SELECT string_agg(message, ', ') INTO seen FROM session_consistency.ledger_gaps('visits_of_type');
    said := said || seen;
    SELECT string_agg(format('view of %s', subscription_id), ', ') INTO seen FROM packs_of_type_session_counts WHERE NOT is_consistent;
    said := said || seen;
    SELECT r ->> 'message' INTO seen FROM session_consistency.check_session_integrity(member, 'visits_of_type') r WHERE NOT (r ->> 'valid')::boolean;
    said := said || seen;
    SELECT 'explained by nothing' INTO seen WHERE NOT EXISTS (SELECT FROM session_consistency.explain_subscription('visits_of_type', pack));
    said := said || seen;
    RETURN (SELECT coalesce(array_agg(s), '{}') FROM unnest(said) s WHERE s IS NOT NULL);
END $$;
\set VERBOSITY terse
\set QUIET on
CALL live('integer', '{1,2,1}', '{7,8,7,9}');
CALL live('text', '{a,b,a}', '{Zoe,anna,Zoe,x}');
CALL live('varchar(20)', '{a,b,a}', '{Zoe,anna,Zoe,x}');
CALL live('char(5)', '{a,b,a}', '{Zoe,anna,Zoe,x}');
CALL live('uuid', '{f0000000-0000-0000-0000-000000000001,f0000000-0000-0000-0000-000000000002,f0000000-0000-0000-0000-000000000001}',
    '{a0000000-0000-0000-0000-000000000001,a0000000-0000-0000-0000-000000000002,a0000000-0000-0000-0000-000000000001,a0000000-0000-0000-0000-000000000009}');
CALL live('public.citext', '{a,b,A}', '{Zoe,anna,zoe,x}');
CALL live('short', '{a,b,A}', '{Zoe,anna,zoe,x}');
CALL live('integer[]', '{"{1,2}","{2}","{1,2}"}', '{"{7}","{8,8}","{7}","{}"}');
CALL live('public.citext[]', '{"{a}","{b}","{A}"}', '{"{Zoe}","{anna}","{zoe}","{}"}');
CALL live('boolean', '{true,false,t}', '{yes,no,on,no}');
CALL live('inet', '{10.0.0.1,10.0.0.2,10.0.0.1/32}', '{::1,::2,0:0:0:0:0:0:0:1,::3}');
CALL live('timestamptz', '{2030-01-01 10:00+00,2030-01-01 11:00+00,2030-01-01 11:00+01}', '{2030-01-01,2030-01-02,2030-01-01,2030-01-03}');
CALL live('numeric', '{1,2,1.00}', '{7,8,7.0,9}');
CALL live('text COLLATE another', '{a,b,a}', '{Zoe,anna,Zoe,x}');
CALL live('text COLLATE looks_alike', '{a,b,A}', '{Zoe,anna,zoe,x}');
CALL live('text COLLATE "C"', '{a,b,a}', '{Zoe,anna,Zoe,x}');
CALL live('size', '{small,large,small}', '{huge,none,huge,small}');
CALL live('date', '{2030-01-01,2030-01-02,2030-01-01}', '{2030-01-01,2030-01-02,2030-01-01,2030-01-03}');
CALL live('bytea', '{\\x01,\\x02,\\x01}', '{\\x03,\\x04,\\x03,\\x05}');
CALL live('name', '{a,b,a}', '{Zoe,anna,Zoe,x}');
CALL live('int4range', '{"[1,3)","[5,6)","[1,2]"}', '{"[1,2)","[5,7)","[1,1]",empty}');
CALL live('public.citext', '{a,b,A}', '{Zoe,anna,zoe,x}', true);
CALL live('text COLLATE another', '{a,b,a}', '{Zoe,anna,Zoe,x}', true);
CALL live('inet', '{10.0.0.1,10.0.0.2,10.0.0.1/32}', '{::1,::2,0:0:0:0:0:0:0:1,::3}', true);
-- A type that cannot be hashed or sorted is none to count by.
SET client_min_messages = warning;
\set VERBOSITY default
CREATE TABLE packs_of_money (id money PRIMARY KEY, member_id int NOT NULL, status text, total_sessions_snapshot int);
CREATE TABLE packs_of_points (id int PRIMARY KEY, member_id point NOT NULL, status text, total_sessions_snapshot int);
CREATE TABLE visits_of_anything (id int PRIMARY KEY, member_id int, session_type text, status text);
CREATE TABLE visits_of_points (id int PRIMARY KEY, member_id point, session_type text, status text);
SELECT FROM session_consistency.attach('visits_of_anything', 'packs_of_money');
SELECT FROM session_consistency.attach('visits_of_points', 'packs_of_points');
\i :finish
DROP EXTENSION citext;
