-- Whatever statements come in whatever order, after each of them the ledger's replay is the counter, and its lines say
-- of each session what it holds. Two histories of fixed seeds, on partitions, with triggers of the user's and errors.
\getenv top PG_ABS_SRCDIR
\set test ledger_replays_random_histories
\set gym :top /test/fixtures/gym.sql
\set partitioned 1
\i :gym
INSERT INTO training_sessions (id, member_id, status)
    SELECT -n, 1 + n % 4, (ARRAY['completed', 'cancelled'])[1 + n % 2]::session_status FROM generate_series(1, 12) n;
SELECT count(*) > 0 AS attached
    FROM session_consistency.attach('training_sessions', 'member_subscriptions', ledger => true);

-- By plain SQL: the replay of each subscription, and since the last TRUNCATE of each session. One that moves to another
-- partition keeps its id and gets another primary key.
CREATE FUNCTION differences() RETURNS SETOF text LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS $$
    WITH lines AS (
        SELECT l.*, max(l.id) FILTER (WHERE reason = 'truncated') OVER (PARTITION BY subscription_id) AS emptied
        FROM session_consistency.ledger_lines l WHERE attachment = 'training_sessions'::regclass),
    replays AS (
        SELECT subscription_id::int AS id, sum(delta) AS replay, (array_agg(balance ORDER BY id DESC))[1] AS last
        FROM lines GROUP BY 1),
    holdings AS (
        SELECT subscription_id::int AS pack, substring(session_id FROM '-?\d+')::int AS session, sum(delta) AS held
        FROM lines WHERE session_id IS NOT NULL AND id > coalesce(emptied, 0) GROUP BY 1, 2)
    SELECT format('subscription %s: counter %s, replay %s, last balance %s', s.id, s.used_sessions, replay, last)
    FROM member_subscriptions s LEFT JOIN replays r USING (id)
    WHERE s.used_sessions <> coalesce(replay, 0) OR s.used_sessions <> coalesce(last, 0)
    UNION ALL
    SELECT format('session %s: of subscription %s it holds %s by the ledger, %s by the table',
                  coalesce(h.session, t.id), coalesce(h.pack, t.subscription_id), coalesce(held, 0),
                  coalesce(holding, 0))
    FROM holdings h FULL JOIN (
        SELECT id, subscription_id, count(*) AS holding FROM training_sessions
        WHERE subscription_id IS NOT NULL AND session_type IN ('member', 'makeup', 'contractual')
              AND status IN ('scheduled', 'in_progress', 'completed')
        GROUP BY 1, 2) t
        ON t.id = h.session AND t.subscription_id = h.pack
    WHERE coalesce(held, 0) <> coalesce(holding, 0)
    UNION ALL
    SELECT message FROM session_consistency.ledger_gaps('training_sessions')
$$;

CREATE TABLE seed (state bigint);
INSERT INTO seed VALUES (1);
-- A whole number below the limit; the same ones on every server.
CREATE FUNCTION pick(below int) RETURNS int LANGUAGE sql VOLATILE AS $$
    UPDATE seed SET state = (state * 48271) % 2147483647 RETURNING (state / 7 % below)::int $$;
CREATE FUNCTION pick_status() RETURNS session_status LANGUAGE sql VOLATILE AS $$
    SELECT (ARRAY['scheduled', 'in_progress', 'completed', 'cancelled', 'no_show'])[1 + pick(5)]::session_status $$;
CREATE FUNCTION pick_sessions() RETURNS int[] LANGUAGE sql VOLATILE AS $$
    SELECT array_agg(pick(60)) FROM generate_series(0, pick(4)) $$;

