-- The same drift on tables of every shape, with every guard, with a ledger and without: the dry run changes nothing and
-- says what the repair does; afterwards nothing repairable is left; undone, both tables are as they were.
\getenv top PG_ABS_SRCDIR
\set test repair_and_undo_every_shape
\set gym :top /test/fixtures/gym.sql
\i :gym
RESET ROLE;
CREATE PROCEDURE make_tables(guard text, ledger boolean, composite boolean, partitioned boolean, plain boolean)
    LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE TABLE packs (id int, member_id int, status text DEFAULT ''active'', size int,
                    used_sessions int NOT NULL DEFAULT 0 %s, PRIMARY KEY (%s))',
                   CASE WHEN plain THEN ', remaining_sessions int' END,
                   CASE WHEN composite THEN 'member_id, id' ELSE 'id' END);
    EXECUTE format('CREATE TABLE visits (id int, day int, member_id int, session_type text DEFAULT ''member'',
                    status text DEFAULT ''scheduled'', subscription_id int, PRIMARY KEY (%s) %s) %s',
                   CASE WHEN partitioned THEN 'id, day' ELSE 'id' END,
                   CASE WHEN composite THEN ', FOREIGN KEY (member_id, subscription_id) REFERENCES packs (member_id, id)' END,
                   CASE WHEN partitioned THEN 'PARTITION BY LIST (day)' END);
    IF partitioned THEN
        CREATE TABLE visits_0 PARTITION OF visits FOR VALUES IN (0);
        CREATE TABLE visits_1 PARTITION OF visits FOR VALUES IN (1);
    END IF;
    GRANT SELECT ON packs, visits TO PUBLIC;   -- for the recount
    PERFORM session_consistency.attach('visits', 'packs', total_column => 'size', guard => guard, ledger => ledger);
    INSERT INTO packs (id, member_id, size)
        SELECT CASE WHEN composite THEN 1 ELSE n END, n, nullif(n, 4) + 4 FROM generate_series(1, 5) n;
    INSERT INTO visits (id, member_id, day) SELECT n, 1 + n % 4, n % 2 FROM generate_series(1, 12) n;
    INSERT INTO visits (id, member_id, day, session_type) VALUES (21, 1, 0, 'trial'), (22, 2, 1, 'trial');
END $$;
-- Two counters too high, one too low, one right with a wrong remaining; two links of sessions that consume nothing.
CREATE PROCEDURE make_drift(composite boolean, plain boolean) LANGUAGE plpgsql AS $$
BEGIN
    SET LOCAL session_replication_role = replica;
    UPDATE packs SET used_sessions = v.used FROM (VALUES (1, 5), (2, 0), (4, 4)) v (member, used) WHERE member_id = v.member;
    IF plain THEN
        UPDATE packs SET remaining_sessions = 77 WHERE member_id IN (3, 4);
    END IF;
    UPDATE visits SET subscription_id = CASE WHEN composite THEN 1 ELSE member_id END WHERE session_type = 'trial';
    SET LOCAL session_replication_role = origin;
    CREATE TABLE packs_before AS TABLE packs;
    CREATE TABLE visits_before AS TABLE visits;
END $$;
SET check_function_bodies = off;   -- the tables come and go
CREATE FUNCTION changed() RETURNS boolean LANGUAGE sql AS $$
    SELECT EXISTS (TABLE packs EXCEPT TABLE packs_before) OR EXISTS (TABLE visits EXCEPT TABLE visits_before) $$;
CREATE FUNCTION found() RETURNS bigint LANGUAGE sql AS $$
    SELECT (SELECT count(*) FROM session_consistency.check_counts('visits'))
           + (SELECT count(*) FROM session_consistency.audit_findings('visits') WHERE code <> 'enforcement_gap')
           + (SELECT count(*) FROM recount('visits', 'packs', total => 'size', remaining => NULL)) $$;

CREATE FUNCTION play(guard text, ledger boolean, composite boolean, partitioned boolean, plain boolean)
    RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    planned text[];
    done text[];
    repairs bigint[];
    outcome text[] := '{}';
BEGIN
    CALL make_tables(guard, ledger, composite, partitioned, plain);
    CALL make_drift(composite, plain);
    SELECT array_agg(concat(r.code, r.subscription_id, r.session_id, r.action, r.before, r.after)) INTO planned
        FROM session_consistency.repair('visits') r;
    outcome := outcome || CASE WHEN changed() THEN 'the dry run changed something' END;
    SELECT array_agg(concat(r.code, r.subscription_id, r.session_id, r.action, r.before, r.after)), array_agg(r.repair_id)
        INTO done, repairs FROM session_consistency.repair('visits', dry_run => false) r;
    outcome := outcome || CASE WHEN planned <> done THEN 'the dry run said something else' END;
    outcome := outcome || (cardinality(done) || ' repaired');
    outcome := outcome || CASE WHEN found() > 0 THEN 'something is left' END;
    PERFORM session_consistency.undo_repair(r) FROM unnest(repairs) r;
    outcome := outcome || CASE WHEN changed() THEN 'undone, something is not as it was' END;
    outcome := outcome || CASE WHEN found() = 0 THEN 'no finding came back' END;
    outcome := outcome || CASE WHEN ledger AND EXISTS (SELECT FROM session_consistency.ledger_gaps('visits'))
                               THEN 'the undone counter is not explained' END;
    PERFORM session_consistency.repair('visits', dry_run => false);
    DELETE FROM visits WHERE id > 2;
    outcome := outcome || CASE WHEN found() > 0 THEN 'something is wrong afterwards' END;
    outcome := outcome || CASE WHEN ledger AND EXISTS (SELECT FROM session_consistency.ledger_gaps('visits'))
                               THEN 'the ledger has a gap' END;
    DROP TABLE packs, visits, packs_before, visits_before CASCADE;
    RETURN array_to_string(outcome, '; ');
END $$;
SELECT guard, ledger, composite, partitioned, plain, play(guard, ledger, composite, partitioned, plain)
FROM unnest('{reject,ignore,off}'::text[]) guard, unnest('{f,t}'::boolean[]) ledger, unnest('{f,t}'::boolean[]) composite,
     unnest('{f,t}'::boolean[]) partitioned, unnest('{f,t}'::boolean[]) plain
ORDER BY 1, 2, 3, 4, 5;
\i :finish
