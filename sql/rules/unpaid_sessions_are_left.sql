-- when_none => 'leave': a session that nobody could pay for stays without a link, also where it has no member. What
-- is ambiguous is refused all the same, wherever it stands in the statement. And what becomes of a session whose new
-- member has nothing to pay with.
\getenv top PG_ABS_SRCDIR
\set test unpaid_sessions_are_left
\set gym :top /test/fixtures/gym.sql
\i :gym
ALTER TABLE training_sessions ALTER member_id DROP NOT NULL;
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions', when_none => 'leave',
    pays_when => 'subscription.total_sessions_snapshot > 0');
INSERT INTO training_sessions (id, member_id) VALUES (1, NULL);
INSERT INTO training_sessions (id, member_id) VALUES (2, NULL), (3, 1), (4, 4);
UPDATE training_sessions SET member_id = NULL WHERE id = 3;
UPDATE training_sessions SET member_id = 2 WHERE id IN (2, 3);
SELECT * FROM bookings();
SELECT * FROM counters() WHERE status = 'active';

DROP INDEX sc_member_subscriptions_member_id_idx;
UPDATE member_subscriptions SET status = 'active' WHERE id = 11;
SELECT * FROM refusal('INSERT INTO training_sessions (id, member_id) VALUES (5, 1)') WHERE field <> 'hint';
SELECT outcome('INSERT INTO training_sessions (id, member_id) VALUES (5, NULL), (6, 4), (7, 1)');
UPDATE member_subscriptions SET status = 'expired' WHERE id = 11;
INSERT INTO training_sessions (id, member_id) VALUES (5, NULL), (6, 4), (7, 1);
SELECT * FROM bookings() WHERE id IN ('5', '6', '7');
-- With an order, too.
SELECT count(*) > 0 AS changed FROM session_consistency.attach('training_sessions', 'member_subscriptions', when_none => 'leave',
    draw_order => 'id');
INSERT INTO training_sessions (id, member_id) VALUES (8, NULL), (9, 2), (10, 1);
UPDATE training_sessions SET member_id = NULL WHERE id = 10;
SELECT * FROM bookings() WHERE id IN ('8', '9', '10');
SELECT * FROM counters() WHERE status = 'active';
SELECT * FROM recount();
-- Where they are not left, a session that gets a member for whom nobody can pay is refused, and the error says why.
SELECT count(*) > 0 AS changed FROM session_consistency.attach('training_sessions', 'member_subscriptions', draw_order => 'id');
SELECT outcome('UPDATE training_sessions SET member_id = NULL WHERE id = 7') AS no_member,
    outcome('UPDATE training_sessions SET member_id = 4 WHERE id = 7') AS no_pack,
    outcome('UPDATE training_sessions SET member_id = 3 WHERE id = 7') AS none_active,
    outcome('UPDATE training_sessions SET member_id = 2 WHERE id = 7') AS none_with_room,
    outcome('UPDATE training_sessions SET member_id = 2, subscription_id = 10 WHERE id = 7') AS same_link,
    outcome('UPDATE training_sessions SET member_id = 2, subscription_id = 11 WHERE id = 7') AS named_link;
UPDATE training_sessions SET member_id = CASE member_id WHEN 1 THEN 2 ELSE 1 END WHERE id IN (2, 7);
SELECT * FROM bookings() WHERE id IN ('2', '7');
SELECT * FROM recount();
-- With a key that holds the member, a link without a member leads nowhere: it is judged, not left.
SELECT count(*) > 0 AS detached FROM session_consistency.detach('training_sessions', drop_added_columns => true);
ALTER TABLE member_subscriptions ADD UNIQUE (member_id, id);
ALTER TABLE training_sessions ADD subscription_id integer,
    ADD FOREIGN KEY (member_id, subscription_id) REFERENCES member_subscriptions (member_id, id);
DELETE FROM training_sessions;
UPDATE member_subscriptions SET used_sessions = 0;
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions', when_none => 'leave',
    draw_order => 'id');
SELECT outcome('INSERT INTO training_sessions (id, member_id, subscription_id) VALUES (1, NULL, 10)') AS no_member,
    outcome('INSERT INTO training_sessions (id, member_id, subscription_id) VALUES (1, 2, 10)') AS another_member;
INSERT INTO training_sessions (id, member_id) VALUES (1, NULL), (2, 1);
SELECT outcome('UPDATE training_sessions SET subscription_id = 10 WHERE id = 1') AS named;
UPDATE training_sessions SET member_id = NULL WHERE id = 2;
SELECT * FROM bookings();
SELECT * FROM recount();
\i :finish
