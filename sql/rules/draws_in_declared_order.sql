-- R1 and R7 with draw_order: chosen early, decided late.
\getenv top PG_ABS_SRCDIR
\set test draws_in_declared_order
\set gym :top /test/fixtures/gym.sql
\i :gym
\pset format unaligned
\pset tuples_only on
CREATE TABLE packs (id int PRIMARY KEY, member_id int NOT NULL, status text NOT NULL DEFAULT 'active', size int,
    valid_from date, valid_until date);
CREATE TABLE visits (id int PRIMARY KEY, member_id int NOT NULL, status text DEFAULT 'scheduled', day date);
INSERT INTO packs (id, member_id, size, valid_until) VALUES
    (1, 1, 10, '2030-12-31'), (2, 1, 2, '2030-06-30'), (3, 1, NULL, NULL), (4, 2, 1, '2030-06-30'), (5, 2, 2, NULL);
SELECT DISTINCT action FROM session_consistency.attach('visits', 'packs', type_column => NULL, total_column => 'size',
    draw_order => 'valid_until NULLS LAST, id', start_column => 'day', valid_from_column => 'valid_from',
    valid_until_column => 'valid_until', ledger => true) WHERE action LIKE '%index%';
\set recount 'SELECT * FROM recount(''visits'', ''packs'', type => NULL, total => ''size'', remaining => NULL)'
\set show 'SELECT id, member_id, subscription_id, status, day FROM visits ORDER BY id; SELECT id, used_sessions FROM packs ORDER BY id;'

\echo five in one statement
INSERT INTO visits SELECT n, 1, 'scheduled', '2030-01-01' FROM generate_series(1, 5) AS n
RETURNING id, subscription_id;
:show
\echo named ones come first, then what is drawn
INSERT INTO visits (id, member_id, day, subscription_id) VALUES (10, 2, '2030-01-01', NULL), (11, 2, '2030-01-01', 4)
RETURNING id, subscription_id;
:show
\echo outside every period, full, nobody, another member
SELECT outcome($$INSERT INTO visits VALUES (20, 2, 'scheduled', '2031-01-01'), (21, 2, 'scheduled', '2031-01-01')$$);
SELECT outcome($$INSERT INTO visits (id, member_id, day, subscription_id) VALUES (22, 2, '2031-01-01', 4)$$);
SELECT outcome($$INSERT INTO visits (id, member_id, day, subscription_id) VALUES (22, 2, '2030-01-01', 4)$$);
SELECT outcome($$INSERT INTO visits (id, member_id, day) VALUES (23, 9, '2030-01-01')$$);
UPDATE packs SET size = 3 WHERE id = 5;
\echo a moved start is drawn anew, a moved member, too
UPDATE visits SET day = '2030-09-01' WHERE id = 1;
UPDATE visits SET member_id = 2 WHERE id = 5;
:show
\echo un-cancelled: the old pack is full
UPDATE visits SET status = 'cancelled' WHERE id = 2;
INSERT INTO visits VALUES (30, 1, 'scheduled', '2030-01-01'), (31, 1, 'scheduled', '2030-01-01');
UPDATE visits SET status = 'scheduled' WHERE id = 2;
:show
\echo NULL over a link keeps it; upserts
UPDATE visits SET subscription_id = NULL, status = status WHERE id = 30;
INSERT INTO visits VALUES (30, 1, 'scheduled', '2030-01-01')
ON CONFLICT (id) DO UPDATE SET subscription_id = EXCLUDED.subscription_id, day = EXCLUDED.day;
INSERT INTO visits VALUES (30, 1, 'scheduled', '2030-01-01'), (40, 1, 'scheduled', '2030-07-01') ON CONFLICT DO NOTHING;
:show
\echo a session without a start is not judged until it has one
INSERT INTO visits VALUES (50, 2, 'scheduled', NULL) RETURNING subscription_id;
UPDATE packs SET valid_until = '2030-12-31' WHERE id = 5;
SELECT outcome($$UPDATE visits SET day = '2031-05-05' WHERE id = 50$$);
SELECT outcome($$UPDATE visits SET day = '2030-05-05' WHERE id = 50$$);
:recount;
SELECT subscription_id, session_id, delta, balance, reason FROM session_consistency.ledger_lines
WHERE attachment = 'visits'::regclass ORDER BY 1, line;
SELECT * FROM session_consistency.ledger_gaps();
\i :finish
