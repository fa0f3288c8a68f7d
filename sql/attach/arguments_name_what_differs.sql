-- The argument of the triggers names what differs from the defaults of attach(), and nothing else: so the defaults that
-- SQL declares are those that the library knows. A key that is not named has its default, an unknown one is an error.
\getenv top PG_ABS_SRCDIR
\set test attach_arguments
\set gym :top /test/fixtures/gym.sql
\i :gym
\pset format unaligned
\pset tuples_only on
ALTER TABLE member_subscriptions DROP COLUMN remaining_sessions;
ALTER TABLE member_subscriptions ADD COLUMN remaining_sessions integer;
UPDATE member_subscriptions SET remaining_sessions = total_sessions_snapshot;
CREATE FUNCTION arguments() RETURNS TABLE (called text, argument text) LANGUAGE sql SET search_path FROM CURRENT AS $$
    SELECT tgfoid::regproc::text, regexp_replace(encode(tgargs, 'escape'), ',?"?made=.*(}"}|}})\\000$', '}\000')
    FROM pg_trigger
    WHERE tgrelid IN ('training_sessions'::regclass, 'member_subscriptions'::regclass)
          AND tgfoid::regproc::text LIKE 'session_consistency.%'
    ORDER BY 1
$$;

-- Every argument at its default.
SELECT count(*) FROM session_consistency.attach('training_sessions', 'member_subscriptions');
SELECT * FROM arguments();
SELECT count(*) FROM session_consistency.detach('training_sessions');

-- What the same argument is called in attach() and audit(), it has the same default there.
WITH arguments AS (
    SELECT p.proname, a.name, pg_get_function_arg_default(p.oid, a.position::int) AS fallback
    FROM pg_proc p, unnest(p.proargnames) WITH ORDINALITY a (name, position)
    WHERE p.pronamespace = 'session_consistency'::regnamespace AND p.proname IN ('attach', 'audit', 'audit_findings')
          AND a.position BETWEEN 3 AND p.pronargs)
SELECT count(*) > 20 AS compared, bool_and(a.fallback IS NOT DISTINCT FROM b.fallback) AS same
FROM arguments a JOIN arguments b USING (name)
WHERE a.proname = 'attach' AND b.proname <> 'attach';

-- Each argument at another value is named; what only attach() and detach() ask for, at the charge trigger alone.
ALTER TABLE training_sessions RENAME member_id TO who;
ALTER TABLE training_sessions RENAME session_type TO kind;
ALTER TABLE training_sessions RENAME status TO state;
ALTER TABLE member_subscriptions RENAME member_id TO owner;
ALTER TABLE member_subscriptions RENAME status TO condition;
ALTER TABLE member_subscriptions RENAME total_sessions_snapshot TO credits;
ALTER TABLE member_subscriptions RENAME used_sessions TO taken;
ALTER TABLE member_subscriptions RENAME remaining_sessions TO "left, over";
SELECT count(*) FROM session_consistency.attach('training_sessions', 'member_subscriptions', 'who', 'pack', 'kind',
    'state', '{member}', '{scheduled}', '{completed,in_progress}', 'owner', 'condition', '{active,frozen}', 'credits',
    'taken', 'left, over', counts_view => 'the "counts"', guard => 'ignore', ledger => true, link_check => true);
SELECT * FROM arguments();
\x
SELECT * FROM session_consistency.attachments WHERE sessions = 'training_sessions'::regclass;
\x
SELECT outcome('INSERT INTO training_sessions (id, who) VALUES (1, 1)');
SELECT * FROM recount(session_member => 'who', link => 'pack', type => 'kind', status => 'state',
    subscription_member => 'owner', total => 'credits', used => 'taken', remaining => 'left, over', types => '{member}');
DELETE FROM training_sessions;
SELECT count(*) FROM session_consistency.detach('training_sessions', drop_added_columns => true);
ALTER TABLE training_sessions RENAME who TO member_id;
ALTER TABLE training_sessions RENAME kind TO session_type;
ALTER TABLE training_sessions RENAME state TO status;
ALTER TABLE member_subscriptions RENAME owner TO member_id;
ALTER TABLE member_subscriptions RENAME condition TO status;
ALTER TABLE member_subscriptions RENAME credits TO total_sessions_snapshot;
ALTER TABLE member_subscriptions RENAME taken TO used_sessions;
ALTER TABLE member_subscriptions RENAME "left, over" TO remaining_sessions;

-- NULL is named, too.
SELECT count(*) FROM session_consistency.attach('training_sessions', 'member_subscriptions', type_column => NULL,
    remaining_column => NULL);
SELECT * FROM arguments();

-- What cannot be read is refused, with what it is; what is not named has its default.
CREATE FUNCTION rewrite(argument text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE OR REPLACE TRIGGER "00_session_consistency_charge_member_subscriptions" AFTER INSERT OR UPDATE OR DELETE
        ON training_sessions FOR EACH ROW EXECUTE FUNCTION session_consistency.charge_sessions(%s)', argument);
    RETURN concat_ws(' ', r.state, r.said, r.figures, r.advice) FROM (
        SELECT max(value) FILTER (WHERE field = 'sqlstate') AS state,
               max(value) FILTER (WHERE field = 'message') AS said,
               max(value) FILTER (WHERE field = 'detail') AS figures,
               max(value) FILTER (WHERE field = 'hint') AS advice
        FROM refusal('INSERT INTO training_sessions (id, member_id) VALUES (1, 1)')) r;
END $$;
BEGIN;
SELECT rewrite(a) FROM unnest(ARRAY['', '''nonsense''', '''{}''', '''{format=2}''', '''{format=1,colour=red}''',
    '''{format=1,colour}''', '''{format=1,guard=warn}''', '''{format=1,ledger=maybe}''', '''{format=1,used_column=}''',
    '''{format=1,consuming_types=member}''', '''{ledger=true}''', '''{format=1}'', ''{format=1}''']) a;
SELECT rewrite('''{format=1,total_column=total_sessions_snapshot,guard=reject}''');
ROLLBACK;
SELECT * FROM recount();
\i :finish
