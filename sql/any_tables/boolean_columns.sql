-- Types and statuses may be booleans of either table: lists are of t and f, and every index and condition follows.
\getenv top PG_ABS_SRCDIR
\set test boolean_columns
\set gym :top /test/fixtures/gym.sql
\i :gym
\pset format unaligned
\pset tuples_only on
CREATE TABLE packs (id int PRIMARY KEY, member_id int NOT NULL, is_active boolean NOT NULL, size int NOT NULL);
CREATE TABLE visits (id int PRIMARY KEY, member_id int NOT NULL, prepaid boolean, attended boolean);
INSERT INTO packs VALUES (10, 1, true, 2), (11, 1, false, 2), (20, 2, false, 5);
\set arguments '''visits'', ''packs'', type_column => ''prepaid'', status_column => ''attended'', subscription_status_column => ''is_active'', total_column => ''size'''

-- A list that the column refuses says what would do.
SELECT * FROM refusal($$SELECT session_consistency.attach($$ || :'arguments' || $$)$$)
WHERE field IN ('sqlstate', 'message', 'detail', 'hint');
SELECT * FROM refusal($$SELECT session_consistency.attach($$ || :'arguments' || $$, consuming_types => '{t}',
    scheduled_statuses => '{f}', completed_statuses => '{t,true}', active_statuses => '{t}')$$)
WHERE field IN ('sqlstate', 'message', 'detail', 'hint');
SELECT * FROM refusal($$SELECT session_consistency.attach($$ || :'arguments' || $$, consuming_types => '{t}',
    scheduled_statuses => '{f,t}', completed_statuses => '{yes}', active_statuses => '{t}')$$)
WHERE field IN ('sqlstate', 'message', 'detail', 'hint');
SELECT * FROM refusal($$SELECT session_consistency.attach($$ || :'arguments' || $$, consuming_types => '{t}',
    scheduled_statuses => '{f}', completed_statuses => '{t}', active_statuses => '{}')$$)
WHERE field IN ('sqlstate', 'message', 'detail', 'hint');

-- Booked and attended; a visit of neither holds nothing.
SELECT action, command FROM session_consistency.attach(:arguments, consuming_types => '{true}', scheduled_statuses => '{f}',
    completed_statuses => '{t}', active_statuses => '{t}') WHERE action = 'create index';
CALL session_consistency.migrate('visits');
SELECT consuming_types, scheduled_statuses, completed_statuses, active_statuses, enforced, gaps
FROM session_consistency.attachments WHERE sessions = 'visits'::regclass;
INSERT INTO visits VALUES (1, 1, true, false), (2, 1, true, NULL), (3, 1, false, false), (4, 1, NULL, true);
SELECT outcome('INSERT INTO visits VALUES (5, 2, true, false)'), outcome('INSERT INTO visits VALUES (5, 2, false, true)');
SELECT outcome('INSERT INTO visits VALUES (6, 1, true, false, 11)'), outcome('INSERT INTO visits VALUES (6, 1, true, true, 11)');
UPDATE visits SET attended = false WHERE id = 2;
SELECT outcome('INSERT INTO visits VALUES (7, 1, true, false)');
SELECT outcome('UPDATE packs SET is_active = true WHERE id = 11');
UPDATE visits SET attended = NOT attended WHERE id IN (1, 4);
SELECT subscription_id, status, total, completed, scheduled, remaining, used, is_consistent FROM packs_session_counts
ORDER BY 1;
SELECT session_consistency.check_session_integrity(1, 'visits');
SELECT * FROM recount('visits', 'packs', type => 'prepaid', types => '{true}', status => 'attended',
    statuses => '{true,false}', total => 'size', remaining => NULL);

-- The checks count by the same words: of a counter that was moved behind everybody's back both speak.
ALTER TABLE packs DISABLE TRIGGER USER;
UPDATE packs SET used_sessions = 1 WHERE id = 10;
ALTER TABLE packs ENABLE TRIGGER USER;
SELECT subscription_id, completed, scheduled, expected_used, drift FROM session_consistency.check_counts('visits');
SELECT code, affected FROM session_consistency.audit('visits') WHERE affected > 0;
SELECT count(*) FROM session_consistency.repair('visits', dry_run => false);
SELECT * FROM recount('visits', 'packs', type => 'prepaid', types => '{true}', status => 'attended',
    statuses => '{true,false}', total => 'size', remaining => NULL);

-- An index WHERE is_active is the one that R12 needs, and false may stand for active, too.
SELECT count(*) > 0 FROM session_consistency.detach('visits');
CREATE UNIQUE INDEX one_active ON packs (member_id) WHERE is_active;
SELECT command FROM session_consistency.attach(:arguments, consuming_types => '{t}', scheduled_statuses => '{f}',
    completed_statuses => '{t}', active_statuses => '{t}', dry_run => true) WHERE action = 'create index';
DROP INDEX one_active;
ALTER TABLE packs RENAME COLUMN is_active TO is_closed;
UPDATE packs SET is_closed = NOT is_closed;
CREATE UNIQUE INDEX one_open ON packs (member_id) WHERE NOT is_closed;
SELECT command FROM session_consistency.attach('visits', 'packs', type_column => 'prepaid', status_column => 'attended',
    subscription_status_column => 'is_closed', total_column => 'size', consuming_types => '{t}',
    scheduled_statuses => '{f}', completed_statuses => '{t}', active_statuses => '{f}') WHERE action = 'create index';
DELETE FROM visits WHERE id = 2;
SELECT outcome('INSERT INTO visits VALUES (8, 1, true, true)'), outcome('INSERT INTO visits VALUES (9, 1, true, false)');
SELECT id, used_sessions FROM packs ORDER BY 1;
SELECT * FROM recount('visits', 'packs', type => 'prepaid', types => '{true}', status => 'attended',
    statuses => '{true,false}', total => 'size', remaining => NULL);
\i :finish
