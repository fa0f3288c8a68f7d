-- Where a subscription was seen when a session was linked says nothing once the table was written anew, nor about the
-- table of another attachment: the counter is found all the same.
\getenv top PG_ABS_SRCDIR
\set test counter_found_after_rewrite
\set gym :top /test/fixtures/gym.sql
\i :gym
CREATE TABLE few_packs (LIKE member_subscriptions INCLUDING ALL);
CREATE TABLE few_sessions (LIKE training_sessions INCLUDING ALL);
INSERT INTO members SELECT n FROM generate_series(101, 5000) n;
INSERT INTO member_subscriptions (id, member_id, total_sessions_snapshot)
SELECT n, n, 10 FROM generate_series(101, 5000) n;
INSERT INTO few_packs (id, member_id, total_sessions_snapshot) VALUES (5000, 5000, 10);
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
SELECT count(*) > 0 AS attached FROM session_consistency.attach('few_sessions', 'few_packs');

-- The other attachment has a subscription with the same key and the same member.
BEGIN;
INSERT INTO training_sessions (id, member_id) VALUES (1, 5000);
INSERT INTO few_sessions (id, member_id, subscription_id) VALUES (1, 5000, 5000);
COMMIT;
INSERT INTO training_sessions (id, member_id) VALUES (2, 5000);
INSERT INTO few_sessions (id, member_id, subscription_id) VALUES (2, 5000, 5000);
SELECT used_sessions FROM few_packs;

-- The table is smaller than it was: between two transactions, within one, within a function.
DELETE FROM member_subscriptions WHERE id BETWEEN 101 AND 4990;
INSERT INTO training_sessions (id, member_id) VALUES (3, 5000);
VACUUM FULL member_subscriptions;
INSERT INTO training_sessions (id, member_id, subscription_id) VALUES (4, 5000, 5000);
DELETE FROM training_sessions;
INSERT INTO member_subscriptions (id, member_id, total_sessions_snapshot)
SELECT n, n, 10 FROM generate_series(101, 4990) n;
UPDATE member_subscriptions SET total_sessions_snapshot = 9 WHERE id > 100;
DELETE FROM member_subscriptions WHERE id BETWEEN 101 AND 4990;
BEGIN;
INSERT INTO training_sessions (id, member_id) VALUES (5, 5000);
CLUSTER member_subscriptions USING member_subscriptions_pkey;
INSERT INTO training_sessions (id, member_id, subscription_id) VALUES (6, 5000, 5000);
COMMIT;
SELECT * FROM counters() WHERE id = '5000';
INSERT INTO member_subscriptions (id, member_id, total_sessions_snapshot)
SELECT n, n, 10 FROM generate_series(101, 4990) n;
UPDATE member_subscriptions SET total_sessions_snapshot = 10 WHERE id > 100;
DELETE FROM member_subscriptions WHERE id BETWEEN 101 AND 4990;
CREATE PROCEDURE rewrite() LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO training_sessions (id, member_id) VALUES (7, 5000);
    COMMIT;
    CLUSTER member_subscriptions USING member_subscriptions_pkey;
    COMMIT;
    INSERT INTO training_sessions (id, member_id, subscription_id) VALUES (8, 5000, 5000);
END $$;
CALL rewrite();
SELECT * FROM counters() WHERE id = '5000';

-- The recount finds nothing.
SELECT * FROM recount();
SELECT * FROM recount('few_sessions', 'few_packs');
\i :finish
