-- check_counts names every wrong subscription and no other, for whoever may read every row.
\getenv top PG_ABS_SRCDIR
\set test check_counts
\set gym :top /test/fixtures/gym.sql
\i :gym
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
INSERT INTO training_sessions (id, member_id, session_type, status) VALUES
    (1, 1, 'member', 'scheduled'), (2, 1, 'makeup', 'in_progress'), (3, 1, 'contractual', 'completed'),
    (4, 1, 'member', 'cancelled'), (5, 1, 'trial', 'completed'), (6, 1, NULL, 'scheduled'), (7, 1, 'member', NULL),
    (8, 2, 'member', 'completed');
UPDATE member_subscriptions SET total_sessions_snapshot = NULL WHERE id = 20;
SELECT * FROM session_consistency.check_counts();
SELECT * FROM session_consistency.check_counts('training_sessions');
SELECT * FROM session_consistency.check_counts(sessions => NULL);

-- The same tables once more, with other names and types, a composite key and a plain remaining column.
CREATE TABLE "the packs" (
    "no." bigint PRIMARY KEY, customer text NOT NULL, "it's" varchar(10) DEFAULT 'on', size smallint,
    "used up" bigint DEFAULT 0, remaining_sessions integer, UNIQUE (customer, "no."));
CREATE TABLE "the visits" (
    "when" date DEFAULT '2030-01-01', id integer, customer text, "counted" bigint, "it's" integer DEFAULT 1,
    PRIMARY KEY (id, "when"), FOREIGN KEY (customer, "counted") REFERENCES "the packs" (customer, "no."))
    PARTITION BY RANGE ("when");
CREATE TABLE "some visits" PARTITION OF "the visits" DEFAULT;
INSERT INTO "the packs" ("no.", customer, "it's", size, remaining_sessions) VALUES
    (1, 'eve''s', 'on', 3, 3), (2, 'eve''s', 'off', 3, 3), (3, E'a\\b', 'on', NULL, NULL);
SELECT count(*) > 0 AS attached FROM session_consistency.attach(
    '"the visits"', '"the packs"', member_column => 'customer', subscription_column => 'counted', type_column => NULL,
    status_column => 'it''s', scheduled_statuses => '{1}', completed_statuses => '{2,3}',
    subscription_member_column => 'customer', subscription_status_column => 'it''s', active_statuses => '{on}',
    total_column => 'size', used_column => 'used up');
INSERT INTO "the visits" (id, customer, "it's") VALUES
    (1, 'eve''s', 1), (2, 'eve''s', 2), (3, 'eve''s', 4), (4, E'a\\b', 3);
SELECT * FROM session_consistency.check_counts();

-- What no trigger sees is found.
RESET ROLE;
SET session_replication_role = replica;
INSERT INTO training_sessions (id, member_id, subscription_id) VALUES (9, 1, 10);
UPDATE member_subscriptions SET used_sessions = 0 WHERE id = 20;
UPDATE "the packs" SET remaining_sessions = 7 WHERE "no." = 1;
UPDATE "the packs" SET "used up" = 2 WHERE "no." = 2;
DELETE FROM "the visits" WHERE id = 4;
RESET session_replication_role;
\x on
SELECT * FROM session_consistency.check_counts();
\x off
SELECT attachment, subscription_id FROM session_consistency.check_counts('"the visits"');
SELECT * FROM recount();

-- So is what the table's own CHECK would have refused, and what no number can hold.
DO $$
DECLARE
    name text;
BEGIN
    FOR name IN SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname) FROM pg_constraint
                WHERE contype = 'c' AND conrelid IN ('member_subscriptions'::regclass, '"the packs"'::regclass)
    LOOP
        EXECUTE name;
    END LOOP;
END $$;
ALTER TABLE member_subscriptions ALTER used_sessions DROP NOT NULL;
SET session_replication_role = replica;
UPDATE member_subscriptions SET used_sessions = NULL WHERE id = 11;
UPDATE member_subscriptions SET used_sessions = -1 WHERE id = 21;
UPDATE member_subscriptions SET total_sessions_snapshot = 3, used_sessions = 4 WHERE id = 10;
UPDATE "the packs" SET "used up" = -9223372036854775808 WHERE "no." = 1;
UPDATE "the packs" SET "used up" = 9223372036854775807 WHERE "no." = 2;
UPDATE "the packs" SET "used up" = NULL WHERE "no." = 3;
RESET session_replication_role;
\x on
SELECT * FROM session_consistency.check_counts();
\x off

-- Nothing but reading, and no lock that a booking would wait for.
BEGIN READ ONLY;
SELECT count(*) FROM session_consistency.check_counts();
SELECT DISTINCT mode FROM pg_locks
WHERE pid = pg_backend_pid()
      AND relation IN (SELECT oid FROM pg_class WHERE relnamespace = current_schema()::regnamespace);
COMMIT;
BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE;
SELECT count(*) FROM session_consistency.check_counts();
COMMIT;

