-- What an audit says of periods, of several active subscriptions that are drawn in an order, and of unpaid sessions.
\getenv top PG_ABS_SRCDIR
\set test audit_of_periods
\set gym :top /test/fixtures/gym.sql
\i :gym
\set VERBOSITY default
\pset format unaligned
\pset tuples_only on
ALTER TABLE training_sessions ADD starts timestamptz;
ALTER TABLE member_subscriptions ADD valid_from date, ADD valid_until date, ADD ends timestamptz, ADD local_end timestamp;
ALTER TABLE training_sessions ADD subscription_id integer REFERENCES member_subscriptions;
INSERT INTO member_subscriptions (id, member_id, total_sessions_snapshot, used_sessions, valid_from, valid_until) VALUES
    (12, 1, 10, 5, '2026-03-29', '2026-03-31'), (13, 1, 10, 1, NULL, NULL), (14, 1, 10, 1, '2999-01-01', 'infinity');
-- The first and the last moment of the two days in Berlin, with the hour that is lost between them; one before, one
-- after; no start. The same moments in UTC are of other days.
SET TimeZone = 'UTC';
INSERT INTO training_sessions (id, member_id, subscription_id, status, starts) VALUES
    (1, 1, 12, 'completed', '2026-03-28 22:59:59+00'), (2, 1, 12, 'completed', '2026-03-28 23:00+00'),
    (3, 1, 12, 'scheduled', '2026-03-31 21:59:59+00'), (4, 1, 12, 'completed', '2026-03-31 22:00+00'),
    (5, 1, 12, 'scheduled', NULL), (6, 1, 13, 'completed', '-infinity'), (7, 1, 14, 'completed', '2026-01-01 00:00+00'),
    (8, 1, 12, 'cancelled', '2020-01-01 00:00+00');
CREATE FUNCTION finds(arguments text) RETURNS TABLE (code text, severity text, member text, subscription text,
    session text, expected text, actual text, repair_sql text) LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY EXECUTE format('SELECT * FROM session_consistency.audit_findings(''training_sessions'',
        ''member_subscriptions''%s) f WHERE f.code <> ''zero_total''', arguments);
END $$;
\set period ', start_column => ''starts'', valid_from_column => ''valid_from'', valid_until_column => ''valid_until'''

-- In the zone that is named, whoever asks; without one a date and a moment are not compared.
SELECT * FROM finds(:'period' || ', time_zone => ''Europe/Berlin'', draw_order => ''id''');
SET TimeZone = 'Asia/Tokyo';
SELECT session, actual FROM finds(:'period' || ', time_zone => ''Europe/Berlin'', draw_order => ''id''');
SET TimeZone = 'UTC';
SELECT session, actual FROM finds(:'period' || ', time_zone => ''UTC'', draw_order => ''id''');
SELECT code, expected, actual FROM finds(:'period');
SELECT a.code, a.description FROM session_consistency.audit('training_sessions', 'member_subscriptions', start_column => 'starts',
    valid_until_column => 'valid_until', draw_order => 'id') a WHERE a.code IN ('outside_period', 'future_subscription', 'multiple_active_subscriptions');
-- Timestamps on both sides: the end is no part of the period. One end alone is looked at, too.
UPDATE member_subscriptions SET ends = '2026-03-31 21:59:59+00' WHERE id = 12;
SELECT session, expected, actual FROM finds(', start_column => ''starts'', valid_until_column => ''ends'', draw_order => ''id''');
SELECT code, subscription FROM finds(', valid_from_column => ''valid_from'', draw_order => ''id''');

-- Ends that are midnights of a timestamp, here or in the zone that is named.
UPDATE member_subscriptions SET local_end = '2026-03-31' WHERE id <= 13;
SELECT * FROM finds(', valid_until_column => ''local_end'', draw_order => ''id''');
UPDATE member_subscriptions SET local_end = 'infinity' WHERE id = 12;
UPDATE member_subscriptions SET local_end = '2026-03-31 18:00' WHERE id = 13;
SELECT * FROM finds(', valid_until_column => ''local_end'', draw_order => ''id''');
UPDATE member_subscriptions SET ends = '2026-03-31 22:00+00';
SELECT code, expected, actual FROM finds(', valid_until_column => ''ends'', draw_order => ''id'', time_zone => ''Europe/Berlin''');
SELECT code, expected, actual FROM finds(', valid_until_column => ''ends'', draw_order => ''id'', time_zone => ''UTC''');

-- Of an attachment its own period and order; a link by (member, id) is followed as well.
SELECT count(*) > 0 FROM session_consistency.attach('training_sessions', 'member_subscriptions', draw_order => 'id',
    start_column => 'starts', valid_from_column => 'valid_from', valid_until_column => 'valid_until', time_zone => 'Europe/Berlin');
CALL session_consistency.migrate('training_sessions');
SELECT * FROM finds('');
BEGIN;
SELECT session_consistency.run_check('training_sessions') > 0;
SELECT code, severity, session_id, expected, actual FROM session_consistency.check_findings
WHERE sessions = 'training_sessions'::regclass ORDER BY 1, 3;
ROLLBACK;
SELECT enforced, gaps FROM session_consistency.attachments WHERE sessions = 'training_sessions'::regclass;
BEGIN;
SELECT count(*) > 0 FROM session_consistency.detach('training_sessions');
ALTER TABLE training_sessions DROP CONSTRAINT training_sessions_subscription_id_fkey;
ALTER TABLE member_subscriptions ADD UNIQUE (member_id, id);
ALTER TABLE training_sessions ADD FOREIGN KEY (member_id, subscription_id) REFERENCES member_subscriptions (member_id, id);
SELECT code, session, expected, actual FROM finds(:'period' || ', time_zone => ''Europe/Berlin'', draw_order => ''id''');
ROLLBACK;

-- Unpaid sessions: what counts and has no link, once history is treated; their members are not compared in sum.
RESET ROLE;
SET session_replication_role = replica;
INSERT INTO training_sessions (id, member_id, starts) VALUES (20, 1, '2026-03-30 12:00+00'), (21, 4, '2026-03-30 12:00+00');
INSERT INTO training_sessions (id, member_id, status) VALUES (22, 4, 'cancelled');
RESET session_replication_role;
SET ROLE :owner;
SELECT code, severity, member, session, expected, actual FROM finds('') WHERE session ~ '^2';
SELECT count(*) > 0 FROM session_consistency.attach('training_sessions', 'member_subscriptions', draw_order => 'id', when_none => 'leave');
SELECT code, severity, member, session, expected, actual, repair_sql FROM finds('');
SELECT * FROM recount();
\i :finish
