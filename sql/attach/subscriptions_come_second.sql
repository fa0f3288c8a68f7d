-- Every function that takes a table of sessions takes the table of subscriptions second. Left out it is the only one, or
-- an error that names them; named it is that one, or an error.
\getenv top PG_ABS_SRCDIR
\set test subscriptions_second
\set gym :top /test/fixtures/gym.sql
\i :gym
\set VERBOSITY default
\pset format unaligned
\pset tuples_only on
-- In the declarations: after sessions, of the same type, and optional; last where more than the tables has to be given.
SELECT proname, array_position(proargnames, 'subscriptions') - array_position(proargnames, 'sessions') AS place,
       pronargs - pronargdefaults < array_position(proargnames, 'subscriptions') AS optional
FROM pg_proc
WHERE pronamespace = 'session_consistency'::regnamespace AND proname !~ '^_' AND 'sessions' = ANY (proargnames[:pronargs])
ORDER BY 1, 3;

CREATE TABLE classes (id integer PRIMARY KEY, member_id integer, status subscription_status, total_sessions_snapshot integer,
                      used_sessions integer NOT NULL DEFAULT 0);
SELECT count(*) > 0 FROM session_consistency.attach('training_sessions', 'member_subscriptions', ledger => true);
INSERT INTO training_sessions (id, member_id) VALUES (1, 1);
CREATE FUNCTION tried(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    found text;
BEGIN
    EXECUTE 'SELECT count(*) FROM session_consistency.' || call INTO found;
    RETURN found;
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
CREATE FUNCTION tried_all(subscriptions text) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT format('%s: %s', f, tried(format(f || '(%s)', concat_ws(', ', CASE f WHEN 'check_session_integrity' THEN '1' END,
        '''training_sessions''', subscriptions,
        CASE f WHEN 'explain_subscription' THEN '''10''' WHEN 'detach' THEN 'dry_run => true' END))))
    FROM unnest('{attachments,check_counts,check_session_integrity,repair,ledger_gaps,explain_subscription,open_ledger,audit,
        audit_findings,detach}'::text[]) f
    WHERE f <> 'attachments'
$$;
-- The only one, by itself and by name; another one, and none of that oid.
SELECT tried_all(NULL);
SELECT tried_all('''member_subscriptions''');
SELECT tried_all('''classes''');
SELECT tried('check_counts(subscriptions => ''member_subscriptions'')');
SELECT tried('check_counts(subscriptions => ''classes'')');
SELECT tried('check_counts(''training_sessions'', 4294967295)');
SELECT tried('detach(''training_sessions'', 4294967295)');
BEGIN;
SELECT session_consistency.run_check('training_sessions', 'member_subscriptions') > 0;
ROLLBACK;
SELECT session_consistency.run_check('training_sessions', 'classes');
CALL session_consistency.migrate('training_sessions', 'classes');

-- A second attachment of the sessions, as hands can make it: which one is meant has to be said.
ALTER TABLE training_sessions ADD COLUMN class_id integer REFERENCES classes;
CREATE TRIGGER "00_classes" AFTER INSERT OR UPDATE OR DELETE ON training_sessions FOR EACH ROW
    EXECUTE FUNCTION session_consistency.charge_sessions('{format=1,subscription_column=class_id,ledger=true}');
SELECT sessions, subscriptions FROM session_consistency.attachments WHERE sessions = 'training_sessions'::regclass ORDER BY 2;
SELECT tried_all(NULL);
SELECT tried_all('''member_subscriptions''');
CALL session_consistency.migrate('training_sessions');
DROP TRIGGER "00_classes" ON training_sessions;
CALL session_consistency.migrate('training_sessions', 'member_subscriptions');
SELECT * FROM recount();
\i :finish
