-- The recipes of docs/packs.md.
\getenv top PG_ABS_SRCDIR
\set test recipes_of_packs
\set gym :top /test/fixtures/gym.sql
\i :gym
\pset format unaligned
\pset tuples_only on
\set check 'SELECT * FROM recount(''visits'', ''packs'', type => NULL, total => ''credits'', remaining => NULL)'

-- -1 and 9999 are conventions; the last day is a timestamp at midnight; gifts first, unlimited last; frozen days.
CREATE TABLE packs (id int PRIMARY KEY, member_id int NOT NULL, status text NOT NULL DEFAULT 'active', total int, valid_until timestamptz,
    is_gift boolean, frozen_days daterange,
    credits int GENERATED ALWAYS AS (nullif(total, -1)) STORED, is_unlimited boolean GENERATED ALWAYS AS (total = -1) STORED,
    last_day date GENERATED ALWAYS AS (nullif((valid_until AT TIME ZONE 'Europe/Berlin')::date, '9999-12-31')) STORED);
CREATE TABLE visits (id int PRIMARY KEY, member_id int NOT NULL, status text DEFAULT 'scheduled', day date, note text);
INSERT INTO packs (id, member_id, total, valid_until, is_gift, frozen_days) VALUES
    (1, 1, -1, '9999-12-31 00:00+01', false, NULL), (2, 1, 2, '2030-01-31 00:00+01', NULL, '[2030-01-10,2030-01-12]'),
    (3, 1, 1, '2030-12-31 00:00+01', true, NULL), (4, 1, 5, '2030-02-28 00:00+01', false, NULL);
SELECT count(*) > 0 FROM session_consistency.attach('visits', 'packs', type_column => NULL, total_column => 'credits',
    draw_order => 'is_gift DESC NULLS LAST, is_unlimited, last_day', start_column => 'day', valid_until_column => 'last_day',
    pays_when => 'subscription.frozen_days IS NULL OR NOT subscription.frozen_days @> session.day');
CALL session_consistency.migrate('visits');
INSERT INTO visits VALUES (1, 1, 'scheduled', '2030-01-31'), (2, 1, 'scheduled', '2030-01-11'), (3, 1, 'scheduled', '2030-01-31'),
    (4, 1, 'scheduled', '2031-05-05'), (5, 1, 'scheduled', '2030-02-28');
SELECT id, day, subscription_id FROM visits ORDER BY id;
-- The order is a rule of choice: nothing moves when an earlier one has room again, and no check accuses that.
UPDATE visits SET status = 'cancelled' WHERE id = 1;
SELECT code FROM session_consistency.audit_findings('visits');
:check;
-- A booking that moves to a year that another pack covers; one that does not have to move to another pack.
UPDATE visits SET day = '2031-01-10' WHERE id = 5;
UPDATE visits SET day = '2030-02-10' WHERE id = 3;
SELECT id, day, subscription_id FROM visits ORDER BY id;
-- A pack that the customer chooses is judged, and never replaced.
SELECT outcome($$INSERT INTO visits (id, member_id, day, subscription_id) VALUES (6, 1, '2030-01-11', 2)$$);
SELECT outcome($$INSERT INTO visits (id, member_id, day, subscription_id) VALUES (6, 1, '2030-02-01', 2)$$);
INSERT INTO visits (id, member_id, day, subscription_id) VALUES (6, 1, '2030-01-31', 2) RETURNING subscription_id;
-- It is drawn anew where it moves into frozen days.
UPDATE visits SET day = '2030-01-10' WHERE id = 6 RETURNING subscription_id;
SELECT id, subscription_id FROM visits WHERE id = 6;
-- A renewal in advance: both are active, each pays for its days.
INSERT INTO packs (id, member_id, total, valid_until) VALUES (20, 2, 5, '2030-01-31 00:00+01'), (21, 2, 5, '2030-02-28 00:00+01');
INSERT INTO visits VALUES (20, 2, 'scheduled', '2030-01-31'), (21, 2, 'scheduled', '2030-02-01') RETURNING subscription_id;
:check;

-- An object mapper saves the whole object with the link that it once read.
SELECT count(*) > 0 FROM session_consistency.attach('visits', 'packs', type_column => NULL, total_column => 'credits',
    draw_order => 'last_day', start_column => 'day', valid_until_column => 'last_day', named_links => false);
