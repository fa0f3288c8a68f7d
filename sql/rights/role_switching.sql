-- Kept plans and bindings serve every role: functions that define their own security, SET ROLE in the midst of a
-- transaction, an owner who changes, tables of two owners.
\getenv top PG_ABS_SRCDIR
\set test role_switching
\set gym :top /test/fixtures/gym.sql
\i :gym
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
CREATE FUNCTION book_as_owner(session int, member int) RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path
    FROM CURRENT AS $$
BEGIN
    INSERT INTO training_sessions (id, member_id) VALUES (session, member);
    RETURN (SELECT rolname FROM pg_roles WHERE rolname = current_user);
END $$;
CREATE FUNCTION book_as_caller(session int, member int) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO training_sessions (id, member_id) VALUES (session, member);
    RETURN (SELECT rolname FROM pg_roles WHERE rolname = current_user);
END $$;
SET ROLE :desk;
SELECT book_as_owner(1, 1) = :'owner' AS as_owner, book_as_caller(2, 1) = :'desk' AS as_caller,
    current_user = :'desk' AS outside;
SET ROLE :owner;
SELECT book_as_caller(3, 1) = :'owner' AS as_caller;
SET ROLE NONE;
SELECT book_as_owner(4, 1) = :'owner' AS as_owner, current_user = session_user AS outside;

BEGIN;
SET LOCAL ROLE :desk;
INSERT INTO training_sessions (id, member_id) VALUES (5, 1);
SAVEPOINT s;
SET LOCAL ROLE :owner;
INSERT INTO training_sessions (id, member_id) VALUES (6, 2), (7, 2), (8, 2);
ROLLBACK TO s;
SELECT current_user = :'desk' AS the_desk_again;
INSERT INTO training_sessions (id, member_id) VALUES (6, 2);
UPDATE member_subscriptions SET used_sessions = 0;
ROLLBACK TO s;
SELECT outcome('INSERT INTO training_sessions (id, member_id) VALUES (6, 3)'), current_user = :'desk' AS the_desk_again;
SELECT current_setting('search_path') AS path;
COMMIT;
SELECT * FROM counters() WHERE id IN ('10', '20');

-- The figures of an error are shown to one role and hidden from the next, in one session.
SET ROLE :desk;
SELECT * FROM refusal('INSERT INTO training_sessions (id, member_id) VALUES (6, 2), (7, 2), (8, 2)')
    WHERE field = 'detail';
SET ROLE :owner;
SELECT * FROM refusal('INSERT INTO training_sessions (id, member_id) VALUES (6, 2), (7, 2), (8, 2)')
    WHERE field = 'detail';

-- A new owner of the packs: the counter is written as that one from now on.
CREATE TABLE written_by (who text);
GRANT INSERT ON written_by TO PUBLIC;
CREATE FUNCTION note_who() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO role_switching.written_by VALUES (current_user);
    RETURN NULL;
END $$;
CREATE TRIGGER note_who AFTER UPDATE ON member_subscriptions FOR EACH ROW EXECUTE FUNCTION note_who();
SET ROLE :desk;
INSERT INTO training_sessions (id, member_id) VALUES (6, 2);
SET ROLE NONE;
CREATE ROLE regress_role_switching_new;
GRANT USAGE ON SCHEMA role_switching TO regress_role_switching_new;
ALTER TABLE member_subscriptions OWNER TO regress_role_switching_new;
-- Not before the owner of the sessions is trusted with what the owner of the packs may do.
SET ROLE :desk;
SELECT * FROM refusal('INSERT INTO training_sessions (id, member_id) VALUES (7, 2)');
SET ROLE NONE;
GRANT regress_role_switching_new TO :owner;
SET ROLE :desk;
INSERT INTO training_sessions (id, member_id) VALUES (7, 2);
INSERT INTO training_sessions (id, member_id) VALUES (8, 2);
SET ROLE NONE;
SELECT regexp_replace(who, '^regress_role_switching_', '') AS who FROM written_by;
-- The packs' owner may not see the sessions; the guard does.
SET ROLE regress_role_switching_new;
SELECT count(*) FROM training_sessions;
UPDATE member_subscriptions SET member_id = 4 WHERE id = 20;
UPDATE member_subscriptions SET member_id = 4 WHERE id = 21;
UPDATE member_subscriptions SET used_sessions = 0 WHERE id = 20;
SET ROLE :owner;
DELETE FROM training_sessions WHERE id = 7;
TRUNCATE training_sessions;
SET ROLE NONE;
SELECT id, used_sessions FROM member_subscriptions ORDER BY id;
ALTER TABLE member_subscriptions OWNER TO :owner;
DROP OWNED BY regress_role_switching_new;
DROP ROLE regress_role_switching_new;

-- The recount finds nothing.
SELECT * FROM recount();
\i :finish
