-- Generated columns that are made of the counter by the server's own functions alone are computed without the server's
-- general way of updating a row, all others by it. DEBUG says when that way is taken for the first time.
\getenv top PG_ABS_SRCDIR
\set test generated_columns_computed
\set gym :top /test/fixtures/gym.sql
\i :gym
\set VERBOSITY terse
\set book 'SET client_min_messages = debug1; INSERT INTO training_sessions (id, member_id) SELECT count(*) + 1, 1 FROM training_sessions; SET client_min_messages = warning;'
\set look 'SELECT s.* FROM member_subscriptions s WHERE id = 10;'
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
ALTER TABLE member_subscriptions
    ADD state text GENERATED ALWAYS AS (CASE WHEN used_sessions = 0 THEN 'unused'
        WHEN used_sessions >= total_sessions_snapshot THEN 'full' ELSE 'in use: ' || used_sessions END) STORED,
    ADD share numeric GENERATED ALWAYS AS (round(100.0 * used_sessions / nullif(total_sessions_snapshot, 0), 1)) STORED,
    ADD member text GENERATED ALWAYS AS ('member ' || member_id) STORED;
:book
:look
CREATE INDEX ON member_subscriptions (state) WHERE share > 10;
:book
SET enable_seqscan = off;
SELECT id FROM member_subscriptions WHERE state = 'in use: 2' AND share > 10;
RESET enable_seqscan;
UPDATE training_sessions SET status = 'cancelled' WHERE id = 1;
:look
INSERT INTO training_sessions (id, member_id) SELECT n, 1 FROM generate_series(3, 11) n;
:look
INSERT INTO training_sessions (id, member_id) VALUES (12, 1);
DELETE FROM training_sessions;
:look

-- An error of such a function is an error of the booking; a NULL that must not be is refused.
ALTER TABLE member_subscriptions ADD small smallint GENERATED ALWAYS AS (16383::smallint * used_sessions::smallint)
    STORED;
:book
:book
:book
ALTER TABLE member_subscriptions DROP small;
ALTER TABLE member_subscriptions ADD odd int NOT NULL GENERATED ALWAYS AS (nullif(used_sessions, 3)) STORED;
:book
ALTER TABLE member_subscriptions DROP odd;

-- The general way: functions of the user's, domains, CHECKs of such a column, types of the user's.
CREATE FUNCTION twice(n int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 2 * n';
ALTER TABLE member_subscriptions ADD doubled int GENERATED ALWAYS AS (twice(used_sessions)) STORED;
:book
SELECT used_sessions, remaining_sessions, doubled FROM member_subscriptions WHERE id = 10;
ALTER TABLE member_subscriptions DROP doubled;
CREATE DOMAIN below_five AS int CHECK (VALUE < 5);
ALTER TABLE member_subscriptions ADD few below_five GENERATED ALWAYS AS (used_sessions) STORED;
:book
:book
ALTER TABLE member_subscriptions DROP few;
ALTER TABLE member_subscriptions ADD CHECK (state <> 'in use: 5');
:book
ALTER TABLE member_subscriptions DROP state;
CREATE TYPE mood AS ENUM ('good', 'bad');
ALTER TABLE member_subscriptions ADD mood mood GENERATED ALWAYS AS
    (CASE WHEN used_sessions < 5 THEN 'good'::mood ELSE 'bad'::mood END) STORED;
:book
:look
ALTER TABLE member_subscriptions DROP mood;

-- And back.
:book
:look
SELECT * FROM recount();
\i :finish
