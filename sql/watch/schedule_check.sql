-- Without pg_cron, schedule_check() and unschedule_check() end with an error that says what to do; so does bad input.
\getenv top PG_ABS_SRCDIR
\set test schedule_check
\set gym :top /test/fixtures/gym.sql
\i :gym
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
CREATE FUNCTION refused(statement text) RETURNS TABLE (field text, value text) LANGUAGE sql AS $$
    SELECT field, replace(value, current_database(), 'DATABASE') FROM refusal(statement) WHERE value <> ''
$$;
SELECT * FROM refused('SELECT session_consistency.schedule_check()');
SELECT * FROM refused('SELECT session_consistency.unschedule_check()');
SELECT * FROM refused($$SELECT session_consistency.schedule_check('15 3 * * *', 'training_sessions')$$);
SELECT session_consistency.schedule_check(NULL);
SELECT session_consistency.schedule_check('15 3 * * *', 'members');
SELECT session_consistency.schedule_check('15 3 * * *', 'no_such_table');
SELECT * FROM recount();
\i :finish
