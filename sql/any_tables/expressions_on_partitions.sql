-- Partitions have other numbers for their columns: each has a clone of the trigger that carries the expressions.
\getenv top PG_ABS_SRCDIR
\set test expressions_on_partitions
\set gym :top /test/fixtures/gym.sql
\set partitioned on
\i :gym
\pset format unaligned
\pset tuples_only on
ALTER TABLE training_sessions ADD minutes int, ADD deleted boolean NOT NULL DEFAULT false, ADD kind int;
ALTER TABLE member_subscriptions ADD kinds int[];
-- One that was made apart, with its columns in another order and one that is gone.
CREATE TABLE sessions_2032 (gone int, kind int, deleted boolean NOT NULL DEFAULT false, note text, minutes int,
    status session_status DEFAULT 'scheduled', session_type session_type DEFAULT 'member',
    member_id integer NOT NULL REFERENCES members ON DELETE CASCADE, day date NOT NULL DEFAULT '2032-01-01', id integer NOT NULL);
ALTER TABLE sessions_2032 DROP COLUMN gone;
ALTER TABLE training_sessions ATTACH PARTITION sessions_2032 FOR VALUES FROM ('2032-01-01') TO ('2033-01-01');
SELECT action, command FROM session_consistency.attach('training_sessions', 'member_subscriptions',
    counts_when => 'NOT deleted', cost => 'minutes / 30',
    pays_when => 'session.kind = ANY (subscription.kinds)', ledger => true)
WHERE action = 'disable trigger';
CALL session_consistency.migrate('training_sessions');
-- And one that comes later.
CREATE TABLE sessions_2033 PARTITION OF training_sessions FOR VALUES FROM ('2033-01-01') TO ('2034-01-01');
SELECT tgrelid::regclass, tgenabled, regexp_replace(pg_get_triggerdef(oid), '.*WHEN \((.*)\) EXECUTE.*', '\1')
FROM pg_trigger WHERE tgname LIKE 'session_consistency_expressions%' ORDER BY 1;
CREATE VIEW wrong AS
    SELECT s.id, s.used_sessions, c.held FROM member_subscriptions s
        CROSS JOIN LATERAL (SELECT coalesce(sum(t.minutes / 30), 0) AS held FROM training_sessions t
                            WHERE t.subscription_id = s.id AND t.session_type IN ('member', 'makeup', 'contractual')
                                  AND t.status IN ('scheduled', 'in_progress', 'completed') AND NOT t.deleted) c
    WHERE s.used_sessions <> c.held OR s.used_sessions > s.total_sessions_snapshot;
UPDATE member_subscriptions SET kinds = '{1}' WHERE id = 10;

INSERT INTO training_sessions (id, day, member_id, minutes, kind) VALUES
    (1, '2030-05-05', 1, 60, 1), (2, '2031-05-05', 1, 30, 1), (3, '2032-05-05', 1, 90, 1), (4, '2033-05-05', 1, 30, 1);
SELECT outcome('INSERT INTO sessions_2032 (id, member_id, minutes, kind) VALUES (5, 1, 30, 2)');
SELECT outcome('INSERT INTO sessions_2032 (id, member_id, minutes, kind) VALUES (5, 1, 150, 1)');
INSERT INTO sessions_2032 (id, member_id, minutes, kind, deleted) VALUES (5, 1, 150, 2, true);
SELECT outcome('UPDATE training_sessions SET deleted = false, minutes = 60 WHERE id = 5');
SELECT * FROM counters() WHERE id = '10';
-- A row that moves adds nothing and is not judged, unless it is changed in what is judged on its way.
UPDATE member_subscriptions SET kinds = '{3}' WHERE id = 10;
UPDATE training_sessions SET day = '2032-06-06' WHERE id = 1;
UPDATE training_sessions SET day = '2030-06-06' WHERE id = 3;
SELECT outcome('UPDATE training_sessions SET day = ''2031-06-06'', kind = 2 WHERE id = 3');
SELECT outcome('UPDATE training_sessions SET day = ''2031-06-06'', minutes = 120 WHERE id = 3');
UPDATE training_sessions SET day = '2031-06-06', minutes = 60 WHERE id = 3;
UPDATE training_sessions SET day = '2032-06-06', kind = 3 WHERE id = 4;
UPDATE training_sessions SET day = '2033-06-06', deleted = true WHERE id = 2;
SELECT * FROM counters() WHERE id = '10';
SELECT tableoid::regclass, id, subscription_id, minutes, kind, deleted FROM training_sessions ORDER BY id;
TABLE wrong;
SELECT * FROM session_consistency.check_counts('training_sessions');
SELECT * FROM session_consistency.ledger_gaps('training_sessions');
SELECT enforced, gaps FROM session_consistency.attachments WHERE sessions = 'training_sessions'::regclass;

-- One partition's trigger is all that stands for it.
ALTER TABLE training_sessions DETACH PARTITION sessions_2033;
SELECT count(*) FROM pg_trigger WHERE tgrelid = 'sessions_2033'::regclass AND tgname LIKE '%expressions%';
SELECT count(*) > 0 FROM session_consistency.detach('training_sessions');
SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal AND tgrelid IN ('training_sessions'::regclass, 'sessions_2032'::regclass);
\i :finish
