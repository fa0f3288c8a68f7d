-- A link that a foreign key's cascade writes, since the key of a subscription changes, follows its subscription: it is
-- not one that the application names, so that named_links => false does not ignore it, and nothing is judged anew.
\getenv top PG_ABS_SRCDIR
\set test cascaded_key
\set gym :top /test/fixtures/gym.sql
\i :gym
ALTER TABLE member_subscriptions ADD valid_until date;
ALTER TABLE training_sessions ADD subscription_id integer REFERENCES member_subscriptions ON UPDATE CASCADE;
\set period 'start_column => ''day'', valid_until_column => ''valid_until'', ledger => true'
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions', :period);
INSERT INTO training_sessions (id, member_id) VALUES (1, 1), (2, 1), (3, 2);
UPDATE training_sessions SET status = 'cancelled' WHERE id = 2;
-- The period has been shortened, and the pack has ended: its sessions stay, whatever its key is.
UPDATE member_subscriptions SET valid_until = '2029-12-31', status = 'expired' WHERE id = 10;
UPDATE member_subscriptions SET id = id + 100;
SELECT * FROM bookings();
SELECT * FROM counters();
SELECT * FROM recount();
-- Links are drawn, and what the application writes into them is ignored.
UPDATE member_subscriptions SET status = 'active' WHERE id = 110;
SELECT count(*) > 0 AS changed FROM session_consistency.attach('training_sessions', 'member_subscriptions', named_links => false,
    draw_order => 'valid_until, id', :period);
UPDATE member_subscriptions SET status = 'active', valid_until = '2039-12-31' WHERE id = 111;
INSERT INTO training_sessions (id, member_id, subscription_id) VALUES (4, 1, 110);
UPDATE training_sessions SET subscription_id = 120 WHERE id = 4;
UPDATE member_subscriptions SET id = id + 100;
SELECT * FROM bookings();
SELECT * FROM counters();
SELECT * FROM recount();
BEGIN;
UPDATE member_subscriptions SET id = 12 WHERE id = 211;
UPDATE member_subscriptions SET id = 211 WHERE id = 210;
UPDATE training_sessions SET note = 'x', subscription_id = 12 WHERE id = 1;
UPDATE member_subscriptions SET id = 13 WHERE id = 12;
COMMIT;
SELECT * FROM bookings();
SELECT * FROM counters();
SELECT * FROM recount();
SELECT count(*) AS gaps FROM session_consistency.ledger_gaps('training_sessions');
-- The same without an order: a link that is not named is searched.
UPDATE member_subscriptions SET status = 'expired' WHERE id IN (13, 211);
SELECT count(*) > 0 AS changed FROM session_consistency.attach('training_sessions', 'member_subscriptions', named_links => false);
INSERT INTO member_subscriptions (id, member_id, total_sessions_snapshot) VALUES (14, 1, 2);
INSERT INTO training_sessions (id, member_id, status, subscription_id) VALUES (5, 1, 'completed', 13), (6, 1, 'scheduled', 120);
UPDATE training_sessions SET subscription_id = 211 WHERE id IN (1, 5);
UPDATE member_subscriptions SET id = 15 WHERE id = 14;
SELECT * FROM bookings();
SELECT * FROM counters();
SELECT * FROM recount();
-- A foreign key's SET NULL is none either: what holds nothing loses its link with the pack.
ALTER TABLE training_sessions DROP CONSTRAINT training_sessions_subscription_id_fkey,
    ADD CONSTRAINT link FOREIGN KEY (subscription_id) REFERENCES member_subscriptions ON DELETE SET NULL;
UPDATE training_sessions SET status = 'cancelled' WHERE subscription_id = 15;
UPDATE training_sessions SET subscription_id = NULL WHERE id = 5;
SELECT * FROM bookings() WHERE link = '15';
DELETE FROM member_subscriptions WHERE id = 15;
SELECT outcome('DELETE FROM member_subscriptions WHERE id = 13');
SELECT * FROM bookings();
SELECT * FROM recount();
\i :finish
