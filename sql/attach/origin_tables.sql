-- attach on the tables of the origin: what it makes, that dry_run says exactly that, and what the view tells about it.
\getenv top PG_ABS_SRCDIR
\set test attach_origin_tables
\set gym :top /test/fixtures/gym.sql
\set objects :top /test/fixtures/objects.sql
\i :gym
\i :objects
\set VERBOSITY default
\pset format unaligned

-- The subscriptions are there already, no session is.
SELECT remember();
CREATE TEMP TABLE planned AS
    SELECT * FROM session_consistency.attach('training_sessions', 'member_subscriptions', dry_run => true);
SELECT * FROM changed();
SELECT count(*) AS attached FROM session_consistency.attachments WHERE sessions = 'training_sessions'::regclass;
SELECT step, action, regexp_replace(command, '(CREATE VIEW|EXECUTE FUNCTION) ([^ (]+).*', '\1 \2 ...') AS command
FROM planned;
SELECT command FROM planned WHERE command LIKE '%.charge_sessions(%';
CREATE TEMP TABLE done AS SELECT * FROM session_consistency.attach('training_sessions', 'member_subscriptions');
SELECT count(*) AS other_than_planned FROM planned FULL JOIN done USING (step, action, command)
WHERE planned IS NULL OR done IS NULL;
SELECT * FROM changed();

-- The CHECK is NOT VALID, since the table held rows: the attachment is whole once it is validated.
\x
SELECT * FROM session_consistency.attachments WHERE sessions = 'training_sessions'::regclass;
\x
ALTER TABLE member_subscriptions VALIDATE CONSTRAINT sc_member_subscriptions_used_sessions_check;
SELECT enforced, gaps FROM session_consistency.attachments WHERE sessions = 'training_sessions'::regclass;

-- Anyone may look at the attachments, and at the counts with their own rights alone.
SET ROLE :desk;
SELECT sessions, enforced FROM session_consistency.attachments WHERE sessions = 'training_sessions'::regclass;
SELECT count(*) FROM member_subscriptions_session_counts;
SET ROLE :owner;
GRANT SELECT ON member_subscriptions TO :desk;
SET ROLE :desk;
SELECT subscription_id, member_id, status, total, completed, scheduled, remaining, used, is_consistent
FROM member_subscriptions_session_counts ORDER BY 1;
SET ROLE :owner;

-- Once is enough; one table of subscriptions belongs to one table of sessions.
SELECT * FROM session_consistency.attach('training_sessions', 'member_subscriptions');
SELECT * FROM session_consistency.attach('training_sessions', 'member_subscriptions', dry_run => true);
CREATE TABLE lessons (id integer PRIMARY KEY, member_id integer, session_type session_type, status session_status);
SELECT * FROM session_consistency.attach('lessons', 'member_subscriptions');
DROP TABLE lessons;

INSERT INTO training_sessions (id, member_id) VALUES (1, 1), (2, 1), (3, 2);
UPDATE training_sessions SET status = 'cancelled' WHERE id = 2;
SELECT * FROM counters() WHERE used > 0;
SELECT * FROM recount();

-- The way back: with the column, nothing is left of it.
CREATE TEMP TABLE planned_back AS
    SELECT * FROM session_consistency.detach('training_sessions', drop_added_columns => true, dry_run => true);
SELECT count(*) AS attached FROM session_consistency.attachments WHERE sessions = 'training_sessions'::regclass;
SELECT * FROM planned_back;
CREATE TEMP TABLE done_back AS SELECT * FROM session_consistency.detach('training_sessions', drop_added_columns => true);
SELECT count(*) AS other_than_planned FROM planned_back p FULL JOIN done_back d USING (step, action, command)
WHERE p IS NULL OR d IS NULL;
SELECT * FROM changed();
SELECT * FROM session_consistency.detach('training_sessions');
\i :finish
