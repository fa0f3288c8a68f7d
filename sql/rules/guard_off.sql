-- R9 under guard => 'off': whoever may write the subscriptions may write the counter, and answers for it.
-- Counters that are wrong on purpose, or of sessions whose statement has not ended: not counted again.
SET session_consistency.recount = off;
\getenv top PG_ABS_SRCDIR
\set test guard_off
\set gym :top /test/fixtures/gym.sql
\i :gym
SELECT count(*) > 0 AS attached
FROM session_consistency.attach('training_sessions', 'member_subscriptions', guard => 'off');
INSERT INTO training_sessions (id, member_id) VALUES (1, 1), (2, 1);
UPDATE member_subscriptions SET used_sessions = 5 WHERE id = 10;
SELECT * FROM counters() WHERE id = '10';

-- The recount names it.
SELECT * FROM recount();

-- Sessions go on from there; never below 0 nor above the total.
INSERT INTO training_sessions (id, member_id) VALUES (3, 1);
SELECT * FROM counters() WHERE id = '10';
UPDATE member_subscriptions SET used_sessions = 11 WHERE id = 10;
UPDATE member_subscriptions SET used_sessions = -1 WHERE id = 10;
UPDATE member_subscriptions SET used_sessions = 0 WHERE id = 10;
DELETE FROM training_sessions WHERE id = 1;
SELECT * FROM counters() WHERE id = '10';

-- The other rules hold.
UPDATE member_subscriptions SET total_sessions_snapshot = -1 WHERE id = 10;
UPDATE member_subscriptions SET member_id = 4 WHERE id = 10;
DELETE FROM member_subscriptions WHERE id = 10;
INSERT INTO member_subscriptions (id, member_id, total_sessions_snapshot) VALUES (12, 1, 10);

-- Put right by hand.
UPDATE member_subscriptions SET used_sessions = 3 WHERE id = 10;

-- The recount finds nothing.
SELECT * FROM recount();
\i :finish
