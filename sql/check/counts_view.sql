-- The counts view: every number that a screen shows, typed as the user's own columns, with the reader's own rights.
\getenv top PG_ABS_SRCDIR
\set test counts_view
\set gym :top /test/fixtures/gym.sql
\i :gym
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
SELECT attname, format_type(atttypid, atttypmod) AS type FROM pg_attribute
WHERE attrelid = 'member_subscriptions_session_counts'::regclass AND attnum > 0 ORDER BY attnum;
SELECT reloptions FROM pg_class WHERE oid = 'member_subscriptions_session_counts'::regclass;
SELECT * FROM member_subscriptions_session_counts ORDER BY subscription_id;

-- completed + scheduled + remaining = total, whatever happens to a session.
INSERT INTO training_sessions (id, member_id, session_type, status) VALUES
    (1, 1, 'member', 'scheduled'), (2, 1, 'makeup', 'in_progress'), (3, 1, 'contractual', 'completed'),
    (4, 1, 'member', 'cancelled'), (5, 1, 'trial', 'completed'), (6, 1, NULL, 'scheduled'), (7, 1, 'member', NULL),
    (8, 2, 'member', 'completed');
UPDATE training_sessions SET status = 'no_show' WHERE id = 2;
UPDATE member_subscriptions SET total_sessions_snapshot = NULL WHERE id = 20;
SELECT * FROM member_subscriptions_session_counts ORDER BY subscription_id;
SELECT count(*) FROM member_subscriptions_session_counts WHERE completed + scheduled + remaining <> total;

-- is_consistent says what check_counts says; a NULL counter is not consistent.
RESET ROLE;
DO $$
BEGIN
    EXECUTE (SELECT string_agg(format('ALTER TABLE member_subscriptions DROP CONSTRAINT %I', conname), ';')
             FROM pg_constraint WHERE contype = 'c' AND conrelid = 'member_subscriptions'::regclass);
END $$;
ALTER TABLE member_subscriptions ALTER used_sessions DROP NOT NULL;
SET session_replication_role = replica;
UPDATE member_subscriptions SET used_sessions = 5 WHERE id = 10;
UPDATE member_subscriptions SET used_sessions = NULL WHERE id = 11;
UPDATE member_subscriptions SET used_sessions = -1 WHERE id = 21;
UPDATE member_subscriptions SET total_sessions_snapshot = 0 WHERE id = 20;
RESET session_replication_role;
SELECT * FROM member_subscriptions_session_counts ORDER BY subscription_id;
SELECT subscription_id::text FROM member_subscriptions_session_counts WHERE is_consistent IS NOT TRUE
EXCEPT SELECT subscription_id FROM session_consistency.check_counts();
SELECT subscription_id FROM session_consistency.check_counts()
EXCEPT SELECT subscription_id::text FROM member_subscriptions_session_counts WHERE NOT is_consistent;
SET session_replication_role = replica;
UPDATE member_subscriptions SET used_sessions = 2, total_sessions_snapshot = 10 WHERE id = 10;
UPDATE member_subscriptions SET used_sessions = 0 WHERE id IN (11, 21);
UPDATE member_subscriptions SET total_sessions_snapshot = 2 WHERE id = 20;
RESET session_replication_role;

-- The reader's own rights decide; where row-level security may hide sessions, nobody is accused.
GRANT SELECT ON member_subscriptions_session_counts TO :desk;
REVOKE SELECT ON training_sessions FROM :desk;
SET ROLE :desk;
SELECT * FROM member_subscriptions_session_counts;
RESET ROLE;
GRANT SELECT ON member_subscriptions TO :desk;
SET ROLE :desk;
SELECT * FROM member_subscriptions_session_counts;
RESET ROLE;
GRANT SELECT ON training_sessions TO :desk;
SET ROLE :desk;
SELECT subscription_id, completed, scheduled, is_consistent FROM member_subscriptions_session_counts ORDER BY 1;
RESET ROLE;
ALTER TABLE training_sessions ENABLE ROW LEVEL SECURITY;
CREATE POLICY half ON training_sessions USING (id % 2 = 0);
SET ROLE :desk;
SELECT subscription_id, completed, scheduled, is_consistent FROM member_subscriptions_session_counts ORDER BY 1;
SET ROLE :owner;
SELECT subscription_id, completed, scheduled, is_consistent FROM member_subscriptions_session_counts ORDER BY 1;
RESET ROLE;
ALTER TABLE training_sessions DISABLE ROW LEVEL SECURITY;
ALTER TABLE member_subscriptions ENABLE ROW LEVEL SECURITY;
CREATE POLICY half ON member_subscriptions USING (id > 15);
SET ROLE :desk;
SELECT subscription_id, completed, scheduled, is_consistent FROM member_subscriptions_session_counts ORDER BY 1;
RESET ROLE;
ALTER TABLE member_subscriptions DISABLE ROW LEVEL SECURITY;

