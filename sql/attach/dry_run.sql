-- The commands of a dry run, run by hand in their order, make the same attachment; so do those of detach on the way back.
\getenv top PG_ABS_SRCDIR
\set test attach_dry_run
\set partitioned on
\set gym :top /test/fixtures/gym.sql
\set objects :top /test/fixtures/objects.sql
\i :gym
\i :objects
\set VERBOSITY default
\pset format unaligned
\pset tuples_only on
INSERT INTO training_sessions (id, member_id) VALUES (1, 1);
DELETE FROM training_sessions;
SELECT remember();
\set options 'link_check => true, counts_view => ''Counts of "packs"'', guard => ''ignore'', used_column => ''taken'', remaining_column => NULL'
-- What attach makes.
BEGIN;
SELECT count(*) FROM session_consistency.attach('training_sessions', 'member_subscriptions', :options);
SELECT string_agg(c, E'\n' ORDER BY c COLLATE "C") AS made FROM changed() c \gset
ROLLBACK;

-- The same by hand, with another search path.
SELECT command FROM session_consistency.attach('training_sessions', 'member_subscriptions', dry_run => true, :options);
SET search_path = nowhere;
SELECT command FROM session_consistency.attach('attach_dry_run.training_sessions', 'attach_dry_run.member_subscriptions',
    dry_run => true, :options) \gexec
SET search_path = :test;
SELECT string_agg(c, E'\n' ORDER BY c COLLATE "C") = :'made' AS same FROM changed() c;
SELECT * FROM changed();
\x
SELECT * FROM session_consistency.attachments WHERE sessions = 'training_sessions'::regclass;
\x
INSERT INTO training_sessions (id, member_id, day) VALUES (1, 1, '2030-05-05'), (2, 1, '2031-05-05'), (3, 2, '2030-05-05');
UPDATE training_sessions SET status = 'cancelled' WHERE id = 2;
SELECT id, taken FROM member_subscriptions WHERE taken > 0 ORDER BY id;
SELECT * FROM recount(used => 'taken', remaining => NULL);

-- The way back, by hand and by detach.
BEGIN;
SELECT command FROM session_consistency.detach('training_sessions', drop_added_columns => true, dry_run => true) \gexec
SELECT * FROM changed();
ROLLBACK;
SELECT command FROM session_consistency.detach('training_sessions', drop_added_columns => true);
SELECT * FROM changed();
\i :finish
