-- A BEFORE UPDATE trigger of the subscriptions that updates the row that is being written keeps its counter from being
-- stored: a clear error. And rows of a table that is not attached are none of the rules', whatever its columns' names.
\getenv top PG_ABS_SRCDIR
\set test trigger_writes_its_own_row
\set gym :top /test/fixtures/gym.sql
\i :gym
SELECT count(*) > 0 AS attached FROM session_consistency.attach('training_sessions', 'member_subscriptions');
CREATE FUNCTION touch_self() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE trigger_writes_its_own_row.member_subscriptions SET status = status WHERE id = NEW.id;
    RETURN NEW;
END $$;
CREATE TRIGGER touch_self BEFORE UPDATE ON member_subscriptions FOR EACH ROW WHEN (pg_trigger_depth() < 2)
    EXECUTE FUNCTION touch_self();
SELECT * FROM refusal('INSERT INTO training_sessions (id, member_id) VALUES (1, 1)');
SELECT * FROM counters() WHERE id = '10';
SELECT * FROM recount();
DROP TRIGGER touch_self ON member_subscriptions;
CREATE TABLE waiting_list (id integer PRIMARY KEY, member_id integer, subscription_id integer REFERENCES member_subscriptions);
INSERT INTO waiting_list VALUES (1, 3, 21);
UPDATE member_subscriptions SET member_id = 1 WHERE id = 21;
INSERT INTO training_sessions (id, member_id, status, subscription_id) VALUES (2, 1, 'completed', 21);
SELECT * FROM refusal('UPDATE member_subscriptions SET member_id = 2 WHERE id = 21');
SELECT * FROM recount();
\i :finish
