-- Whatever a caller puts into the search path, nothing of it runs as the owner, and nothing of it is mistaken for the
-- owner's tables.
\getenv top PG_ABS_SRCDIR
\set test search_path_attack
\set gym :top /test/fixtures/gym.sql
\i :gym
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
SET ROLE NONE;
CREATE SCHEMA evil AUTHORIZATION :desk;
SET ROLE :desk;
CREATE TABLE evil.caught (who text, what text);
CREATE FUNCTION evil.catch(what text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO evil.caught VALUES (current_user, what);
    RETURN true;
END $$;
CREATE FUNCTION evil.same(int, int) RETURNS boolean LANGUAGE sql AS $$ SELECT evil.catch('=') $$;
CREATE FUNCTION evil.same(text, text) RETURNS boolean LANGUAGE sql AS $$ SELECT evil.catch('= text') $$;
CREATE FUNCTION evil.sum(int, int) RETURNS int LANGUAGE sql AS $$ SELECT evil.catch('+')::int $$;
CREATE FUNCTION evil.count(int) RETURNS int LANGUAGE sql AS $$ SELECT evil.catch('count')::int $$;
CREATE OPERATOR evil.= (LEFTARG = int, RIGHTARG = int, FUNCTION = evil.same);
CREATE OPERATOR evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.same);
CREATE OPERATOR evil.+ (LEFTARG = int, RIGHTARG = int, FUNCTION = evil.sum);
CREATE OPERATOR evil.- (LEFTARG = int, RIGHTARG = int, FUNCTION = evil.sum);
CREATE OPERATOR evil.<> (LEFTARG = int, RIGHTARG = int, FUNCTION = evil.same);
CREATE OPERATOR evil.> (LEFTARG = int, RIGHTARG = int, FUNCTION = evil.same);
-- Enum operators by polymorphism, and a type that bears a catalog type's name.
CREATE FUNCTION evil.same_enum(search_path_attack.session_status, search_path_attack.session_status) RETURNS boolean
    LANGUAGE sql AS $$ SELECT evil.catch('= enum') $$;
CREATE OPERATOR evil.= (LEFTARG = search_path_attack.session_status, RIGHTARG = search_path_attack.session_status,
    FUNCTION = evil.same_enum);
CREATE DOMAIN evil.integer AS text;
CREATE TABLE evil.member_subscriptions (id int, member_id int, status text DEFAULT 'active',
    total_sessions_snapshot int, used_sessions int, remaining_sessions int);
CREATE TABLE evil.members (id int);
INSERT INTO evil.member_subscriptions VALUES (10, 1, 'active', 1000, 0, 1000), (77, 3, 'active', 1000, 0, 1000);
CREATE TEMPORARY TABLE member_subscriptions AS TABLE evil.member_subscriptions;
CREATE TEMPORARY TABLE training_sessions (id int, subscription_id int);
TRUNCATE evil.caught;

SET search_path = evil, pg_temp, pg_catalog, search_path_attack;
INSERT INTO search_path_attack.training_sessions (id, member_id) VALUES (1, 1), (2, 1), (3, 2);
INSERT INTO search_path_attack.training_sessions (id, member_id) VALUES (4, 3);
INSERT INTO search_path_attack.training_sessions (id, member_id) VALUES (4, 2), (5, 2);
INSERT INTO search_path_attack.training_sessions (id, member_id, subscription_id) VALUES (4, 1, 20);
INSERT INTO search_path_attack.training_sessions (id, member_id, subscription_id) VALUES (4, 1, 11);
UPDATE search_path_attack.training_sessions SET status = 'cancelled';
UPDATE search_path_attack.training_sessions SET status = 'scheduled', member_id = 2;
UPDATE search_path_attack.training_sessions SET member_id = 1, status = 'scheduled';
UPDATE search_path_attack.training_sessions SET session_type = 'trial';
UPDATE search_path_attack.training_sessions SET session_type = 'member';
DELETE FROM search_path_attack.training_sessions;
INSERT INTO search_path_attack.training_sessions (id, member_id) VALUES (1, 1), (2, 1), (3, 2);
SELECT pg_catalog.current_setting('search_path') AS path_is_the_callers;

-- The owner's own statements on the packs, under the same path.
SET ROLE :owner;
RESET search_path;
SET search_path = search_path_attack;
GRANT UPDATE, SELECT, INSERT, DELETE ON search_path_attack.member_subscriptions TO :desk;
GRANT TRUNCATE ON search_path_attack.training_sessions TO :desk;
SET ROLE :desk;
SET search_path = evil, pg_temp, pg_catalog, search_path_attack;
UPDATE search_path_attack.member_subscriptions SET member_id = 4 WHERE id OPERATOR(pg_catalog.=) 10;
UPDATE search_path_attack.member_subscriptions SET used_sessions = 1;
UPDATE search_path_attack.member_subscriptions SET total_sessions_snapshot = 0;
DELETE FROM search_path_attack.member_subscriptions;
TRUNCATE search_path_attack.training_sessions;
INSERT INTO search_path_attack.training_sessions (id, member_id) VALUES (1, 1);

-- Nothing has run as anybody but the caller.
SET search_path = pg_catalog;
SELECT who, what FROM evil.caught WHERE who <> current_user;
SELECT id, used_sessions FROM evil.member_subscriptions ORDER BY id;
SELECT id, used_sessions FROM pg_temp.member_subscriptions ORDER BY id;
SET ROLE NONE;
DROP TABLE pg_temp.member_subscriptions, pg_temp.training_sessions;
DROP SCHEMA evil CASCADE;
SET search_path = search_path_attack;
SELECT * FROM bookings();
SELECT * FROM counters();

-- The recount finds nothing.
SELECT * FROM recount();
\i :finish
