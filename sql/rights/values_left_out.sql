-- What the owner of the packs has forbidden beside the rules is an error of the server's when a counter is written as
-- that owner. It shows no value of the packs to who may not read them.
\getenv top PG_ABS_SRCDIR
\set test values_left_out
\set gym :top /test/fixtures/gym.sql
\i :gym
ALTER TABLE member_subscriptions DROP remaining_sessions, ADD remaining_sessions int NOT NULL DEFAULT 0,
    ADD secret text DEFAULT 'secret';
UPDATE member_subscriptions SET remaining_sessions = total_sessions_snapshot;
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
UPDATE member_subscriptions SET total_sessions_snapshot = 10 WHERE id = 20;
INSERT INTO training_sessions (id, member_id) VALUES (1, 1);
CREATE FUNCTION refused() RETURNS TABLE (field text, value text) LANGUAGE sql AS $$
    SELECT * FROM values_left_out.refusal('INSERT INTO values_left_out.training_sessions (id, member_id) VALUES (2, 1)')
    WHERE field IN ('sqlstate', 'message', 'detail', 'done') AND value IS NOT NULL
$$;
-- A CHECK.
ALTER TABLE member_subscriptions ADD CONSTRAINT at_most_one CHECK (used_sessions < 2 OR secret <> 'secret');
SELECT * FROM refused();
SET ROLE :desk;
SELECT * FROM refused();
SET ROLE :owner;
GRANT SELECT ON member_subscriptions TO :desk;
SET ROLE :desk;
SELECT * FROM refused();
SET ROLE :owner;
ALTER TABLE member_subscriptions ENABLE ROW LEVEL SECURITY;
SET ROLE :desk;
SELECT * FROM refused();
SET ROLE :owner;
ALTER TABLE member_subscriptions DISABLE ROW LEVEL SECURITY, DROP CONSTRAINT at_most_one;
REVOKE SELECT ON member_subscriptions FROM :desk;
-- An exclusion constraint.
ALTER TABLE member_subscriptions ADD CONSTRAINT each_other EXCLUDE (status WITH =, used_sessions WITH =) WHERE (used_sessions > 1);
INSERT INTO training_sessions (id, member_id) VALUES (10, 2), (11, 2);
SET ROLE :desk;
SELECT * FROM refused();
SET ROLE :owner;
ALTER TABLE member_subscriptions DROP CONSTRAINT each_other;
-- NOT NULL: an unlimited pack has no remaining.
SET ROLE NONE;
SET session_replication_role = replica;
UPDATE member_subscriptions SET total_sessions_snapshot = NULL WHERE id = 10;
RESET session_replication_role;
SET ROLE :desk;
SELECT * FROM refused();
SET ROLE NONE;
SET session_replication_role = replica;
UPDATE member_subscriptions SET total_sessions_snapshot = 10 WHERE id = 10;
RESET session_replication_role;
SET ROLE :owner;
-- What a trigger of the packs does, with these or other rows.
CREATE TABLE copies (secret text, used int CHECK (used < 2));
CREATE FUNCTION copy() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO copies VALUES (NEW.secret, NEW.used_sessions);
    RETURN NEW;
END $$;
CREATE TRIGGER copy AFTER UPDATE ON member_subscriptions FOR EACH ROW EXECUTE FUNCTION copy();
SET ROLE :desk;
SELECT * FROM refused();
-- The extension's own refusals are as they were: they say what the reader may know.
SELECT * FROM refusal('INSERT INTO training_sessions (id, member_id) VALUES (2, 3)') WHERE field IN ('sqlstate', 'detail');
SET ROLE :owner;
DROP TRIGGER copy ON member_subscriptions;
-- Nor does a refusal that comes after another counter was written as the owner, since a trigger of the packs fires.
CREATE FUNCTION leave_alone() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER leave_alone BEFORE UPDATE ON member_subscriptions FOR EACH ROW EXECUTE FUNCTION leave_alone();
CREATE TABLE classes (id int PRIMARY KEY, seats int, taken int NOT NULL DEFAULT 0);
INSERT INTO classes VALUES (1, 0);
SET ROLE :desk;
SELECT * FROM refusal('INSERT INTO training_sessions (id, member_id) SELECT n, 1 + (n > 50)::int FROM generate_series(50, 70) n')
    WHERE field IN ('sqlstate', 'detail');
SET ROLE :owner;
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'classes', member_column => NULL,
    subscription_column => 'class_id', subscription_status_column => NULL, total_column => 'seats', used_column => 'taken');
SET ROLE :desk;
SELECT * FROM refusal('INSERT INTO training_sessions (id, member_id, class_id) VALUES (50, 1, 1)')
    WHERE field IN ('sqlstate', 'detail');
SET ROLE :owner;
DROP TRIGGER leave_alone ON member_subscriptions;
SELECT * FROM refusal('INSERT INTO training_sessions (id, member_id) SELECT n, 2 FROM generate_series(20, 40) n')
    WHERE field IN ('sqlstate', 'detail');
SELECT * FROM recount();
\i :finish
