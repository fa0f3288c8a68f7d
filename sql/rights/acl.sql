-- A role that may only write sessions needs no right on the subscriptions; who may not write sessions still may not.
\getenv top PG_ABS_SRCDIR
\set test acl
\set gym :top /test/fixtures/gym.sql
\i :gym
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
-- The desk has no right on packs or members at all.
SET ROLE :desk;
SELECT * FROM member_subscriptions;
UPDATE member_subscriptions SET total_sessions_snapshot = 99;
INSERT INTO training_sessions (id, member_id) VALUES (1, 1), (2, 2);
UPDATE training_sessions SET status = 'cancelled' WHERE id = 1;
UPDATE training_sessions SET status = 'scheduled', member_id = 2 WHERE id = 1;
INSERT INTO training_sessions (id, member_id) VALUES (3, 2);
INSERT INTO training_sessions (id, member_id, subscription_id, status) VALUES (3, 1, 11, 'completed');
SELECT current_user = :'desk' AS still_the_desk;

-- INSERT alone.
SET ROLE :owner;
REVOKE ALL ON training_sessions FROM :desk;
GRANT INSERT ON training_sessions TO :desk;
SET ROLE :desk;
INSERT INTO training_sessions (id, member_id) VALUES (4, 1);
UPDATE training_sessions SET status = 'cancelled';
-- INSERT of some columns: the link is filled in all the same.
SET ROLE :owner;
REVOKE ALL ON training_sessions FROM :desk;
GRANT INSERT (id, member_id), UPDATE (status), SELECT (id) ON training_sessions TO :desk;
SET ROLE :desk;
INSERT INTO training_sessions (id, member_id) VALUES (5, 1);
INSERT INTO training_sessions (id, member_id, subscription_id) VALUES (6, 1, 10);
UPDATE training_sessions SET status = 'cancelled' WHERE id = 4;
UPDATE training_sessions SET member_id = 2 WHERE id = 4;
DELETE FROM training_sessions;

-- The trigger functions are good for triggers only.
SELECT session_consistency.charge_sessions();
SELECT session_consistency.link_session();
SELECT session_consistency.guard_counter();
CREATE TEMPORARY TABLE mine (id int, used_sessions int);
CREATE TRIGGER mine AFTER INSERT ON mine FOR EACH ROW EXECUTE FUNCTION session_consistency.charge_sessions();
INSERT INTO mine VALUES (1, 1);
CREATE TRIGGER mine_before BEFORE INSERT ON mine FOR EACH ROW EXECUTE FUNCTION session_consistency.link_session();
INSERT INTO mine VALUES (1, 1);
DROP TABLE mine;

-- A table of one's own, with a trigger that names the gym's packs: who may not refer to them cannot charge them.
SET ROLE :owner;
GRANT SELECT, INSERT, UPDATE, DELETE ON training_sessions TO :desk;
SELECT string_agg(quote_literal(argument), ', ') AS arguments
FROM pg_trigger, regexp_split_to_table(rtrim(encode(tgargs, 'escape'), '\000'), '\\000') argument
WHERE tgrelid = 'training_sessions'::regclass AND tgfoid = 'session_consistency.charge_sessions'::regproc \gset
SET ROLE NONE;
CREATE SCHEMA acl_desk AUTHORIZATION :desk;
SET ROLE :desk;
CREATE TABLE acl_desk.mine (id int PRIMARY KEY, member_id int, session_type text, status text, subscription_id int);
ALTER TABLE acl_desk.mine ADD FOREIGN KEY (subscription_id) REFERENCES member_subscriptions;
CREATE TRIGGER mine AFTER INSERT OR UPDATE OR DELETE ON acl_desk.mine FOR EACH ROW
    EXECUTE FUNCTION session_consistency.charge_sessions(:arguments);
INSERT INTO acl_desk.mine VALUES (1, 1, 'member', 'scheduled', 10);
-- Who may refer to them must not write other columns of them as their owner.
SET ROLE :owner;
GRANT REFERENCES ON member_subscriptions TO :desk;
ALTER TABLE member_subscriptions ADD price int DEFAULT 5;
SELECT replace(:'arguments', 'used_column=used_sessions', 'used_column=price') AS forged \gset
SET ROLE :desk;
ALTER TABLE acl_desk.mine ADD FOREIGN KEY (subscription_id) REFERENCES member_subscriptions;
DROP TRIGGER mine ON acl_desk.mine;
CREATE TRIGGER mine AFTER INSERT OR UPDATE OR DELETE ON acl_desk.mine FOR EACH ROW
    EXECUTE FUNCTION session_consistency.charge_sessions(:forged);
INSERT INTO acl_desk.mine SELECT 2, 1, 'member', 'cancelled', 10;
UPDATE acl_desk.mine SET status = 'completed';
UPDATE acl_desk.mine SET status = 'cancelled';
DELETE FROM acl_desk.mine;
TRUNCATE acl_desk.mine;
DROP SCHEMA acl_desk CASCADE;
SET ROLE :owner;
SELECT id, price FROM member_subscriptions WHERE price <> 5;
SELECT * FROM bookings();
SELECT * FROM counters();

-- The recount finds nothing.
SELECT * FROM recount();
\i :finish
