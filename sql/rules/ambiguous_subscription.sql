-- R1: without the unique index there may be several active subscriptions. Then nobody can say which is meant.
\getenv top PG_ABS_SRCDIR
\set test ambiguous_subscription
\set gym :top /test/fixtures/gym.sql
\i :gym
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
SELECT indexrelid::regclass AS active_index FROM pg_index
WHERE indrelid = 'member_subscriptions'::regclass AND indpred IS NOT NULL \gset
DROP INDEX :active_index;
INSERT INTO member_subscriptions (id, member_id, total_sessions_snapshot) VALUES (12, 1, 10);
SET ROLE :desk;
SELECT * FROM refusal('INSERT INTO training_sessions (id, member_id) VALUES (1, 1)');

-- Who says which one may book.
INSERT INTO training_sessions (id, member_id, subscription_id) VALUES (1, 1, 10), (2, 1, 12);
INSERT INTO training_sessions (id, member_id, session_type) VALUES (3, 1, 'trial');
UPDATE training_sessions SET session_type = 'member' WHERE id = 3;
UPDATE training_sessions SET session_type = 'member', subscription_id = 12 WHERE id = 3;

-- Nobody else is held up.
INSERT INTO training_sessions (id, member_id) VALUES (4, 2);
SELECT * FROM bookings();
SELECT * FROM counters();

-- The recount finds nothing.
SELECT * FROM recount();
\i :finish
