-- Wrong arguments of attach and detach: a clear error, and nothing changed.
\getenv top PG_ABS_SRCDIR
\set test attach_refuses_arguments
\set gym :top /test/fixtures/gym.sql
\set objects :top /test/fixtures/objects.sql
\i :gym
\i :objects
CREATE DOMAIN short AS varchar(8) CHECK (VALUE <> 'blocked');
CREATE TABLE lessons (id integer PRIMARY KEY, member_id integer, session_type short, status varchar(11), rank smallint,
    later integer GENERATED ALWAYS AS (id + 1) STORED, "when" date);
SELECT remember();
\pset format unaligned
\pset tuples_only on

-- Calls attach with the defaults, but for the arguments given, and shows its error.
CREATE FUNCTION try(arguments text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    state text; said text; figures text; advice text;
BEGIN
    EXECUTE format('SELECT session_consistency.attach(%s)', arguments);
    RETURN NEXT 'done';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, said = MESSAGE_TEXT, figures = PG_EXCEPTION_DETAIL,
        advice = PG_EXCEPTION_HINT;
    RETURN NEXT concat_ws(E'\n   ', state || ' ' || said, nullif(figures, ''), nullif(advice, ''));
END $$;
\set tables '''training_sessions'', ''member_subscriptions'''

-- NULL.
SELECT try('NULL, ''member_subscriptions''');
SELECT try('''training_sessions'', NULL');
SELECT try(:'tables' || format(', %s => NULL', a)) FROM unnest('{subscription_column,consuming_types,
    scheduled_statuses,completed_statuses,subscription_member_column,active_statuses,used_column,named_links,when_none,
    notify,make_view,guard,ledger,link_check,dry_run}'::text[]) a;

-- Tables that do not exist, or are one.
SELECT try('''nowhere'', ''member_subscriptions''');
SELECT try('0, ''member_subscriptions''');
SELECT try('''training_sessions'', 4294967295');
SELECT try('''training_sessions'', ''training_sessions''');

-- A guard that does not exist.
SELECT try(:'tables' || ', guard => ''warn''');
SELECT try(:'tables' || ', guard => ''''');

-- Lists: empty, with NULL, of two dimensions, a value twice.
SELECT try(:'tables' || ', consuming_types => ''{}''');
SELECT try(:'tables' || ', scheduled_statuses => ''{}'', completed_statuses => ''{}''');
SELECT try(:'tables' || ', consuming_types => ''{member,NULL}''');
SELECT try(:'tables' || ', consuming_types => ''{{member,makeup},{trial,guest}}''');
SELECT try(:'tables' || ', consuming_types => ''{member,makeup,member}''');
SELECT try(:'tables' || ', scheduled_statuses => ''{scheduled,scheduled}''');
SELECT try(:'tables' || ', completed_statuses => ''{completed,completed}''');
SELECT try(:'tables' || ', completed_statuses => ''{completed,in_progress}''');

-- Values that the column's type does not accept.
SELECT try(:'tables' || ', consuming_types => ''{member,bonus}''');
SELECT try(:'tables' || ', scheduled_statuses => ''{planned}''');
SELECT try(:'tables' || ', completed_statuses => ''{completed,""}''');
SELECT try(:'tables' || ', active_statuses => ''{running}''');
SELECT try(:'tables' || ', active_statuses => ''{}''');
SELECT try('''lessons'', ''member_subscriptions'', consuming_types => ''{member,blocked}''');
SELECT try('''lessons'', ''member_subscriptions'', consuming_types => ''{contractual}''');
SELECT try('''lessons'', ''member_subscriptions'', consuming_types => ''{member}'', completed_statuses => ''{"much too long"}''');
SELECT try('''lessons'', ''member_subscriptions'', consuming_types => ''{member}'', status_column => ''rank''');
SELECT try('''lessons'', ''member_subscriptions'', consuming_types => ''{member}'', status_column => ''rank'',
    scheduled_statuses => ''{1,2}'', completed_statuses => ''{" 02"}''');
SELECT try('''lessons'', ''member_subscriptions'', consuming_types => ''{member}'', status_column => ''rank'',
    scheduled_statuses => ''{1,2}'', completed_statuses => ''{99999}''');

-- Columns: missing, system, generated, of a wrong type, named twice.
SELECT try(:'tables' || format(', %s => ''nothing''', a)) FROM unnest('{member_column,type_column,status_column,
    subscription_member_column,subscription_status_column,total_column,remaining_column,start_column,valid_from_column,
    valid_until_column}'::text[]) a;
SELECT try(:'tables' || ', subscription_column => ''ctid''');
SELECT try(:'tables' || ', used_column => ''xmin''');
SELECT try(:'tables' || format(', %s => ''''', a)) FROM unnest('{member_column,subscription_column,
    used_column,remaining_column,start_column}'::text[]) a;
SELECT try(:'tables' || ', start_column => ''status''');
SELECT try(:'tables' || ', start_column => ''ctid''');
SELECT try(:'tables' || ', total_column => ''remaining_sessions''');
SELECT try('''lessons'', ''member_subscriptions'', subscription_column => ''later''');
SELECT try('''lessons'', ''member_subscriptions'', member_column => ''later''');
SELECT try('''lessons'', ''member_subscriptions'', status_column => ''when''');
SELECT try('''lessons'', ''member_subscriptions'', consuming_types => ''{member}'', subscription_column => ''when''');
SELECT try('''lessons'', ''member_subscriptions'', consuming_types => ''{member}'', member_column => ''when''');
SELECT try(:'tables' || ', total_column => ''status''');
SELECT try(:'tables' || ', used_column => ''status''');
SELECT try(:'tables' || ', remaining_column => ''status''');
SELECT try(:'tables' || format(', carried_column => %L', c)) FROM unnest('{status,remaining_sessions,used_sessions,ctid,""}'::text[]) c;
SELECT try(:'tables' || ', type_column => ''status''');
SELECT try(:'tables' || ', subscription_column => ''member_id''');
SELECT try(:'tables' || ', used_column => ''total_sessions_snapshot''');
SELECT try(:'tables' || ', remaining_column => ''used_sessions''');

-- The order in which subscriptions are drawn: a list of columns, of the subscriptions, that bookings do not change.
ALTER TABLE member_subscriptions ADD ends date, ADD place point, ADD days xid,
    ADD share integer GENERATED ALWAYS AS (used_sessions * 100) STORED;
SELECT try(:'tables' || format(', draw_order => %L', o)) FROM unnest(ARRAY['', ' ', 'id,', 'ends nulls', '1', 'lower(id)',
    'id + 1', 's.id', 'id USING <', 'id COLLATE "C"', 'id LIMIT 1', 'id; DROP TABLE members', 'id FOR UPDATE', '*']) o;
SELECT try(:'tables' || format(', draw_order => %L', o)) FROM unnest(ARRAY['id, nothing', '"ID"', 'ends, id, ENDS DESC',
    'ctid', 'place', 'days', 'used_sessions', 'id, remaining_sessions DESC', 'share']) o;

-- A period: with a start, in a zone where only one side has one.
ALTER TABLE training_sessions ADD starts timestamptz, ADD local timestamp;
SELECT try(:'tables' || ', valid_until_column => ''ends''');
SELECT try(:'tables' || ', valid_from_column => ''ends'', time_zone => ''UTC''');
SELECT try(:'tables' || ', start_column => ''starts'', valid_until_column => ''status''');
SELECT try(:'tables' || ', start_column => ''starts'', valid_from_column => ''ends'', valid_until_column => ''ends''');
SELECT try(:'tables' || ', start_column => ''starts'', valid_until_column => ''ends''');
SELECT try(:'tables' || format(', start_column => ''starts'', valid_until_column => ''ends'', time_zone => %L', z))
FROM unnest(ARRAY['', 'Mars/Olympus', 'CET', 'est']) z;

-- What becomes of a session that nobody pays for.
SELECT try(:'tables' || ', when_none => ''ignore''');
SELECT try(:'tables' || ', when_none => ''leave'', link_check => true');
ALTER TABLE member_subscriptions DROP ends, DROP place, DROP days, DROP share;
ALTER TABLE training_sessions DROP starts, DROP local;

-- The view's name.
SELECT try(:'tables' || ', counts_view => ''''');
SELECT try(:'tables' || ', counts_view => ''members''');
CREATE TABLE member_subscriptions_session_counts ();
SELECT try(:'tables');
DROP TABLE member_subscriptions_session_counts;

-- detach.
SELECT outcome('SELECT session_consistency.detach(NULL)');
SELECT outcome('SELECT session_consistency.detach(''training_sessions'', drop_added_columns => NULL)');
SELECT outcome('SELECT session_consistency.detach(''training_sessions'', dry_run => NULL)');
SELECT outcome('SELECT session_consistency.detach(''training_sessions'')');
SELECT outcome('SELECT session_consistency.detach(''member_subscriptions'')');
SELECT outcome('SELECT session_consistency.detach(0)');
SELECT outcome('SELECT session_consistency.detach(''nowhere'')');

-- Nothing has changed.
SELECT * FROM changed();

-- The same tables, asked for rightly.
SELECT try('''lessons'', ''member_subscriptions'', consuming_types => ''{member}'', status_column => ''rank'',
    scheduled_statuses => ''{" 1",2}'', completed_statuses => ''{03}'', remaining_column => NULL, guard => ''off''');
SELECT consuming_types, scheduled_statuses, completed_statuses, remaining_column, guard
FROM session_consistency.attachments WHERE sessions = 'lessons'::regclass;
INSERT INTO lessons (id, member_id, session_type, rank) VALUES (1, 1, 'member', 1), (2, 1, 'member', 3), (3, 1, 'trial', 3);
SELECT * FROM counters() WHERE id = '10';
SELECT * FROM recount('lessons', status => 'rank', statuses => '{1,2,3}');
\i :finish
