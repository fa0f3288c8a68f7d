-- Bookings are deleted by a column, and cancelled by another one: what counts is told by a condition.
\getenv top PG_ABS_SRCDIR
\set test soft_deletes
\set gym :top /test/fixtures/gym.sql
\i :gym
\pset format unaligned
\pset tuples_only on
CREATE TABLE packs (id int PRIMARY KEY, user_id int NOT NULL, size int, used int NOT NULL DEFAULT 0,
                    rest int GENERATED ALWAYS AS (size - used) STORED);
CREATE TABLE visits (id int PRIMARY KEY, user_id int NOT NULL, pack_id int,
                     deleted_at timestamptz, cancelled_at timestamptz, note text);
INSERT INTO packs VALUES (10, 1, 2), (20, 2, NULL);
\set columns '''visits'', ''packs'', member_column => ''user_id'', subscription_column => ''pack_id'', type_column => NULL, status_column => NULL, subscription_member_column => ''user_id'', subscription_status_column => NULL, total_column => ''size'', used_column => ''used'', remaining_column => ''rest'''
\set arguments :columns ', counts_when => ''deleted_at IS NULL AND cancelled_at IS NULL'''
CREATE VIEW wrong AS
    SELECT p.id, p.used, c.counted FROM packs p
        CROSS JOIN LATERAL (SELECT count(*) AS counted FROM visits v
                            WHERE v.pack_id = p.id AND v.deleted_at IS NULL AND v.cancelled_at IS NULL) c
    WHERE p.used <> c.counted OR p.used > p.size;

SELECT command FROM session_consistency.attach(:arguments) WHERE command LIKE '%xpressions%';
SELECT tgname, tgenabled, pg_get_triggerdef(oid) FROM pg_trigger WHERE tgname LIKE '%expressions%' AND tgrelid = 'visits'::regclass;
SELECT counts_when, cost, pays_when, enforced, gaps FROM session_consistency.attachments WHERE sessions = 'visits'::regclass;

-- A deleted booking holds nothing and needs no pack; one that comes back is judged again.
INSERT INTO visits VALUES (1, 1), (2, 1);
INSERT INTO visits (id, user_id, deleted_at) VALUES (3, 1, '2030-01-01'), (4, 9, '2030-01-01');
SELECT outcome('INSERT INTO visits VALUES (5, 1)');
SELECT outcome('UPDATE visits SET deleted_at = NULL WHERE id = 3');
SELECT outcome('UPDATE visits SET deleted_at = NULL WHERE id = 4');
UPDATE visits SET cancelled_at = now() WHERE id = 1;
SELECT id, used, rest FROM packs ORDER BY id;
UPDATE visits SET deleted_at = now() WHERE id = 1;
UPDATE visits SET deleted_at = NULL WHERE id = 3;
SELECT outcome('UPDATE visits SET deleted_at = NULL, cancelled_at = NULL WHERE id = 1');
UPDATE visits SET note = 'x';
DELETE FROM visits WHERE id = 1;
SELECT id, user_id, pack_id, deleted_at IS NULL, cancelled_at IS NULL FROM visits ORDER BY id;
SELECT * FROM packs_session_counts ORDER BY subscription_id;
TABLE wrong;

-- Checks, audit, repair and migrate count the same.
ALTER TABLE packs DISABLE TRIGGER USER;
UPDATE packs SET used = 0;
ALTER TABLE packs ENABLE TRIGGER USER;
SELECT subscription_id, completed, scheduled, expected_used, drift FROM session_consistency.check_counts('visits');
SELECT session_consistency.check_session_integrity(1, 'visits');
SELECT code, affected FROM session_consistency.audit('visits') WHERE affected > 0;
SELECT count(*) FROM session_consistency.repair('visits', dry_run => false);
TABLE wrong;
ALTER TABLE packs DISABLE TRIGGER USER;
UPDATE packs SET used = 0;
ALTER TABLE packs ENABLE TRIGGER USER;
CALL session_consistency.migrate('visits');
TABLE wrong;
SELECT * FROM session_consistency.attach(:arguments);
SELECT action, command FROM session_consistency.attach(:arguments, dry_run => true);
SELECT count(*) > 0 FROM session_consistency.detach('visits');
SELECT count(*) FROM pg_trigger WHERE tgrelid IN ('visits'::regclass, 'packs'::regclass) AND NOT tgisinternal;
\i :finish
