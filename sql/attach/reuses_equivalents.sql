-- What does the same already is reused, whatever its name and its words; what is close but not the same is not.
\getenv top PG_ABS_SRCDIR
\set test attach_reuses_equivalents
\set gym :top /test/fixtures/gym.sql
\set objects :top /test/fixtures/objects.sql
\i :gym
DELETE FROM member_subscriptions;
ALTER TABLE training_sessions ADD subscription_id integer;
\i :objects
\set VERBOSITY default
\pset format unaligned
\pset tuples_only on
SELECT remember();

-- Which steps attach would take, beside the triggers and the view.
CREATE FUNCTION missing(text DEFAULT '') RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY EXECUTE format(
        'SELECT action || '': '' || command FROM session_consistency.attach(%L, %L, dry_run => true %s)
         WHERE action IN (''add column'', ''create index'', ''add foreign key'', ''add check'')',
        'training_sessions', 'member_subscriptions', $1);
END $$;
SELECT missing();

-- A foreign key: RESTRICT will do, so will one that is not yet validated.
ALTER TABLE training_sessions ADD CONSTRAINT "My key" FOREIGN KEY (subscription_id) REFERENCES member_subscriptions
    ON DELETE RESTRICT NOT VALID;

-- A CHECK: two of them, one turned around; with another range; NOT VALID; BETWEEN; one that speaks of NULL, which a
-- CHECK lets pass anyway, but not of another column's.
BEGIN;
ALTER TABLE member_subscriptions ADD CHECK (used_sessions >= 0);
SELECT missing();
ALTER TABLE member_subscriptions ADD CHECK (total_sessions_snapshot >= used_sessions);
SELECT missing();
ROLLBACK;
BEGIN;
ALTER TABLE member_subscriptions ADD CHECK (used_sessions BETWEEN 5 AND total_sessions_snapshot) NOT VALID;
SELECT missing();
ROLLBACK;
BEGIN;
ALTER TABLE member_subscriptions ADD CHECK (used_sessions BETWEEN -1 AND total_sessions_snapshot);
SELECT missing();
ROLLBACK;
BEGIN;
ALTER TABLE member_subscriptions ADD CHECK (status <> 'active' OR used_sessions BETWEEN 0 AND total_sessions_snapshot);
SELECT missing();
ROLLBACK;
BEGIN;
ALTER TABLE member_subscriptions ADD CHECK (used_sessions >= 0
    AND (total_sessions_snapshot IS NULL OR total_sessions_snapshot >= used_sessions));
SELECT missing();
ROLLBACK;
BEGIN;
ALTER TABLE member_subscriptions ADD CHECK (used_sessions >= 0
    AND (remaining_sessions IS NULL OR total_sessions_snapshot >= used_sessions));
SELECT missing();
ROLLBACK;
BEGIN;
ALTER TABLE member_subscriptions ADD CHECK (used_sessions >= 0
    AND (total_sessions_snapshot IS NOT NULL OR total_sessions_snapshot >= used_sessions));
SELECT missing();
ROLLBACK;
ALTER TABLE member_subscriptions ADD CONSTRAINT "My check" CHECK (used_sessions BETWEEN 0 AND total_sessions_snapshot);

-- A unique index on active subscriptions: all of them, more statuses, other columns; not a condition that leaves some
-- out, not a constraint that waits for the end of the transaction, not a second column.
BEGIN;
CREATE UNIQUE INDEX ON member_subscriptions (member_id) INCLUDE (id);
SELECT missing();
ROLLBACK;
BEGIN;
CREATE UNIQUE INDEX ON member_subscriptions (member_id) WHERE status IN ('active', 'frozen');
SELECT missing();
ROLLBACK;
BEGIN;
CREATE UNIQUE INDEX ON member_subscriptions (member_id) WHERE status = 'active' AND id > 0;
SELECT missing();
ROLLBACK;
BEGIN;
ALTER TABLE member_subscriptions ADD UNIQUE (member_id) DEFERRABLE;
SELECT missing();
ROLLBACK;
BEGIN;
CREATE UNIQUE INDEX ON member_subscriptions (member_id, id) WHERE status = 'active';
CREATE INDEX ON member_subscriptions (member_id) WHERE status = 'active';
CREATE UNIQUE INDEX ON member_subscriptions (abs(member_id)) WHERE status = 'active';
SELECT missing();
ROLLBACK;
CREATE UNIQUE INDEX "My active index" ON member_subscriptions (member_id) WHERE 'active' = status;

-- An index on the link: as the first of several columns, of linked sessions alone; not as the second, not by hash.
BEGIN;
CREATE INDEX ON training_sessions (subscription_id DESC, day) WHERE subscription_id IS NOT NULL;
SELECT missing();
ROLLBACK;
BEGIN;
CREATE INDEX ON training_sessions (member_id, subscription_id);
CREATE INDEX ON training_sessions USING hash (subscription_id);
CREATE INDEX ON training_sessions (subscription_id) WHERE status <> 'cancelled';
SELECT missing();
ROLLBACK;
CREATE INDEX "My link index" ON training_sessions (subscription_id, status);

-- A CHECK that a consuming session is linked, where it is asked for.
SELECT missing(', link_check => true');
BEGIN;
ALTER TABLE training_sessions ADD CHECK (CASE WHEN session_type IN ('member', 'makeup', 'contractual')
                                              THEN subscription_id IS NOT NULL END);
SELECT missing(', link_check => true');
ROLLBACK;
BEGIN;
ALTER TABLE training_sessions ADD CHECK (subscription_id IS NOT NULL);
SELECT missing(', link_check => true');
ROLLBACK;
ALTER TABLE training_sessions ADD CONSTRAINT "My link check"
    CHECK (session_type NOT IN ('member', 'makeup', 'contractual') OR subscription_id IS NOT NULL);

-- With all of it there, attach makes the view and the triggers alone, and detach leaves the rest.
SELECT missing(', link_check => true');
SELECT remember();
SELECT step, action FROM session_consistency.attach('training_sessions', 'member_subscriptions', link_check => true);
SELECT regexp_replace(c, ' EXECUTE.*', '') FROM changed() c;
ALTER TABLE training_sessions VALIDATE CONSTRAINT "My key";
SELECT enforced, gaps FROM session_consistency.attachments WHERE sessions = 'training_sessions'::regclass;
INSERT INTO member_subscriptions (id, member_id, total_sessions_snapshot) VALUES (10, 1, 10);
INSERT INTO training_sessions (id, member_id) VALUES (1, 1), (2, 1);
DELETE FROM training_sessions WHERE id = 2;
SELECT * FROM counters();
SELECT * FROM recount();
SELECT step, action, command FROM session_consistency.detach('training_sessions', drop_added_columns => true);
SELECT * FROM changed();
\i :finish
