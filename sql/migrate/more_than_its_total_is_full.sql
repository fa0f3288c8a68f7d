-- A subscription to which history has linked more sessions than it ever had is full once it is migrated: its counter says
-- so, nothing more can be booked, giving back works, and the attachment is not enforced until a person has resolved it.
\getenv top PG_ABS_SRCDIR
\set test migrate_more_than_total
\set gym :top /test/fixtures/gym.sql
\i :gym
ALTER TABLE training_sessions ADD subscription_id integer;
UPDATE member_subscriptions SET used_sessions = 2 WHERE id = 10;
INSERT INTO training_sessions (id, member_id, status, subscription_id) SELECT n, 1, 'completed', 10 FROM generate_series(1, 12) n;
INSERT INTO training_sessions (id, member_id, status, subscription_id) SELECT n, 2, 'scheduled', 20 FROM generate_series(21, 23) n;
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
CREATE VIEW gaps AS SELECT unnest(gaps) AS gap FROM session_consistency.attachments WHERE sessions = 'training_sessions'::regclass;
SELECT * FROM gaps;
\set VERBOSITY default
SET client_min_messages = notice;
CALL session_consistency.migrate('training_sessions');
SELECT * FROM counters() WHERE id IN ('10', '20');
SELECT * FROM gaps;
SET ROLE :desk;

-- Nothing more can be booked, by whatever way; giving back works.
INSERT INTO training_sessions (id, member_id) VALUES (30, 1);
UPDATE training_sessions SET status = 'cancelled' WHERE id IN (1, 2);
INSERT INTO training_sessions (id, member_id) VALUES (30, 1);
UPDATE training_sessions SET status = 'completed' WHERE id = 1;
SET ROLE :owner;
SELECT * FROM counters() WHERE id = '10';
UPDATE member_subscriptions SET total_sessions_snapshot = 9 WHERE id = 10;
-- Exactly full is no excess; the other one still is.
CALL session_consistency.migrate('training_sessions');
SELECT * FROM gaps;
SELECT count(*) AS checks FROM pg_constraint WHERE conrelid = 'member_subscriptions'::regclass AND contype = 'c';

-- A person resolves the rest: the attachment is enforced.
UPDATE member_subscriptions SET total_sessions_snapshot = 4 WHERE id = 20;
SELECT * FROM gaps;
CALL session_consistency.migrate('training_sessions');
SELECT * FROM gaps;
SELECT convalidated FROM pg_constraint WHERE conrelid = 'member_subscriptions'::regclass AND contype = 'c';
DELETE FROM training_sessions WHERE id = 3;
INSERT INTO training_sessions (id, member_id) VALUES (30, 1), (31, 2);
SELECT * FROM recount();
SELECT * FROM session_consistency.check_counts('training_sessions');

-- The ledger tells the same.
SELECT count(*) > 0 AS detached FROM session_consistency.detach('training_sessions');
UPDATE member_subscriptions SET used_sessions = 1, total_sessions_snapshot = 5 WHERE id = 10;
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions', ledger => true);
CALL session_consistency.migrate('training_sessions');
SELECT line, delta, balance, reason FROM session_consistency.explain_subscription('training_sessions', '10');
SELECT * FROM session_consistency.ledger_gaps('training_sessions');

-- Where a CHECK of the table's own forbids to show it, the subscription is full all the same.
SELECT count(*) > 0 AS detached FROM session_consistency.detach('training_sessions');
UPDATE member_subscriptions SET used_sessions = 2 WHERE id = 10;
ALTER TABLE member_subscriptions ADD CONSTRAINT our_own CHECK (used_sessions <= total_sessions_snapshot);
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
CALL session_consistency.migrate('training_sessions');
SELECT * FROM counters() WHERE id = '10';
SELECT * FROM gaps;
INSERT INTO training_sessions (id, member_id) VALUES (40, 1);
ALTER TABLE member_subscriptions DROP CONSTRAINT our_own;
CALL session_consistency.migrate('training_sessions');
UPDATE member_subscriptions SET total_sessions_snapshot = 20 WHERE id = 10;
CALL session_consistency.migrate('training_sessions');
SELECT * FROM gaps;
SELECT * FROM recount();
SET client_min_messages = warning;
\i :finish
