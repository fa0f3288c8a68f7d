-- The guard of the guards: run_check() finds, each by name, what would switch the rules off, and what had no row event.
-- Each is done in a transaction of its own, checked, and taken back.
\getenv top PG_ABS_SRCDIR
\set test check_finds_gaps
\set gym :top /test/fixtures/gym.sql
\set partitioned 1
\i :gym
SELECT count(*) > 0 AS attached
    FROM session_consistency.attach('training_sessions', 'member_subscriptions', link_check => true);
CALL session_consistency.migrate('training_sessions');
INSERT INTO training_sessions (id, day, member_id, status) VALUES
    (1, '2030-01-01', 1, 'scheduled'), (2, '2030-01-02', 1, 'completed'), (3, '2031-01-01', 1, 'completed'),
    (4, '2031-01-01', 2, 'scheduled');
RESET ROLE;
CREATE FUNCTION index_on(indexed regclass, part text) RETURNS regclass LANGUAGE sql AS $$
    SELECT indexrelid::regclass FROM pg_index
    WHERE indrelid = indexed AND NOT indisprimary AND pg_get_indexdef(indexrelid) LIKE '%' || part || '%' $$;
-- What a check finds after these statements; they are taken back.
CREATE FUNCTION found_after(VARIADIC statements text[] DEFAULT '{}')
    RETURNS TABLE (code text, severity text, subscription text, expected text, actual text) LANGUAGE plpgsql AS $$
DECLARE
    statement text;
    run bigint;
    findings session_consistency.check_findings[];
BEGIN
    BEGIN
        FOREACH statement IN ARRAY statements LOOP
            EXECUTE statement;
        END LOOP;
        SET LOCAL session_replication_role = origin;
        run := session_consistency.run_check('training_sessions');
        SELECT array_agg(f) INTO findings FROM session_consistency.check_findings f WHERE f.first_run = run;
        RAISE SQLSTATE 'UNDO1';
    EXCEPTION WHEN SQLSTATE 'UNDO1' THEN
        NULL;
    END;
    RETURN QUERY SELECT f.code, f.severity, f.subscription_id, f.expected, f.actual FROM unnest(findings) f
                 ORDER BY f.code, f.subscription_id, f.actual COLLATE "C";
END $$;
SELECT * FROM found_after();

-- Triggers of the sessions: disabled, for replication alone, dropped, narrowed, with other words.
SELECT * FROM found_after('ALTER TABLE training_sessions DISABLE TRIGGER "zz_session_consistency_link_member_subscriptions"');
SELECT * FROM found_after('ALTER TABLE training_sessions DISABLE TRIGGER "00_session_consistency_charge_member_subscriptions"');
SELECT * FROM found_after('ALTER TABLE training_sessions DISABLE TRIGGER "00_session_consistency_reset_member_subscriptions"');
SELECT * FROM found_after('ALTER TABLE training_sessions ENABLE REPLICA TRIGGER "00_session_consistency_charge_member_subscriptions"');
SELECT * FROM found_after('DROP TRIGGER "zz_session_consistency_link_member_subscriptions" ON training_sessions');
SELECT * FROM found_after('DROP TRIGGER "00_session_consistency_charge_member_subscriptions" ON training_sessions');
SELECT * FROM found_after('DROP TRIGGER "00_session_consistency_reset_member_subscriptions" ON training_sessions');
-- Of the subscriptions.
SELECT * FROM found_after('ALTER TABLE member_subscriptions DISABLE TRIGGER "zz_session_consistency_keep_member_subscriptions"');
SELECT * FROM found_after('ALTER TABLE member_subscriptions DISABLE TRIGGER "00_session_consistency_guard_member_subscriptions"');
SELECT * FROM found_after('DROP TRIGGER "zz_session_consistency_keep_member_subscriptions" ON member_subscriptions');
SELECT * FROM found_after('DROP TRIGGER "00_session_consistency_guard_member_subscriptions" ON member_subscriptions');
SELECT actual LIKE '%fire for every change' AS narrowed FROM found_after(
    'DROP TRIGGER "00_session_consistency_guard_member_subscriptions" ON member_subscriptions',
    (SELECT replace(pg_get_triggerdef(oid), 'FOR EACH ROW', 'FOR EACH ROW WHEN (pg_trigger_depth() > 7)') FROM pg_trigger
     WHERE tgrelid = 'member_subscriptions'::regclass AND tgname = '00_session_consistency_guard_member_subscriptions'));
SELECT actual FROM found_after(
    'DROP TRIGGER "00_session_consistency_guard_member_subscriptions" ON member_subscriptions',
    (SELECT replace(pg_get_triggerdef(oid), '{format=1', '{format=1,guard=off') FROM pg_trigger
     WHERE tgrelid = 'member_subscriptions'::regclass AND tgname = '00_session_consistency_guard_member_subscriptions'));