CREATE FUNCTION next_statement() RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    chosen text := quote_literal(pick_sessions());
BEGIN
    CASE pick(14)
    WHEN 0, 1, 2 THEN
        RETURN (SELECT 'INSERT INTO training_sessions (id, day, member_id, status, session_type) VALUES '
                       || string_agg(format('(%s, %L, %s, %L, %L)', pick(60),
                                            (ARRAY['2030-05-05', '2031-05-05'])[1 + pick(2)], 1 + pick(3), pick_status(),
                                            (ARRAY['member', 'makeup', 'trial'])[1 + pick(3)]), ', ')
                       || ' ON CONFLICT DO NOTHING' FROM generate_series(0, pick(3)));
    WHEN 3, 4, 5 THEN
        RETURN format('UPDATE training_sessions SET status = %L WHERE id = ANY (%s)', pick_status(), chosen);
    WHEN 6 THEN
        RETURN format('UPDATE training_sessions SET subscription_id = member_id * 10 + %s WHERE id = ANY (%s)',
                      pick(2), chosen);
    WHEN 7 THEN
        RETURN format('UPDATE training_sessions SET member_id = %s, status = %L WHERE id = ANY (%s)',
                      1 + pick(3), pick_status(), chosen);
    WHEN 8 THEN
        RETURN format('UPDATE training_sessions SET session_type = %L WHERE id = ANY (%s)',
                      (ARRAY['member', 'trial'])[1 + pick(2)], chosen);
    WHEN 9 THEN
        RETURN format('UPDATE training_sessions SET day = %L, status = %L WHERE id = ANY (%s)',
                      (ARRAY['2030-05-05', '2031-05-05'])[1 + pick(2)], pick_status(), chosen);
    WHEN 10 THEN
        RETURN format('DELETE FROM training_sessions WHERE id = ANY (%s)', chosen);
    WHEN 11 THEN
        RETURN format('WITH gone AS (DELETE FROM training_sessions WHERE id = ANY (%s) RETURNING *) '
                      'INSERT INTO training_sessions (id, day, member_id, status, session_type, note) '
                      'SELECT id + 60, day, member_id, status, session_type, %L FROM gone', chosen,
                      (ARRAY['cancel another', 'delete me', 'and one more', ''])[1 + pick(4)]);
    WHEN 12 THEN
        RETURN format('UPDATE training_sessions SET note = %L, status = %L WHERE id = ANY (%s)',
                      (ARRAY['cancel another', 'delete me', 'and one more', ''])[1 + pick(4)], pick_status(), chosen);
    ELSE
        IF pick(12) = 0 THEN
            RETURN 'TRUNCATE training_sessions';
        END IF;
        RETURN format('UPDATE training_sessions SET day = day + 365 - 730 * (extract(year FROM day)::int - 2030)'
                      ' WHERE id = ANY (%s)', chosen);
    END CASE;
END $$;

-- Statements within statements.
CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF pg_trigger_depth() > 3 THEN
        RETURN NULL;
    ELSIF NEW.note = 'cancel another' THEN
        UPDATE training_sessions SET status = 'cancelled'
            WHERE member_id = NEW.member_id AND id = (SELECT min(id) FROM training_sessions WHERE id > NEW.id);
    ELSIF NEW.note = 'delete me' THEN
        DELETE FROM training_sessions WHERE id = NEW.id AND day = NEW.day;
    ELSIF NEW.note = 'and one more' THEN
        BEGIN
            INSERT INTO training_sessions (id, day, member_id) VALUES (NEW.id + 120, NEW.day, NEW.member_id);
        EXCEPTION WHEN integrity_constraint_violation THEN
            NULL;
        END;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER meddle AFTER INSERT OR UPDATE ON training_sessions FOR EACH ROW EXECUTE FUNCTION meddle();

-- Runs statements, many of which are refused; shows the first difference with the statement before it.
CREATE PROCEDURE run(start bigint, statements int, INOUT outcome text DEFAULT NULL) LANGUAGE plpgsql AS $$
DECLARE
    statement text;
    difference text;
    done int := 0;
BEGIN
    UPDATE seed SET state = start;
    FOR i IN 1 .. statements LOOP
        statement := next_statement();
        BEGIN
            EXECUTE statement;
            done := done + 1;
        EXCEPTION WHEN integrity_constraint_violation THEN
            NULL;
        END;
        SELECT min(d) INTO difference FROM differences() d;
        IF difference IS NOT NULL THEN
            outcome := format('after %s (statement %s): %s', statement, i, difference);
            RETURN;
        END IF;
        COMMIT;
    END LOOP;
    outcome := CASE WHEN done > statements / 2 THEN 'fine' ELSE format('only %s statements were done', done) END;
END $$;
CALL run(20240229, 400);
CALL run(7, 400);
SELECT count(DISTINCT reason) > 8 AS many_reasons
    FROM session_consistency.ledger_lines WHERE attachment = 'training_sessions'::regclass;
SELECT * FROM recount();
\i :finish
