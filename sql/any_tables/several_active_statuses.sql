-- A subscription may be booked on in each of the statuses that active_statuses lists, and only there; a member has one
-- such subscription, whichever of them it is in.
\getenv top PG_ABS_SRCDIR
\set test several_active_statuses
\set gym :top /test/fixtures/gym.sql
\i :gym
\pset format unaligned
\pset tuples_only on
SELECT count(*) FROM session_consistency.attach('training_sessions', 'member_subscriptions',
    active_statuses => '{active,frozen}');
SELECT active_statuses, enforced, gaps FROM session_consistency.attachments
WHERE sessions = 'training_sessions'::regclass;
SELECT pg_get_expr(indpred, indrelid) FROM pg_index
WHERE indrelid = 'member_subscriptions'::regclass AND indisunique AND indpred IS NOT NULL;

-- Both are searched and charged; a third one is not.
UPDATE member_subscriptions SET status = 'frozen' WHERE id = 20;
SELECT outcome('INSERT INTO training_sessions (id, member_id) VALUES (1, 1)');
SELECT outcome('INSERT INTO training_sessions (id, member_id) VALUES (2, 2)');
SELECT outcome('INSERT INTO training_sessions (id, member_id) VALUES (3, 3)');
SELECT outcome('INSERT INTO training_sessions (id, member_id, subscription_id) VALUES (3, 1, 11)');
SELECT * FROM counters() WHERE used > 0;

-- One for each member, whatever its status.
SELECT outcome('UPDATE member_subscriptions SET status = ''frozen'' WHERE id = 11');
SELECT outcome('UPDATE member_subscriptions SET status = ''active'' WHERE id = 21');
UPDATE member_subscriptions SET status = 'frozen' WHERE id = 10;
SELECT outcome('INSERT INTO training_sessions (id, member_id) VALUES (4, 1)');
SELECT session_consistency.check_session_integrity(1, 'training_sessions') ->> 'subscription_id';
SELECT code, affected FROM session_consistency.audit('training_sessions') WHERE affected > 0;
SELECT * FROM session_consistency.check_counts('training_sessions');

-- An index that allows one for each status alone does not do; one whose predicate every listed status implies does.
SELECT count(*) > 0 FROM session_consistency.detach('training_sessions');
CREATE UNIQUE INDEX one_active ON member_subscriptions (member_id) WHERE status = 'active';
CREATE UNIQUE INDEX one_frozen ON member_subscriptions (member_id) WHERE status = 'frozen';
SELECT command FROM session_consistency.attach('training_sessions', 'member_subscriptions',
    active_statuses => '{frozen,active}', dry_run => true) WHERE action = 'create index';
DROP INDEX one_active, one_frozen;
CREATE UNIQUE INDEX one_current ON member_subscriptions (member_id) WHERE status <> 'expired';
SELECT command FROM session_consistency.attach('training_sessions', 'member_subscriptions',
    active_statuses => '{frozen,active}', dry_run => true) WHERE action = 'create index';
DROP INDEX one_current;
CREATE UNIQUE INDEX one_current ON member_subscriptions (member_id) WHERE status IN ('active', 'frozen');
SELECT command FROM session_consistency.attach('training_sessions', 'member_subscriptions',
    active_statuses => '{frozen,active}', dry_run => true) WHERE action = 'create index';
SELECT count(*) > 0 FROM session_consistency.attach('training_sessions', 'member_subscriptions',
    active_statuses => '{frozen,active}');
SELECT outcome('INSERT INTO training_sessions (id, member_id) VALUES (5, 2)');
SELECT outcome('INSERT INTO training_sessions (id, member_id) VALUES (6, 2)');

-- Several active ones that were there before are named.
SELECT count(*) > 0 FROM session_consistency.detach('training_sessions');
DROP INDEX one_current;
UPDATE member_subscriptions SET status = 'active' WHERE id = 11;
SELECT * FROM refusal($$SELECT session_consistency.attach('training_sessions', 'member_subscriptions',
    active_statuses => '{active,frozen}')$$) WHERE field IN ('sqlstate', 'detail');
SELECT code, affected FROM session_consistency.audit('training_sessions', 'member_subscriptions',
    active_statuses => '{active,frozen}') WHERE code = 'multiple_active_subscriptions';
SELECT code, affected FROM session_consistency.audit('training_sessions', 'member_subscriptions')
WHERE code = 'multiple_active_subscriptions';
UPDATE member_subscriptions SET status = 'expired' WHERE id = 11;
SELECT * FROM recount();
\i :finish
