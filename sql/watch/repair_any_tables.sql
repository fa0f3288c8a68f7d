-- repair() and undo_repair() on tables of every shape: composite keys, partitions, plain remaining columns, quoted names.
\getenv top PG_ABS_SRCDIR
\set test repair_any_tables
\set gym :top /test/fixtures/gym.sql
\i :gym
CREATE TABLE "the packs" (
    "no." bigint, customer text NOT NULL, "it's" varchar(10) DEFAULT 'on', size smallint,
    "used up" bigint DEFAULT 0, remaining_sessions integer, PRIMARY KEY (customer, "no."));
CREATE TABLE "the visits" (
    "when" date DEFAULT '2030-01-01', id integer, customer text, kind text DEFAULT 'member', "counted" bigint,
    "it's" integer DEFAULT 1,
    PRIMARY KEY (id, "when"), FOREIGN KEY (customer, "counted") REFERENCES "the packs" (customer, "no."))
    PARTITION BY RANGE ("when");
CREATE TABLE "some visits" (kind text DEFAULT 'member', "counted" bigint, id integer NOT NULL, customer text,
                            "it's" integer DEFAULT 1, "when" date NOT NULL DEFAULT '2030-01-01');
ALTER TABLE "the visits" ATTACH PARTITION "some visits" DEFAULT;
INSERT INTO "the packs" ("no.", customer, size, "it's") VALUES
    (1, 'eve''s', 3, 'on'), (1, E'a\\b', 3, 'on'), (2, E'a\\b', NULL, 'off');
SELECT count(*) > 0 AS attached FROM session_consistency.attach(
    '"the visits"', '"the packs"', member_column => 'customer', subscription_column => 'counted',
    type_column => 'kind', status_column => 'it''s', scheduled_statuses => '{1}', completed_statuses => '{2,3}',
    subscription_member_column => 'customer', subscription_status_column => 'it''s', active_statuses => '{on}',
    total_column => 'size', used_column => 'used up');
UPDATE "the packs" SET size = size;
INSERT INTO "the visits" (id, customer, "it's") VALUES (1, 'eve''s', 1), (2, E'a\\b', 2), (3, E'a\\b', 4);
INSERT INTO "the visits" (id, customer, kind, "when") VALUES (4, E'a\\b', 'trial', '2030-05-06');
RESET ROLE;
SET session_replication_role = replica;
UPDATE "the packs" SET "used up" = 3, remaining_sessions = 0 WHERE customer = 'eve''s';
UPDATE "the packs" SET remaining_sessions = 3 WHERE customer = E'a\\b' AND "no." = 1;
UPDATE "the packs" SET "used up" = 5 WHERE customer = E'a\\b' AND "no." = 2;
UPDATE "the visits" SET "counted" = 1 WHERE id = 4;
RESET session_replication_role;
SET ROLE :owner;
CREATE TABLE was AS SELECT * FROM "the packs";
CREATE TABLE was_visited AS SELECT * FROM "the visits";
SELECT code, subscription_id, session_id, action, before, after FROM session_consistency.repair('"the visits"');
SELECT code, subscription_id, session_id, action, before, after FROM session_consistency.repair('"the visits"', dry_run => false);
SELECT * FROM session_consistency.repair('"the visits"');
SELECT * FROM "the packs" ORDER BY customer COLLATE "C", "no.";
SELECT id, customer, "counted" FROM "the visits" ORDER BY id;
SELECT code FROM session_consistency.audit_findings('"the visits"');
-- And back.
SELECT session_consistency.undo_repair(repair_id)
FROM session_consistency.repairs WHERE sessions = '"the visits"'::regclass ORDER BY repair_id;
SELECT * FROM "the packs" EXCEPT SELECT * FROM was;
SELECT * FROM "the visits" EXCEPT SELECT * FROM was_visited;
SELECT count(*) FROM session_consistency.repair('"the visits"', dry_run => false);
SELECT * FROM recount('"the visits"', '"the packs"', 'customer', 'counted', 'kind', 'it''s', 'no.', 'customer', 'size',
                      'used up', statuses => '{1,2,3}');
DELETE FROM "the visits";
SELECT * FROM session_consistency.check_counts();
SELECT * FROM recount('"the visits"', '"the packs"', 'customer', 'counted', 'kind', 'it''s', 'no.', 'customer', 'size',
                      'used up', statuses => '{1,2,3}');
\i :finish
