-- R11: a subscription may not be deleted while sessions hold credits of it, whatever the foreign key says or defers.
-- What holds nothing goes with it, or loses its link.
\getenv top PG_ABS_SRCDIR
\set test used_subscription_stays
\set gym :top /test/fixtures/gym.sql
\i :gym
INSERT INTO member_subscriptions (id, member_id, total_sessions_snapshot) VALUES (40, 4, 5);
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions', ledger => true);
ALTER TABLE training_sessions DROP CONSTRAINT sc_training_sessions_subscription_id_fkey,
    ADD CONSTRAINT link FOREIGN KEY (subscription_id) REFERENCES member_subscriptions ON DELETE SET NULL;
INSERT INTO training_sessions (id, member_id) VALUES (1, 1), (2, 2), (3, 4);
UPDATE training_sessions SET status = 'cancelled' WHERE id = 2;

-- SET NULL: a used pack stays, although its member has another one; a cancelled session loses its link, and none is
-- searched for it.
DELETE FROM member_subscriptions WHERE id = 11;
SELECT * FROM refusal('DELETE FROM member_subscriptions WHERE id = 10');
UPDATE member_subscriptions SET status = 'expired' WHERE id = 10;
INSERT INTO member_subscriptions (id, member_id, total_sessions_snapshot) VALUES (12, 1, 5);
DELETE FROM member_subscriptions WHERE id = 10;
DELETE FROM member_subscriptions WHERE id = 20;
SELECT * FROM bookings();
SELECT * FROM counters();
-- Its sessions go in the same statement: with their member, or by name, before or after the pack.
DELETE FROM members WHERE id = 4;
WITH gone AS (DELETE FROM training_sessions WHERE id = 1) DELETE FROM member_subscriptions WHERE id = 10;
INSERT INTO training_sessions (id, member_id) VALUES (4, 1);
WITH gone AS (DELETE FROM member_subscriptions WHERE id = 12) UPDATE training_sessions SET status = 'cancelled' WHERE id = 4;
SELECT * FROM bookings();
SELECT * FROM counters();
SELECT * FROM recount();
SELECT count(*) AS gaps FROM session_consistency.ledger_gaps('training_sessions');

-- CASCADE: the sessions go first.
ALTER TABLE training_sessions DROP CONSTRAINT link,
    ADD CONSTRAINT link FOREIGN KEY (subscription_id) REFERENCES member_subscriptions ON DELETE CASCADE;
INSERT INTO member_subscriptions (id, member_id, total_sessions_snapshot) VALUES (22, 2, 5);
INSERT INTO training_sessions (id, member_id) VALUES (5, 2), (6, 2);
DELETE FROM member_subscriptions WHERE id = 22;
SELECT * FROM bookings();

-- Deferred: judged when the statement ends, not at COMMIT.
ALTER TABLE training_sessions DROP CONSTRAINT link,
    ADD CONSTRAINT link FOREIGN KEY (subscription_id) REFERENCES member_subscriptions DEFERRABLE INITIALLY DEFERRED;
INSERT INTO member_subscriptions (id, member_id, total_sessions_snapshot) VALUES (22, 2, 5);
INSERT INTO training_sessions (id, member_id) VALUES (5, 2), (6, 2);
BEGIN;
DELETE FROM member_subscriptions WHERE id = 22;
ROLLBACK;
-- What holds nothing may hang until COMMIT.
UPDATE training_sessions SET status = 'cancelled' WHERE id IN (5, 6);
BEGIN;
DELETE FROM member_subscriptions WHERE id = 22;
INSERT INTO member_subscriptions (id, member_id, total_sessions_snapshot) VALUES (22, 2, 5);
COMMIT;
BEGIN;
DELETE FROM member_subscriptions WHERE id = 22;
UPDATE training_sessions SET status = 'scheduled' WHERE id = 5;
ROLLBACK;
BEGIN;
DELETE FROM member_subscriptions WHERE id = 22;
COMMIT;
SELECT * FROM counters();
SELECT * FROM recount();

-- A cascade that reaches the sessions by a longer way than the packs.
CREATE TABLE clubs (id integer PRIMARY KEY);
CREATE TABLE rooms (id integer PRIMARY KEY, club integer REFERENCES clubs ON DELETE CASCADE);
CREATE TABLE classes (id integer PRIMARY KEY, room integer REFERENCES rooms ON DELETE CASCADE);
INSERT INTO clubs VALUES (1);
INSERT INTO rooms VALUES (1, 1);
INSERT INTO classes VALUES (1, 1);
ALTER TABLE member_subscriptions ADD club integer REFERENCES clubs ON DELETE CASCADE;
ALTER TABLE training_sessions ADD class integer REFERENCES classes ON DELETE CASCADE;
UPDATE member_subscriptions SET club = 1 WHERE id = 22;
INSERT INTO training_sessions (id, member_id, class) VALUES (7, 2, 1), (8, 2, 1), (9, 2, NULL);
DELETE FROM clubs;
DELETE FROM training_sessions WHERE id IN (5, 6, 9);
DELETE FROM clubs;
SELECT * FROM bookings();
SELECT * FROM counters();
SELECT * FROM recount();

-- SET NULL where several are active: no credit moves to the member's other pack.
ALTER TABLE training_sessions DROP CONSTRAINT link,
    ADD CONSTRAINT link FOREIGN KEY (subscription_id) REFERENCES member_subscriptions ON DELETE SET NULL;
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions',
    draw_order => 'id', ledger => true);
INSERT INTO member_subscriptions (id, member_id, total_sessions_snapshot) VALUES (50, 2, 5), (51, 2, 5);
INSERT INTO training_sessions (id, member_id, status) VALUES (60, 2, 'scheduled'), (61, 2, 'completed'), (62, 2, 'scheduled');
DELETE FROM member_subscriptions WHERE id = 50;
UPDATE training_sessions SET status = 'cancelled' WHERE id IN (60, 61);
DELETE FROM member_subscriptions WHERE id = 50;
WITH gone AS (DELETE FROM training_sessions WHERE id = 62) DELETE FROM member_subscriptions WHERE id = 50;
UPDATE training_sessions SET status = 'scheduled' WHERE id = 60;
SELECT * FROM bookings() WHERE id::int >= 60;
SELECT * FROM counters();
SELECT * FROM recount();
\i :finish
