-- ON CONFLICT: what it drops neither costs a credit nor is judged; what it updates is charged as an update.
\getenv top PG_ABS_SRCDIR
\set test path_on_conflict
\set gym :top /test/fixtures/gym.sql
\i :gym
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
SET ROLE :desk;
INSERT INTO training_sessions (id, member_id) VALUES (1, 2), (2, 2);

-- No credit is left, and none is asked for.
INSERT INTO training_sessions (id, member_id) VALUES (1, 2) ON CONFLICT DO NOTHING;
INSERT INTO training_sessions (id, member_id) VALUES (1, 2), (2, 2) ON CONFLICT (id) DO NOTHING;
INSERT INTO training_sessions (id, member_id) VALUES (1, 2), (3, 2) ON CONFLICT (id) DO NOTHING;
INSERT INTO training_sessions (id, member_id) VALUES (1, 2), (3, 1) ON CONFLICT (id) DO NOTHING;
SELECT * FROM counters() WHERE id IN ('10', '20');

-- Nor is a dropped row judged: not its member, not its link.
INSERT INTO training_sessions (id, member_id) VALUES (1, 3), (2, 4) ON CONFLICT DO NOTHING;
INSERT INTO training_sessions (id, member_id, subscription_id) VALUES (1, 2, 10), (2, 2, 21), (3, 1, 99)
    ON CONFLICT DO NOTHING;
-- The same key twice in one statement.
INSERT INTO training_sessions (id, member_id) VALUES (4, 1), (4, 1), (4, 3) ON CONFLICT DO NOTHING;
SELECT * FROM bookings();
SELECT * FROM counters() WHERE id IN ('10', '20');

-- DO UPDATE that changes nothing of concern, at no credit.
INSERT INTO training_sessions (id, member_id) VALUES (1, 2) ON CONFLICT (id) DO UPDATE SET note = 'again';
INSERT INTO training_sessions (id, member_id) VALUES (1, 2), (2, 2)
    ON CONFLICT (id) DO UPDATE SET member_id = excluded.member_id, status = excluded.status;
-- That cancels, books, moves.
INSERT INTO training_sessions (id, member_id) VALUES (1, 2) ON CONFLICT (id) DO UPDATE SET status = 'cancelled';
SELECT * FROM counters() WHERE id IN ('10', '20');
INSERT INTO training_sessions (id, member_id) VALUES (1, 2) ON CONFLICT (id) DO UPDATE SET status = excluded.status;
SELECT * FROM counters() WHERE id IN ('10', '20');
INSERT INTO training_sessions (id, member_id) VALUES (1, 1) ON CONFLICT (id) DO UPDATE
    SET member_id = excluded.member_id;
SELECT * FROM counters() WHERE id IN ('10', '20');
INSERT INTO training_sessions (id, member_id) VALUES (5, 2), (3, 2) ON CONFLICT (id) DO UPDATE
    SET member_id = excluded.member_id;
INSERT INTO training_sessions (id, member_id) VALUES (5, 2), (3, 2)
    ON CONFLICT (id) DO UPDATE SET note = 'kept' WHERE training_sessions.status = 'completed';
SELECT * FROM bookings();
SELECT * FROM counters();

-- The row that is proposed has been filled in; the one that is stored keeps its own link.
INSERT INTO training_sessions (id, member_id) VALUES (1, 2) ON CONFLICT (id) DO UPDATE
    SET subscription_id = excluded.subscription_id;
INSERT INTO training_sessions (id, member_id, status) VALUES (6, 2, 'cancelled');
INSERT INTO training_sessions (id, member_id) VALUES (6, 2) ON CONFLICT (id) DO UPDATE SET status = excluded.status;
SELECT * FROM bookings() WHERE id IN ('1', '6');

-- The recount finds nothing.
SELECT * FROM recount();
\i :finish
