-- History is attributed only to a subscription that pays for it, as bookings are: whatever the status of the session, and
-- whatever is chosen for what no rule attributes. What counts_when leaves out needs no subscription and gets none.
\getenv top PG_ABS_SRCDIR
\set test migrate_what_pays
\set gym :top /test/fixtures/gym.sql
\i :gym
\set VERBOSITY terse
\pset format unaligned
\pset tuples_only on
CREATE TABLE packs (id int PRIMARY KEY, member_id int NOT NULL, status text DEFAULT 'active', total int, kind text, sold date, ends date);
CREATE TABLE visits (id int, member_id int NOT NULL, kind text, status text DEFAULT 'completed', day date NOT NULL, paid_alone boolean,
    what text, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE visits_2026 (day date NOT NULL, what text, kind text, id int NOT NULL, gone int, paid_alone boolean, status text, member_id int NOT NULL);
ALTER TABLE visits_2026 DROP gone;
ALTER TABLE visits ATTACH PARTITION visits_2026 FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE visits_rest PARTITION OF visits DEFAULT;
INSERT INTO packs VALUES (10, 1, 'active', 1, 'yoga', '2026-01-01', '2026-12-31'), (11, 1, 'active', 5, 'box', '2026-01-01', '2026-12-31'),
    (12, 1, 'active', 5, NULL, '2026-06-01', '2026-12-31'), (20, 2, 'active', 5, 'box', NULL, NULL), (21, 2, 'expired', 5, 'yoga', NULL, NULL),
    (30, 3, 'active', 5, 'box', '2026-01-01', '2026-12-31');
\set rows '(1, 1, ''yoga'', ''completed'', ''2026-07-01'', NULL, ''the first that pays''), (2, 1, ''yoga'', ''completed'', ''2026-07-02'', NULL, ''that is full: any kind''), (3, 1, ''box'', ''scheduled'', ''2026-07-03'', NULL, ''box''), (4, 1, ''swim'', ''completed'', ''2026-02-01'', NULL, ''nothing pays yet''), (5, 1, ''yoga'', ''cancelled'', ''2026-02-01'', NULL, ''cancelled, and linked''), (6, 1, ''yoga'', ''completed'', ''2026-02-01'', true, ''paid alone''), (7, 2, ''yoga'', ''completed'', ''2027-02-01'', NULL, ''the only one that pays''), (8, 2, ''yoga'', ''scheduled'', ''2027-02-01'', NULL, ''it is not active''), (9, 2, ''box'', ''completed'', ''2027-02-01'', NULL, ''the only one that pays''), (10, 3, ''yoga'', ''completed'', ''2026-02-01'', NULL, ''nothing pays''), (11, 4, ''yoga'', ''completed'', ''2026-02-01'', true, ''no pack, and none needed''), (12, 5, ''yoga'', ''completed'', ''2026-02-01'', NULL, ''no pack'')'
\set arguments '''visits'', ''packs'', type_column => NULL, total_column => ''total'', counts_when => ''paid_alone IS NOT TRUE'', pays_when => ''subscription.kind IS NULL OR subscription.kind = session.kind'', start_column => ''day'', valid_from_column => ''sold'', valid_until_column => ''ends'''
\set show 'SELECT v.id, v.what, v.subscription_id, p.kind FROM visits v LEFT JOIN packs p ON p.id = v.subscription_id ORDER BY v.id'
\set recount 'SELECT p.id FROM packs p WHERE used_sessions <> (SELECT count(*) FROM visits v WHERE v.subscription_id = p.id AND v.status <> ''cancelled'' AND v.paid_alone IS NOT TRUE)'
\set progress 'SELECT linked, unlinked FROM session_consistency.migration_progress WHERE sessions = ''visits''::regclass ORDER BY started DESC LIMIT 1'

-- Drawn in an order.
INSERT INTO visits VALUES :rows;
SELECT count(*) > 0 FROM session_consistency.attach(:arguments, draw_order => 'ends, id');
CALL session_consistency.migrate('visits', batch_size => 2);
:show;
:progress;
:recount;
SELECT count(*) FROM session_consistency.check_counts('visits');
SELECT code, session_id FROM session_consistency.audit_findings('visits') ORDER BY session_id;
-- No choice makes one pay, and a second time changes nothing.
CALL session_consistency.migrate('visits', when_ambiguous => 'fill');
SELECT count(*) FROM visits WHERE subscription_id IS NULL;
CALL session_consistency.migrate('visits', when_ambiguous => 'active');
SELECT count(*) FROM visits WHERE subscription_id IS NULL;
SELECT count(*) > 0 FROM session_consistency.detach('visits', drop_added_columns => true);

-- By its only period, or as the only one, of those that pay.
TRUNCATE visits;
UPDATE packs SET status = 'expired' WHERE id IN (10, 11);
INSERT INTO visits VALUES :rows;
SELECT count(*) > 0 FROM session_consistency.attach(:arguments);
CALL session_consistency.migrate('visits');
:show;
:progress;
:recount;
\i :finish
