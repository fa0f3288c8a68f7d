-- What migrate() refuses, and that nothing has changed then.
\getenv top PG_ABS_SRCDIR
\set test migrate_refuses
\set gym :top /test/fixtures/gym.sql
\i :gym
\set VERBOSITY default
\set SHOW_CONTEXT never
ALTER TABLE member_subscriptions ADD valid_from date, ADD label text;
ALTER TABLE training_sessions ADD starts timestamptz, ADD "hour" time;
INSERT INTO training_sessions (id, member_id, status) VALUES (1, 1, 'completed'), (2, 2, 'completed');
-- Not attached.
CALL session_consistency.migrate('training_sessions');
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
CALL session_consistency.migrate('member_subscriptions');
CALL session_consistency.migrate('members');
-- Arguments.
CALL session_consistency.migrate(NULL);
CALL session_consistency.migrate('no_such_table');
CALL session_consistency.migrate(0);
CALL session_consistency.migrate('training_sessions', batch_size => NULL);
CALL session_consistency.migrate('training_sessions', batch_size => 0);
CALL session_consistency.migrate('training_sessions', batch_size => -1);
CALL session_consistency.migrate('training_sessions', when_ambiguous => NULL);
CALL session_consistency.migrate('training_sessions', when_ambiguous => 'guess');
CALL session_consistency.migrate('training_sessions', when_ambiguous => '');
CALL session_consistency.migrate('training_sessions', start_column => 'starts_at');
CALL session_consistency.migrate('training_sessions', start_column => '');
CALL session_consistency.migrate('training_sessions', start_column => 'hour');
CALL session_consistency.migrate('training_sessions', valid_from_column => 'starts');
CALL session_consistency.migrate('training_sessions', valid_from_column => 'label');
CALL session_consistency.migrate('training_sessions', valid_until_column => 'until');
CALL session_consistency.migrate('training_sessions', valid_until_column => 'label');
CALL session_consistency.migrate('training_sessions', created_column => 'label');
CALL session_consistency.migrate('training_sessions', created_column => 'created');
-- Inside a transaction, a function, a procedure that is in one.
BEGIN;
CALL session_consistency.migrate('training_sessions');
ROLLBACK;
DO $$ BEGIN PERFORM 1; CALL session_consistency.migrate('training_sessions'); EXCEPTION WHEN division_by_zero THEN NULL; END $$;
CREATE FUNCTION call_it() RETURNS void LANGUAGE plpgsql AS $$ BEGIN CALL session_consistency.migrate('training_sessions'); END $$;
SELECT call_it();
SELECT session_consistency.migrate('training_sessions');
SET default_transaction_read_only = on;
CALL session_consistency.migrate('training_sessions');
RESET default_transaction_read_only;
-- Who does not own both tables.
SET ROLE :desk;
CALL session_consistency.migrate('training_sessions');
RESET ROLE;
GRANT ALL ON training_sessions, member_subscriptions TO :desk;
SET ROLE :desk;
CALL session_consistency.migrate('training_sessions');
-- Row-level security that holds for the owner too would hide rows.
SET ROLE :owner;
ALTER TABLE member_subscriptions ENABLE ROW LEVEL SECURITY;
ALTER TABLE member_subscriptions FORCE ROW LEVEL SECURITY;
CALL session_consistency.migrate('training_sessions');
ALTER TABLE member_subscriptions NO FORCE ROW LEVEL SECURITY;

-- Nothing has changed.
SELECT * FROM bookings();
SELECT * FROM counters();
SELECT count(*) FROM session_consistency.migration_progress WHERE sessions = 'training_sessions'::regclass;

-- After each refusal it works; with a default isolation level that would not see what others write, too.
SET default_transaction_isolation = 'serializable';
DO $$ BEGIN CALL session_consistency.migrate('training_sessions'); END $$;
SELECT * FROM bookings();
SELECT phase, rows_done, rows_total FROM session_consistency.migration_progress WHERE sessions = 'training_sessions'::regclass;

-- Names that need quotes.
CREATE TABLE "Odd Packs" ("Id" int PRIMARY KEY, "Member" int NOT NULL, "State" text DEFAULT 'active', "Total" int, "From" date);
CREATE TABLE "Odd Sessions" ("Id" int PRIMARY KEY, "Member" int NOT NULL, "Kind" text DEFAULT 'member', "State" text DEFAULT 'completed', "When" date);
INSERT INTO "Odd Packs" VALUES (1, 1, 'expired', 5, '2030-01-01'), (2, 1, 'active', 5, '2031-01-01');
INSERT INTO "Odd Sessions" VALUES (1, 1, 'member', 'completed', '2030-05-01'), (2, 1, 'member', 'completed', '2029-05-01');
SELECT count(*) > 0 AS attached FROM session_consistency.attach('"Odd Sessions"', '"Odd Packs"', 'Member', 'Pack of it', 'Kind', 'State',
    subscription_member_column => 'Member', subscription_status_column => 'State', total_column => 'Total', used_column => 'Used Up');
CALL session_consistency.migrate('"Odd Sessions"', batch_size => 10, start_column => 'When', valid_from_column => 'From', created_column => 'From', when_ambiguous => 'active');
SELECT "Id", "Pack of it" FROM "Odd Sessions" ORDER BY 1;
SELECT "Id", "Used Up" FROM "Odd Packs" ORDER BY 1;

-- The recount finds nothing.
SELECT * FROM recount();
SELECT * FROM recount('"Odd Sessions"', '"Odd Packs"', 'Member', 'Pack of it', 'Kind', 'State', 'Id', 'Member', 'Total', 'Used Up', NULL);
\i :finish
