-- R1 and R7 with draw_order beside the user's own triggers, and with a composite key, with links that are ignored, and
-- where sessions stay unpaid.
\getenv top PG_ABS_SRCDIR
\set test draws_beside_user_code
\set gym :top /test/fixtures/gym.sql
\i :gym
\pset format unaligned
\pset tuples_only on
CREATE TABLE packs (id int, member_id int NOT NULL, status text NOT NULL DEFAULT 'active', size int, until date,
    PRIMARY KEY (member_id, id));
CREATE TABLE visits (id int PRIMARY KEY, member_id int NOT NULL, status text DEFAULT 'scheduled', day date DEFAULT '2030-01-01',
    friend int, subscription_id int,
    FOREIGN KEY (member_id, subscription_id) REFERENCES packs (member_id, id) ON UPDATE CASCADE);
INSERT INTO packs SELECT n, m, 'active', n, date '2030-06-30' + 180 * (n - 1) FROM generate_series(1, 9) m, generate_series(1, 3) n;
\set arguments 'type_column => NULL, total_column => ''size'', draw_order => ''until'', start_column => ''day'', valid_until_column => ''until'', ledger => true'
SELECT count(*) > 0 FROM session_consistency.attach('visits', 'packs', :arguments);
CREATE FUNCTION wrong() RETURNS SETOF packs LANGUAGE sql AS $$
    SELECT * FROM packs p WHERE used_sessions <> (SELECT count(*) FROM visits v
        WHERE v.member_id = p.member_id AND v.subscription_id = p.id AND v.status IN ('scheduled', 'completed'))
$$;
\set show 'SELECT id, member_id, subscription_id, status FROM visits ORDER BY id; SELECT * FROM wrong();'

\echo the pack that is drawn gets another key, another member, or is deleted in the same query
WITH k AS (UPDATE packs SET id = 11 WHERE member_id = 1 AND id = 1) INSERT INTO visits (id, member_id) VALUES (1, 1), (2, 1);
WITH k AS (UPDATE packs SET member_id = 20 WHERE member_id = 2 AND id = 1) INSERT INTO visits (id, member_id) VALUES (3, 2);
WITH k AS (DELETE FROM packs WHERE member_id = 3 AND id = 1) INSERT INTO visits (id, member_id) VALUES (4, 3), (5, 3), (6, 3);
SELECT outcome($$WITH k AS (DELETE FROM packs WHERE member_id = 4) INSERT INTO visits (id, member_id) VALUES (7, 4), (8, 4)$$);
SELECT outcome($$WITH k AS (DELETE FROM packs WHERE member_id = 4 AND id = 1)
    INSERT INTO visits (id, member_id, subscription_id) VALUES (7, 4, 1)$$);
:show
\echo another member: drawn anew whole; a link of his that is named is judged
UPDATE visits SET member_id = 5 WHERE id IN (1, 2);
UPDATE visits SET member_id = 6, subscription_id = 2 WHERE id = 3;
SELECT outcome($$UPDATE visits SET member_id = 20, subscription_id = 3 WHERE id = 3$$);
SELECT outcome($$UPDATE visits SET member_id = 99 WHERE id = 3$$);
:show
UPDATE packs SET status = 'frozen' WHERE member_id = 7 AND id = 3;
UPDATE visits SET subscription_id = 3 WHERE id = 3;
UPDATE visits SET member_id = 7 WHERE id = 3;
\echo a pack that goes to another member with its sessions, whatever its status
UPDATE packs SET status = 'frozen', until = '2029-01-01' WHERE member_id = 3 AND id = 2;
UPDATE packs SET member_id = 30 WHERE member_id = 3;
:show
UPDATE packs SET status = 'active' WHERE status = 'frozen';
DELETE FROM visits;

\echo each session brings a friend: a statement of its own within the trigger
CREATE FUNCTION bring() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO visits (id, member_id, day) SELECT NEW.id + 100, NEW.friend, NEW.day WHERE NEW.friend IS NOT NULL;
    RETURN NULL;
