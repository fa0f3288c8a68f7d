-- Peer (e): the same rules as PL/pgSQL statement triggers with transition tables: one UPDATE of all counters for each
-- statement. The link is still a row trigger's work.
CREATE FUNCTION link_session() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.session_type NOT IN ('member', 'makeup', 'contractual') THEN
        NEW.subscription_id := NULL;
    ELSIF NEW.subscription_id IS NULL THEN
        SELECT id INTO NEW.subscription_id FROM member_subscriptions
        WHERE member_id = NEW.member_id AND status = 'active';
        IF NOT FOUND THEN
            RAISE 'member % has no active subscription', NEW.member_id USING ERRCODE = '23SC1';
        END IF;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER link BEFORE INSERT OR UPDATE ON training_sessions FOR EACH ROW EXECUTE FUNCTION link_session();

CREATE FUNCTION charge_inserted() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    broken integer;
BEGIN
    PERFORM set_config('bench.charging', 'on', true);
    WITH due AS (
        SELECT subscription_id, count(*) AS taken, count(*) FILTER (WHERE status <> 'completed') AS scheduled,
               min(member_id) AS member_id, max(member_id) AS other_member
        FROM inserted
        WHERE session_type IN ('member', 'makeup', 'contractual') AND status IN ('scheduled', 'in_progress', 'completed')
        GROUP BY subscription_id),
    charged AS (
        UPDATE member_subscriptions s SET used_sessions = used_sessions + due.taken
        FROM due WHERE s.id = due.subscription_id
        RETURNING s.member_id <> due.member_id OR s.member_id <> due.other_member
                  OR (due.scheduled > 0 AND s.status <> 'active') AS broken)
    SELECT count(*) INTO broken FROM charged WHERE charged.broken;
    IF broken > 0 THEN
        RAISE '% subscriptions are not active or not the members''', broken USING ERRCODE = '23SC4';
    END IF;
    PERFORM set_config('bench.charging', '', true);
    RETURN NULL;
END $$;
CREATE TRIGGER charge_inserted AFTER INSERT ON training_sessions REFERENCING NEW TABLE AS inserted
    FOR EACH STATEMENT EXECUTE FUNCTION charge_inserted();

CREATE FUNCTION charge_updated() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    broken integer;
BEGIN
    PERFORM set_config('bench.charging', 'on', true);
    WITH held AS (
        SELECT subscription_id, -1 AS taken, -(status <> 'completed')::int AS scheduled, NULL::bigint AS member_id
        FROM before
        WHERE session_type IN ('member', 'makeup', 'contractual') AND status IN ('scheduled', 'in_progress', 'completed')
        UNION ALL
        SELECT subscription_id, 1, (status <> 'completed')::int, member_id
        FROM after
        WHERE session_type IN ('member', 'makeup', 'contractual') AND status IN ('scheduled', 'in_progress', 'completed')),
    due AS (
        SELECT subscription_id, sum(taken) AS taken, sum(scheduled) AS scheduled,
               min(member_id) AS member_id, max(member_id) AS other_member
        FROM held GROUP BY subscription_id),
    charged AS (
        UPDATE member_subscriptions s SET used_sessions = used_sessions + due.taken
        FROM due WHERE s.id = due.subscription_id AND due.taken <> 0
        RETURNING s.member_id <> due.member_id OR s.member_id <> due.other_member
                  OR (due.scheduled > 0 AND s.status <> 'active') AS broken)
    SELECT count(*) INTO broken FROM charged WHERE charged.broken;
    IF broken > 0 THEN
        RAISE '% subscriptions are not active or not the members''', broken USING ERRCODE = '23SC4';
    END IF;
    PERFORM set_config('bench.charging', '', true);
    RETURN NULL;
END $$;
CREATE TRIGGER charge_updated AFTER UPDATE ON training_sessions REFERENCING OLD TABLE AS before NEW TABLE AS after
    FOR EACH STATEMENT EXECUTE FUNCTION charge_updated();

CREATE FUNCTION charge_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('bench.charging', 'on', true);
    UPDATE member_subscriptions s SET used_sessions = used_sessions - due.returned
    FROM (SELECT subscription_id, count(*) AS returned FROM deleted
          WHERE session_type IN ('member', 'makeup', 'contractual')
                AND status IN ('scheduled', 'in_progress', 'completed')
          GROUP BY subscription_id) due
    WHERE s.id = due.subscription_id;
    PERFORM set_config('bench.charging', '', true);
    RETURN NULL;
END $$;
CREATE TRIGGER charge_deleted AFTER DELETE ON training_sessions REFERENCING OLD TABLE AS deleted
    FOR EACH STATEMENT EXECUTE FUNCTION charge_deleted();

CREATE FUNCTION guard_counter() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.used_sessions <> OLD.used_sessions AND current_setting('bench.charging', true) IS DISTINCT FROM 'on' THEN
        RAISE 'the counter is written by triggers alone' USING ERRCODE = '23SC5';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard BEFORE UPDATE ON member_subscriptions FOR EACH ROW EXECUTE FUNCTION guard_counter();
