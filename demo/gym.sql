-- The gym's tables, and its application as it was: counters kept by hand, each function with the defects that it had.
CREATE TYPE subscription_status AS ENUM ('active', 'expired', 'cancelled');
CREATE TYPE session_type AS ENUM ('member', 'makeup', 'contractual', 'trial', 'guest');
CREATE TYPE session_status AS ENUM ('scheduled', 'in_progress', 'completed', 'cancelled');

CREATE TABLE members (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name text NOT NULL,
    story text NOT NULL);
CREATE TABLE member_subscriptions (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    member_id uuid NOT NULL REFERENCES members,
    status subscription_status NOT NULL DEFAULT 'active',
    starts_on date NOT NULL,
    total_sessions_snapshot integer,
    used_sessions integer NOT NULL DEFAULT 0,
    remaining_sessions integer);
CREATE TABLE training_sessions (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    member_id uuid NOT NULL REFERENCES members,
    session_type session_type NOT NULL DEFAULT 'member',
    status session_status NOT NULL DEFAULT 'scheduled',
    starts_on date NOT NULL);

CREATE FUNCTION member(who text) RETURNS uuid STABLE LANGUAGE sql AS $$ SELECT id FROM members WHERE name = who $$;

-- Defect: several packs of one member can be active.
CREATE FUNCTION legacy_sell(who text, credits integer, day date) RETURNS void LANGUAGE sql AS $$
    INSERT INTO member_subscriptions (member_id, starts_on, total_sessions_snapshot, remaining_sessions)
    VALUES (member(who), day, credits, credits)
$$;

-- Defects: the session does not say which pack it is booked on; two callers pass the same check, and both write what
-- they read plus one; every type of session is counted.
CREATE FUNCTION legacy_book(who text, day date, type session_type DEFAULT 'member') RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    pack member_subscriptions;
BEGIN
    SELECT * INTO pack FROM member_subscriptions
    WHERE member_id = member(who) AND status = 'active' AND remaining_sessions > 0 ORDER BY starts_on DESC LIMIT 1;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    PERFORM pg_sleep(0.05);   -- the application thinks
    INSERT INTO training_sessions (member_id, session_type, starts_on) VALUES (member(who), type, day);
    UPDATE member_subscriptions
    SET used_sessions = pack.used_sessions + 1, remaining_sessions = pack.remaining_sessions - 1
    WHERE id = pack.id;
END $$;

-- Defect: the credit of a deleted session goes to the pack that is active now; a counter below 0 is hidden.
CREATE FUNCTION legacy_delete(who text, day date) RETURNS void LANGUAGE sql AS $$
    DELETE FROM training_sessions WHERE member_id = member(who) AND starts_on = day;
    UPDATE member_subscriptions
    SET used_sessions = greatest(used_sessions - 1, 0), remaining_sessions = remaining_sessions + 1
    WHERE member_id = member(who) AND status = 'active';
$$;

-- What there is, beside what the counters say; by member, since a session does not say more.
CREATE VIEW by_member AS
    SELECT m.name AS member,
           (SELECT count(*) FROM training_sessions t
            WHERE t.member_id = m.id AND t.session_type IN ('member', 'makeup', 'contractual')
                  AND t.status IN ('scheduled', 'in_progress', 'completed')) AS booked,
           s.total, s.used, s.remaining, m.story
    FROM members m,
         LATERAL (SELECT sum(total_sessions_snapshot) AS total, sum(used_sessions) AS used,
                         sum(remaining_sessions) AS remaining
                  FROM member_subscriptions s WHERE s.member_id = m.id) s;
