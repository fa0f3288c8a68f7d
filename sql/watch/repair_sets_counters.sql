-- repair() says what has one right answer, does it on demand, and leaves the rest to a person; afterwards nothing
-- repairable is left.
\getenv top PG_ABS_SRCDIR
\set test repair_sets_counters
\set gym :top /test/fixtures/gym.sql
\i :gym
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
INSERT INTO members VALUES (5, 'Eve'), (6, 'Fay');
INSERT INTO member_subscriptions (id, member_id, total_sessions_snapshot) VALUES (50, 5, NULL), (60, 6, 3);
INSERT INTO training_sessions (id, member_id, status) VALUES
    (1, 1, 'scheduled'), (2, 1, 'completed'), (3, 1, 'cancelled'), (4, 2, 'completed'), (5, 5, 'completed'),
    (6, 6, 'completed');
INSERT INTO training_sessions (id, member_id, session_type) VALUES (7, 1, 'trial'), (8, 2, 'guest');
-- A view of repairs that is the same at every run.
CREATE FUNCTION repaired(apply boolean DEFAULT false)
    RETURNS TABLE (logged boolean, code text, subscription text, session text, action text, before jsonb, after jsonb)
    LANGUAGE sql AS $$
    SELECT repair_id IS NOT NULL, code, subscription_id, session_id, action, before, after
    FROM session_consistency.repair('training_sessions', dry_run => NOT apply)
$$;
CREATE FUNCTION found() RETURNS TABLE (code text, subscription text, session text, expected text, actual text,
                                       repairable boolean)
    LANGUAGE sql AS $$
    SELECT code, subscription_id, session_id, expected, actual, repair_sql IS NOT NULL
    FROM session_consistency.audit_findings('training_sessions')
$$;
SELECT * FROM repaired();
SELECT * FROM repaired(true);

-- Drift that came past the triggers: counters too high, too low, of an unlimited pack; links of sessions that consume
-- nothing. A person's: Fay has more sessions than she paid for, Cleo one without a link.
RESET ROLE;
SET session_replication_role = replica;
UPDATE member_subscriptions SET used_sessions = 7 WHERE id = 10;
UPDATE member_subscriptions SET used_sessions = 0 WHERE id = 20;
UPDATE member_subscriptions SET used_sessions = 3 WHERE id = 50;
UPDATE training_sessions SET subscription_id = 10 WHERE id = 7;
UPDATE training_sessions SET subscription_id = 10 WHERE id = 8;
INSERT INTO training_sessions (id, member_id, subscription_id)
SELECT i, 6, 60 FROM generate_series(10, 12) i;
INSERT INTO training_sessions (id, member_id) VALUES (13, 3);
RESET session_replication_role;
SET ROLE :owner;
SELECT * FROM found();
SELECT * FROM repaired();
SELECT * FROM counters() WHERE id IN ('10', '20', '50', '60');
SELECT count(*) AS logged FROM session_consistency.repairs;

-- In a dry run nothing is locked that a booking needs, and it runs in a READ ONLY transaction.
BEGIN READ ONLY;
SELECT count(*) FROM repaired();
SELECT DISTINCT mode FROM pg_locks
WHERE pid = pg_backend_pid()
      AND relation IN (SELECT oid FROM pg_class WHERE relnamespace = current_schema()::regnamespace);
COMMIT;

-- The application's own triggers see it.
CREATE TABLE seen (what text);
CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO seen VALUES (format('%s %s', TG_TABLE_NAME, NEW.id));
    RETURN NEW;
END $$;
CREATE TRIGGER see AFTER UPDATE ON member_subscriptions FOR EACH ROW EXECUTE FUNCTION see();
CREATE TRIGGER see AFTER UPDATE ON training_sessions FOR EACH ROW EXECUTE FUNCTION see();
SELECT * FROM repaired(true);
SELECT * FROM seen;
SELECT * FROM found();
SELECT * FROM repaired(true);
SELECT * FROM counters() WHERE id IN ('10', '20', '50', '60');
SELECT code, member_id, subscription_id, session_id, before, after, repaired_by = current_user AS by_me, undone_at
FROM session_consistency.repairs WHERE sessions = 'training_sessions'::regclass ORDER BY repair_id;

-- It is rolled back like everything else.
RESET ROLE;
SET session_replication_role = replica;
UPDATE member_subscriptions SET used_sessions = 1 WHERE id = 10;
RESET session_replication_role;
SET ROLE :owner;
BEGIN;
SELECT count(*) FROM repaired(true);
ROLLBACK;
SELECT count(*) FROM session_consistency.repairs WHERE sessions = 'training_sessions'::regclass;
SELECT count(*) FROM repaired(true);

-- What is rolled forward in the same transaction is counted.
BEGIN;
INSERT INTO training_sessions (id, member_id) VALUES (20, 1);
SELECT * FROM repaired(true);
SELECT * FROM counters() WHERE id = '10';
ROLLBACK;

-- Who may call it, on what.
SET ROLE :desk;
SELECT * FROM session_consistency.repair('training_sessions');
SELECT count(*) FROM session_consistency.repairs;
SET ROLE :owner;
SELECT * FROM session_consistency.repair('members');
SELECT * FROM session_consistency.repair(NULL);
SELECT * FROM session_consistency.repair('training_sessions', dry_run => NULL);
SELECT * FROM session_consistency.repair('no_such_table');
SELECT * FROM session_consistency.repair(1);

-- The recount finds what a person has to decide, and no more.
SELECT * FROM recount();
\i :finish
