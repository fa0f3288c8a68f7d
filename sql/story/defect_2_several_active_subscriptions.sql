-- The second defect: a member could have several active packs, and every screen chose another one of them.
\getenv top PG_ABS_SRCDIR
\set test defect_2_several_active_subscriptions
\set gym :top /test/fixtures/gym.sql
\i :gym
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');

-- A second active pack is refused, sold new or renewed.
INSERT INTO member_subscriptions (id, member_id, total_sessions_snapshot) VALUES (12, 1, 10);
UPDATE member_subscriptions SET status = 'active' WHERE id = 11;
INSERT INTO member_subscriptions (id, member_id, status, total_sessions_snapshot) VALUES (12, 1, 'frozen', 10);
UPDATE member_subscriptions SET status = 'active' WHERE id = 12;

-- One after the other is fine.
UPDATE member_subscriptions SET status = 'expired' WHERE id = 10;
UPDATE member_subscriptions SET status = 'active' WHERE id = 12;
SELECT * FROM counters();

SET ROLE :desk;
INSERT INTO training_sessions (id, member_id) VALUES (1, 1);
SELECT * FROM bookings();

-- The recount finds nothing.
SELECT * FROM recount();
\i :finish