END $$;
CREATE TRIGGER bring AFTER INSERT ON visits FOR EACH ROW EXECUTE FUNCTION bring();
INSERT INTO visits (id, member_id, friend) VALUES (1, 1, 2), (2, 1, 1), (3, 2, NULL);
:show
UPDATE packs SET size = 0 WHERE member_id = 7;
SELECT outcome($$INSERT INTO visits (id, member_id, friend) VALUES (10, 5, 7), (11, 5, 8)$$);
SELECT outcome($$INSERT INTO visits (id, member_id, friend) VALUES (10, 7, 5)$$);
\echo the trigger catches the refusal of the friend: only that is undone
CREATE OR REPLACE FUNCTION bring() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO visits (id, member_id, day) SELECT NEW.id + 100, NEW.friend, NEW.day WHERE NEW.friend IS NOT NULL;
    RETURN NULL;
EXCEPTION WHEN check_violation OR SQLSTATE '23SC2' THEN
    RETURN NULL;
END $$;
INSERT INTO visits (id, member_id, friend) VALUES (10, 5, 7), (11, 5, 8), (12, 5, 7);
:show
DROP TRIGGER bring ON visits;
DELETE FROM visits;
UPDATE packs SET size = id WHERE member_id = 7;

\echo triggers behind: one gives rows other keys, one books elsewhere, one takes the link away
CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.id := NEW.id + 1000;
    IF NEW.id = 1002 THEN NEW.day := '2030-12-01'; END IF;
    IF NEW.id = 1003 THEN NEW.subscription_id := NULL; END IF;
    IF NEW.id = 1004 THEN NEW.member_id := 2; END IF;
    IF NEW.id = 1006 THEN RETURN NULL; END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER zzz_meddle BEFORE INSERT ON visits FOR EACH ROW EXECUTE FUNCTION meddle();
INSERT INTO visits (id, member_id) VALUES (1, 1), (2, 1), (3, 1), (4, 1), (5, 1), (6, 1);
:show
DROP TRIGGER zzz_meddle ON visits;
DELETE FROM visits;

\echo links that are ignored
SELECT action FROM session_consistency.attach('visits', 'packs', :arguments, named_links => false);
INSERT INTO visits (id, member_id, subscription_id) VALUES (1, 1, 3), (2, 1, 99), (3, 1, NULL), (4, 1, 1), (5, 1, 1), (6, 1, 1);
:show
SELECT outcome($$INSERT INTO visits (id, member_id, subscription_id) VALUES (7, 1, 3)$$);
UPDATE visits SET status = 'cancelled', subscription_id = 3 WHERE id IN (1, 2);
INSERT INTO visits (id, member_id, subscription_id) VALUES (1, 1, 3), (8, 1, 3) ON CONFLICT (id) DO UPDATE SET status = 'scheduled',
    subscription_id = EXCLUDED.subscription_id;
WITH k AS (UPDATE packs SET id = 12 WHERE member_id = 2 AND id = 2)
INSERT INTO visits (id, member_id, subscription_id) VALUES (9, 2, 3), (10, 2, 11);
MERGE INTO visits v USING (VALUES (2), (20)) AS w (id) ON v.id = w.id
WHEN MATCHED THEN UPDATE SET member_id = 2, status = 'scheduled', subscription_id = 3
WHEN NOT MATCHED THEN INSERT (id, member_id, subscription_id) VALUES (w.id, 30, 3);
:show
DELETE FROM visits;

\echo who cannot be paid for stays unlinked
SELECT action FROM session_consistency.attach('visits', 'packs', :arguments, when_none => 'leave');
WITH k AS (DELETE FROM packs WHERE member_id = 8 AND id > 1) INSERT INTO visits (id, member_id) VALUES (1, 8), (2, 8), (3, 9), (4, 99);
INSERT INTO visits (id, member_id) VALUES (1, 9), (5, 9), (6, 8) ON CONFLICT DO NOTHING;
:show
UPDATE visits SET day = '2031-12-01' WHERE id = 3;
UPDATE visits SET member_id = 8 WHERE id = 5;
UPDATE visits SET status = 'cancelled' WHERE id = 1;
UPDATE visits SET status = 'scheduled' WHERE id = 1;
SELECT outcome($$INSERT INTO visits (id, member_id, subscription_id) VALUES (7, 8, 1)$$);
:show
DELETE FROM visits;
SELECT * FROM session_consistency.ledger_gaps();
\i :finish
