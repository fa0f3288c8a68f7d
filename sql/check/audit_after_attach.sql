-- Once attached, an audit needs the sessions' name alone: every argument that is left at its default stands for the
-- attachment's own value. It also looks at what enforces the rules; and repair_sql calls repair().
\getenv top PG_ABS_SRCDIR
\set test audit_after_attach
\set partitioned 1
\set gym :top /test/fixtures/gym.sql
\i :gym
ALTER TYPE session_type ADD VALUE 'pt';
ALTER TABLE training_sessions RENAME status TO state;
ALTER TABLE member_subscriptions RENAME used_sessions TO taken;
SELECT count(*) > 0 AS attached
FROM session_consistency.attach('training_sessions', 'member_subscriptions', subscription_column => 'pack',
                                status_column => 'state', consuming_types => '{pt,member}', used_column => 'taken');
-- There are packs already: what attach() left to be validated is a gap until it is.
SELECT code, affected > 0 AS found FROM session_consistency.audit('training_sessions') WHERE affected > 0;
SELECT format('ALTER TABLE %s VALIDATE CONSTRAINT %I', conrelid::regclass, conname) FROM pg_constraint
WHERE NOT convalidated AND conrelid = 'member_subscriptions'::regclass \gexec
CREATE FUNCTION found() RETURNS TABLE (code text, member text, subscription text, session text, expected text,
                                       actual text, repair_sql text)
    LANGUAGE sql AS $$
    SELECT code, member_id, subscription_id, session_id, expected, actual, repair_sql
    FROM session_consistency.audit_findings('training_sessions')
$$;
INSERT INTO training_sessions (id, day, member_id, session_type, state) VALUES
    (1, '2030-01-01', 1, 'pt', 'scheduled'), (2, '2031-01-01', 1, 'member', 'completed'),
    (3, '2031-01-01', 1, 'makeup', 'completed'), (4, '2030-01-01', 2, 'pt', 'cancelled');
SELECT count(*), sum(affected) FROM session_consistency.audit('training_sessions');
SELECT description FROM session_consistency.audit('training_sessions') WHERE code = 'enforcement_gap';

-- The subscriptions may be named too. An argument that is not left at its default is taken as it is.
SELECT sum(affected) FROM session_consistency.audit('training_sessions', 'member_subscriptions');
SELECT code, session_id, expected, actual, repair_sql
FROM session_consistency.audit_findings('training_sessions', consuming_types => '{pt,makeup}');
SELECT code, session_id, expected, actual
FROM session_consistency.audit_findings('training_sessions', type_column => NULL);

-- Corruption behind the triggers' back.
RESET ROLE;
BEGIN;
SET LOCAL session_replication_role = replica;
UPDATE training_sessions SET session_type = 'guest' WHERE id = 2;
UPDATE training_sessions SET pack = 99 WHERE id = 1;
UPDATE training_sessions SET pack = 20 WHERE id = 3;
DELETE FROM members WHERE id = 2;
UPDATE member_subscriptions SET taken = 1 WHERE id = 30;
SELECT * FROM found();
ROLLBACK;

-- Each thing that enforces the rules, taken away on its own.
BEGIN;
ALTER TABLE training_sessions DISABLE TRIGGER "00_session_consistency_charge_member_subscriptions";
SELECT code, affected > 0 AS found FROM session_consistency.audit('training_sessions') WHERE affected > 0;
ROLLBACK;
BEGIN;
ALTER TABLE sessions_2031 DISABLE TRIGGER "00_session_consistency_charge_member_subscriptions";
SELECT code, session, expected, actual ~ 'sessions_2031' AS names_it, repair_sql FROM found();
ROLLBACK;
BEGIN;
DROP TRIGGER "00_session_consistency_guard_member_subscriptions" ON member_subscriptions;
SELECT DISTINCT code FROM found();
ROLLBACK;
BEGIN;
SELECT format('DROP INDEX %s', indexrelid::regclass) FROM pg_index
WHERE indrelid = 'member_subscriptions'::regclass AND indisunique AND indpred IS NOT NULL \gexec
UPDATE member_subscriptions SET status = 'active' WHERE id = 11;
SELECT DISTINCT code FROM found() ORDER BY 1;
ROLLBACK;
-- The foreign key too: the guard still tells which table holds the subscriptions.
BEGIN;
DO $$
DECLARE
    name text;
BEGIN
    SELECT conname INTO STRICT name FROM pg_constraint
    WHERE conrelid = 'training_sessions'::regclass AND contype = 'f' AND confrelid = 'member_subscriptions'::regclass;
    EXECUTE format('ALTER TABLE training_sessions DROP CONSTRAINT %I', name);
END $$;
SET LOCAL session_replication_role = replica;
UPDATE training_sessions SET session_type = 'guest', pack = 10 WHERE id = 3;
SELECT DISTINCT code, repair_sql FROM found() ORDER BY 1;
SELECT code, affected > 0 AS found
FROM session_consistency.audit('training_sessions', 'member_subscriptions') WHERE affected > 0;
ROLLBACK;

-- Other subscriptions than the attached ones are audited as if nothing were attached.
CREATE TABLE other_packs AS SELECT * FROM member_subscriptions;
ALTER TABLE other_packs OWNER TO :owner;
ALTER TABLE other_packs ADD PRIMARY KEY (id);
UPDATE other_packs SET taken = 0;
SELECT code, subscription_id, repair_sql
FROM session_consistency.audit_findings('training_sessions', 'other_packs', subscription_column => 'pack',
                                        status_column => 'state', consuming_types => '{pt,member}',
                                        used_column => 'taken');

-- The recount finds nothing.
SELECT * FROM recount(link => 'pack', status => 'state', used => 'taken', types => '{pt,member}');
\i :finish
