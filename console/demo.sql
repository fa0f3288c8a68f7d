-- What the demo's gym has after its story, for the console: a ledger, bookings that show at once, a check, and one
-- counter that somebody has set behind the rules.
SELECT FROM session_consistency.attach('training_sessions', 'member_subscriptions', ledger => true, notify => true);
SET session_consistency.actor = 'the desk';
INSERT INTO training_sessions (member_id, starts_on)
SELECT s.member_id, date '2025-03-01' + i
FROM member_subscriptions s, generate_series(1, 2) i
WHERE s.status = 'active' AND s.remaining_sessions >= 2;
SELECT session_consistency.run_check();
BEGIN;
SET LOCAL session_replication_role = replica;
UPDATE member_subscriptions SET used_sessions = used_sessions - 1, remaining_sessions = remaining_sessions + 1
WHERE id = (SELECT id FROM member_subscriptions WHERE status = 'active' AND used_sessions > 1 ORDER BY id LIMIT 1);
COMMIT;
SELECT session_consistency.run_check();
