-- A subscription whose key changes is followed, in the statement and in the transaction that changes it: what its
-- sessions held under the old key they hold under the new one, and nothing is counted twice.
\getenv top PG_ABS_SRCDIR
\set test changed_key_is_followed
\set gym :top /test/fixtures/gym.sql
\i :gym
-- A composite key, and both tables follow the members' key.
ALTER TABLE member_subscriptions DROP CONSTRAINT member_subscriptions_member_id_fkey,
    ADD FOREIGN KEY (member_id) REFERENCES members ON UPDATE CASCADE, ADD UNIQUE (member_id, id);
ALTER TABLE training_sessions DROP CONSTRAINT training_sessions_member_id_fkey,
    ADD FOREIGN KEY (member_id) REFERENCES members ON UPDATE CASCADE, ADD subscription_id integer,
    ADD FOREIGN KEY (member_id, subscription_id) REFERENCES member_subscriptions (member_id, id);
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions', ledger => true);
INSERT INTO training_sessions (id, member_id) VALUES (1, 1);
INSERT INTO training_sessions (id, member_id, status, subscription_id) VALUES (2, 1, 'completed', 11);
UPDATE members SET id = 100 WHERE id = 1;
SELECT * FROM bookings();
SELECT * FROM counters();
-- More than half full, and full.
INSERT INTO training_sessions (id, member_id) VALUES (3, 2), (4, 2);
UPDATE members SET id = id + 1000;
SELECT * FROM bookings();
SELECT * FROM counters();
-- By hand: the sessions first, or the packs first.
SELECT * FROM recount();
WITH moved AS (UPDATE member_subscriptions SET member_id = 1100 WHERE member_id = 1002)
UPDATE training_sessions SET member_id = 1100 WHERE member_id = 1002;
UPDATE member_subscriptions SET status = 'expired' WHERE id = 10;
WITH moved AS (UPDATE member_subscriptions SET member_id = 1100 WHERE member_id = 1002)
UPDATE training_sessions SET member_id = 1100 WHERE member_id = 1002;
SELECT * FROM bookings();
SELECT * FROM counters();
SELECT * FROM recount();
SELECT count(*) AS gaps FROM session_consistency.ledger_gaps('training_sessions');
-- What is booked meanwhile is counted, too.
INSERT INTO members VALUES (9, 'Zoe');
WITH moved AS (UPDATE member_subscriptions SET member_id = 9, total_sessions_snapshot = 3 WHERE id = 20),
     booked AS (INSERT INTO training_sessions (id, member_id, subscription_id, status) VALUES (5, 9, 20, 'completed'))
UPDATE training_sessions SET member_id = 9 WHERE subscription_id = 20;
SELECT * FROM bookings() WHERE link = '20';
SELECT * FROM counters() WHERE id = '20';
SELECT * FROM recount();

-- A key of one column that sessions follow, in one transaction with a new pack under the old key.
SELECT count(*) > 0 AS detached FROM session_consistency.detach('training_sessions');
DELETE FROM training_sessions;
ALTER TABLE training_sessions DROP CONSTRAINT training_sessions_member_id_subscription_id_fkey,
    ADD CONSTRAINT link FOREIGN KEY (subscription_id) REFERENCES member_subscriptions;
UPDATE member_subscriptions SET used_sessions = 0, status = 'expired', total_sessions_snapshot = 4;
UPDATE member_subscriptions SET status = 'active' WHERE id IN (10, 30);
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
ALTER TABLE training_sessions DROP CONSTRAINT link,
    ADD CONSTRAINT link FOREIGN KEY (subscription_id) REFERENCES member_subscriptions ON UPDATE CASCADE;
SELECT id, member_id FROM member_subscriptions WHERE status = 'active' ORDER BY id;
INSERT INTO training_sessions (id, member_id) SELECT n, member_id FROM generate_series(1, 3) n, member_subscriptions WHERE id = 10;
BEGIN;
UPDATE member_subscriptions SET id = 12, status = 'expired' WHERE id = 10;
INSERT INTO member_subscriptions (id, member_id, total_sessions_snapshot) SELECT 10, member_id, 2 FROM member_subscriptions WHERE id = 12;
INSERT INTO training_sessions (id, member_id) SELECT n, member_id FROM generate_series(4, 5) n, member_subscriptions WHERE id = 12;
DELETE FROM training_sessions WHERE id IN (3, 5);
UPDATE member_subscriptions SET id = 13 WHERE id = 12;
UPDATE training_sessions SET status = 'cancelled' WHERE id = 2;
SAVEPOINT s;
UPDATE member_subscriptions SET id = 14 WHERE id = 13;
DELETE FROM training_sessions WHERE subscription_id = 14;
ROLLBACK TO s;
COMMIT;
SELECT * FROM bookings();
SELECT * FROM counters() WHERE id IN ('10', '13');
SELECT * FROM recount();
-- Two packs that swap their keys.
ALTER TABLE training_sessions DROP CONSTRAINT link;
ALTER TABLE member_subscriptions DROP CONSTRAINT member_subscriptions_pkey, DROP CONSTRAINT member_subscriptions_member_id_id_key,
    ADD PRIMARY KEY (id) DEFERRABLE;
ALTER TABLE member_subscriptions ADD UNIQUE (id);
ALTER TABLE training_sessions ADD CONSTRAINT link FOREIGN KEY (subscription_id)
    REFERENCES member_subscriptions (id) DEFERRABLE INITIALLY DEFERRED;
BEGIN;
WITH renamed AS (UPDATE member_subscriptions SET id = 15 WHERE id = 13)
UPDATE training_sessions SET subscription_id = 15 WHERE subscription_id = 13;
COMMIT;
SELECT * FROM counters() WHERE id IN ('10', '15');
SELECT * FROM recount();
-- With a deferred key nobody may be left behind either.
UPDATE member_subscriptions SET id = 16 WHERE id = 15;
SELECT * FROM refusal('UPDATE member_subscriptions SET id = 16 WHERE id = 15');
SELECT * FROM recount();
\i :finish