-- One member's row costs a look-up by index, one subscription's too.
CREATE FUNCTION scans(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    line text;
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (COSTS off) ' || query LOOP
        IF line ~ 'Seq Scan' THEN
            RETURN NEXT trim(line);
        END IF;
    END LOOP;
END $$;
INSERT INTO members SELECT n FROM generate_series(1000, 1999) n;
INSERT INTO member_subscriptions (id, member_id, total_sessions_snapshot)
SELECT n, n, 10 FROM generate_series(1000, 1999) n;
INSERT INTO training_sessions (id, member_id) SELECT n, 1000 + n % 1000 FROM generate_series(1000, 5999) n;
ANALYZE members, member_subscriptions, training_sessions;
SELECT * FROM member_subscriptions_session_counts WHERE member_id = 1500 AND status = 'active';
SELECT * FROM scans($$SELECT * FROM member_subscriptions_session_counts WHERE member_id = 1500 AND status = 'active'$$);
SELECT * FROM scans($$SELECT * FROM member_subscriptions_session_counts WHERE member_id = 1500$$);
SELECT * FROM scans($$SELECT * FROM member_subscriptions_session_counts WHERE subscription_id = 1500$$);
SELECT * FROM scans($$SELECT * FROM member_subscriptions_session_counts$$);

-- Other names, types and a composite key; a plain remaining column takes part.
SET ROLE :owner;
CREATE TABLE "the packs" (
    "no." bigint PRIMARY KEY, customer text NOT NULL, "it's" varchar(10) DEFAULT 'on', size smallint,
    remaining_sessions integer, UNIQUE (customer, "no."));
CREATE TABLE "the visits" (
    "when" date DEFAULT '2030-01-01', id integer, customer text, "counted" bigint, "it's" integer DEFAULT 1,
    PRIMARY KEY (id, "when"), FOREIGN KEY (customer, "counted") REFERENCES "the packs" (customer, "no."))
    PARTITION BY RANGE ("when");
CREATE TABLE "some visits" PARTITION OF "the visits" DEFAULT;
INSERT INTO "the packs" VALUES (1, 'eve''s', 'on', 3, 3), (2, 'eve''s', 'off', 3, 3), (3, E'a\\b', 'on', NULL, NULL);
SELECT count(*) > 0 AS attached FROM session_consistency.attach(
    '"the visits"', '"the packs"', member_column => 'customer', subscription_column => 'counted', type_column => NULL,
    status_column => 'it''s', scheduled_statuses => '{1}', completed_statuses => '{2,3}',
    subscription_member_column => 'customer', subscription_status_column => 'it''s', active_statuses => '{on}',
    total_column => 'size', used_column => 'used up', counts_view => 'The "numbers"');
INSERT INTO "the visits" (id, customer, "it's") VALUES
    (1, 'eve''s', 1), (2, 'eve''s', 2), (3, 'eve''s', 4), (4, E'a\\b', 3);
SELECT * FROM "The ""numbers""" ORDER BY subscription_id;
RESET ROLE;
SET session_replication_role = replica;
UPDATE "the packs" SET remaining_sessions = 2 WHERE "no." = 1;
SELECT * FROM "The ""numbers""" ORDER BY subscription_id;
UPDATE "the packs" SET remaining_sessions = 1 WHERE "no." = 1;
RESET session_replication_role;

-- The recount finds nothing.
SELECT * FROM recount();
SELECT * FROM recount('"the visits"', '"the packs"', 'customer', 'counted', NULL, 'it''s', 'no.', 'customer', 'size',
                      'used up', statuses => '{1,2,3}');
\i :finish
