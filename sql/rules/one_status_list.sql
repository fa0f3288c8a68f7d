-- One of the two lists of statuses may be empty. Where no status stands for scheduled, what starts to hold a credit as
-- completed needs an active subscription, for nobody has booked it before.
\getenv top PG_ABS_SRCDIR
\set test one_status_list
\set gym :top /test/fixtures/gym.sql
\i :gym
\pset format unaligned
\pset tuples_only on
SELECT * FROM refusal($$SELECT session_consistency.attach('training_sessions', 'member_subscriptions',
    scheduled_statuses => '{}', completed_statuses => '{}')$$);
SELECT * FROM refusal($$SELECT * FROM session_consistency.audit('training_sessions', 'member_subscriptions',
    scheduled_statuses => '{}', completed_statuses => '{}')$$) WHERE field = 'sqlstate';

-- A credit is taken when the session is over.
SELECT count(*) > 0 FROM session_consistency.attach('training_sessions', 'member_subscriptions',
    scheduled_statuses => '{}');
CALL session_consistency.migrate('training_sessions');
SELECT scheduled_statuses, completed_statuses, enforced, gaps FROM session_consistency.attachments
WHERE sessions = 'training_sessions'::regclass;
INSERT INTO training_sessions (id, member_id) VALUES (1, 1), (2, 2), (3, 3), (4, 2), (5, 2);
SELECT * FROM counters() WHERE used > 0;
UPDATE training_sessions SET status = 'completed' WHERE id IN (1, 2);
SELECT outcome('UPDATE training_sessions SET status = ''completed'' WHERE id = 3');
SELECT outcome('UPDATE training_sessions SET status = ''completed'' WHERE id IN (4, 5)');
SELECT outcome('INSERT INTO training_sessions (id, member_id, status, subscription_id) VALUES (6, 1, ''completed'', 11)');
SELECT outcome('UPDATE training_sessions SET subscription_id = 11 WHERE id = 1');
-- What it holds of a pack that has expired since stays, may be given back, and may not be taken again.
UPDATE member_subscriptions SET status = 'expired' WHERE id = 10;
SELECT outcome('UPDATE training_sessions SET note = ''late'' WHERE id = 1');
UPDATE training_sessions SET status = 'cancelled' WHERE id = 1;
SELECT outcome('UPDATE training_sessions SET status = ''completed'' WHERE id = 1');
SELECT * FROM bookings() WHERE link IS NOT NULL;
SELECT * FROM counters() WHERE used > 0;
SELECT subscription_id, completed, scheduled FROM member_subscriptions_session_counts WHERE used > 0;
ALTER TABLE member_subscriptions DISABLE TRIGGER USER;
UPDATE member_subscriptions SET used_sessions = 0 WHERE id = 20;
ALTER TABLE member_subscriptions ENABLE TRIGGER USER;
SELECT subscription_id, completed, scheduled, expected_used FROM session_consistency.check_counts('training_sessions');
SELECT count(*) FROM session_consistency.repair('training_sessions', dry_run => false);
SELECT * FROM recount(statuses => '{completed}');
SELECT count(*) > 0 FROM session_consistency.detach('training_sessions');

-- A booking holds its credit until it is over, which takes none.
DELETE FROM training_sessions;
UPDATE member_subscriptions SET status = 'active', used_sessions = 0 WHERE id IN (10, 20);
SELECT count(*) > 0 FROM session_consistency.attach('training_sessions', 'member_subscriptions',
    completed_statuses => '{}');
CALL session_consistency.migrate('training_sessions');
SELECT enforced, gaps FROM session_consistency.attachments WHERE sessions = 'training_sessions'::regclass;
INSERT INTO training_sessions (id, member_id) VALUES (1, 1), (2, 1), (3, 2);
UPDATE training_sessions SET status = 'completed' WHERE id = 2;
SELECT outcome('INSERT INTO training_sessions (id, member_id, status, subscription_id) VALUES (6, 1, ''completed'', 11)');
SELECT outcome('INSERT INTO training_sessions (id, member_id, subscription_id) VALUES (7, 1, 11)');
SELECT subscription_id, completed, scheduled, used, is_consistent FROM member_subscriptions_session_counts
WHERE used > 0;
SELECT * FROM recount(statuses => '{scheduled,in_progress}');
\i :finish
