-- R8: a session of a non-consuming type has no link: it is cleared, and the credit returned.
\getenv top PG_ABS_SRCDIR
\set test non_consuming_has_no_link
\set gym :top /test/fixtures/gym.sql
\i :gym
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
SET ROLE :desk;
INSERT INTO training_sessions (id, member_id) SELECT n, 1 FROM generate_series(1, 4) n;
UPDATE training_sessions SET session_type = 'trial' WHERE id = 1;
UPDATE training_sessions SET session_type = 'guest', subscription_id = 11 WHERE id = 2;
UPDATE training_sessions SET session_type = NULL, status = 'completed' WHERE id = 3;
SELECT * FROM bookings();
SELECT * FROM counters() WHERE id IN ('10', '11');

-- A cancelled one loses its link too; no credit is there to return.
UPDATE training_sessions SET status = 'cancelled' WHERE id = 4;
UPDATE training_sessions SET session_type = 'trial' WHERE id = 4;
SELECT * FROM bookings() WHERE id = '4';
SELECT * FROM counters() WHERE id = '10';

-- A link given to it is not kept.
UPDATE training_sessions SET subscription_id = 10 WHERE id = 1;
INSERT INTO training_sessions (id, member_id, session_type, subscription_id) VALUES (5, 1, 'guest', 10);
SELECT * FROM bookings() WHERE id IN ('1', '5');

-- Back again, on the pack that is active now.
SET ROLE :owner;
UPDATE member_subscriptions SET status = 'expired' WHERE id = 10;
UPDATE member_subscriptions SET status = 'active' WHERE id = 11;
SET ROLE :desk;
UPDATE training_sessions SET session_type = 'member' WHERE id IN (1, 4);
SELECT * FROM bookings();
SELECT * FROM counters();

-- The recount finds nothing.
SELECT * FROM recount();
\i :finish
