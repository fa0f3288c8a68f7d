-- What an audit refuses, and how it says so: the same arguments as attach(), refused for the same reasons.
\getenv top PG_ABS_SRCDIR
\set test audit_bad_input
\set gym :top /test/fixtures/gym.sql
\i :gym
CREATE FUNCTION refused(arguments text) RETURNS TABLE (state text, message text, detail text, hint text)
    LANGUAGE plpgsql AS $$
DECLARE
    field text;
BEGIN
    SELECT max(value) FILTER (WHERE r.field = 'sqlstate'), max(value) FILTER (WHERE r.field = 'message'),
           nullif(max(value) FILTER (WHERE r.field = 'detail'), ''),
           nullif(max(value) FILTER (WHERE r.field = 'hint'), '')
    INTO state, message, detail, hint
    FROM refusal(format('SELECT * FROM session_consistency.audit(%s)', arguments)) r;
    RETURN NEXT;
END $$;
\pset format unaligned

-- Tables.
SELECT * FROM refused($$NULL, 'member_subscriptions'$$);
SELECT * FROM refused($$'training_sessions'$$);
SELECT * FROM refused($$'training_sessions', NULL$$);
SELECT * FROM refused($$'no_such_table', 'member_subscriptions'$$);
SELECT * FROM refused($$4294967295, 'member_subscriptions'$$);
SELECT * FROM refused($$'training_sessions', 4294967295$$);
SELECT * FROM refused($$'training_sessions', 'member_subscriptions', members => 4294967295$$);
SELECT * FROM refused($$'training_sessions', 'training_sessions'$$);
CREATE VIEW a_view AS SELECT * FROM member_subscriptions;
SELECT * FROM refused($$'training_sessions', 'a_view'$$);
SELECT * FROM refused($$'training_sessions', 'member_subscriptions', members => 'a_view'$$);
SELECT * FROM refused($$'members_pkey', 'member_subscriptions'$$);
CREATE TABLE keyless AS SELECT *, NULL::integer AS subscription_id FROM training_sessions;
SELECT * FROM refused($$'keyless', 'member_subscriptions'$$);
SELECT * FROM refused($$'training_sessions', 'member_subscriptions', members => 'keyless'$$);
CREATE TABLE other_key (a integer, b integer, member_id integer, status text, total_sessions_snapshot integer,
                        PRIMARY KEY (a, b));
SELECT * FROM refused($$'training_sessions', 'other_key'$$);
SELECT * FROM refused($$'training_sessions', 'member_subscriptions', members => 'other_key'$$);

-- NULL and empty arguments; a type, a status, a total, a remaining, a members or a valid_from column may be NULL, and
-- one of the two lists of statuses empty.
SELECT argument, state, message FROM unnest('{subscription_column, consuming_types,
    scheduled_statuses, completed_statuses, subscription_member_column, active_statuses, used_column}'::text[]) argument,
    LATERAL refused(format($$'training_sessions', 'member_subscriptions', %s => NULL$$, argument));
SELECT argument, state, message
FROM unnest('{type_column, status_column, subscription_status_column, total_column, remaining_column, members,
    valid_from_column}'::text[]) argument,
    LATERAL refused(format($$'training_sessions', 'member_subscriptions', %s => NULL$$, argument));
SELECT argument, state, message FROM unnest('{consuming_types, scheduled_statuses, completed_statuses, active_statuses,
    member_column, type_column}'::text[]) argument,
    LATERAL refused(format($$'training_sessions', 'member_subscriptions', %s => %L$$, argument,
                           CASE WHEN argument ~ '_(types|statuses)$' THEN '{}' ELSE '' END));
SELECT * FROM refused($$'training_sessions', 'member_subscriptions', consuming_types => '{member,NULL}'$$);
SELECT * FROM refused($$'training_sessions', 'member_subscriptions', consuming_types => '{{member},{trial}}'$$);

-- Columns.
SELECT argument, state FROM unnest('{member_column, type_column, status_column, subscription_member_column,
    subscription_status_column, total_column, remaining_column, valid_from_column}'::text[]) argument,
    LATERAL refused(format($$'training_sessions', 'member_subscriptions', %s => 'no_such_column'$$, argument));
SELECT state FROM refused($$'training_sessions', 'member_subscriptions', member_column => 'note'$$);
SELECT state FROM refused($$'training_sessions', 'member_subscriptions', subscription_column => 'day'$$);
SELECT state FROM refused($$'training_sessions', 'member_subscriptions', status_column => 'day'$$);
SELECT state FROM refused($$'training_sessions', 'member_subscriptions', total_column => 'status'$$);
SELECT state FROM refused($$'training_sessions', 'member_subscriptions', used_column => 'total_sessions_snapshot'$$);
SELECT * FROM refused($$'training_sessions', 'member_subscriptions', valid_from_column => 'status'$$);
SELECT state FROM refused($$'training_sessions', 'member_subscriptions', member_column => 'ctid'$$);

-- Values.
SELECT state FROM refused($$'training_sessions', 'member_subscriptions', consuming_types => '{member,unheard_of}'$$);
SELECT state FROM refused($$'training_sessions', 'member_subscriptions', completed_statuses => '{scheduled}'$$);
SELECT state FROM refused($$'training_sessions', 'member_subscriptions', active_statuses => '{unheard_of}'$$);

-- The findings are refused in the same words.
SELECT session_consistency.audit_findings('training_sessions', 'a_view');
SELECT session_consistency.audit_findings('training_sessions', 'member_subscriptions', total_column => 'no_such_column');
\pset format aligned
\i :finish
