-- Partitioned sessions: through the root, straight at a partition, in a partition that is added or attached later, in
-- one with another order of columns, and below a partition.
\getenv top PG_ABS_SRCDIR
\set test path_partitions
\set partitioned yes
\set gym :top /test/fixtures/gym.sql
\i :gym
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
SET ROLE :desk;
INSERT INTO training_sessions (id, day, member_id) VALUES (1, '2030-05-01', 1), (2, '2031-05-01', 1),
    (3, '2031-05-01', 2);
SELECT * FROM counters() WHERE id IN ('10', '20');
-- Straight at a partition.
INSERT INTO sessions_2030 (id, day, member_id) VALUES (4, '2030-05-02', 1), (5, '2030-05-02', 2);
INSERT INTO sessions_2030 (id, day, member_id) VALUES (6, '2030-05-02', 2);
INSERT INTO sessions_2030 (id, day, member_id) VALUES (6, '2030-05-02', 1), (7, '2030-05-02', 2);
INSERT INTO sessions_2031 (id, day, member_id) VALUES (6, '2031-05-02', 3);
COPY sessions_2031 (id, day, member_id) FROM stdin;
8	2031-01-01	1
9	2031-01-01	1
\.
SELECT * FROM counters() WHERE id IN ('10', '20');
UPDATE sessions_2030 SET status = 'cancelled' WHERE id = 5;
UPDATE sessions_2031 SET session_type = 'trial' WHERE id = 8;
DELETE FROM sessions_2031 WHERE id = 9;
INSERT INTO sessions_2030 (id, day, member_id) VALUES (4, '2030-05-02', 3) ON CONFLICT DO NOTHING;
SELECT * FROM bookings();
SELECT * FROM counters() WHERE id IN ('10', '20');

-- All partitions in one statement; each credit counts once.
UPDATE training_sessions SET status = 'completed' WHERE session_type = 'member';
SELECT * FROM counters() WHERE id IN ('10', '20');
INSERT INTO training_sessions (id, day, member_id) VALUES (10, '2030-05-01', 2), (11, '2031-05-01', 2);

-- Added later: with all its rules.
SET ROLE :owner;
CREATE TABLE sessions_2032 PARTITION OF training_sessions FOR VALUES FROM ('2032-01-01') TO ('2033-01-01');
-- Attached later, empty, with other columns in another order.
CREATE TABLE sessions_2033 (
    gone text, status session_status DEFAULT 'scheduled', subscription_id integer, member_id integer NOT NULL,
    note text, day date NOT NULL DEFAULT '2033-01-01', session_type session_type DEFAULT 'member', id integer NOT NULL);
ALTER TABLE sessions_2033 DROP COLUMN gone;
ALTER TABLE training_sessions ATTACH PARTITION sessions_2033 FOR VALUES FROM ('2033-01-01') TO ('2034-01-01');
-- Partitioned itself.
CREATE TABLE sessions_later PARTITION OF training_sessions DEFAULT PARTITION BY HASH (id);
CREATE TABLE sessions_later_0 PARTITION OF sessions_later FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE sessions_later_1 PARTITION OF sessions_later FOR VALUES WITH (MODULUS 2, REMAINDER 1);
GRANT SELECT, INSERT, UPDATE, DELETE ON sessions_2032, sessions_2033, sessions_later, sessions_later_0 TO :desk;
SET ROLE :desk;
DELETE FROM training_sessions;
INSERT INTO training_sessions (id, day, member_id) VALUES (1, '2032-05-01', 1), (2, '2033-05-01', 1),
    (3, '2034-05-01', 1);
INSERT INTO sessions_2032 (id, day, member_id) VALUES (4, '2032-05-01', 1);
INSERT INTO sessions_2033 (id, day, member_id) VALUES (5, '2033-05-01', 1);
INSERT INTO sessions_later (id, day, member_id) VALUES (6, '2034-05-01', 1);
INSERT INTO sessions_later_0 (id, day, member_id) SELECT id, '2034-05-01', 1 FROM generate_series(7, 100) id
    WHERE satisfies_hash_partition('sessions_later'::regclass, 2, 0, id) LIMIT 1;
INSERT INTO training_sessions (id, day, member_id) VALUES (8, '2033-05-01', 2), (9, '2034-05-01', 2);
INSERT INTO sessions_2032 (id, day, member_id) VALUES (10, '2032-05-01', 2);
INSERT INTO sessions_2033 (id, day, member_id) VALUES (10, '2033-05-01', 2);
INSERT INTO sessions_later (id, day, member_id) VALUES (10, '2034-05-01', 2);
INSERT INTO sessions_2033 (id, day, member_id, subscription_id) VALUES (10, '2033-05-01', 1, 20);
INSERT INTO sessions_2033 (id, day, member_id, subscription_id) VALUES (10, '2033-05-01', 1, 11);
SELECT * FROM bookings();
SELECT * FROM counters();
UPDATE sessions_2033 SET session_type = 'trial' WHERE id = 5;
UPDATE sessions_2033 SET member_id = 1 WHERE id = 8;
UPDATE sessions_later_0 SET status = 'cancelled' WHERE member_id = 1;
UPDATE training_sessions SET status = 'cancelled' WHERE id IN (1, 2);
SELECT * FROM bookings();
SELECT * FROM counters();

-- Emptied.
SET ROLE :owner;
TRUNCATE training_sessions;
SELECT * FROM counters();

-- The recount finds nothing.
SELECT * FROM recount();
\i :finish