-- The caller's search path decides nothing, and is what it was afterwards.
CREATE SCHEMA check_counts_evil;
CREATE FUNCTION check_counts_evil.never(integer, bigint) RETURNS boolean LANGUAGE sql AS 'SELECT 1 / 0 = 1';
CREATE OPERATOR check_counts_evil.<= (LEFTARG = integer, RIGHTARG = bigint, FUNCTION = check_counts_evil.never);
CREATE OPERATOR check_counts_evil.= (LEFTARG = integer, RIGHTARG = bigint, FUNCTION = check_counts_evil.never);
CREATE FUNCTION check_counts_evil.same(integer, integer) RETURNS boolean LANGUAGE sql AS 'SELECT 1 / 0 = 1';
CREATE OPERATOR check_counts_evil.= (LEFTARG = integer, RIGHTARG = integer, FUNCTION = check_counts_evil.same);
CREATE FUNCTION check_counts_evil.count(boolean) RETURNS bigint LANGUAGE sql AS 'SELECT 0::bigint';
SET search_path = check_counts_evil, pg_catalog;
SELECT count(*) FROM session_consistency.check_counts();
SHOW search_path;
SET search_path = :test;
DROP SCHEMA check_counts_evil CASCADE;

-- Who may not read every row gets no answer, also where only one of several attachments is out of reach.
SET ROLE :desk;
SELECT * FROM session_consistency.check_counts('training_sessions');
SELECT * FROM session_consistency.check_counts();
RESET ROLE;
GRANT SELECT (id, member_id, total_sessions_snapshot, used_sessions) ON member_subscriptions TO :desk;
SET ROLE :desk;
SELECT count(*) FROM session_consistency.check_counts('training_sessions');
SELECT * FROM session_consistency.check_counts();
RESET ROLE;
GRANT SELECT ON "the visits", "the packs" TO :desk;
ALTER TABLE "the packs" ENABLE ROW LEVEL SECURITY;
CREATE POLICY everything ON "the packs" USING (true);
SET ROLE :desk;
SELECT count(*) FROM session_consistency.check_counts('training_sessions');
SELECT * FROM refusal($$SELECT * FROM session_consistency.check_counts()$$);
SET row_security = off;
SELECT * FROM session_consistency.check_counts();
RESET row_security;
SET ROLE :owner;
SELECT count(*) FROM session_consistency.check_counts();
ALTER TABLE "the packs" FORCE ROW LEVEL SECURITY;
SELECT * FROM session_consistency.check_counts();
RESET ROLE;
SELECT count(*) FROM session_consistency.check_counts();
ALTER TABLE "the packs" DISABLE ROW LEVEL SECURITY;
ALTER TABLE "the visits" ENABLE ROW LEVEL SECURITY;
SET ROLE :desk;
SELECT * FROM session_consistency.check_counts('"the visits"');
RESET ROLE;

-- What is not attached, or not whole, is told from what is right.
SELECT * FROM refusal($$SELECT * FROM session_consistency.check_counts('members')$$);
SELECT * FROM refusal($$SELECT * FROM session_consistency.check_counts('member_subscriptions')$$);
SELECT * FROM refusal($$SELECT * FROM session_consistency.check_counts('"some visits"')$$);
SELECT * FROM refusal($$SELECT * FROM session_consistency.check_counts('-')$$);
SELECT * FROM refusal($$SELECT * FROM session_consistency.check_counts('no_such_table')$$);
ALTER TABLE member_subscriptions RENAME used_sessions TO used_up;
SELECT * FROM refusal($$SELECT * FROM session_consistency.check_counts('training_sessions')$$);
ALTER TABLE member_subscriptions RENAME used_up TO used_sessions;
BEGIN;
ALTER TABLE "the visits" DROP CONSTRAINT "the visits_customer_counted_fkey";
SELECT * FROM refusal($$SELECT * FROM session_consistency.check_counts('"the visits"')$$);
SELECT attachment, message FROM session_consistency.check_counts() WHERE subscription_id IS NULL;
ROLLBACK;

-- Put right, all is well again.
SET session_replication_role = replica;
UPDATE member_subscriptions s
SET total_sessions_snapshot = 10,
    used_sessions = (SELECT count(*) FROM training_sessions t
                     WHERE t.subscription_id = s.id AND session_type IN ('member', 'makeup', 'contractual')
                           AND t.status IN ('scheduled', 'in_progress', 'completed'));
UPDATE "the packs" p
SET "used up" = n, remaining_sessions = size - n
FROM (SELECT "no.", (SELECT count(*) FROM "the visits" v WHERE v."counted" = "no." AND v."it's" <= 3) AS n
      FROM "the packs") AS c
WHERE c."no." = p."no.";
RESET session_replication_role;
SELECT * FROM session_consistency.check_counts();

-- The recount finds nothing.
SELECT * FROM recount();
\i :finish
