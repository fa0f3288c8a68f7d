-- Expressions that attach() refuses, each with what is wrong, and nothing is changed.
\getenv top PG_ABS_SRCDIR
\set test refuses_expressions
\set gym :top /test/fixtures/gym.sql
\i :gym
\pset format unaligned
\pset tuples_only on
ALTER TABLE training_sessions ADD minutes int, ADD price numeric, ADD deleted_at timestamptz;
ALTER TABLE member_subscriptions ADD kinds text[];
CREATE FUNCTION lucky() RETURNS boolean LANGUAGE sql VOLATILE AS 'SELECT random() > 0.5';
CREATE FUNCTION of_today(day date, today date DEFAULT current_date) RETURNS boolean
    LANGUAGE sql IMMUTABLE AS 'SELECT day = today';
CREATE FUNCTION refused(arguments text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM session_consistency.attach('training_sessions', 'member_subscriptions', counts_when => a.counts_when,
                                       cost => a.cost, pays_when => a.pays_when)
        FROM jsonb_to_record(arguments::jsonb) AS a (counts_when text, cost text, pays_when text);
    RETURN NEXT 'done';
EXCEPTION WHEN OTHERS THEN
    DECLARE
        said text; figures text; advice text;
    BEGIN
        GET STACKED DIAGNOSTICS said = MESSAGE_TEXT, figures = PG_EXCEPTION_DETAIL, advice = PG_EXCEPTION_HINT;
        RETURN QUERY VALUES (SQLSTATE || ': ' || said), (figures), (advice);
    END;
END $$;

-- What is no expression.
SELECT refused('{"counts_when": ""}');
SELECT refused('{"counts_when": "deleted_at IS"}');
SELECT refused('{"counts_when": "deleted_at IS NULL, true"}');
SELECT refused('{"counts_when": "true FROM members"}');
SELECT refused('{"counts_when": "true AS really"}');
SELECT refused('{"counts_when": "true; DROP TABLE members"}');
SELECT refused('{"cost": "*"}');

-- Names.
SELECT refused('{"counts_when": "gone IS NULL"}');
SELECT refused('{"counts_when": "subscription.kinds IS NULL"}');
SELECT refused('{"pays_when": "subscription.gone IS NULL"}');
SELECT refused('{"pays_when": "status IS NULL"}');
SELECT refused('{"counts_when": "of_today(day)"}');
SELECT refused('{"counts_when": "xmin IS NOT NULL"}');
SELECT refused('{"counts_when": "session IS NOT NULL"}');
SELECT refused('{"pays_when": "subscription IS NOT NULL"}');
SELECT refused('{"counts_when": "(NULL::refuses_expressions.member_subscriptions).kinds IS NULL"}');
SELECT refused('{"cost": "$1"}');

-- Types.
SELECT refused('{"counts_when": "minutes"}');
SELECT refused('{"cost": "price"}');
SELECT refused('{"cost": "minutes / 30.0"}');
SELECT refused('{"cost": "deleted_at IS NULL"}');
SELECT refused('{"pays_when": "session.minutes"}');
SELECT refused('{"counts_when": "session_type = ''massage''"}');
SELECT refused('{"counts_when": "minutes = ''many''"}');

-- What is not a function of the row.
SELECT refused('{"counts_when": "deleted_at < now()"}');
SELECT refused('{"counts_when": "refuses_expressions.lucky()"}');
SELECT refused('{"counts_when": "refuses_expressions.of_today(day)"}');
SELECT refused('{"counts_when": "note = current_user"}');
SELECT refused('{"cost": "extract(hour from deleted_at)::int"}');
SELECT refused('{"cost": "(SELECT 1)"}');
SELECT refused('{"counts_when": "EXISTS (SELECT FROM members)"}');
SELECT refused('{"cost": "count(*)"}');
SELECT refused('{"cost": "row_number() OVER ()"}');
SELECT refused('{"cost": "generate_series(1, minutes)"}');

-- A dry run and an audit tell all of them at once; nothing was changed.
SELECT action, command FROM session_consistency.attach('training_sessions', 'member_subscriptions',
    counts_when => 'gone IS NULL', link_check => true, dry_run => true) WHERE step IS NULL;
SELECT code, affected, description FROM session_consistency.audit('training_sessions', 'member_subscriptions',
    cost => 'minutes') WHERE affected > 0;
SELECT count(*) FROM pg_trigger WHERE tgrelid = 'training_sessions'::regclass AND NOT tgisinternal;
SELECT count(*) FROM session_consistency.attachments WHERE sessions = 'training_sessions'::regclass;
\i :finish