-- Of a partition alone.
SELECT * FROM found_after('ALTER TABLE sessions_2030 DISABLE TRIGGER "zz_session_consistency_link_member_subscriptions"');
SELECT * FROM found_after('ALTER TABLE sessions_2031 DISABLE TRIGGER "00_session_consistency_charge_member_subscriptions"');
SELECT * FROM found_after(
    'SET LOCAL allow_system_table_mods = on',
    $$DELETE FROM pg_trigger WHERE tgrelid = 'sessions_2031'::regclass AND tgname = '00_session_consistency_charge_member_subscriptions'$$);

-- The foreign key: dropped, not validated, its own triggers disabled.
SELECT * FROM found_after('ALTER TABLE training_sessions DROP CONSTRAINT sc_training_sessions_subscription_id_fkey');
SELECT * FROM found_after('SET LOCAL allow_system_table_mods = on',
    $$UPDATE pg_constraint SET convalidated = false
      WHERE conrelid = 'sessions_2030'::regclass AND conname = 'sc_training_sessions_subscription_id_fkey'$$);
SELECT code, actual LIKE 'foreign key % of table % has a disabled trigger' AS disabled
    FROM found_after('ALTER TABLE member_subscriptions DISABLE TRIGGER ALL') WHERE actual LIKE 'foreign%';
-- The CHECKs: dropped, not validated.
SELECT * FROM found_after(
    'ALTER TABLE member_subscriptions DROP CONSTRAINT sc_member_subscriptions_used_sessions_check');
SELECT * FROM found_after(
    'ALTER TABLE member_subscriptions DROP CONSTRAINT sc_member_subscriptions_used_sessions_check',
    'ALTER TABLE member_subscriptions ADD CHECK (used_sessions >= 0 AND used_sessions <= total_sessions_snapshot) NOT VALID');
SELECT * FROM found_after((SELECT format('ALTER TABLE training_sessions DROP CONSTRAINT %I', conname) FROM pg_constraint
                           WHERE conrelid = 'training_sessions'::regclass AND contype = 'c'));
-- The indexes: dropped, invalid, one of a partition.
SELECT * FROM found_after(format('DROP INDEX %s', index_on('member_subscriptions', 'WHERE')));
SELECT * FROM found_after('SET LOCAL allow_system_table_mods = on', format(
    'UPDATE pg_index SET indisvalid = false WHERE indexrelid = %L::regclass', index_on('member_subscriptions', 'WHERE')));
SELECT * FROM found_after(format('DROP INDEX %s', index_on('training_sessions', '(subscription_id')));
SELECT * FROM found_after('SET LOCAL allow_system_table_mods = on', format(
    'UPDATE pg_index SET indisvalid = false WHERE indexrelid = %L::regclass', index_on('training_sessions', '(subscription_id')));
-- A role, every role, the database, a role in the database: triggers do not fire for whoever connects.
SELECT actual FROM found_after('ALTER ROLE regress_check_finds_gaps_desk SET session_replication_role = replica');
SELECT actual FROM found_after(format('ALTER ROLE regress_check_finds_gaps_desk IN DATABASE %I'
    ' SET session_replication_role = ''replica''', current_database()));
SELECT actual FROM found_after('ALTER ROLE ALL SET session_replication_role = replica');
SELECT actual FROM found_after(format('ALTER DATABASE %I SET session_replication_role = replica', current_database()));
SELECT actual FROM found_after('ALTER ROLE regress_check_finds_gaps_desk SET session_replication_role = local');

-- What has no row event shows as drift: a partition truncated, dropped, detached, attached with sessions in it, written
-- to past the triggers.
SELECT * FROM found_after('TRUNCATE sessions_2031');
SELECT * FROM found_after('DROP TABLE sessions_2031');
SELECT * FROM found_after('ALTER TABLE training_sessions DETACH PARTITION sessions_2031');
SELECT * FROM found_after(
    'CREATE TABLE sessions_2032 (LIKE sessions_2031 INCLUDING ALL)',
    $$INSERT INTO sessions_2032 SELECT id + 10, day + 365, member_id, session_type, status, note, subscription_id
      FROM sessions_2031$$,
    $$ALTER TABLE training_sessions ATTACH PARTITION sessions_2032 FOR VALUES FROM ('2032-01-01') TO ('2033-01-01')$$);
SELECT * FROM found_after(
    'SET LOCAL session_replication_role = replica',
    $$UPDATE training_sessions SET status = 'cancelled' WHERE id = 1$$,
    'DELETE FROM training_sessions WHERE id = 2',
    'TRUNCATE sessions_2031');
SELECT * FROM found_after('ALTER TABLE training_sessions DISABLE TRIGGER USER', 'TRUNCATE training_sessions',
                          'ALTER TABLE training_sessions ENABLE TRIGGER USER');
-- Nothing of it is left.
SELECT * FROM found_after();
SELECT enforced FROM session_consistency.attachments WHERE sessions = 'training_sessions'::regclass;
SET ROLE :owner;
SELECT * FROM recount();
\i :finish
