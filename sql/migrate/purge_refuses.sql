-- purge_sessions() refuses what it cannot do with a clear error, and deletes nothing then.
\getenv top PG_ABS_SRCDIR
\set test purge_refuses
\set gym :top /test/fixtures/gym.sql
\i :gym
\set VERBOSITY default
\set SHOW_CONTEXT never
\set attach 'SELECT count(*) > 0 AS changed FROM session_consistency.attach(''training_sessions'', ''member_subscriptions'''
CALL session_consistency.purge_sessions('training_sessions', '2025-01-01');
:attach, start_column => 'day');
CALL session_consistency.purge_sessions('training_sessions', '2025-01-01');
SELECT count(*) > 0 AS detached FROM session_consistency.detach('training_sessions');
:attach, carried_column => 'carried');
CALL session_consistency.purge_sessions('training_sessions', '2025-01-01');
:attach, carried_column => 'carried', start_column => 'day');
INSERT INTO training_sessions (id, member_id, day) VALUES (1, 1, '2024-01-01'), (2, 2, '2030-01-01');
-- Arguments.
CALL session_consistency.purge_sessions(NULL, '2025-01-01');
CALL session_consistency.purge_sessions('training_sessions', NULL);
CALL session_consistency.purge_sessions('training_sessions', '2025-01-01', NULL);
CALL session_consistency.purge_sessions('training_sessions', '2025-01-01', batch_size => 0);
CALL session_consistency.purge_sessions(0, '2025-01-01');
CALL session_consistency.purge_sessions('member_subscriptions', '2025-01-01');
CALL session_consistency.purge_sessions('training_sessions', '2025-01-01', subscriptions => 'members');
CALL session_consistency.purge_sessions('training_sessions', 'yesteryear');
-- Where it may run, and who may call it.
BEGIN;
CALL session_consistency.purge_sessions('training_sessions', '2025-01-01');
ROLLBACK;
BEGIN READ ONLY;
CALL session_consistency.purge_sessions('training_sessions', '2025-01-01');
ROLLBACK;
SET default_transaction_read_only = on;
CALL session_consistency.purge_sessions('training_sessions', '2025-01-01');
RESET default_transaction_read_only;
SET ROLE :desk;
CALL session_consistency.purge_sessions('training_sessions', '2025-01-01');
SET ROLE :owner;
-- Where the trigger does not fire, what the sessions held would be lost.
ALTER TABLE training_sessions DISABLE TRIGGER "00_session_consistency_charge_member_subscriptions";
CALL session_consistency.purge_sessions('training_sessions', '2025-01-01');
ALTER TABLE training_sessions ENABLE TRIGGER "00_session_consistency_charge_member_subscriptions";
SET ROLE NONE;
SET session_replication_role = replica;
CALL session_consistency.purge_sessions('training_sessions', '2025-01-01');
RESET session_replication_role;
SET ROLE :owner;
-- A trigger that makes something else of what is carried.
CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.carried := 0; RETURN NEW; END $$;
CREATE TRIGGER meddle BEFORE UPDATE ON member_subscriptions FOR EACH ROW EXECUTE FUNCTION meddle();
CALL session_consistency.purge_sessions('training_sessions', '2025-01-01');
DROP TRIGGER meddle ON member_subscriptions;
SELECT id, carried, used_sessions FROM member_subscriptions WHERE used_sessions > 0 ORDER BY id;
SELECT id, day FROM training_sessions ORDER BY id;
-- Any isolation level is the same, and a start with a zone is compared with its own.
SET default_transaction_isolation = 'serializable';
ALTER TABLE training_sessions ADD starts timestamptz, ADD local timestamp;
UPDATE training_sessions SET starts = '2025-01-01 00:30+01', local = '2025-01-01 00:30' WHERE id = 1;
:attach, carried_column => 'carried', start_column => 'starts');
SET TimeZone = 'Europe/Berlin';
CALL session_consistency.purge_sessions('training_sessions', '2025-01-01');
SELECT id FROM training_sessions ORDER BY id;
:attach, carried_column => 'carried', start_column => 'local');
CALL session_consistency.purge_sessions('training_sessions', '2025-01-01');
SELECT id FROM training_sessions ORDER BY id;
CALL session_consistency.purge_sessions('training_sessions', '2025-01-01 00:31');
SELECT id FROM training_sessions ORDER BY id;
SELECT id, carried, used_sessions FROM member_subscriptions WHERE used_sessions > 0 ORDER BY id;
DELETE FROM member_subscriptions WHERE id = 10;
SELECT * FROM recount();
\i :finish
