-- Peer (d): the rules R1 to R9 as PL/pgSQL row triggers, each of which writes the counter for its row.
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

CREATE FUNCTION holds_credit(session training_sessions) RETURNS boolean IMMUTABLE LANGUAGE sql AS $$
    SELECT session.session_type IN ('member', 'makeup', 'contractual')
           AND session.status IN ('scheduled', 'in_progress', 'completed')
$$;

CREATE FUNCTION charge_session() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    returned boolean := TG_OP <> 'INSERT' AND holds_credit(OLD);
    taken boolean := TG_OP <> 'DELETE' AND holds_credit(NEW);
    pack member_subscriptions;
BEGIN
    IF returned AND taken AND OLD.subscription_id = NEW.subscription_id THEN
        RETURN NULL;
    END IF;
    PERFORM set_config('bench.charging', 'on', true);
    IF returned THEN
        UPDATE member_subscriptions SET used_sessions = used_sessions - 1 WHERE id = OLD.subscription_id;
    END IF;
    IF taken THEN
        UPDATE member_subscriptions SET used_sessions = used_sessions + 1 WHERE id = NEW.subscription_id
        RETURNING * INTO pack;
        IF pack.member_id <> NEW.member_id THEN
            RAISE 'subscription % does not belong to member %', pack.id, NEW.member_id USING ERRCODE = '23SC3';
        ELSIF NEW.status <> 'completed' AND pack.status <> 'active' THEN
            RAISE 'subscription % is not active', pack.id USING ERRCODE = '23SC4';
        END IF;
    END IF;
    PERFORM set_config('bench.charging', '', true);
    RETURN NULL;
END $$;
CREATE TRIGGER charge AFTER INSERT OR UPDATE OR DELETE ON training_sessions
    FOR EACH ROW EXECUTE FUNCTION charge_session();

CREATE FUNCTION guard_counter() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.used_sessions <> OLD.used_sessions AND current_setting('bench.charging', true) IS DISTINCT FROM 'on' THEN
        RAISE 'the counter is written by triggers alone' USING ERRCODE = '23SC5';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard BEFORE UPDATE ON member_subscriptions FOR EACH ROW EXECUTE FUNCTION guard_counter();
