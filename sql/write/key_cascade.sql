-- ON UPDATE CASCADE: a key that changes takes its references along, and is no second booking.
\getenv top PG_ABS_SRCDIR
\set test path_key_cascade
\set gym :top /test/fixtures/gym.sql
\i :gym
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
-- The member's key: packs and sessions follow together, each session on its own pack, in either order of the two.
ALTER TABLE member_subscriptions DROP CONSTRAINT member_subscriptions_member_id_fkey,
    ADD CONSTRAINT member_subscriptions_member_id_fkey FOREIGN KEY (member_id) REFERENCES members ON UPDATE CASCADE;
ALTER TABLE training_sessions DROP CONSTRAINT training_sessions_member_id_fkey,
    ADD CONSTRAINT training_sessions_member_id_fkey FOREIGN KEY (member_id) REFERENCES members ON UPDATE CASCADE;
INSERT INTO training_sessions (id, member_id) VALUES (1, 2), (2, 2), (3, 1);
INSERT INTO training_sessions (id, member_id, status, subscription_id)
    VALUES (4, 1, 'completed', 11), (5, 1, 'cancelled', 10), (6, 1, 'cancelled', 11);
INSERT INTO training_sessions (id, member_id, session_type) VALUES (7, 1, 'trial'), (8, 4, 'trial');
UPDATE members SET id = id + 100;
SELECT * FROM bookings();
SELECT * FROM counters();
ALTER TABLE member_subscriptions DROP CONSTRAINT member_subscriptions_member_id_fkey,
    ADD CONSTRAINT member_subscriptions_member_id_fkey FOREIGN KEY (member_id) REFERENCES members ON UPDATE CASCADE;
UPDATE members SET id = id - 100;
SELECT * FROM bookings();
SELECT * FROM counters();

-- Where only the packs follow, their sessions would be left with another member's; where only the sessions do, they
-- would be without a pack.
ALTER TABLE training_sessions DROP CONSTRAINT training_sessions_member_id_fkey;
UPDATE members SET id = 100 WHERE id = 1;
ALTER TABLE training_sessions ADD CONSTRAINT training_sessions_member_id_fkey FOREIGN KEY (member_id)
    REFERENCES members ON UPDATE CASCADE;
ALTER TABLE member_subscriptions DROP CONSTRAINT member_subscriptions_member_id_fkey;
UPDATE members SET id = 100 WHERE id = 1;
SELECT * FROM bookings();
SELECT * FROM counters();

-- The pack's own key: its sessions follow, and nothing is counted twice.
ALTER TABLE training_sessions DROP CONSTRAINT sc_training_sessions_subscription_id_fkey,
    ADD CONSTRAINT sc_training_sessions_subscription_id_fkey FOREIGN KEY (subscription_id)
        REFERENCES member_subscriptions ON UPDATE CASCADE;
SELECT * FROM refusal('UPDATE member_subscriptions SET id = 110 WHERE id = 10');
INSERT INTO training_sessions (id, member_id) VALUES (9, 1);
DELETE FROM training_sessions WHERE id = 3;
SELECT * FROM counters();
-- A key that sets defaults, or NULL where a key changes, is none to count by.
ALTER TABLE training_sessions DROP CONSTRAINT sc_training_sessions_subscription_id_fkey,
    ADD CONSTRAINT sc_training_sessions_subscription_id_fkey FOREIGN KEY (subscription_id)
        REFERENCES member_subscriptions ON UPDATE SET NULL;
SELECT * FROM refusal('INSERT INTO training_sessions (id, member_id) VALUES (12, 1)');
ALTER TABLE training_sessions DROP CONSTRAINT sc_training_sessions_subscription_id_fkey,
    ADD CONSTRAINT sc_training_sessions_subscription_id_fkey FOREIGN KEY (subscription_id) REFERENCES member_subscriptions;
UPDATE member_subscriptions SET id = 10 WHERE id = 110;
SELECT * FROM counters();

-- The recount finds nothing.
SELECT * FROM recount();
\i :finish
