-- R7: a changed member without a changed link links anew, under R1; the credit moves in the same statement.
\getenv top PG_ABS_SRCDIR
\set test changed_member_links_anew
\set gym :top /test/fixtures/gym.sql
\i :gym
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
SET ROLE :desk;
INSERT INTO training_sessions (id, member_id) SELECT n, 1 FROM generate_series(1, 4) n;
UPDATE training_sessions SET member_id = 2 WHERE id = 1;
SELECT * FROM bookings();
SELECT * FROM counters() WHERE id IN ('10', '20');

-- The new member must have an active pack with a credit.
UPDATE training_sessions SET member_id = 3 WHERE id = 2;
UPDATE training_sessions SET member_id = 4 WHERE id = 2;
UPDATE training_sessions SET member_id = 2 WHERE id IN (2, 3);
SELECT * FROM counters() WHERE id IN ('10', '20');

-- With a link of one's own choice.
UPDATE training_sessions SET member_id = 3, status = 'completed', subscription_id = 30 WHERE id = 2;
SELECT * FROM counters() WHERE id IN ('10', '30');

-- A cancelled one holds nothing: it loses a link that no longer fits, and needs none.
UPDATE training_sessions SET status = 'cancelled' WHERE id = 3;
UPDATE training_sessions SET member_id = 3 WHERE id = 3;
UPDATE training_sessions SET member_id = 2 WHERE id = 3;
SELECT * FROM bookings() WHERE id = '3';

-- A trial belongs to no pack.
INSERT INTO training_sessions (id, member_id, session_type) VALUES (5, 1, 'trial');
UPDATE training_sessions SET member_id = 4 WHERE id = 5;

-- Together with a change of status or type.
UPDATE training_sessions SET member_id = 2, status = 'cancelled' WHERE id = 4;
UPDATE training_sessions SET member_id = 1, status = 'scheduled' WHERE id = 4;
UPDATE training_sessions SET member_id = 3, session_type = 'guest' WHERE id = 4;
UPDATE training_sessions SET member_id = 2, session_type = 'member' WHERE id = 4;
SELECT * FROM bookings();
SELECT * FROM counters();

-- Two that swap their members, both packs being used up.
DELETE FROM training_sessions;
SET ROLE :owner;
UPDATE member_subscriptions SET total_sessions_snapshot = 1 WHERE id IN (10, 20);
SET ROLE :desk;
INSERT INTO training_sessions (id, member_id) VALUES (1, 1), (2, 2);
UPDATE training_sessions SET member_id = 3 - member_id;
SELECT * FROM bookings();
SELECT * FROM counters();

-- The recount finds nothing.
SELECT * FROM recount();
\i :finish
