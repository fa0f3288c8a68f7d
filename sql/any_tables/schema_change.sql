-- Prepared statements and kept plans outlive a schema change: a renamed column is a clear error or still works, never a
-- wrong count.
\getenv top PG_ABS_SRCDIR
\set test schema_change
\set gym :top /test/fixtures/gym.sql
\i :gym
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
CREATE PROCEDURE book(session int, member int) LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO training_sessions (id, member_id) VALUES (session, member);
END $$;
PREPARE book AS INSERT INTO training_sessions (id, member_id) VALUES ($1, $2);
PREPARE touch AS UPDATE training_sessions SET note = note || '.' WHERE id = $1;
PREPARE gone AS DELETE FROM training_sessions WHERE id = $1;
EXECUTE book (1, 1);
CALL book(2, 1);

-- Tables and schema get another name; nothing is looked up by name.
ALTER TABLE training_sessions RENAME TO lessons;
INSERT INTO lessons (id, member_id) VALUES (3, 1);
EXECUTE book (4, 1);
ALTER TABLE lessons RENAME TO training_sessions;
ALTER TABLE member_subscriptions RENAME TO packs;
EXECUTE book (5, 1);
ALTER TABLE packs RENAME TO member_subscriptions;
SET ROLE NONE;
CREATE SCHEMA schema_change_elsewhere;
GRANT USAGE ON SCHEMA schema_change_elsewhere TO :owner;
ALTER TABLE member_subscriptions SET SCHEMA schema_change_elsewhere;
EXECUTE book (6, 1);
EXECUTE gone (6);
UPDATE schema_change_elsewhere.member_subscriptions SET used_sessions = 0;
ALTER TABLE schema_change_elsewhere.member_subscriptions SET SCHEMA schema_change;
ALTER TABLE training_sessions SET SCHEMA schema_change_elsewhere;
SET search_path = schema_change_elsewhere;
EXECUTE book (6, 1);
INSERT INTO training_sessions (id, member_id) VALUES (7, 2);
SET search_path = schema_change;
ALTER TABLE schema_change_elsewhere.training_sessions SET SCHEMA schema_change;
DROP SCHEMA schema_change_elsewhere;
SET ROLE :owner;
SELECT * FROM counters() WHERE id = '10';
SELECT * FROM recount();

-- Each column that the triggers name, under another name: an error that says which, and all is well when it is back.
ALTER TABLE training_sessions RENAME subscription_id TO pack;
SELECT * FROM refusal('EXECUTE book (8, 1)');
EXECUTE gone (1);
ALTER TABLE training_sessions RENAME pack TO subscription_id;
EXECUTE gone (7);
EXECUTE book (7, 1);
ALTER TABLE training_sessions RENAME status TO state;
EXECUTE gone (1);
SELECT outcome('INSERT INTO training_sessions (id, member_id) VALUES (8, 1)');
ALTER TABLE training_sessions RENAME state TO status;
EXECUTE gone (1);
ALTER TABLE training_sessions RENAME session_type TO kind;
EXECUTE book (8, 1);
ALTER TABLE training_sessions RENAME kind TO session_type;
EXECUTE book (8, 1);
ALTER TABLE training_sessions RENAME member_id TO person;
EXECUTE gone (2);
EXECUTE book (9, 1);
ALTER TABLE training_sessions RENAME person TO member_id;
ALTER TABLE member_subscriptions RENAME used_sessions TO spent;
EXECUTE book (9, 1);
EXECUTE gone (2);
UPDATE member_subscriptions SET spent = 0;
ALTER TABLE member_subscriptions RENAME spent TO used_sessions;
ALTER TABLE member_subscriptions RENAME total_sessions_snapshot TO bought;
EXECUTE book (9, 1);
ALTER TABLE member_subscriptions RENAME bought TO total_sessions_snapshot;
ALTER TABLE member_subscriptions RENAME status TO state;
EXECUTE book (9, 1);
ALTER TABLE member_subscriptions RENAME state TO status;
ALTER TABLE member_subscriptions RENAME member_id TO owner_id;
EXECUTE book (9, 1);
UPDATE member_subscriptions SET owner_id = 4 WHERE id = 10;
ALTER TABLE member_subscriptions RENAME owner_id TO member_id;
-- The key is not named; it is found through the foreign key.
ALTER TABLE member_subscriptions RENAME id TO number;
EXECUTE book (9, 1);
EXECUTE gone (9);
ALTER TABLE member_subscriptions RENAME number TO id;
EXECUTE book (9, 1);
SELECT * FROM bookings();
SELECT * FROM counters() WHERE id = '10';
SELECT * FROM recount();

