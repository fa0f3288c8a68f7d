-- The story that demo/run tells. Every figure is computed while it runs.
\set ON_ERROR_STOP on
\pset footer off
\set race 'pgbench --no-vacuum --client=30 --transactions=1 --file=- 2>&1'
CREATE DATABASE gym;
\connect gym
\setenv PGDATABASE gym
SET client_min_messages = warning;
CREATE EXTENSION session_consistency;
\i demo/gym.sql
\o /dev/null

INSERT INTO members (name, story) VALUES
    ('Ada', 'a trial session was charged'),
    ('Ben', 'two packs are active'),
    ('Cleo', 'used and remaining are not total'),
    ('Dan', 'the last credit went to everyone'),
    ('Eve', 'a credit went to the wrong pack'),
    ('Finn', 'no session says which pack it used');
SELECT legacy_sell(name, 10, '2025-01-01') FROM members;
SELECT legacy_book(name, '2025-01-06') FROM members;
SELECT legacy_book('Ada', '2025-01-07', 'trial');
SELECT legacy_sell('Ben', 10, '2025-01-02');
UPDATE member_subscriptions SET remaining_sessions = remaining_sessions + 3 WHERE member_id = member('Cleo');
SELECT legacy_book('Dan', day::date) FROM generate_series(timestamp '2025-01-07', '2025-01-14', '1 day') day;
SELECT legacy_book('Eve', '2025-01-07');
UPDATE member_subscriptions SET status = 'expired' WHERE member_id = member('Eve');
SELECT legacy_sell('Eve', 10, '2025-02-01');
SELECT legacy_delete('Eve', '2025-01-07');
\set outcome `echo "SELECT legacy_book('Dan', '2025-01-15')" | :race`
UPDATE training_sessions SET status = 'completed';
\o

\echo
\echo '1. A gym keeps its counters by hand. Thirty clients have just raced for Dan''s last credit.'
SELECT * FROM by_member ORDER BY member;

\echo '2. The audit finds it all, before anything is attached.'
SELECT code, severity, affected
FROM session_consistency.audit('training_sessions', 'member_subscriptions') WHERE affected > 0;
SELECT m.name AS member, f.code, f.expected, f.actual
FROM session_consistency.audit_findings('training_sessions', 'member_subscriptions') f
     JOIN members m ON m.id::text = f.member_id
WHERE f.code <> 'unlinked_session' ORDER BY 1, 2;

\echo '3. Attaching waits for a person.'
\set ON_ERROR_STOP off
SELECT FROM session_consistency.attach('training_sessions', 'member_subscriptions');
\set ON_ERROR_STOP on
UPDATE member_subscriptions SET status = 'cancelled' WHERE member_id = member('Ben') AND starts_on = '2025-01-02';
UPDATE member_subscriptions SET total_sessions_snapshot = booked + 1
FROM by_member WHERE member = 'Dan' AND member_id = member('Dan');
\echo '   Ben''s second pack is cancelled. Dan''s bookings are honoured: his pack grows to hold them, and one more.'

\echo
\echo '4. Attached; migrate() links the history to the packs of its time and sets the counters to the recount.'
SELECT action, count(*) AS steps
FROM session_consistency.attach('training_sessions', 'member_subscriptions') GROUP BY action ORDER BY min(step);
CALL session_consistency.migrate('training_sessions', start_column => 'starts_on', valid_from_column => 'starts_on',
                                 opening => 'give_back');
SELECT (SELECT sum(value::bigint) FROM jsonb_each_text(linked)) AS linked,
       (SELECT sum(value::bigint) FROM jsonb_each_text(unlinked)) AS "left without a link", counters AS "counters set"
FROM session_consistency.migration_progress;
CREATE TEMPORARY VIEW packs AS
    SELECT m.name AS member, s.starts_on AS bought, c.status, c.total, c.completed, c.scheduled, c.remaining,
           c.is_consistent AS consistent
    FROM member_subscriptions_session_counts c
         JOIN member_subscriptions s ON s.id = c.subscription_id
         JOIN members m ON m.id = c.member_id;
SELECT * FROM packs ORDER BY member, bought;

\echo '5. Thirty clients race for Dan''s last credit again.'
\set book 'INSERT INTO training_sessions (member_id, starts_on) VALUES (member(''Dan''), ''2025-01-16'')'
\set refused `echo :'book' | :race | grep -c 'has no credit left'`
SELECT count(*) AS booked, :refused AS refused FROM training_sessions WHERE starts_on = '2025-01-16';

\echo '6. Finn books, renews his pack and cancels: the credit goes back to the pack that it came from.'
INSERT INTO training_sessions (member_id, starts_on) VALUES (member('Finn'), '2025-01-31');
UPDATE member_subscriptions SET status = 'expired' WHERE member_id = member('Finn');
INSERT INTO member_subscriptions (member_id, starts_on, total_sessions_snapshot)
VALUES (member('Finn'), '2025-02-01', 10);
CREATE TEMPORARY TABLE before AS SELECT * FROM packs;
UPDATE training_sessions SET status = 'cancelled' WHERE member_id = member('Finn') AND starts_on = '2025-01-31';
SELECT bought, p.status, b.remaining AS before, p.remaining AS after
FROM packs p JOIN before b USING (member, bought) WHERE member = 'Finn' ORDER BY bought;

\echo '7. Gina has three packs at once. Each booking takes the one that ends first; what is over pays for nothing more.'
ALTER TABLE member_subscriptions ADD ends_on date;
SELECT FROM session_consistency.attach('training_sessions', 'member_subscriptions', draw_order => 'ends_on',
    start_column => 'starts_on', valid_from_column => 'starts_on', valid_until_column => 'ends_on') \g /dev/null
INSERT INTO members (name, story) VALUES ('Gina', 'a gift, a month and an open pack');
INSERT INTO member_subscriptions (member_id, starts_on, ends_on, total_sessions_snapshot)
VALUES (member('Gina'), '2025-01-01', '2025-01-31', 2), (member('Gina'), '2025-01-01', '2025-02-28', 1),
       (member('Gina'), '2025-01-01', NULL, NULL);
INSERT INTO training_sessions (member_id, starts_on)
SELECT member('Gina'), day::date FROM unnest('{2025-01-10,2025-01-20,2025-01-30,2025-02-10,2025-03-10}'::date[]) AS day;
UPDATE training_sessions SET status = 'cancelled' WHERE member_id = member('Gina') AND starts_on = '2025-01-20';
SELECT valid_from, valid_until, total, scheduled, remaining, forfeited
FROM member_subscriptions_session_counts WHERE member_id = member('Gina') ORDER BY valid_until;

\echo '8. Check: one row for each pack whose counts are wrong.'
\pset footer on
SELECT subscription_id, used, expected_used, drift, message FROM session_consistency.check_counts();
