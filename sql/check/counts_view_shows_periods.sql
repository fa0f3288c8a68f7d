-- With a period the counts view shows its ends and what is forfeited: what is left once it is over, at the moment of
-- reading, by the clock where sessions take place. Nothing runs for it, and no counter moves.
\getenv top PG_ABS_SRCDIR
\set test counts_view_periods
\set gym :top /test/fixtures/gym.sql
\i :gym
\pset format unaligned
\pset tuples_only on
ALTER TABLE training_sessions ADD starts timestamptz;
ALTER TABLE member_subscriptions ADD valid_from date, ADD valid_until date, ADD ends timestamptz, ADD local_end timestamp;
-- Kiritimati is 26 hours before the date line's other side: what is yesterday there is today or tomorrow here.
UPDATE member_subscriptions SET valid_until = (now() AT TIME ZONE 'Pacific/Kiritimati')::date - 1;
UPDATE member_subscriptions SET total_sessions_snapshot = NULL WHERE id = 11;
UPDATE member_subscriptions SET valid_until = 'infinity' WHERE id = 20;
UPDATE member_subscriptions SET valid_until = NULL WHERE id = 21;
UPDATE member_subscriptions SET valid_until = (now() AT TIME ZONE 'Pacific/Kiritimati')::date WHERE id = 30;
CREATE FUNCTION attach(options text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    steps integer;
BEGIN
    EXECUTE format('SELECT count(*) FROM session_consistency.attach(''training_sessions'', ''member_subscriptions'',
        start_column => ''starts'', %s)', options) INTO steps;
    RETURN CASE WHEN steps > 0 THEN 'attached' END;
END $$;
SELECT attach('valid_until_column => ''valid_until'', time_zone => ''Pacific/Kiritimati''');
SELECT attname, atttypid::regtype FROM pg_attribute
WHERE attrelid = 'member_subscriptions_session_counts'::regclass AND attnum > 0 ORDER BY attnum;
SET TimeZone = 'Etc/GMT+12';
SELECT subscription_id, total, remaining, valid_from, forfeited FROM member_subscriptions_session_counts ORDER BY 1;
SET TimeZone = 'Pacific/Kiritimati';
SELECT subscription_id, forfeited FROM member_subscriptions_session_counts WHERE forfeited <> 0 ORDER BY 1;
SELECT attach('valid_until_column => ''valid_until'', time_zone => ''Etc/GMT+12''');
SELECT subscription_id, forfeited FROM member_subscriptions_session_counts WHERE forfeited <> 0 ORDER BY 1;
-- The day before that is over there, too.
UPDATE member_subscriptions SET valid_until = valid_until - 2;
SELECT subscription_id, forfeited FROM member_subscriptions_session_counts WHERE forfeited <> 0 ORDER BY 1;

-- Without a zone a local end is read in the reader's.
SELECT attach('valid_until_column => ''local_end'', time_zone => ''Pacific/Kiritimati''');
UPDATE member_subscriptions SET local_end = now() AT TIME ZONE 'Pacific/Kiritimati' - interval '1 minute' WHERE id = 10;
UPDATE member_subscriptions SET local_end = now() AT TIME ZONE 'Pacific/Kiritimati' + interval '5 minutes' WHERE id = 20;
SET TimeZone = 'Etc/GMT+12';
SELECT subscription_id, forfeited FROM member_subscriptions_session_counts ORDER BY 1;
ALTER TABLE training_sessions ADD starts_here timestamp;
SELECT count(*) > 0 FROM session_consistency.attach('training_sessions', 'member_subscriptions', start_column => 'starts_here',
    valid_until_column => 'local_end');
SELECT subscription_id, forfeited FROM member_subscriptions_session_counts WHERE forfeited <> 0 ORDER BY 1;
SET TimeZone = 'Pacific/Kiritimati';
SELECT subscription_id, forfeited FROM member_subscriptions_session_counts WHERE forfeited <> 0 ORDER BY 1;

-- A moment is one everywhere; its own is no part of the period.
SELECT attach('valid_from_column => ''valid_from'', valid_until_column => ''ends'', time_zone => ''Europe/Berlin''');
BEGIN;
UPDATE member_subscriptions SET ends = statement_timestamp() + CASE id WHEN 20 THEN interval '5 minutes' ELSE '0' END;
SELECT subscription_id, forfeited FROM member_subscriptions_session_counts WHERE forfeited <> 0 ORDER BY 1;
UPDATE member_subscriptions SET ends = statement_timestamp() - interval '1 minute' WHERE id = 10;
INSERT INTO training_sessions (id, member_id, starts) VALUES (2, 2, statement_timestamp());
SELECT subscription_id, used, remaining, forfeited, is_consistent FROM member_subscriptions_session_counts WHERE subscription_id IN (10, 20) ORDER BY 1;
COMMIT;

-- A beginning alone: nothing is ever over.
SELECT attach('valid_from_column => ''valid_from'', time_zone => ''Europe/Berlin''');
SELECT DISTINCT valid_until, pg_typeof(valid_until), forfeited FROM member_subscriptions_session_counts;
SELECT * FROM recount();
\i :finish