INSERT INTO visits VALUES (30, 1, 'scheduled', '2030-01-20', 'new', 4) RETURNING subscription_id;
UPDATE visits SET note = 'saved', day = '2030-01-20', subscription_id = 4 WHERE id = 30 RETURNING subscription_id;
SELECT outcome($$UPDATE visits SET note = 'saved', subscription_id = 20 WHERE id = 30$$);
UPDATE visits SET note = 'saved', subscription_id = NULL WHERE id = 30;
SELECT id, note, subscription_id FROM visits WHERE id = 30;
:check;

-- Nobody pays, and the session takes place all the same; later somebody does.
SELECT count(*) > 0 FROM session_consistency.attach('visits', 'packs', type_column => NULL, total_column => 'credits',
    draw_order => 'last_day', start_column => 'day', valid_until_column => 'last_day', when_none => 'leave');
INSERT INTO visits VALUES (40, 4, 'scheduled', '2030-01-20'), (41, 2, 'scheduled', '2031-01-20'), (42, 4, 'cancelled', '2030-01-20')
RETURNING subscription_id;
SELECT code, severity, member_id, session_id FROM session_consistency.audit_findings('visits') WHERE code <> 'no_subscription';
SELECT enforced FROM session_consistency.attachments WHERE sessions = 'visits'::regclass;
INSERT INTO packs (id, member_id, total) VALUES (40, 4, 1), (22, 2, 1);
UPDATE visits SET note = 'nothing that is needed' WHERE id = 40 RETURNING subscription_id;
UPDATE visits SET subscription_id = 40 WHERE id = 40 RETURNING subscription_id;
SELECT outcome($$UPDATE visits SET subscription_id = 40 WHERE id = 41$$);
CALL session_consistency.migrate('visits');
SELECT id, subscription_id FROM visits WHERE id >= 40 ORDER BY id;
SELECT code, session_id FROM session_consistency.audit_findings('visits') WHERE code <> 'no_subscription';
:check;

-- A make-up class: the gym cancels, and gives a pack of one credit with a short period, which comes first.
ALTER TABLE packs ADD is_makeup boolean, ADD kinds text[];
SELECT count(*) > 0 FROM session_consistency.attach('visits', 'packs', type_column => NULL, total_column => 'credits',
    draw_order => 'is_makeup DESC NULLS LAST, last_day', start_column => 'day', valid_until_column => 'last_day');
BEGIN;
UPDATE visits SET status = 'cancelled' WHERE id = 21;
INSERT INTO packs (id, member_id, total, valid_until, is_makeup) VALUES (50, 2, 1, '2030-02-14 00:00+01', true);
COMMIT;
INSERT INTO visits VALUES (50, 2, 'scheduled', '2030-02-15'), (51, 2, 'scheduled', '2030-02-10'), (52, 2, 'scheduled', '2030-02-10');
SELECT id, day, subscription_id FROM visits WHERE id BETWEEN 50 AND 59 ORDER BY id;
:check;

-- The most restrictive first: a pack that pays for one kind of session before one that pays for all.
ALTER TABLE packs ADD kinds_allowed int GENERATED ALWAYS AS (coalesce(cardinality(kinds), 1000)) STORED;
SELECT count(*) > 0 FROM session_consistency.attach('visits', 'packs', type_column => NULL, total_column => 'credits',
    draw_order => 'kinds_allowed, last_day', start_column => 'day', valid_until_column => 'last_day',
    pays_when => 'subscription.kinds IS NULL OR session.note = ANY (subscription.kinds)');
INSERT INTO packs (id, member_id, total, valid_until, kinds) VALUES (60, 6, 5, '2030-01-31 00:00+01', NULL),
    (61, 6, 1, '2030-12-31 00:00+01', '{yoga}'), (62, 6, 1, '2030-06-30 00:00+01', '{yoga,box}');
INSERT INTO visits VALUES (60, 6, 'scheduled', '2030-01-05', 'yoga'), (61, 6, 'scheduled', '2030-01-05', 'yoga'),
    (62, 6, 'scheduled', '2030-01-05', 'box'), (63, 6, 'scheduled', '2030-01-05', 'dance');
SELECT id, note, subscription_id FROM visits WHERE id >= 60 ORDER BY id;
:check;
\i :finish
