-- The order of drawing, the period and what becomes of unpaid sessions change in place, and stand in the attachment.
\getenv top PG_ABS_SRCDIR
\set test attach_order
\set gym :top /test/fixtures/gym.sql
\i :gym
\set VERBOSITY default
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
ALTER TABLE training_sessions ADD starts timestamptz, ADD local timestamp;
ALTER TABLE member_subscriptions ADD valid_from timestamp, ADD valid_until date, ADD "Prio" integer, ADD ends timestamptz;
CREATE FUNCTION again(options text DEFAULT '') RETURNS TABLE (step integer, action text, command text)
    LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY EXECUTE format('SELECT a.step, a.action, regexp_replace(regexp_replace(a.command, '' AS SELECT .*'', '' ...''),
            ''^(CREATE OR REPLACE TRIGGER \S+).*\(.(.*).\)'', ''\1 \2'')
        FROM session_consistency.attach(''training_sessions'', ''member_subscriptions''%s) a', options);
END $$;
CREATE VIEW whole AS
    SELECT draw_order, start_column, valid_from_column, valid_until_column, time_zone, named_links, when_none, enforced, gaps
    FROM session_consistency.attachments WHERE sessions = 'training_sessions'::regclass;
SELECT count(*) > 0 FROM again();
CALL session_consistency.migrate('training_sessions');
SELECT * FROM whole;

-- An order takes the unique index away that attach made, and needs none; a dry run says the same.
SELECT step, action, command FROM again(', draw_order => ''valid_until NULLS LAST, "Prio" DESC, ID asc'', dry_run => true');
SELECT * FROM whole;
SELECT action, command FROM again(', draw_order => ''valid_until NULLS LAST, "Prio" DESC, ID asc''') WHERE action !~ 'trigger';
SELECT * FROM whole;
-- However the same order is written.
SELECT * FROM again(', draw_order => '' VALID_UNTIL  asc nulls last,"Prio" desc nulls first /* first */, id ''');
SELECT action, command FROM again(', draw_order => ''id''') WHERE action ~ 'trigger' ORDER BY command LIMIT 1;
INSERT INTO member_subscriptions (id, member_id, total_sessions_snapshot, valid_until) VALUES
    (12, 1, 5, '2026-01-31'), (13, 1, NULL, NULL), (14, 1, 5, 'infinity'), (15, 1, 5, '-infinity');

-- Back, a member may have one: several are named before anything is done, and in a dry run.
SELECT * FROM refusal($$SELECT again()$$);
SELECT * FROM again(', dry_run => true');
UPDATE member_subscriptions SET status = 'frozen' WHERE id > 11 AND member_id = 1;
SELECT action, command FROM again() WHERE action !~ 'trigger';
SELECT * FROM whole;
SELECT outcome('UPDATE member_subscriptions SET status = ''active'' WHERE id = 12');
SELECT action, command FROM again(', draw_order => ''id''') WHERE action !~ 'trigger';
UPDATE member_subscriptions SET status = 'active' WHERE id > 11 AND member_id = 1;

-- A period, in a time zone; the counts view gets its columns in place, and gives them up.
SELECT action, command FROM again(', draw_order => ''id'', start_column => ''local'', valid_until_column => ''valid_until''');
SELECT * FROM whole;
SELECT subscription_id, total, valid_from, valid_until, forfeited FROM member_subscriptions_session_counts ORDER BY 1;
SELECT action FROM again(', draw_order => ''id'', start_column => ''local'', valid_until_column => ''valid_until'', time_zone => ''utc''');
SELECT * FROM again(', draw_order => ''id'', start_column => ''local'', valid_until_column => ''valid_until'', time_zone => ''utc''');
SELECT action, command FROM again(', draw_order => ''id'', start_column => ''starts'', valid_from_column => ''valid_from'',
    valid_until_column => ''ends'', time_zone => ''Europe/Berlin'', dry_run => true') WHERE action !~ 'trigger';
SELECT action FROM again(', draw_order => ''id'', start_column => ''starts'', valid_from_column => ''valid_from'',
    valid_until_column => ''ends'', time_zone => ''Europe/Berlin''');
SELECT * FROM whole;
SELECT attname, atttypid::regtype FROM pg_attribute
WHERE attrelid = 'member_subscriptions_session_counts'::regclass AND attnum > 0 ORDER BY attnum DESC LIMIT 3;
SELECT action FROM again(', draw_order => ''id'', start_column => ''starts'', valid_from_column => ''valid_from'',
    valid_until_column => ''ends'', time_zone => ''Europe/Berlin'', counts_view => ''counts''');
SELECT action, command FROM again(', draw_order => ''id''') WHERE action !~ 'trigger';
SELECT * FROM whole;
-- A column of the order or the period that is gone is a gap.
BEGIN;
SELECT action FROM again(', draw_order => ''id, "Prio"'', start_column => ''starts'', valid_until_column => ''ends''') WHERE action !~ 'trigger';
ALTER TABLE member_subscriptions DROP "Prio";
ALTER TABLE training_sessions ALTER starts TYPE timestamp;
SELECT gaps FROM whole;
ALTER TABLE member_subscriptions RENAME ends TO finishes;
SELECT gaps FROM whole;
ROLLBACK;

-- The names of links, and what is left unpaid.
SELECT action FROM again(', draw_order => ''id'', named_links => false, when_none => ''leave''');
SELECT * FROM whole;
SELECT * FROM again(', draw_order => ''id'', named_links => false, when_none => ''leave''');
SELECT * FROM recount();
\i :finish
