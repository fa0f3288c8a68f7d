-- attach() leaves out or leaves NOT VALID what rows violate; migrate() adds and validates it once none does any more, and
-- names what stays.
\getenv top PG_ABS_SRCDIR
\set test migrate_constraints
\set gym :top /test/fixtures/gym.sql
\i :gym
ALTER TABLE training_sessions ADD subscription_id integer;
UPDATE member_subscriptions SET used_sessions = 9 WHERE id IN (10, 20);
INSERT INTO training_sessions (id, member_id, status, subscription_id) VALUES (1, 1, 'completed', NULL), (2, 2, 'completed', 21),
    (3, 2, 'completed', 99), (4, 3, 'scheduled', NULL);
INSERT INTO training_sessions (id, member_id, session_type, status, subscription_id) VALUES (5, 2, 'trial', 'completed', 21);
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions', link_check => true);
CREATE FUNCTION states() RETURNS TABLE (name text, valid boolean) LANGUAGE sql AS $$
    SELECT conname, convalidated FROM pg_constraint
    WHERE conrelid IN ('training_sessions'::regclass, 'member_subscriptions'::regclass) AND contype IN ('c', 'f') ORDER BY 1 $$;
SELECT * FROM states();
\set VERBOSITY default
SET client_min_messages = notice;
-- A dangling link, and a scheduled session without an active subscription, stay.
CALL session_consistency.migrate('training_sessions', when_ambiguous => 'active', opening => 'give_back');
SELECT * FROM states();
SELECT * FROM bookings();
SELECT * FROM counters();
SELECT enforced, gaps FROM session_consistency.attachments WHERE sessions = 'training_sessions'::regclass;
SELECT unnest(remarks) FROM session_consistency.migration_progress WHERE sessions = 'training_sessions'::regclass ORDER BY started;
-- A person clears them away.
UPDATE training_sessions SET subscription_id = 20 WHERE id = 3;
UPDATE training_sessions SET status = 'cancelled' WHERE id = 4;
CALL session_consistency.migrate('training_sessions', when_ambiguous => 'active', opening => 'give_back');
SELECT * FROM states();
SELECT enforced, gaps FROM session_consistency.attachments WHERE sessions = 'training_sessions'::regclass;
SELECT * FROM recount();

-- History that was linked before may hold more than the total: nothing forbids to say so here.
SET client_min_messages = warning;
CREATE TABLE packs (id int PRIMARY KEY, member_id int NOT NULL, status text DEFAULT 'active', total_sessions_snapshot int,
    used_sessions int NOT NULL, remaining_sessions int);
CREATE TABLE visits (id int PRIMARY KEY, member_id int NOT NULL, session_type text DEFAULT 'member', status text DEFAULT 'completed',
    subscription_id int);
INSERT INTO packs VALUES (1, 1, 'active', 2, 3, -1), (2, 2, 'active', 2, 1, 1), (3, 3, 'active', NULL, 4, NULL), (4, 4, 'active', 5, 2, 2);
INSERT INTO visits (id, member_id, subscription_id) VALUES (1, 1, 1), (2, 1, 1), (3, 1, 1), (4, 1, NULL), (5, 2, 2), (6, 2, 2), (7, 2, 2), (8, 3, NULL), (9, 4, NULL);
SELECT count(*) > 0 AS attached FROM session_consistency.attach('visits', 'packs');
SET client_min_messages = notice;
CALL session_consistency.migrate('visits', opening => 'give_back');
SELECT * FROM packs ORDER BY id;
-- Raised totals let the CHECK in.
UPDATE packs SET total_sessions_snapshot = 4 WHERE id IN (1, 2);
CALL session_consistency.migrate('visits', opening => 'give_back');
SELECT * FROM packs ORDER BY id;
SELECT enforced, gaps FROM session_consistency.attachments WHERE sessions = 'visits'::regclass;

-- Where a CHECK of the table's own forbids it, the subscription is full, and everything else goes on.
SELECT count(*) > 0 AS detached FROM session_consistency.detach('visits', drop_added_columns => true);
ALTER TABLE packs ADD CONSTRAINT never_more CHECK (used_sessions <= total_sessions_snapshot) NOT VALID;
UPDATE packs SET used_sessions = 1, remaining_sessions = 1, total_sessions_snapshot = 2 WHERE id IN (1, 2);
UPDATE packs SET used_sessions = 0 WHERE id = 4;
ALTER TABLE visits ADD FOREIGN KEY (subscription_id) REFERENCES packs;
SELECT count(*) > 0 AS attached FROM session_consistency.attach('visits', 'packs');
CALL session_consistency.migrate('visits', opening => 'give_back');
SELECT * FROM packs ORDER BY id;
SELECT subscription_id, used, expected_used, message FROM session_consistency.check_counts('visits');
-- A constraint that was there before is not touched.
SELECT conname, convalidated FROM pg_constraint WHERE conrelid = 'packs'::regclass AND contype = 'c' ORDER BY 1;

-- The recount finds the two that were named, and nothing else.
SELECT * FROM recount('visits', 'packs');
SELECT * FROM recount();
SET client_min_messages = warning;
\i :finish
