-- What is read and compiled of the subscriptions to write a counter is kept from one booking to the next, and read anew
-- once anything that it was made of has changed. DEBUG says when it is read.
\getenv top PG_ABS_SRCDIR
\set test kept_plan_follows_changes
\set gym :top /test/fixtures/gym.sql
\i :gym
\set VERBOSITY terse
\set book 'SET client_min_messages = debug1; INSERT INTO training_sessions (id, member_id) SELECT count(*) + 1, 1 FROM training_sessions; SET client_min_messages = warning;'
\set look 'SELECT used_sessions AS used, remaining_sessions AS remaining, note, doubled FROM member_subscriptions WHERE id = 10;'
UPDATE member_subscriptions SET total_sessions_snapshot = 1000 WHERE id = 10;
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
CREATE FUNCTION twice(n int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 2 * n';
CREATE DOMAIN doubles AS int;
CREATE FUNCTION note_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.note := 'first'; RETURN NEW; END $$;
ALTER TABLE member_subscriptions ADD note text, ADD doubled doubles GENERATED ALWAYS AS (twice(used_sessions)) STORED,
    ADD CONSTRAINT not_too_much CHECK (twice(used_sessions) < 1000);
CREATE INDEX by_double ON member_subscriptions (twice(used_sessions)) WHERE twice(used_sessions) > 2;
CREATE TRIGGER note_change BEFORE UPDATE ON member_subscriptions FOR EACH ROW
    WHEN (OLD.used_sessions IS DISTINCT FROM NEW.used_sessions) EXECUTE FUNCTION note_change();
SET client_min_messages = warning;

-- Kept: read once.
:book
:book
:book
:look

-- Functions: of a trigger, taken into a generated column, a CHECK and an index.
CREATE OR REPLACE FUNCTION note_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.note := format('second, by %s', current_user = pg_get_userbyid((
        SELECT relowner FROM pg_class WHERE oid = TG_RELID)));
    RETURN NEW;
END $$;
:book
:book
:look
CREATE OR REPLACE FUNCTION twice(n int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 200 * n';
:book
CREATE OR REPLACE FUNCTION twice(n int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 2 * n + 1';
:book
:look
CREATE OR REPLACE FUNCTION twice(n int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 2 * n';
REVOKE EXECUTE ON FUNCTION twice FROM PUBLIC, CURRENT_USER;
:book
GRANT EXECUTE ON FUNCTION twice TO CURRENT_USER;
:book
:book

-- Domains, CHECKs, generated columns, indexes, types, triggers.
ALTER DOMAIN doubles ADD CONSTRAINT never_sixteen CHECK (VALUE <> 18);
:book
ALTER DOMAIN doubles DROP CONSTRAINT never_sixteen;
:book
ALTER TABLE member_subscriptions ADD CONSTRAINT never_ten CHECK (used_sessions <> 10);
:book
ALTER TABLE member_subscriptions DROP CONSTRAINT never_ten;
:book
ALTER TABLE member_subscriptions ALTER doubled DROP EXPRESSION;
:book
:look
ALTER TABLE member_subscriptions DROP doubled, ADD doubled int GENERATED ALWAYS AS (2 * twice(used_sessions)) STORED;
:book
:look
CREATE INDEX not_at_fourteen ON member_subscriptions ((100 / (used_sessions - 14)));
:book
:book
DROP INDEX not_at_fourteen;
:book
ALTER TABLE member_subscriptions ALTER note TYPE varchar(12);
ALTER TABLE member_subscriptions DISABLE TRIGGER note_change;
UPDATE member_subscriptions SET note = 'by nobody' WHERE id = 10;
:book
:look
ALTER TABLE member_subscriptions ENABLE TRIGGER note_change;
:book
:look
DROP TRIGGER note_change ON member_subscriptions;
CREATE TRIGGER note_change BEFORE UPDATE ON member_subscriptions FOR EACH ROW
    WHEN (NEW.used_sessions % 2 = 0) EXECUTE FUNCTION note_change();
UPDATE member_subscriptions SET note = 'even' WHERE id = 10;
:book
:book
:book
:look

-- Another owner of the table.
RESET ROLE;
CREATE ROLE regress_kept_plan_heir;
GRANT USAGE, CREATE ON SCHEMA :test TO regress_kept_plan_heir;
GRANT SELECT ON members, training_sessions TO regress_kept_plan_heir;
GRANT regress_kept_plan_heir TO :owner;
SET ROLE :owner;
GRANT EXECUTE ON FUNCTION twice TO regress_kept_plan_heir;
ALTER TABLE member_subscriptions OWNER TO regress_kept_plan_heir;
:book
:book
SELECT note, doubled = 2 * twice(used_sessions) AS "right" FROM member_subscriptions WHERE id = 10;
SET ROLE :owner;
SELECT * FROM recount();
RESET ROLE;
DROP OWNED BY regress_kept_plan_heir CASCADE;
DROP ROLE regress_kept_plan_heir;
\i :finish
