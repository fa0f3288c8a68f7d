-- R1, R3 and R7 where links are drawn and pays_when says which subscription pays; links that are ignored; sessions that
-- stay unpaid; members and packs with keys of other types; sessions in partitions by their start.
\getenv top PG_ABS_SRCDIR
\set test draws_what_pays
\set gym :top /test/fixtures/gym.sql
\i :gym
\pset format unaligned
\pset tuples_only on
CREATE TABLE packs (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text UNIQUE, owner text NOT NULL, active boolean
    DEFAULT true, size int, kinds text[], gift boolean DEFAULT false, starts timestamptz, ends timestamptz, frozen date);
CREATE TABLE visits (id int, owner text NOT NULL, kind text, status text DEFAULT 'scheduled', at timestamp,
    PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE visits_2030 (padding text, at timestamp NOT NULL, status text DEFAULT 'scheduled', kind text, owner text NOT NULL,
    id int NOT NULL);
ALTER TABLE visits_2030 DROP COLUMN padding;
ALTER TABLE visits ATTACH PARTITION visits_2030 FOR VALUES FROM ('2030-01-01') TO ('2031-01-01');
CREATE TABLE visits_2031 PARTITION OF visits FOR VALUES FROM ('2031-01-01') TO ('2032-01-01');
-- Berlin's summer begins on 31 March 2030: the pack of March ends there at midnight, in UTC at 22:00.
INSERT INTO packs (id, name, owner, size, kinds, gift, starts, ends) VALUES
    ('00000000-0000-0000-0000-000000000001', 'yoga', 'ada', 2, '{yoga}', false, NULL, NULL),
    ('00000000-0000-0000-0000-000000000002', 'gift', 'ada', 1, NULL, true, NULL, '2031-01-01 00:00+01'),
    ('00000000-0000-0000-0000-000000000003', 'march', 'ada', 5, NULL, false, '2030-03-01 00:00+01', '2030-04-01 00:00+02'),
    ('00000000-0000-0000-0000-000000000004', 'rest', 'ada', NULL, NULL, false, '2030-04-01 00:00+02', NULL),
    ('00000000-0000-0000-0000-000000000005', 'ben', 'ben', 1, '{yoga}', false, NULL, NULL);
SELECT DISTINCT action FROM session_consistency.attach('visits', 'packs', member_column => 'owner',
    subscription_member_column => 'owner', type_column => NULL, subscription_status_column => 'active',
    active_statuses => '{t}', total_column => 'size', draw_order => 'gift DESC, ends NULLS LAST', start_column => 'at',
    valid_from_column => 'starts', valid_until_column => 'ends', time_zone => 'Europe/Berlin',
    pays_when => 'subscription.kinds IS NULL OR session.kind = ANY (subscription.kinds)', subscription_column => 'pack')
WHERE action LIKE '%index%';
CALL session_consistency.migrate('visits');
SELECT enforced, gaps FROM session_consistency.attachments WHERE sessions = 'visits'::regclass;
\set show 'SELECT v.id, v.owner, v.kind, p.name, v.status, v.at FROM visits v LEFT JOIN packs p ON p.id = v.pack ORDER BY v.id; SELECT name, used_sessions FROM packs ORDER BY owner, name;'
\set recount 'SELECT p.name, p.used_sessions, count(v.id) FROM packs p LEFT JOIN visits v ON v.pack = p.id AND v.status IN (''scheduled'', ''completed'') GROUP BY p.id HAVING p.used_sessions <> count(v.id)'
SET timezone = 'UTC';

\echo the gift first, then what covers the start and pays
INSERT INTO visits (id, owner, kind, at) VALUES (1, 'ada', 'yoga', '2030-02-01 10:00'), (2, 'ada', 'yoga', '2030-02-01 11:00'),
    (3, 'ada', 'box', '2030-03-31 23:30'), (4, 'ada', 'box', '2030-04-01 00:00');
:show
\echo nothing covers and pays
SELECT outcome($$INSERT INTO visits (id, owner, kind, at) VALUES (5, 'ada', 'box', '2030-02-01')$$);
SELECT outcome($$INSERT INTO visits (id, owner, kind, at) VALUES (5, 'ben', 'box', '2030-02-01')$$);
SELECT * FROM refusal($$INSERT INTO visits (id, owner, kind, at) VALUES (5, 'ben', 'box', '2030-02-01')$$);
\echo a start that is the partition key: drawn anew in the other partition, and back
UPDATE visits SET at = '2031-02-01' WHERE id = 3;
:show
UPDATE visits SET at = '2030-03-02' WHERE id = 3;
UPDATE visits SET kind = 'box', at = '2030-05-01' WHERE id = 2;
:show
SELECT outcome($$UPDATE visits SET at = '2030-01-01' WHERE id = 3$$);
\echo a named one is judged, never replaced; naming it again keeps it
SELECT outcome($$UPDATE visits SET pack = (SELECT id FROM packs WHERE name = 'yoga') WHERE id = 3$$);
SELECT outcome($$UPDATE visits SET pack = (SELECT id FROM packs WHERE name = 'gift') WHERE id = 3$$);
UPDATE visits SET pack = (SELECT id FROM packs WHERE name = 'yoga') WHERE id = 1;
UPDATE visits SET pack = (SELECT id FROM packs WHERE name = 'gift') WHERE id = 3;
\echo cancelled keeps its link; un-cancelled where the gift is gone; NULL and other words at once
UPDATE visits SET status = 'cancelled' WHERE id = 3;
INSERT INTO visits (id, owner, kind, at) VALUES (6, 'ada', 'box', '2030-03-05');
UPDATE visits SET status = 'scheduled', pack = NULL WHERE id = 3;
:show
\echo history that is completed goes to any pack by name, and to the first candidate without one
UPDATE packs SET active = false WHERE name = 'march';
INSERT INTO visits (id, owner, kind, status, at, pack) SELECT 7, 'ada', 'box', 'completed', '2031-01-01', id FROM packs WHERE name = 'march';
INSERT INTO visits (id, owner, kind, status, at) VALUES (8, 'ada', 'box', 'completed', '2030-06-06');
UPDATE visits SET at = '2030-03-07' WHERE id = 6;
SELECT outcome($$UPDATE visits SET at = '2030-03-08' WHERE id = 3$$);
:show
:recount;

\echo links that are ignored
SELECT action FROM session_consistency.attach('visits', 'packs', member_column => 'owner', subscription_member_column => 'owner',
    type_column => NULL, subscription_status_column => 'active', active_statuses => '{t}', total_column => 'size',
    draw_order => 'gift DESC, ends NULLS LAST', start_column => 'at', valid_from_column => 'starts',
    valid_until_column => 'ends', time_zone => 'Europe/Berlin', subscription_column => 'pack', named_links => false,
    pays_when => 'subscription.kinds IS NULL OR session.kind = ANY (subscription.kinds)', when_none => 'leave');
INSERT INTO visits (id, owner, kind, at, pack) SELECT 9, 'ben', 'yoga', '2030-05-05', id FROM packs WHERE name = 'rest';
UPDATE visits SET pack = (SELECT id FROM packs WHERE name = 'rest'), kind = 'yoga' WHERE id = 9;
\echo who cannot be paid for stays unlinked, and is linked when that is possible
INSERT INTO visits (id, owner, kind, at) VALUES (10, 'ben', 'yoga', '2030-05-06'), (11, 'ben', 'box', '2030-05-06'), (12, 'dan', 'box', '2030-05-06');
UPDATE visits SET status = 'cancelled' WHERE id IN (9, 10);
UPDATE visits SET status = 'scheduled' WHERE id = 10;
UPDATE visits SET status = 'scheduled' WHERE id = 9;
:show
:recount;
DELETE FROM visits;
SELECT sum(used_sessions) FROM packs;
\i :finish
