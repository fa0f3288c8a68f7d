-- Sessions that are attached to several tables are purged for all of them at once: each must be able to carry what they held,
-- each by its own rules.
\getenv top PG_ABS_SRCDIR
\set test purges_two
\set gym :top /test/fixtures/gym.sql
\i :gym
CREATE TABLE classes (id int PRIMARY KEY, seats int, taken int NOT NULL DEFAULT 0, gone int NOT NULL DEFAULT 0);
INSERT INTO classes (id, seats) VALUES (1, 3), (2, 3);
ALTER TABLE training_sessions ADD class_id int REFERENCES classes;
\set class 'SELECT count(*) > 0 AS attached FROM session_consistency.attach(''training_sessions'', ''classes'', member_column => NULL, subscription_column => ''class_id'', type_column => NULL, subscription_status_column => NULL, total_column => ''seats'', used_column => ''taken'', remaining_column => NULL, ledger => true'
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions',
    remaining_column => NULL, carried_column => 'carried', start_column => 'day', ledger => true);
:class);
INSERT INTO training_sessions (id, member_id, class_id, session_type, day) VALUES
    (1, 1, 1, 'member', '2024-01-01'), (2, 2, 1, 'trial', '2024-01-01'), (3, 2, NULL, 'member', '2024-01-01'),
    (4, 1, 2, 'member', '2026-01-01'), (5, 1, 1, 'trial', '2026-01-01');
\set VERBOSITY default
CALL session_consistency.purge_sessions('training_sessions', '2025-01-01');
CALL session_consistency.purge_sessions('training_sessions', '2025-01-01', subscriptions => 'classes');
CALL session_consistency.purge_sessions('training_sessions', '2025-01-01', subscriptions => 'member_subscriptions');
SELECT count(*) FROM training_sessions;
SELECT count(*) > 0 AS detached FROM session_consistency.detach('training_sessions', 'classes');
:class, carried_column => 'gone');
CALL session_consistency.migrate('training_sessions', 'classes');
SELECT id, used_sessions AS used, carried FROM member_subscriptions WHERE used_sessions > 0 ORDER BY id;
SELECT id, taken, gone FROM classes ORDER BY id;
CALL session_consistency.purge_sessions('training_sessions', '2025-01-01', subscriptions => 'member_subscriptions');
SELECT id FROM training_sessions ORDER BY id;
SELECT id, used_sessions AS used, carried FROM member_subscriptions WHERE used_sessions > 0 ORDER BY id;
SELECT id, taken, gone FROM classes ORDER BY id;
SELECT s.id FROM member_subscriptions s WHERE used_sessions <> carried + (SELECT count(*) FROM training_sessions t
    WHERE t.subscription_id = s.id AND session_type = 'member');
SELECT c.id FROM classes c WHERE taken <> gone + (SELECT count(*) FROM training_sessions t WHERE t.class_id = c.id);
SELECT attachment, subscriptions, subscription_id FROM session_consistency.check_counts('training_sessions', 'classes');
SELECT line, session_id, delta, balance, reason FROM session_consistency.explain_subscription('training_sessions', 'classes', '1') ORDER BY line DESC LIMIT 2;
INSERT INTO training_sessions (id, member_id, class_id) VALUES (6, 1, 1);
\i :finish
