-- What attach makes is told from what was there: constraints and indexes by their prefix and a comment, triggers by the
-- name of the subscriptions in theirs, cut to what a name may have and numbered where somebody's trigger has it.
\getenv top PG_ABS_SRCDIR
\set test made_objects
\set partitioned on
\set gym :top /test/fixtures/gym.sql
\i :gym
\pset format unaligned
\pset tuples_only on
CREATE INDEX mine ON training_sessions (day);
CREATE INDEX on_link ON sessions_2030 (member_id);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN new; END $$;
CREATE TRIGGER zz_mine BEFORE INSERT ON training_sessions FOR EACH ROW EXECUTE FUNCTION note();
CREATE TRIGGER a_mine AFTER INSERT ON training_sessions FOR EACH ROW EXECUTE FUNCTION note();
CREATE VIEW told AS
    SELECT 'index ' || c.relname AS object, obj_description(c.oid, 'pg_class') AS comment
    FROM pg_class c WHERE c.relnamespace = 'made_objects'::regnamespace AND c.relkind IN ('i', 'I')
          AND NOT EXISTS (SELECT FROM pg_constraint n WHERE n.conindid = c.oid)
    UNION ALL
    SELECT 'constraint ' || n.conname, obj_description(n.oid, 'pg_constraint')
    FROM pg_constraint n WHERE n.conrelid IN ('training_sessions'::regclass, 'member_subscriptions'::regclass)
          AND n.contype IN ('c', 'f') AND n.conparentid = 0;
SELECT count(*) > 0 FROM session_consistency.attach('training_sessions', 'member_subscriptions', link_check => true);
SELECT * FROM told ORDER BY object COLLATE "C";
-- The comments are what tells: migrate gives one to the CHECK that it adds.
SELECT count(*) > 0 FROM session_consistency.detach('training_sessions', drop_added_columns => true);
SELECT * FROM told ORDER BY object COLLATE "C";
ALTER TABLE member_subscriptions ADD CONSTRAINT taken CHECK (used_sessions < 100);
UPDATE member_subscriptions SET used_sessions = 11 WHERE id = 10;
SELECT count(*) > 0 FROM session_consistency.attach('training_sessions', 'member_subscriptions');
SELECT object FROM told WHERE object LIKE '%used%';
UPDATE member_subscriptions SET total_sessions_snapshot = 11 WHERE id = 10;
CALL session_consistency.migrate('training_sessions', opening => 'give_back');
SELECT * FROM told WHERE object LIKE '%used%';
SELECT count(*) > 0 FROM session_consistency.detach('training_sessions', drop_added_columns => true);

-- The user's BEFORE triggers come before, the user's AFTER triggers after.
CREATE VIEW firing AS
    SELECT t.tgrelid::regclass AS relation, t.tgname AS name, octet_length(t.tgname) AS bytes
    FROM pg_trigger t
    WHERE NOT t.tgisinternal AND t.tgrelid IN ('training_sessions'::regclass, 'sessions_2030'::regclass,
                                               'member_subscriptions'::regclass);
SELECT count(*) > 0 FROM session_consistency.attach('training_sessions', 'member_subscriptions');
SELECT relation, name FROM firing ORDER BY relation, name;
SELECT count(*) > 0 FROM session_consistency.detach('training_sessions', drop_added_columns => true);

-- Somebody has such names already, on the table and on a partition alone.
CREATE TRIGGER "00_session_consistency_charge_member_subscriptions" AFTER INSERT ON training_sessions
    FOR EACH ROW EXECUTE FUNCTION note();
CREATE TRIGGER zz_session_consistency_link_member_subscriptions BEFORE INSERT ON sessions_2031
    FOR EACH ROW EXECUTE FUNCTION note();
CREATE TRIGGER zz_session_consistency_link_member_subscriptions_1 BEFORE INSERT ON sessions_2031
    FOR EACH ROW EXECUTE FUNCTION note();
CREATE TRIGGER zz_session_consistency_keep_member_subscriptions BEFORE INSERT ON member_subscriptions
    FOR EACH ROW EXECUTE FUNCTION note();
SELECT count(*) > 0 FROM session_consistency.attach('training_sessions', 'member_subscriptions');
SELECT relation, name FROM firing ORDER BY relation, name;
INSERT INTO training_sessions (id, member_id) VALUES (1, 1);
INSERT INTO training_sessions (id, member_id, day) VALUES (2, 1, '2031-01-01');
SELECT enforced FROM session_consistency.attachments WHERE sessions = 'training_sessions'::regclass;
SELECT * FROM recount();
DELETE FROM training_sessions;
SELECT count(*) > 0 FROM session_consistency.detach('training_sessions', drop_added_columns => true);
SELECT relation, name FROM firing ORDER BY relation, name;

-- Names of the tables that leave no room.
ALTER TABLE member_subscriptions RENAME TO member_subscriptions_of_all_the_members_of_the_one_and_only_gym;
SELECT count(*) > 0
FROM session_consistency.attach('training_sessions', 'member_subscriptions_of_all_the_members_of_the_one_and_only_gym');
SELECT name, bytes FROM firing WHERE relation = 'training_sessions'::regclass ORDER BY relation, name;
INSERT INTO training_sessions (id, member_id) VALUES (1, 1);
SELECT enforced FROM session_consistency.attachments WHERE sessions = 'training_sessions'::regclass;
SELECT count(*) > 0 FROM session_consistency.detach('training_sessions');
ALTER TABLE member_subscriptions_of_all_the_members_of_the_one_and_only_gym RENAME TO member_subscriptions;
SELECT * FROM recount();
\i :finish
