-- Cascades from the members table: a deleted member takes packs and sessions along, a deleted pack its own is no error.
\getenv top PG_ABS_SRCDIR
\set test path_cascade
\set gym :top /test/fixtures/gym.sql
\i :gym
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
SET ROLE NONE;
GRANT DELETE, UPDATE, SELECT ON members TO :desk;
SET ROLE :desk;
INSERT INTO training_sessions (id, member_id) VALUES (1, 1), (2, 1), (3, 2), (4, 2);
INSERT INTO training_sessions (id, member_id, status, subscription_id)
    VALUES (5, 1, 'completed', 11), (6, 1, 'cancelled', 10);
DELETE FROM members WHERE id = 1;
SELECT * FROM bookings();
SELECT * FROM counters();

-- The other order: the sessions go first, then the packs.
SET ROLE :owner;
ALTER TABLE member_subscriptions DROP CONSTRAINT member_subscriptions_member_id_fkey,
    ADD CONSTRAINT member_subscriptions_member_id_fkey FOREIGN KEY (member_id) REFERENCES members ON DELETE CASCADE;
SET ROLE :desk;
BEGIN;
DELETE FROM members WHERE id = 2;
SELECT * FROM bookings();
SELECT * FROM counters();
ROLLBACK;

-- Packs that outlive their member get their credits back.
SET ROLE :owner;
ALTER TABLE member_subscriptions DROP CONSTRAINT member_subscriptions_member_id_fkey;
SET ROLE :desk;
DELETE FROM members WHERE id = 2;
SELECT * FROM bookings();
SELECT * FROM counters();

-- A member who leaves sessions behind: without a pack they cannot be.
SET ROLE :owner;
INSERT INTO members VALUES (2, 'Ben'), (5, 'Eve'), (6, 'Fay');
INSERT INTO training_sessions (id, member_id) VALUES (7, 2);
ALTER TABLE training_sessions ALTER member_id DROP NOT NULL, DROP CONSTRAINT training_sessions_member_id_fkey,
    ADD CONSTRAINT training_sessions_member_id_fkey FOREIGN KEY (member_id) REFERENCES members ON DELETE SET NULL;
SET ROLE :desk;
DELETE FROM members WHERE id = 2;
INSERT INTO training_sessions (id, member_id, session_type) VALUES (8, 5, 'trial');
DELETE FROM members WHERE id = 5;
SELECT * FROM bookings();
SELECT * FROM counters();

-- The recount finds nothing.
SELECT * FROM recount();
\i :finish
