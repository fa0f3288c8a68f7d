-- Counters from before the attachment keep their value, and live writes change them by one; what is overdrawn may only
-- get better.
-- Counters that are wrong on purpose, or of sessions whose statement has not ended: not counted again.
SET session_consistency.recount = off;
\getenv top PG_ABS_SRCDIR
\set test legacy_counters
\set gym :top /test/fixtures/gym.sql
\i :gym
-- Ada's used is higher than what can be counted; Ben has used more than he bought; Cleo's is unknown.
ALTER TABLE member_subscriptions ALTER used_sessions DROP NOT NULL;
UPDATE member_subscriptions SET used_sessions = 4 WHERE id = 10;
UPDATE member_subscriptions SET used_sessions = 5 WHERE id = 20;
UPDATE member_subscriptions SET used_sessions = -2 WHERE id = 21;
UPDATE member_subscriptions SET used_sessions = NULL WHERE id = 30;
INSERT INTO training_sessions (id, member_id) SELECT n, 1 FROM generate_series(1, 4) n;
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
SELECT * FROM counters();
SET ROLE :desk;
INSERT INTO training_sessions (id, member_id) VALUES (5, 1), (6, 1);
SELECT * FROM counters() WHERE id = '10';
UPDATE training_sessions SET status = 'cancelled' WHERE id = 5;
SELECT * FROM counters() WHERE id = '10';
INSERT INTO training_sessions (id, member_id) SELECT n, 1 FROM generate_series(11, 16) n;
SELECT * FROM counters() WHERE id = '10';

-- The overdrawn one takes no more; whatever makes it worse is refused.
INSERT INTO training_sessions (id, member_id) VALUES (20, 2);
INSERT INTO training_sessions (id, member_id, status) VALUES (20, 2, 'cancelled');
SET ROLE :owner;
UPDATE member_subscriptions SET total_sessions_snapshot = 1 WHERE id = 20;
UPDATE member_subscriptions SET used_sessions = 6 WHERE id = 20;
UPDATE member_subscriptions SET status = 'frozen' WHERE id = 20;
UPDATE member_subscriptions SET total_sessions_snapshot = 4 WHERE id = 20;
UPDATE member_subscriptions SET total_sessions_snapshot = 3 WHERE id = 20;
UPDATE member_subscriptions SET total_sessions_snapshot = 7, status = 'active' WHERE id = 20;
SET ROLE :desk;
UPDATE training_sessions SET status = 'scheduled' WHERE id = 20;
DELETE FROM training_sessions WHERE id = 20;
SELECT * FROM counters() WHERE id = '20';
SET ROLE :owner;
UPDATE member_subscriptions SET total_sessions_snapshot = 4 WHERE id = 20;

-- Below 0, and unknown.
SET ROLE :desk;
INSERT INTO training_sessions (id, member_id, status, subscription_id) VALUES (21, 2, 'completed', 21);
SELECT * FROM counters() WHERE id = '21';
INSERT INTO training_sessions (id, member_id, status, subscription_id) VALUES (31, 3, 'completed', 30);
SELECT * FROM counters() WHERE id = '30';
UPDATE training_sessions SET status = 'cancelled' WHERE id = 31;
SELECT * FROM counters() WHERE id = '30';

-- Set to the recount, as migrate does it.
SET ROLE NONE;
SET session_replication_role = replica;
UPDATE member_subscriptions s SET used_sessions =
    (SELECT count(*) FROM training_sessions t WHERE t.subscription_id = s.id AND t.status <> 'cancelled');
RESET session_replication_role;

-- The recount finds nothing.
SELECT * FROM recount();
\i :finish
