-- Tables attach as they are: with a link key that sets NULL, cascades or is deferrable, and that refers to a unique
-- column of the subscriptions which is not their primary key.
\getenv top PG_ABS_SRCDIR
\set test own_link_key
\set gym :top /test/fixtures/gym.sql
\i :gym
\pset format unaligned
\pset tuples_only on
ALTER TABLE member_subscriptions ADD code text;
UPDATE member_subscriptions SET code = 'P' || id;
ALTER TABLE member_subscriptions ADD UNIQUE (code);
ALTER TABLE training_sessions ADD pack_code varchar(20) REFERENCES member_subscriptions (code)
    ON UPDATE CASCADE ON DELETE SET NULL;
\set recount 'SELECT * FROM recount(link => ''pack_code'', key => ''code'')'

-- Each subscription needs a key that it can be linked by.
SELECT * FROM refusal($$SELECT session_consistency.attach('training_sessions', 'member_subscriptions',
    subscription_column => 'pack_code')$$);
ALTER TABLE member_subscriptions ALTER code SET NOT NULL;
SELECT action, command FROM session_consistency.attach('training_sessions', 'member_subscriptions',
    subscription_column => 'pack_code', ledger => true) WHERE action IN ('add column', 'add foreign key', 'create view');
CALL session_consistency.migrate('training_sessions');
SELECT enforced, gaps FROM session_consistency.attachments WHERE sessions = 'training_sessions'::regclass;
SELECT conname FROM pg_constraint WHERE conrelid = 'training_sessions'::regclass AND contype = 'f' ORDER BY 1;

INSERT INTO training_sessions (id, member_id) VALUES (1, 1), (2, 1), (3, 2);
SELECT outcome('INSERT INTO training_sessions (id, member_id, pack_code) VALUES (4, 2, ''P10'')');
SELECT outcome('INSERT INTO training_sessions (id, member_id, pack_code) VALUES (4, 2, ''none'')');
UPDATE training_sessions SET status = 'cancelled' WHERE id = 2;
UPDATE member_subscriptions SET code = 'gold' WHERE id = 10;
SELECT id, member_id, pack_code, status FROM training_sessions ORDER BY id;
SELECT subscription_id, scheduled, used, is_consistent FROM member_subscriptions_session_counts ORDER BY 1;
SELECT session_consistency.check_session_integrity(1, 'training_sessions') ->> 'subscription_id';

-- Deleted, a used pack is refused; what holds nothing loses its link.
SELECT outcome('DELETE FROM member_subscriptions WHERE id = 10');
UPDATE training_sessions SET status = 'cancelled' WHERE id = 1;
DELETE FROM member_subscriptions WHERE id = 10;
SELECT id, member_id, pack_code, status FROM training_sessions ORDER BY id;
:recount;

-- Checks, repair and the ledger name subscriptions by that key.
ALTER TABLE member_subscriptions DISABLE TRIGGER USER;
UPDATE member_subscriptions SET used_sessions = 2 WHERE id = 20;
ALTER TABLE member_subscriptions ENABLE TRIGGER USER;
SELECT subscription_id, used, expected_used FROM session_consistency.check_counts('training_sessions');
SELECT count(*) FROM session_consistency.repair('training_sessions', dry_run => false);
SELECT subscription_id, session_id, delta, balance, reason FROM session_consistency.ledger_lines
WHERE attachment = 'training_sessions'::regclass AND subscription_id = 'P20' ORDER BY line;
:recount;
SELECT count(*) > 0 FROM session_consistency.detach('training_sessions');

-- CASCADE: sessions go with their pack.
DELETE FROM training_sessions;
UPDATE member_subscriptions SET used_sessions = 0;
ALTER TABLE training_sessions DROP CONSTRAINT training_sessions_pack_code_fkey,
    ADD CONSTRAINT link FOREIGN KEY (pack_code) REFERENCES member_subscriptions (code) ON DELETE CASCADE;