-- Columns come and go: none is remembered by its number.
ALTER TABLE training_sessions ADD COLUMN archived session_status;
EXECUTE book (10, 1);
ALTER TABLE training_sessions DROP COLUMN day;
EXECUTE touch (10);
EXECUTE book (11, 1);
ALTER TABLE member_subscriptions ADD COLUMN note text DEFAULT 'new';
EXECUTE book (12, 1);
EXECUTE gone (12);
SELECT * FROM counters() WHERE id = '10';

-- Another type of the counter, of the key, of the status.
ALTER TABLE member_subscriptions DROP COLUMN remaining_sessions;
DROP VIEW member_subscriptions_session_counts;
EXECUTE book (12, 1);
ALTER TABLE member_subscriptions ALTER used_sessions TYPE bigint;
EXECUTE gone (12);
ALTER TABLE member_subscriptions ALTER used_sessions TYPE smallint;
EXECUTE book (12, 2);
ALTER TABLE training_sessions ALTER status DROP DEFAULT, ALTER status TYPE text, ALTER status SET DEFAULT 'scheduled';
EXECUTE book (13, 2);
EXECUTE book (14, 2);
EXECUTE gone (12);
ALTER TABLE training_sessions ALTER subscription_id TYPE bigint;
EXECUTE book (12, 2);
EXECUTE book (14, 2);
SELECT * FROM recount(remaining => NULL);

-- Without the foreign key nobody knows where the counters are: an error, no silence.
ALTER TABLE training_sessions DROP CONSTRAINT sc_training_sessions_subscription_id_fkey;
SELECT * FROM refusal('EXECUTE gone (12)');
EXECUTE book (15, 1);
ALTER TABLE training_sessions ADD FOREIGN KEY (subscription_id) REFERENCES member_subscriptions;
EXECUTE gone (12);
EXECUTE book (15, 1);
-- Nor with two of them.
CREATE TABLE other_packs (id bigint PRIMARY KEY);
INSERT INTO other_packs SELECT id FROM member_subscriptions;
ALTER TABLE training_sessions ADD CONSTRAINT other_key FOREIGN KEY (subscription_id) REFERENCES other_packs;
SELECT * FROM refusal('EXECUTE gone (15)');
ALTER TABLE training_sessions DROP CONSTRAINT other_key;
EXECUTE gone (15);
EXECUTE book (15, 1);
-- Nor without the counter.
ALTER TABLE member_subscriptions DROP COLUMN used_sessions CASCADE;
SELECT * FROM refusal('EXECUTE gone (15)');
ALTER TABLE member_subscriptions ADD COLUMN used_sessions int;
SET ROLE NONE;
SET session_replication_role = replica;
UPDATE member_subscriptions s SET used_sessions =
    (SELECT count(*) FROM training_sessions t WHERE t.subscription_id = s.id AND t.status <> 'cancelled');
RESET session_replication_role;
SET ROLE :owner;
EXECUTE gone (15);
EXECUTE book (16, 1);

-- The recount finds nothing.
SELECT * FROM recount(remaining => NULL);
DELETE FROM training_sessions;
SELECT id, used_sessions FROM member_subscriptions ORDER BY id;

SELECT * FROM recount(remaining => NULL);
\i :finish
