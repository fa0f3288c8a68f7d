-- A dry run and audit report everything that stands in the way of attach at once, each with its hint, before anything is
-- attached; attach itself raises the first of it.
\getenv top PG_ABS_SRCDIR
\set test attach_obstacles
\set gym :top /test/fixtures/gym.sql
\i :gym
\set VERBOSITY default
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
CREATE FUNCTION refused(options text DEFAULT '') RETURNS TABLE (refusal text) LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY EXECUTE format('SELECT concat_ws(E''\n'', a.step, a.action, a.command)
        FROM session_consistency.attach(''training_sessions'', ''member_subscriptions'', dry_run => true%s) a', options);
END $$;
-- Nothing is in the way: these are steps.
SELECT count(*) FILTER (WHERE step IS NULL) AS refusals, count(*) > 0 AS steps
FROM session_consistency.attach('training_sessions', 'member_subscriptions', dry_run => true);

-- Columns and values.
SELECT refused(', member_column => ''who'', status_column => ''state'', type_column => ''day'', total_column => ''status'',
    used_column => ''remaining_sessions'', consuming_types => ''{member,bonus}'', active_statuses => ''{on,off}''');
SELECT * FROM session_consistency.attach('training_sessions', 'member_subscriptions', member_column => 'who',
    status_column => 'state');
SELECT refused(', consuming_types => ''{member,bonus}'', scheduled_statuses => ''{planned}'', active_statuses => ''{on,active}''');

-- Tables, keys, indexes and rows.
ALTER TABLE training_sessions ADD COLUMN subscription_id integer,
    ADD CONSTRAINT link FOREIGN KEY (subscription_id) REFERENCES member_subscriptions ON UPDATE SET NULL,
    ADD CONSTRAINT link_again FOREIGN KEY (subscription_id) REFERENCES member_subscriptions DEFERRABLE;
CREATE UNIQUE INDEX counted ON member_subscriptions (id, used_sessions);
CREATE TABLE counts (n integer PRIMARY KEY);
INSERT INTO counts VALUES (0);
ALTER TABLE member_subscriptions ADD CONSTRAINT on_counts FOREIGN KEY (used_sessions) REFERENCES counts;
CREATE TABLE member_subscriptions_session_counts ();
CREATE TABLE more_subscriptions () INHERITS (member_subscriptions);
UPDATE member_subscriptions SET status = 'active' WHERE id = 11;
ALTER TABLE training_sessions SET UNLOGGED;
SELECT refused();
SELECT * FROM session_consistency.attach('training_sessions', 'member_subscriptions');
SELECT code, severity, affected, jsonb_array_length(samples) AS samples, recommendation
FROM session_consistency.audit('training_sessions', 'member_subscriptions') WHERE code ~ 'refuses' OR affected > 0;
SELECT code, severity, expected, actual, repair_sql
FROM session_consistency.audit_findings('training_sessions', 'member_subscriptions') WHERE code ~ 'refuses';
-- Run as a command, a refusal is a remark.
SELECT command FROM session_consistency.attach('training_sessions', 'member_subscriptions', dry_run => true) \gexec

-- One after the other goes away.
ALTER TABLE training_sessions SET LOGGED;
DROP TABLE more_subscriptions;
DROP TABLE member_subscriptions_session_counts;
ALTER TABLE member_subscriptions DROP CONSTRAINT on_counts;
SELECT regexp_replace(refused(), E'\n.*', '');
DROP INDEX counted;
ALTER TABLE training_sessions DROP CONSTRAINT link_again;
SELECT regexp_replace(refused(), E'\n.*', '');
ALTER TABLE training_sessions DROP CONSTRAINT link;
SELECT refused();
UPDATE member_subscriptions SET status = 'expired' WHERE id = 11;
SELECT count(*) FILTER (WHERE step IS NULL) AS refusals, count(*) > 0 AS steps
FROM session_consistency.attach('training_sessions', 'member_subscriptions', dry_run => true);

-- Partitions, and keys that do not fit.
CREATE TABLE visits (id integer, member_id integer, session_type text, status text, subscription_id text, day date)
    PARTITION BY RANGE (day);
CREATE TABLE visits_1 PARTITION OF visits FOR VALUES FROM ('2030-01-01') TO ('2031-01-01');
CREATE TABLE visits_2 PARTITION OF visits FOR VALUES FROM ('2031-01-01') TO ('2032-01-01');
SELECT concat_ws(E'\n', action, command)
FROM session_consistency.attach('visits', 'member_subscriptions', dry_run => true);

-- What is no table ends the look; so does a table of somebody else, of whose rows nothing is told.
CREATE VIEW a_view AS SELECT * FROM training_sessions;
CREATE VIEW a_view2 AS SELECT * FROM training_sessions;
SELECT concat_ws(E'\n', action, command) FROM session_consistency.attach('a_view', 'a_view2', dry_run => true);
UPDATE member_subscriptions SET status = 'active' WHERE id = 11;
SET ROLE :desk;
SELECT concat_ws(E'\n', action, command)
FROM session_consistency.attach('training_sessions', 'member_subscriptions', dry_run => true);
SET ROLE :owner;
UPDATE member_subscriptions SET status = 'expired' WHERE id = 11;

-- Attached: an argument that would make it another attachment.
SELECT count(*) > 0 FROM session_consistency.attach('training_sessions', 'member_subscriptions');
SELECT refused(', type_column => NULL, consuming_types => ''{x}''');
SELECT refused();
SELECT code FROM session_consistency.audit_findings('training_sessions') WHERE code ~ 'refuses';
SELECT * FROM recount();
\i :finish
