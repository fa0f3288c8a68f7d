-- The arguments of attach are the whole attachment. The same again is nothing; others change in place what differs; what
-- was dropped by hand is made again; other columns or tables are another attachment.
\getenv top PG_ABS_SRCDIR
\set test attach_again
\set partitioned on
\set gym :top /test/fixtures/gym.sql
\set objects :top /test/fixtures/objects.sql
\i :gym
\i :objects
\set VERBOSITY default
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
SELECT remember();
\set tables '''training_sessions'', ''member_subscriptions'''
CREATE FUNCTION again(options text DEFAULT '') RETURNS TABLE (step integer, action text, command text)
    LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY EXECUTE format('SELECT a.step, a.action, regexp_replace(a.command, '' AS SELECT .*'', '' ...'')
        FROM session_consistency.attach(''training_sessions'', ''member_subscriptions''%s) a', options);
END $$;
CREATE FUNCTION locks() RETURNS SETOF text LANGUAGE sql SET search_path FROM CURRENT AS $$
    SELECT relation::regclass || ' ' || mode FROM pg_locks
    WHERE pid = pg_backend_pid() AND relation IN ('training_sessions'::regclass, 'member_subscriptions'::regclass,
                                                  'sessions_2030'::regclass) AND mode <> 'AccessShareLock' ORDER BY 1
$$;
CREATE VIEW whole AS
    SELECT enforced, gaps FROM session_consistency.attachments WHERE sessions = 'training_sessions'::regclass;
SELECT count(*) > 0 FROM again();
CREATE TABLE attached AS SELECT o FROM objects() o;
INSERT INTO training_sessions (id, member_id) VALUES (1, 1), (2, 2);
INSERT INTO training_sessions (id, member_id, session_type) VALUES (3, 1, 'trial');
CALL session_consistency.migrate('training_sessions');
SELECT * FROM whole;

-- The same again: no step, and no lock beyond a reader's; also with the defaults said aloud.
BEGIN;
SELECT * FROM again();
SELECT * FROM again(', guard => ''reject'', counts_view => NULL, ledger => false, make_view => true');
SELECT * FROM locks();
COMMIT;
SELECT * FROM whole;

-- In place: the guard, the ledger, the check on links, and back.
SELECT action, regexp_replace(command, '^(CREATE OR REPLACE TRIGGER \S+).*\(', '\1 ... (') FROM again(', guard => ''off'', dry_run => true');
SELECT action FROM again(', guard => ''off''');
SELECT guard, enforced, gaps FROM session_consistency.attachments WHERE sessions = 'training_sessions'::regclass;
SELECT * FROM again(', guard => ''off''');
UPDATE member_subscriptions SET used_sessions = used_sessions;
SELECT action FROM again(', ledger => true');
SELECT guard, ledger FROM session_consistency.attachments WHERE sessions = 'training_sessions'::regclass;
SELECT reason, count(*) FROM session_consistency.ledger_lines WHERE attachment = 'training_sessions'::regclass GROUP BY 1;
SELECT * FROM again(', ledger => true');
SELECT action, command FROM again(', ledger => true, link_check => true') WHERE action !~ 'trigger';
SELECT * FROM whole;
CALL session_consistency.migrate('training_sessions');
SELECT * FROM whole;
SELECT action, command FROM again() WHERE action !~ 'trigger';
SELECT * FROM whole;
SELECT o FROM objects() o EXCEPT SELECT o FROM attached;
SELECT o FROM attached EXCEPT SELECT o FROM objects() o;

-- The lists. What counts is another recount: migrate() does that, and enforced waits for it.
SELECT action, command FROM again(', consuming_types => ''{member,makeup,contractual,trial}'', link_check => true')
WHERE action !~ 'trigger';
SELECT * FROM whole;
SELECT outcome('INSERT INTO training_sessions (id, member_id, session_type) VALUES (4, 1, ''trial'')');
CALL session_consistency.migrate('training_sessions', when_ambiguous => 'active');
SELECT * FROM whole;
SELECT * FROM recount(types => '{member,makeup,contractual,trial}');
SELECT completed, scheduled, used, is_consistent FROM member_subscriptions_session_counts WHERE subscription_id = 10;
SELECT * FROM again(', consuming_types => ''{member,makeup,contractual,trial}'', link_check => true');
SELECT action, command FROM again() WHERE action !~ 'trigger';
CALL session_consistency.migrate('training_sessions', opening => 'give_back');
SELECT * FROM recount();
SELECT * FROM whole;
-- Those of what is active rest on an index.
SELECT action, command FROM again(', active_statuses => ''{active,frozen}''') WHERE action !~ 'trigger';
SELECT * FROM again(', active_statuses => ''{active,frozen}''');
SELECT outcome('INSERT INTO member_subscriptions (id, member_id, status) VALUES (12, 1, ''frozen'')');
SELECT action, command FROM again(', active_statuses => ''{active}''') WHERE action !~ 'trigger';
SELECT outcome('INSERT INTO member_subscriptions (id, member_id, status) VALUES (12, 1, ''frozen'')');
SELECT * FROM refusal($$SELECT again(', active_statuses => ''{active,frozen}''')$$) WHERE field IN ('sqlstate', 'message');
DELETE FROM member_subscriptions WHERE id = 12;
SELECT * FROM whole;

-- The start of a session may become another column, generated or not; booking goes on.
ALTER TABLE training_sessions ADD starts timestamp NOT NULL DEFAULT '2026-01-02 08:00',
    ADD start_day date GENERATED ALWAYS AS (starts::date) STORED;
SELECT action FROM again(', start_column => ''starts''');
SELECT * FROM again(', start_column => ''starts''');
SELECT start_column FROM session_consistency.attachments WHERE sessions = 'training_sessions'::regclass;
SELECT action FROM again(', start_column => ''start_day''');
SELECT outcome('INSERT INTO training_sessions (id, member_id) VALUES (5, 1)');
SELECT start_column FROM session_consistency.attachments WHERE sessions = 'training_sessions'::regclass;
BEGIN;
ALTER TABLE training_sessions RENAME start_day TO start_date;
SELECT * FROM whole;
ROLLBACK;
SELECT action FROM again();
SELECT start_column FROM session_consistency.attachments WHERE sessions = 'training_sessions'::regclass;
DELETE FROM training_sessions WHERE id = 5;
SELECT * FROM recount();

-- The view.
SELECT action, command FROM again(', make_view => false') WHERE action !~ 'trigger';
SELECT * FROM again(', make_view => false');
SELECT counts_view, make_view, enforced FROM session_consistency.attachments WHERE sessions = 'training_sessions'::regclass;
SELECT action, command FROM again() WHERE action !~ 'trigger';
GRANT SELECT ON member_subscriptions_session_counts TO :desk;
SELECT action, command FROM again(', counts_view => ''counts''') WHERE action !~ 'trigger';
SELECT relacl::text ~ 'desk' AS granted FROM pg_class WHERE oid = 'counts'::regclass;
SELECT * FROM again(', counts_view => ''counts''');
SELECT action, command FROM again() WHERE action !~ 'trigger';

-- What was dropped by hand is made again, and nothing else.
DROP VIEW member_subscriptions_session_counts;
SELECT * FROM again();
DROP INDEX sc_training_sessions_subscription_id_idx;
SELECT action, command FROM again() WHERE action !~ 'trigger';
ALTER TABLE member_subscriptions DROP CONSTRAINT sc_member_subscriptions_used_sessions_check;
ALTER TABLE training_sessions DROP CONSTRAINT sc_training_sessions_subscription_id_fkey;
SELECT action, replace(command, ' NOT VALID', '') FROM again();
CALL session_consistency.migrate('training_sessions');
DROP TRIGGER zz_session_consistency_link_member_subscriptions ON training_sessions;
DROP TRIGGER "00_session_consistency_guard_member_subscriptions" ON member_subscriptions;
SELECT action, regexp_replace(command, ' EXECUTE.*', '') FROM again();
SELECT * FROM whole;
-- Without the trigger that says what was made, the comments say it; not of the columns.
DROP TRIGGER "00_session_consistency_charge_member_subscriptions" ON training_sessions;
SELECT action, regexp_replace(command, ' EXECUTE.*', '') FROM again();
SELECT enforced FROM whole;
SELECT * FROM again();
SELECT action FROM session_consistency.detach('training_sessions', drop_added_columns => true, dry_run => true);

-- What was altered is a gap, and stays as somebody has altered it.
ALTER TABLE training_sessions DISABLE TRIGGER "00_session_consistency_charge_member_subscriptions";
SELECT * FROM again();
SELECT gaps FROM whole;
ALTER TABLE training_sessions ENABLE TRIGGER "00_session_consistency_charge_member_subscriptions";
CREATE OR REPLACE VIEW member_subscriptions_session_counts WITH (security_invoker = true) AS
    SELECT id AS subscription_id, member_id, status, total_sessions_snapshot AS total, 0 AS carried, 0::bigint AS completed,
           0::bigint AS scheduled, total_sessions_snapshot - used_sessions AS remaining, used_sessions AS used,
           (SELECT true FROM training_sessions LIMIT 1) AS is_consistent
    FROM member_subscriptions;
SELECT * FROM again();
SELECT gaps FROM whole;
-- Also if it does not read the sessions any more.
CREATE OR REPLACE VIEW member_subscriptions_session_counts WITH (security_invoker = true) AS
    SELECT id AS subscription_id, member_id, status, total_sessions_snapshot AS total, 0 AS carried, 0::bigint AS completed,
           0::bigint AS scheduled, total_sessions_snapshot - used_sessions AS remaining, used_sessions AS used,
           true AS is_consistent
    FROM member_subscriptions;
SELECT * FROM again();
SELECT gaps FROM whole;
SELECT action FROM session_consistency.detach('training_sessions', dry_run => true) WHERE action = 'drop view';
DROP VIEW member_subscriptions_session_counts;
SELECT action FROM again();
SELECT * FROM whole;

-- Another attachment: other columns, or other tables.
CREATE TABLE packs (LIKE member_subscriptions INCLUDING ALL);
CREATE TABLE lessons (LIKE training_sessions INCLUDING ALL);
ALTER TABLE training_sessions ADD COLUMN trainer_id integer;
SELECT * FROM again(', member_column => ''trainer_id''');
SELECT * FROM again(', type_column => NULL');
SELECT * FROM again(', used_column => ''taken''');
SELECT * FROM session_consistency.attach('training_sessions', 'packs');
SELECT * FROM session_consistency.attach('lessons', 'member_subscriptions');
DROP TABLE packs, lessons;

-- What an attachment needs stands in the way of a change as of attaching: nothing is changed then.
SELECT * FROM again(', counts_view => ''members''');
SELECT * FROM again(', consuming_types => ''{member,unheard_of}''');
SELECT * FROM again();

-- A column that the view reads gets another type in one transaction, and history needs no migrate().
BEGIN;
SELECT action FROM again(', make_view => false') WHERE action !~ 'trigger';
ALTER TABLE member_subscriptions DROP COLUMN remaining_sessions;
ALTER TABLE member_subscriptions ALTER COLUMN used_sessions TYPE bigint;
SELECT action FROM again() WHERE action !~ 'trigger';
COMMIT;
INSERT INTO training_sessions (id, member_id) VALUES (5, 1);
SELECT * FROM whole;
SELECT * FROM recount(remaining => NULL);

-- The way back is that of one attachment.
SELECT count(*) > 0 FROM session_consistency.detach('training_sessions', drop_added_columns => true);
DROP TABLE attached;
DROP VIEW whole;
ALTER TABLE training_sessions DROP COLUMN trainer_id;
SELECT * FROM changed();
\i :finish
