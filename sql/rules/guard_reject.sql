-- R9 under guard => 'reject': the counter is written by the extension alone, everybody else is refused with 23SC5.
\getenv top PG_ABS_SRCDIR
\set test guard_reject
\set gym :top /test/fixtures/gym.sql
\i :gym
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
INSERT INTO training_sessions (id, member_id) VALUES (1, 1), (2, 1);
SELECT * FROM refusal('UPDATE member_subscriptions SET used_sessions = 0 WHERE id = 10');
UPDATE member_subscriptions SET used_sessions = used_sessions + 1;
UPDATE member_subscriptions SET used_sessions = NULL WHERE id = 10;
UPDATE member_subscriptions SET used_sessions = 99 WHERE id = 10;
UPDATE member_subscriptions SET used_sessions = -1 WHERE id = 10;
UPDATE member_subscriptions SET used_sessions = 3, total_sessions_snapshot = 20 WHERE id = 10;
UPDATE member_subscriptions SET used_sessions = 3, status = 'frozen' WHERE id = 10;
INSERT INTO member_subscriptions VALUES (10, 1, 'active', 10, DEFAULT)
    ON CONFLICT (id) DO UPDATE SET used_sessions = member_subscriptions.used_sessions - 1;
MERGE INTO member_subscriptions s USING (VALUES (10)) v (id) ON s.id = v.id WHEN MATCHED THEN UPDATE
    SET used_sessions = 0;
SET ROLE NONE;
UPDATE member_subscriptions SET used_sessions = 1 WHERE id = 10;
SET ROLE :owner;

-- Nobody has changed anything.
SELECT * FROM counters() WHERE id = '10';

-- A written value equal to the maintained one is no change.
UPDATE member_subscriptions SET used_sessions = 2 WHERE id = 10;
UPDATE member_subscriptions SET used_sessions = used_sessions, total_sessions_snapshot = 12 WHERE id = 10;
INSERT INTO member_subscriptions VALUES (10, 1, 'active', 12, DEFAULT)
    ON CONFLICT (id) DO UPDATE SET used_sessions = member_subscriptions.used_sessions, total_sessions_snapshot = 10;
SELECT * FROM counters() WHERE id = '10';

-- A new subscription starts at 0: with the default, with 0, with nothing.
ALTER TABLE member_subscriptions ALTER used_sessions DROP NOT NULL;
INSERT INTO member_subscriptions (id, member_id, status, total_sessions_snapshot, used_sessions)
    VALUES (12, 1, 'frozen', 10, 0), (13, 1, 'frozen', 10, NULL), (14, 1, 'frozen', 10, DEFAULT);
SELECT * FROM counters() WHERE id IN ('12', '13', '14');
INSERT INTO member_subscriptions (id, member_id, status, total_sessions_snapshot, used_sessions)
    VALUES (15, 1, 'frozen', 10, 3);
COPY member_subscriptions (id, member_id, status, total_sessions_snapshot, used_sessions) FROM stdin;
16	1	frozen	10	1
\.
SELECT * FROM counters() WHERE id IN ('15', '16');

-- Who may write subscriptions and nothing else is refused as well, and sees no figures that are not theirs.
GRANT UPDATE (used_sessions) ON member_subscriptions TO :desk;
SET ROLE :desk;
SELECT * FROM refusal('UPDATE member_subscriptions SET used_sessions = 1');

-- The recount finds nothing.
SELECT * FROM recount();
\i :finish
