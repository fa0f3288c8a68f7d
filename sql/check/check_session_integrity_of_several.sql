-- With a draw_order a member may have several active subscriptions: each is told, in the order of drawing, and the sums.
\getenv top PG_ABS_SRCDIR
\set test check_integrity_several
\set gym :top /test/fixtures/gym.sql
\i :gym
\pset format unaligned
\pset tuples_only on
ALTER TABLE member_subscriptions ADD ends date;
SELECT count(*) > 0 FROM session_consistency.attach('training_sessions', 'member_subscriptions', draw_order => 'ends DESC NULLS LAST');
INSERT INTO member_subscriptions (id, member_id, total_sessions_snapshot, ends) VALUES (13, 1, 5, '2030-06-30'), (12, 1, 5, '2030-06-30');
INSERT INTO training_sessions (id, member_id, status, subscription_id) VALUES (1, 1, 'completed', 10), (2, 1, 'scheduled', 10), (3, 1, 'completed', 13);
SELECT jsonb_pretty(session_consistency.check_session_integrity(1));
-- One alone, and none.
SELECT jsonb_pretty(session_consistency.check_session_integrity(2));
SELECT jsonb_pretty(session_consistency.check_session_integrity(4));
-- An unlimited one makes the sum unlimited; a wrong one is named, and the others stay right.
UPDATE member_subscriptions SET total_sessions_snapshot = NULL WHERE id = 12;
SELECT c -> 'breakdown', c ->> 'message' FROM session_consistency.check_session_integrity(1) c;
RESET ROLE;
SET session_replication_role = replica;
UPDATE member_subscriptions SET used_sessions = 4 WHERE id = 13;
RESET session_replication_role;
SELECT c -> 'valid', c -> 'expected', c -> 'actual', c ->> 'message', c -> 'issues' FROM session_consistency.check_session_integrity(1) c;
SELECT s -> 'subscription_id', s -> 'valid', s -> 'expected', s -> 'actual', s -> 'breakdown', s -> 'issues', s -> 'message'
FROM session_consistency.check_session_integrity(1) c, jsonb_array_elements(c -> 'subscriptions') s;
SET session_replication_role = replica;
UPDATE member_subscriptions SET used_sessions = 1 WHERE id = 13;
RESET session_replication_role;
SELECT * FROM recount();
\i :finish
