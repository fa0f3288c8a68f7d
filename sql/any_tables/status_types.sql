-- Types and statuses are the user's: enum, text, varchar, domain or integer columns, and words that need quotes.
\getenv top PG_ABS_SRCDIR
\set test status_types
\set gym :top /test/fixtures/gym.sql
\i :gym
CREATE DOMAIN state AS text CHECK (VALUE IN ('open', 'done', 'off'));
CREATE DOMAIN small_number AS int CHECK (VALUE BETWEEN 0 AND 9);
CREATE FUNCTION story(kind text, type_type text, status_type text, paid text, free text, scheduled text,
    completed text, neither text,
                      pack_status_type text, active text, expired text)
    RETURNS TABLE (step text, happened text) LANGUAGE plpgsql AS $$
DECLARE
    subscriptions text := format('packs_of_%s', kind);
    sessions text := format('sessions_of_%s', kind);
BEGIN
    EXECUTE format('CREATE TABLE %I (id int PRIMARY KEY, member_id int NOT NULL, status %s NOT NULL,
                                     total_sessions_snapshot int)',
                   subscriptions, pack_status_type);
    EXECUTE format('CREATE TABLE %I (id int PRIMARY KEY, member_id int NOT NULL, session_type %s, status %s)',
        sessions, type_type, status_type);
    EXECUTE format('INSERT INTO %I VALUES (10, 1, %L, 2), (11, 1, %L, 2)', subscriptions, active, expired);
    PERFORM session_consistency.attach(sessions, subscriptions, consuming_types => ARRAY[paid],
        scheduled_statuses => ARRAY[scheduled],
                                       completed_statuses => ARRAY[completed], active_statuses => ARRAY[active]);
    step := 'booked';
    happened := outcome(format('INSERT INTO %I VALUES (1, 1, %L, %L), (2, 1, %L, %L), (3, 1, %L, %L), (4, 1, %L, %L),
                                                      (5, 1, NULL, %L), (6, 1, %L, NULL)',
        sessions, paid, scheduled, paid, completed, paid, neither, free, scheduled, scheduled, paid));
    RETURN NEXT;
    step := 'third';
    happened := outcome(format('UPDATE %I SET status = %L WHERE id = 3', sessions, scheduled));
    RETURN NEXT;
    step := 'expired';
    happened := outcome(format('INSERT INTO %I VALUES (7, 1, %L, %L, 11)', sessions, paid, scheduled))
        || ', ' || outcome(format('INSERT INTO %I VALUES (7, 1, %L, %L, 11)', sessions, paid, completed));
    RETURN NEXT;
    step := 'second active';
    happened := outcome(format('UPDATE %I SET status = %L WHERE id = 11', subscriptions, active));
    RETURN NEXT;
    step := 'cancelled, free';
    happened := outcome(format('UPDATE %I SET status = %L WHERE id = 1', sessions, neither))
        || ', ' || outcome(format('UPDATE %I SET session_type = %L WHERE id = 2', sessions, free));
    RETURN NEXT;
    step := 'used';
    EXECUTE format('SELECT string_agg(used_sessions::text, '' '' ORDER BY id) FROM %I', subscriptions) INTO happened;
    RETURN NEXT;
    step := 'recount';
    SELECT count(*)::text INTO happened FROM recount(sessions, subscriptions, remaining => NULL,
        types => ARRAY[paid]::text, statuses => ARRAY[scheduled, completed]::text);
    RETURN NEXT;
END $$;
SELECT * FROM story('enum', 'session_type', 'session_status', 'makeup', 'trial', 'scheduled', 'completed', 'cancelled',
    'subscription_status', 'active', 'expired');
SELECT * FROM story('text', 'text', 'text', 'it''s paid', 'member', 'a,b', '{"x"}', 'a', 'text', 'act\ive', 'Active');
SELECT * FROM story('varchar', 'varchar(10)', 'varchar', 'paid', 'free', 'NULL', 'null', '', 'varchar(10)', 'active',
    'expired');
SELECT * FROM story('domain', 'small_number', 'state', '1', '2', 'open', 'done', 'off', 'state', 'open', 'off');
SELECT * FROM story('int', 'int', 'smallint', '1', '2', '10', '20', '30', 'bigint', '1', '0');
\i :finish
