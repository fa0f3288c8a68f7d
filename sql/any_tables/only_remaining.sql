-- Where only what remains is stored, the total is added: what is left stays as it is, whatever is linked already or by
-- migrate(), and whoever inserts a pack goes on saying how much is left.
\getenv top PG_ABS_SRCDIR
\set test only_remaining
\set gym :top /test/fixtures/gym.sql
\i :gym
CREATE TABLE packs (id int PRIMARY KEY, member_id int NOT NULL, status text NOT NULL DEFAULT 'active', left_over bigint, note text);
CREATE TABLE visits (id int PRIMARY KEY, member_id int NOT NULL, session_type text DEFAULT 'member', status text DEFAULT 'completed',
    pack int REFERENCES packs);
INSERT INTO packs VALUES (1, 1, 'active', 10), (2, 2, 'active', 0), (3, 3, 'active', NULL), (4, 4, 'expired', 3);
INSERT INTO visits (id, member_id, pack) VALUES (1, 1, 1), (2, 1, 1), (3, 2, NULL), (4, 3, 3), (5, 4, NULL), (6, 1, NULL);
CREATE TABLE seen (who name, what text);
CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql SET search_path = only_remaining AS $$
BEGIN
    INSERT INTO seen VALUES (current_user, format('pack %s', NEW.id));
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER see AFTER UPDATE ON packs DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION see();
\set arguments '''visits'', ''packs'', subscription_column => ''pack'', total_column => ''total'', remaining_column => ''left_over'''
SET ROLE NONE;
SELECT action, replace(command, 'only_remaining.', '') AS command
FROM session_consistency.attach(:arguments, dry_run => true) WHERE action IN ('add column', 'make plain', 'count linked');
SELECT count(*) > 0 AS attached FROM session_consistency.attach(:arguments);
SET ROLE :owner;
-- Triggers fire as the owner.
SELECT * FROM seen ORDER BY what;
SELECT id, total, used_sessions AS used, left_over FROM packs ORDER BY id;
SELECT * FROM session_consistency.attach(:arguments);
-- Before migrate, cancelling gives back, and what is used up stays so.
SELECT outcome('INSERT INTO visits (id, member_id, status) VALUES (10, 2, ''scheduled'')');
UPDATE visits SET status = 'cancelled' WHERE id = 1;
SELECT id, total, used_sessions AS used, left_over FROM packs ORDER BY id;
CALL session_consistency.migrate('visits', when_ambiguous => 'active');
SELECT id, total, used_sessions AS used, left_over FROM packs ORDER BY id;
SELECT enforced, gaps FROM session_consistency.attachments WHERE sessions = 'visits'::regclass;
SELECT * FROM session_consistency.check_counts('visits');
SELECT p.id FROM packs p WHERE used_sessions <> (SELECT count(*) FROM visits WHERE pack = p.id AND status <> 'cancelled')
    OR left_over <> total - used_sessions;
-- New packs, and old code that writes what is left.
INSERT INTO packs (id, member_id, left_over) VALUES (5, 5, 2), (6, 6, NULL);
INSERT INTO packs (id, member_id, total) VALUES (7, 7, 4);
INSERT INTO packs (id, member_id, total, left_over) VALUES (8, 8, 4, 4);
SELECT outcome('INSERT INTO packs (id, member_id, total, left_over) VALUES (9, 9, 4, 3)');
SELECT outcome('INSERT INTO packs (id, member_id, left_over) VALUES (9, 9, -1)');
INSERT INTO visits (id, member_id, status) SELECT 20 + n, 5, 'scheduled' FROM generate_series(1, 2) n;
SELECT outcome('INSERT INTO visits (id, member_id) VALUES (30, 5)');
SELECT outcome('UPDATE packs SET left_over = 10 WHERE id = 5');
UPDATE packs SET total = total + 1 WHERE id = 5;
INSERT INTO visits (id, member_id) VALUES (30, 5);
SELECT id, total, used_sessions AS used, left_over FROM packs WHERE id >= 5 ORDER BY id;
SELECT p.id FROM packs p WHERE used_sessions <> (SELECT count(*) FROM visits WHERE pack = p.id AND status <> 'cancelled')
    OR left_over <> total - used_sessions;
-- What was added goes, and what was there is as it has become.
SELECT count(*) > 0 AS detached FROM session_consistency.detach('visits', drop_added_columns => true);
SELECT * FROM packs ORDER BY id;

-- A used column that is there counts as it is, and what remains below 0 is full.
ALTER TABLE packs ADD used_sessions smallint NOT NULL DEFAULT 0;
UPDATE packs SET left_over = -1, used_sessions = 4 WHERE id = 4;
SELECT count(*) > 0 AS attached FROM session_consistency.attach(:arguments);
SELECT id, total, used_sessions AS used, left_over FROM packs WHERE id <= 4 ORDER BY id;
CALL session_consistency.migrate('visits');
SELECT id, total, used_sessions AS used, left_over FROM packs WHERE id <= 4 ORDER BY id;
\i :finish
