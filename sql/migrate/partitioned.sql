-- Sessions in partitions, with columns at other places in some: migrated like any, also where a partition comes later.
\getenv top PG_ABS_SRCDIR
\set test migrate_partitioned
\set partitioned 1
\set gym :top /test/fixtures/gym.sql
\i :gym
ALTER TABLE member_subscriptions ADD valid_from date, ADD valid_until date;
UPDATE member_subscriptions SET valid_from = '2031-01-01' WHERE id IN (10, 20);
UPDATE member_subscriptions SET valid_until = '2030-12-31' WHERE id IN (11, 21, 30);
-- A partition whose columns have other numbers, and one that is partitioned itself.
CREATE TABLE sessions_2032 (dropped text, note text, status session_status DEFAULT 'scheduled', day date NOT NULL,
    member_id integer NOT NULL, id integer NOT NULL, session_type session_type DEFAULT 'member', PRIMARY KEY (id, day));
ALTER TABLE sessions_2032 DROP dropped;
ALTER TABLE training_sessions ATTACH PARTITION sessions_2032 FOR VALUES FROM ('2032-01-01') TO ('2033-01-01');
CREATE TABLE sessions_2033 PARTITION OF training_sessions FOR VALUES FROM ('2033-01-01') TO ('2034-01-01') PARTITION BY HASH (id);
CREATE TABLE sessions_2033_0 PARTITION OF sessions_2033 FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE sessions_2033_1 PARTITION OF sessions_2033 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO training_sessions (id, member_id, day, status)
    SELECT i, 1 + i % 3, date '2030-01-01' + i * 60, CASE i % 4 WHEN 0 THEN 'cancelled' ELSE 'completed' END::session_status
    FROM generate_series(1, 20) i;
UPDATE member_subscriptions SET total_sessions_snapshot = 4;
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
-- A partition is not what is attached.
\set VERBOSITY default
CALL session_consistency.migrate('sessions_2030');
SET client_min_messages = notice;
CALL session_consistency.migrate('training_sessions', batch_size => 3, start_column => 'day', valid_from_column => 'valid_from', valid_until_column => 'valid_until');
SET client_min_messages = warning;
SELECT t.tableoid::regclass AS partition, t.id, t.member_id, t.day, t.status, t.subscription_id FROM training_sessions t ORDER BY id;
SELECT * FROM counters();
SELECT enforced, gaps FROM session_consistency.attachments WHERE sessions = 'training_sessions'::regclass;

-- What a partition brings along that is attached later can be migrated, too.
CREATE TABLE sessions_2034 (LIKE training_sessions INCLUDING ALL);
INSERT INTO sessions_2034 (id, member_id, day, status) VALUES (50, 1, '2034-05-05', 'completed'), (51, 2, '2034-05-05', 'completed');
ALTER TABLE training_sessions ATTACH PARTITION sessions_2034 FOR VALUES FROM ('2034-01-01') TO ('2035-01-01');
UPDATE member_subscriptions SET total_sessions_snapshot = 10 WHERE id = 10;
CALL session_consistency.migrate('training_sessions', batch_size => 3, start_column => 'day', valid_from_column => 'valid_from', valid_until_column => 'valid_until');
SELECT id, subscription_id FROM training_sessions WHERE id >= 50 ORDER BY id;
SELECT * FROM counters();

-- Generated columns and CHECKs of the table's own are kept. Statement triggers of the table fire, with what they may see of all partitions.
CREATE TABLE seen (what text);
CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_LEVEL = 'STATEMENT' AND TG_WHEN = 'AFTER' THEN
        INSERT INTO seen SELECT format('%s %s: %s', TG_TABLE_NAME, TG_WHEN,
            (SELECT string_agg(format('%s %s', n.id, n.subscription_id), ', ' ORDER BY n.id) FROM new_rows n JOIN old_rows o USING (id)
             WHERE o.subscription_id IS NULL));
        RETURN NULL;
    END IF;
    INSERT INTO seen VALUES (format('%s %s', TG_TABLE_NAME, TG_WHEN));
    RETURN NEW;
END $$;
CREATE FUNCTION note_row() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$ BEGIN NEW.note := 'linked'; RETURN NEW; END $$;
CREATE TRIGGER before_all BEFORE UPDATE ON training_sessions EXECUTE FUNCTION look();
CREATE TRIGGER after_all AFTER UPDATE ON training_sessions REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows EXECUTE FUNCTION look();
CREATE TRIGGER before_partition BEFORE UPDATE ON sessions_2032 EXECUTE FUNCTION look();
CREATE TRIGGER each_row BEFORE UPDATE ON training_sessions FOR EACH ROW EXECUTE FUNCTION note_row();
ALTER TABLE training_sessions ADD paid_by text GENERATED ALWAYS AS ('pack ' || subscription_id) STORED,
    ADD CHECK (id <> 17 OR subscription_id IS NULL OR note = 'linked');
UPDATE member_subscriptions SET total_sessions_snapshot = 100;
CALL session_consistency.migrate('training_sessions', batch_size => 100, start_column => 'day', valid_from_column => 'valid_from', valid_until_column => 'valid_until', when_ambiguous => 'fill');
SELECT * FROM seen;
SELECT id, subscription_id, paid_by, note FROM training_sessions WHERE note IS NOT NULL ORDER BY id;
SELECT count(*) FROM training_sessions WHERE subscription_id IS NULL;

-- The recount finds nothing.
SELECT * FROM recount();
\i :finish
