-- R2: a link leads to a subscription of the session's own member.
\getenv top PG_ABS_SRCDIR
\set test refuses_foreign_subscription
\set gym :top /test/fixtures/gym.sql
\i :gym
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
SET ROLE :desk;
SELECT * FROM refusal('INSERT INTO training_sessions (id, member_id, subscription_id) VALUES (1, 1, 20)');

-- Whatever its status: a cancelled session may be un-cancelled one day.
INSERT INTO training_sessions (id, member_id, subscription_id, status) VALUES (1, 1, 21, 'completed');
INSERT INTO training_sessions (id, member_id, subscription_id, status) VALUES (1, 1, 20, 'cancelled');
INSERT INTO training_sessions (id, member_id, subscription_id, status) VALUES (1, 1, 20, NULL);

INSERT INTO training_sessions (id, member_id) VALUES (1, 1), (2, 2);
UPDATE training_sessions SET subscription_id = 20 WHERE id = 1;
UPDATE training_sessions SET subscription_id = 20, status = 'cancelled' WHERE id = 1;
UPDATE training_sessions SET subscription_id = 10, member_id = 2 WHERE id = 2;
UPDATE training_sessions SET subscription_id = 30, member_id = 2 WHERE id = 1;

-- Both together may change hands.
UPDATE training_sessions SET subscription_id = 20, member_id = 2 WHERE id = 1;
SELECT * FROM bookings();
SELECT * FROM counters();

-- A link that leads nowhere is the foreign key's affair.
INSERT INTO training_sessions (id, member_id, subscription_id) VALUES (3, 1, 99);
UPDATE training_sessions SET subscription_id = 99 WHERE id = 1;
-- A trial has no link to judge.
INSERT INTO training_sessions (id, member_id, session_type, subscription_id) VALUES (3, 1, 'trial', 20);
INSERT INTO training_sessions (id, member_id, session_type, subscription_id) VALUES (4, 1, 'trial', 99);
SELECT * FROM bookings() WHERE id IN ('3', '4');

-- The recount finds nothing.
SELECT * FROM recount();
\i :finish
