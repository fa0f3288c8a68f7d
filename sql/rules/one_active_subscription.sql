-- R12: one active subscription per member.
\getenv top PG_ABS_SRCDIR
\set test one_active_subscription
\set gym :top /test/fixtures/gym.sql
\i :gym
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
SELECT * FROM refusal('INSERT INTO member_subscriptions (id, member_id, total_sessions_snapshot) VALUES (12, 1, 10)');
UPDATE member_subscriptions SET status = 'active' WHERE id = 11;
UPDATE member_subscriptions SET member_id = 1 WHERE id = 20;
INSERT INTO member_subscriptions (id, member_id, total_sessions_snapshot) VALUES (40, 4, 1), (41, 4, 1);

-- As many others as one likes.
INSERT INTO member_subscriptions (id, member_id, status, total_sessions_snapshot)
    SELECT n, 1, 'frozen', 1 FROM generate_series(12, 14) n;
UPDATE member_subscriptions SET status = 'expired' WHERE id = 10;
UPDATE member_subscriptions SET status = 'active' WHERE id = 12;
SELECT * FROM counters();

-- The recount finds nothing.
SELECT * FROM recount();
\i :finish