SELECT count(*) > 0 FROM session_consistency.attach('training_sessions', 'member_subscriptions',
    subscription_column => 'pack_code');
CALL session_consistency.migrate('training_sessions');
SELECT enforced, gaps FROM session_consistency.attachments WHERE sessions = 'training_sessions'::regclass;
INSERT INTO training_sessions (id, member_id) VALUES (1, 2), (2, 2);
DELETE FROM member_subscriptions WHERE id = 20;
SELECT count(*) FROM training_sessions;
INSERT INTO member_subscriptions (id, member_id, total_sessions_snapshot, code) VALUES (22, 2, 2, 'P22');
:recount;
SELECT count(*) > 0 FROM session_consistency.detach('training_sessions');

-- Deferred: a link may lead nowhere until COMMIT, but for a session that holds a credit.
ALTER TABLE training_sessions DROP CONSTRAINT link,
    ADD CONSTRAINT link FOREIGN KEY (pack_code) REFERENCES member_subscriptions (code) DEFERRABLE INITIALLY DEFERRED;
SELECT count(*) > 0 FROM session_consistency.attach('training_sessions', 'member_subscriptions',
    subscription_column => 'pack_code');
CALL session_consistency.migrate('training_sessions');
SELECT enforced, gaps FROM session_consistency.attachments WHERE sessions = 'training_sessions'::regclass;
SELECT outcome('INSERT INTO training_sessions (id, member_id, pack_code) VALUES (1, 2, ''P23'')');
BEGIN;
INSERT INTO training_sessions (id, member_id, pack_code, status) VALUES (1, 4, 'P40', 'cancelled');
INSERT INTO member_subscriptions (id, member_id, total_sessions_snapshot, code) VALUES (40, 4, 2, 'P40');
UPDATE training_sessions SET status = 'scheduled' WHERE id = 1;
COMMIT;
BEGIN;
INSERT INTO training_sessions (id, member_id, pack_code, status) VALUES (2, 4, 'P41', 'cancelled');
COMMIT;
SELECT outcome('DELETE FROM member_subscriptions WHERE id = 40');
SELECT id, used_sessions FROM member_subscriptions WHERE used_sessions > 0;
:recount;
SELECT count(*) > 0 FROM session_consistency.detach('training_sessions');

-- A composite key may set NULL what is not the member.
DELETE FROM training_sessions;
UPDATE member_subscriptions SET used_sessions = 0;
ALTER TABLE member_subscriptions ADD UNIQUE (member_id, code);
ALTER TABLE training_sessions DROP CONSTRAINT link, ADD CONSTRAINT link FOREIGN KEY (member_id, pack_code)
    REFERENCES member_subscriptions (member_id, code) ON DELETE SET NULL;
SELECT * FROM refusal($$SELECT session_consistency.attach('training_sessions', 'member_subscriptions',
    subscription_column => 'pack_code')$$) WHERE field IN ('sqlstate', 'detail', 'hint');
ALTER TABLE training_sessions DROP CONSTRAINT link, ADD CONSTRAINT link FOREIGN KEY (member_id, pack_code)
    REFERENCES member_subscriptions (member_id, code) ON DELETE SET NULL (pack_code);
SELECT count(*) > 0 FROM session_consistency.attach('training_sessions', 'member_subscriptions',
    subscription_column => 'pack_code');
CALL session_consistency.migrate('training_sessions');
SELECT enforced, gaps FROM session_consistency.attachments WHERE sessions = 'training_sessions'::regclass;
INSERT INTO training_sessions (id, member_id) VALUES (1, 2);
SELECT outcome('DELETE FROM member_subscriptions WHERE id = 22');
UPDATE training_sessions SET status = 'cancelled' WHERE id = 1;
DELETE FROM member_subscriptions WHERE id = 22;
SELECT id, member_id, pack_code FROM training_sessions;
:recount;
\i :finish
