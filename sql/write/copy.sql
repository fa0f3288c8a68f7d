-- COPY charges like INSERT: in sum, whole or not at all.
\getenv top PG_ABS_SRCDIR
\set test path_copy
\set gym :top /test/fixtures/gym.sql
\i :gym
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
SET ROLE :desk;
COPY training_sessions (id, member_id, session_type, status) FROM stdin;
1	1	member	scheduled
2	1	makeup	completed
3	2	member	scheduled
4	1	trial	scheduled
5	1	member	cancelled
\.
SELECT * FROM bookings();
SELECT * FROM counters() WHERE id IN ('10', '20');

-- One too many.
COPY training_sessions (id, member_id) FROM stdin;
6	1
7	2
8	2
\.
-- A line that cannot be read, after others that were fine.
COPY training_sessions (id, member_id) FROM stdin;
6	1
seven	1
\.
-- A key that is taken.
COPY training_sessions (id, member_id) FROM stdin;
6	1
1	1
\.
-- With links; one leads to somebody else's.
COPY training_sessions (id, member_id, status, subscription_id) FROM stdin WITH (FORMAT csv);
6,1,completed,11
7,2,completed,20
\.
COPY training_sessions (id, member_id, status, subscription_id) FROM stdin WITH (FORMAT csv);
8,1,completed,11
9,2,completed,10
\.
COPY training_sessions (id, member_id) FROM stdin WHERE id > 8;
8	3
9	1
\.
SELECT * FROM bookings();
SELECT * FROM counters();

-- The recount finds nothing.
SELECT * FROM recount();
\i :finish
