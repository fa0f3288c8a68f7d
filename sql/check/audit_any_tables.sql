-- Names that need quotes, every type of key, composite keys, partitioned sessions: the audit finds the same, and its
-- SQL repairs it.
\getenv top PG_ABS_SRCDIR
\set test audit_any_tables
\set partitioned 1
\set gym :top /test/fixtures/gym.sql
\i :gym
RESET ROLE;
-- The findings of an audit with those arguments, and how many commands repaired them.
CREATE FUNCTION found(arguments text) RETURNS TABLE (code text, member text, subscription text, session text,
                                                     expected text, actual text, repair_sql text)
    LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY EXECUTE format('SELECT code, member_id, subscription_id, session_id, expected, actual, repair_sql
                                 FROM session_consistency.audit_findings(%s)', arguments);
END $$;
CREATE FUNCTION repair(arguments text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    command text;
    repaired bigint := 0;
BEGIN
    FOR command IN SELECT DISTINCT f.repair_sql FROM found(arguments) f WHERE f.repair_sql IS NOT NULL LOOP
        EXECUTE command;
        repaired := repaired + 1;
    END LOOP;
    RETURN repaired;
END $$;

-- Partitioned sessions: their key is the id and the day.
ALTER TABLE training_sessions ADD subscription_id integer;
INSERT INTO training_sessions (id, day, member_id, session_type, status, subscription_id) VALUES
    (1, '2030-01-01', 1, 'trial', 'completed', 10), (1, '2031-01-01', 1, 'member', 'completed', 10),
    (2, '2031-01-01', 1, 'member', 'completed', 99);
\set audit '$call$''training_sessions'', ''member_subscriptions''$call$'
SELECT * FROM found(:audit);
SELECT repair(:audit);
SELECT * FROM found(:audit);

-- Quoted names, with everything that a format or a literal could trip over.
CREATE SCHEMA "Gym's %s";
CREATE TABLE "Gym's %s"."The 100% ""members""" ("Member %L" text PRIMARY KEY);
CREATE TABLE "Gym's %s"."Packs '%I'" (
    "Pack \ID" varchar(40) PRIMARY KEY,
    "Owner" text REFERENCES "Gym's %s"."The 100% ""members""",
    "Is ""it""?" text,
    "Total %" bigint,
    "Used %1$s" smallint DEFAULT 0,
    "Rest %" integer);
CREATE TABLE "Gym's %s"."Sessions; DROP" (
    "No %2$L" bigint PRIMARY KEY,
    "Who" varchar,
    "Pack" text,
    "Kind 'k'" integer,
    "State" varchar(20));
INSERT INTO "Gym's %s"."The 100% ""members""" VALUES ('Ada '' %s \'), ('Ben');
INSERT INTO "Gym's %s"."Packs '%I'" VALUES
    ('p''1 \ %s', 'Ada '' %s \', 'it''s on', 10, 3, 6), ('p2', 'Ben', 'off', 5, 0, 5);
INSERT INTO "Gym's %s"."Sessions; DROP" VALUES
    (1, 'Ada '' %s \', 'p''1 \ %s', 1, 'it''s done'), (2, 'Ben', 'p''1 \ %s', 2, 'it''s done'),
    (3, 'Ada '' %s \', 'p''1 \ %s', 3, 'it''s done'), (4, 'Cleo', NULL, 1, 'open');
\set audit '$call$''"Gym''''s %s"."Sessions; DROP"'', ''"Gym''''s %s"."Packs ''''%I''''"'', ''Who'', ''Pack'', ''Kind ''''k'''''', ''State'', ''{1,2}'', ''{open}'', ''{it''''s done}'', ''Owner'', ''Is "it"?'', ''{it''''s on}'', ''Total %'', ''Used %1$s'', ''Rest %''$call$'
SELECT * FROM found(:audit);
SELECT repair(:audit);
SELECT * FROM found(:audit);

-- Keys of uuid, and of domains; every session consumes.
CREATE DOMAIN member_key AS uuid;
CREATE DOMAIN state AS text;
CREATE TABLE uuid_members (id member_key PRIMARY KEY);
CREATE TABLE uuid_packs (id uuid PRIMARY KEY, member_id uuid, status state, total_sessions_snapshot integer,
                         used_sessions integer);
CREATE TABLE uuid_sessions (id uuid PRIMARY KEY, member_id member_key, status state, subscription_id uuid);
INSERT INTO uuid_members VALUES ('00000000-0000-0000-0000-00000000000a');
INSERT INTO uuid_packs VALUES
    ('00000000-0000-0000-0000-000000000010', '00000000-0000-0000-0000-00000000000a', 'active', 9, 0);
INSERT INTO uuid_sessions VALUES
    ('00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-00000000000a', 'completed',
     '00000000-0000-0000-0000-000000000010'),
    ('00000000-0000-0000-0000-000000000002', '00000000-0000-0000-0000-00000000000b', 'completed', NULL);
\set audit '$call$''uuid_sessions'', ''uuid_packs'', type_column => NULL, members => ''uuid_members''$call$'
SELECT * FROM found(:audit);
SELECT repair(:audit);
SELECT code FROM found(:audit);

-- Integers of different widths.
CREATE TABLE wide_packs (id bigint PRIMARY KEY, member_id smallint, status text, total_sessions_snapshot bigint,
                         used_sessions smallint);
CREATE TABLE wide_sessions (id smallint PRIMARY KEY, member_id bigint, session_type text, status text,
                            subscription_id smallint);
INSERT INTO wide_packs VALUES (10, 1, 'active', 5, 2), (20, 2, 'active', 5, 0);
INSERT INTO wide_sessions VALUES (1, 1, 'member', 'scheduled', 10), (2, 1, 'member', 'scheduled', 20),
    (3, 1, 'member', 'scheduled', 30);
SELECT * FROM session_consistency.audit_findings('wide_sessions', 'wide_packs');

-- Keys of (member, id), which each member counts from 1: a link to a number that only others have is foreign, one that
-- nobody has dangles.
CREATE TABLE own_packs (member_id text, number integer, status text, total_sessions_snapshot integer,
                        used_sessions integer, PRIMARY KEY (member_id, number));
CREATE TABLE own_sessions (member_id text, id integer, session_type text, status text, subscription_id integer,
                           PRIMARY KEY (member_id, id));
INSERT INTO own_packs VALUES ('ada', 1, 'expired', 5, 1), ('ada', 2, 'active', 5, 3), ('ben', 1, 'active', 5, 1);
INSERT INTO own_sessions VALUES ('ada', 1, 'member', 'completed', 1), ('ada', 2, 'member', 'scheduled', 2),
    ('ben', 1, 'member', 'scheduled', 1), ('ben', 2, 'member', 'cancelled', 2), ('ben', 3, 'trial', 'scheduled', 1),
    ('ada', 3, 'member', 'cancelled', 3);
\set audit '$call$''own_sessions'', ''own_packs''$call$'
SELECT * FROM found(:audit);
SELECT repair(:audit);
SELECT code, session FROM found(:audit);
-- The same, with the foreign key that says so; and with one that leads to a unique id of its own.
UPDATE own_sessions SET subscription_id = NULL WHERE subscription_id NOT IN (SELECT number FROM own_packs p
    WHERE p.member_id = own_sessions.member_id);
ALTER TABLE own_sessions ADD FOREIGN KEY (member_id, subscription_id) REFERENCES own_packs;
UPDATE own_packs SET used_sessions = 0 WHERE member_id = 'ben';
SELECT * FROM found(:audit);
ALTER TABLE own_sessions DROP CONSTRAINT own_sessions_member_id_subscription_id_fkey;
ALTER TABLE own_packs ADD id integer GENERATED BY DEFAULT AS IDENTITY (START 10) UNIQUE;
UPDATE own_sessions t SET subscription_id = (SELECT p.id FROM own_packs p
    WHERE p.member_id = t.member_id AND p.number = t.subscription_id);
ALTER TABLE own_sessions ADD FOREIGN KEY (subscription_id) REFERENCES own_packs (id);
SELECT * FROM found(:audit);

-- The members' key is found by a foreign key of the packs, or of the sessions, wherever it leads; without one it is the
-- primary key of the members table that is named.
CREATE TABLE people (number integer PRIMARY KEY, code text UNIQUE);
INSERT INTO people VALUES (1, 'ada');
SELECT code, affected FROM session_consistency.audit('own_sessions', 'own_packs') WHERE code = 'orphaned_session';
SELECT * FROM session_consistency.audit('own_sessions', 'own_packs', members => 'people');
ALTER TABLE own_sessions ADD FOREIGN KEY (member_id) REFERENCES people (code) NOT VALID;
SELECT code, affected, samples -> 0 ->> 'session_id' AS first
FROM session_consistency.audit('own_sessions', 'own_packs') WHERE affected > 0;
SELECT code, affected
FROM session_consistency.audit('own_sessions', 'own_packs', members => 'people') WHERE affected > 0;

DROP SCHEMA "Gym's %s" CASCADE;
\i :finish
