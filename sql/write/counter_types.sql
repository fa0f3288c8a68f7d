-- Counters are smallint, int or bigint; one that is full is a clear error, never a wrong count.
\getenv top PG_ABS_SRCDIR
\set test counter_types
\set gym :top /test/fixtures/gym.sql
\i :gym
ALTER TABLE member_subscriptions DROP COLUMN remaining_sessions, ALTER used_sessions TYPE smallint,
    ALTER total_sessions_snapshot TYPE bigint;
ALTER TABLE member_subscriptions ADD remaining_sessions bigint;
UPDATE member_subscriptions SET remaining_sessions = total_sessions_snapshot;
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
UPDATE member_subscriptions SET total_sessions_snapshot = 5000000000 WHERE id = 10;
SET ROLE :desk;
INSERT INTO training_sessions (id, member_id) VALUES (1, 1), (2, 1);
SELECT * FROM counters();

-- A smallint holds 32767 of them.
INSERT INTO training_sessions (id, member_id) SELECT n, 1 FROM generate_series(3, 32768) n;
INSERT INTO training_sessions (id, member_id) SELECT n, 1 FROM generate_series(3, 32767) n;
SELECT * FROM counters() WHERE id = '10';
SELECT * FROM refusal('INSERT INTO training_sessions (id, member_id) VALUES (32768, 1)');
SELECT * FROM counters() WHERE id = '10';
DELETE FROM training_sessions WHERE id = 1;
INSERT INTO training_sessions (id, member_id) VALUES (32768, 1);
SET ROLE :owner;
UPDATE member_subscriptions SET total_sessions_snapshot = NULL WHERE id = 10;
SET ROLE :desk;
SELECT outcome('INSERT INTO training_sessions (id, member_id) VALUES (32769, 1)');
SELECT * FROM counters() WHERE id = '10';
SELECT * FROM recount();

-- A total in smallint, a remaining that is narrower than the total.
SET ROLE :owner;
DELETE FROM training_sessions;
SELECT count(*) > 0 AS detached FROM session_consistency.detach('training_sessions');
ALTER TABLE member_subscriptions ALTER total_sessions_snapshot TYPE smallint, ALTER used_sessions TYPE bigint,
    ALTER remaining_sessions TYPE smallint;
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
UPDATE member_subscriptions SET total_sessions_snapshot = 2 WHERE id = 10;
SET ROLE :desk;
INSERT INTO training_sessions (id, member_id) VALUES (1, 1), (2, 1);
INSERT INTO training_sessions (id, member_id) VALUES (3, 1);
SELECT * FROM counters();

-- A domain says how far a counter goes, whatever the total.
SET ROLE :owner;
DELETE FROM training_sessions;
SELECT count(*) > 0 AS detached FROM session_consistency.detach('training_sessions');
CREATE DOMAIN few AS integer CHECK (VALUE <= 2);
ALTER TABLE member_subscriptions ALTER used_sessions TYPE few;
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
SET ROLE :desk;
INSERT INTO training_sessions (id, member_id) VALUES (1, 1), (2, 1);
SET ROLE :owner;
UPDATE member_subscriptions SET total_sessions_snapshot = 3 WHERE id = 10;
SET ROLE :desk;
INSERT INTO training_sessions (id, member_id) VALUES (3, 1);
SELECT * FROM counters() WHERE id = '10';

-- The recount finds nothing.
SELECT * FROM recount();
\i :finish
