-- A gym's back office (Laravel): ULIDs as char(26), a membership of some visits or of any number, deleted by a column;
-- a check-in has no status, names no member and goes with its membership.
\getenv top PG_ABS_SRCDIR
\set test gym_chain
\set gallery :top /test/fixtures/gallery.sql
\i :gallery
CREATE TABLE gym_memberships (
    id char(26) PRIMARY KEY,
    membership_code varchar(30) NOT NULL,
    user_id char(26) NOT NULL,
    start_date date NOT NULL,
    end_date date NOT NULL,
    remaining_visits integer,
    status varchar(20) NOT NULL DEFAULT 'ACTIVE',
    created_at timestamp(0), updated_at timestamp(0), deleted_at timestamp(0),
    CONSTRAINT uniq_membership_code_softdelete UNIQUE (membership_code, deleted_at));
CREATE TABLE gym_checkins (
    id char(26) PRIMARY KEY,
    membership_id char(26) NOT NULL,
    checked_in_at timestamp(0) NOT NULL DEFAULT '2030-01-10 09:00',
    method varchar(20) NOT NULL DEFAULT 'QR',
    CONSTRAINT gym_checkins_membership_id_foreign FOREIGN KEY (membership_id) REFERENCES gym_memberships (id) ON DELETE CASCADE);
INSERT INTO gym_memberships (id, membership_code, user_id, start_date, end_date, remaining_visits, status) VALUES
    ('01HZ0000000000000000000010', 'A-1', '01HZ00000000000000000000U1', '2030-01-01', '2030-12-31', 2, 'ACTIVE'),
    ('01HZ0000000000000000000011', 'A-2', '01HZ00000000000000000000U1', '2030-01-01', '2030-12-31', NULL, 'ACTIVE'),
    ('01HZ0000000000000000000020', 'B-1', '01HZ00000000000000000000U2', '2030-01-01', '2030-12-31', 9, 'FROZEN'),
    ('01HZ0000000000000000000021', 'B-2', '01HZ00000000000000000000U2', '2030-02-01', '2030-12-31', 9, 'ACTIVE');
INSERT INTO gym_checkins VALUES ('01HZ000000000000000000C001', '01HZ0000000000000000000010');
CREATE FUNCTION enter(code text, n int) RETURNS void LANGUAGE sql AS $$
    INSERT INTO gym_checkins (id, membership_id)
    SELECT '01HZ' || lpad('C' || n, 22, '0'), id FROM gym_memberships WHERE membership_code = code $$;
CREATE FUNCTION book(n int) RETURNS void LANGUAGE sql AS $$ SELECT enter('A-1', n) $$;
CREATE FUNCTION miscounted() RETURNS SETOF text LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY
    SELECT format('%s: %s of %s, %s left', m.membership_code, m.visits_used, m.visits, m.remaining_visits) FROM gym_memberships m
    WHERE m.visits_used <> (SELECT count(*) FROM gym_checkins c WHERE c.membership_id = m.id)
          OR m.remaining_visits IS DISTINCT FROM m.visits - m.visits_used;
END $$;
SELECT remember();

-- The membership is given; whether one pays is asked of its status, its days and its deleted_at.
SELECT string_agg(action, ', ' ORDER BY step) FROM session_consistency.attach('gym_checkins', 'gym_memberships',
    member_column => NULL, subscription_column => 'membership_id', type_column => NULL, status_column => NULL,
    active_statuses => '{ACTIVE}', total_column => 'visits', used_column => 'visits_used',
    remaining_column => 'remaining_visits', start_column => 'checked_in_at', valid_from_column => 'start_date',
    valid_until_column => 'end_date', pays_when => 'subscription.deleted_at IS NULL');
CALL session_consistency.migrate('gym_checkins');
:attached;
SELECT membership_code, visits, visits_used, remaining_visits FROM gym_memberships ORDER BY 1;

SELECT enter('A-1', 2), enter('A-2', 3), enter('A-2', 4);
SELECT outcome('SELECT enter(''B-1'', 5)'), outcome('SELECT enter(''B-2'', 5)');
UPDATE gym_checkins SET checked_in_at = '2030-03-01' WHERE id LIKE '%C3';
-- A membership that is deleted by its column takes no new check-in, and keeps those that it has.
UPDATE gym_memberships SET deleted_at = now() WHERE membership_code = 'A-2';
SELECT outcome('SELECT enter(''A-2'', 5)');
DELETE FROM gym_checkins WHERE id LIKE '%C4';
-- One that is deleted takes its check-ins with it.
INSERT INTO gym_memberships (id, membership_code, user_id, start_date, end_date, remaining_visits) VALUES
    ('01HZ0000000000000000000030', 'C-1', '01HZ00000000000000000000U3', '2030-01-01', '2030-12-31', 3);
SELECT enter('C-1', 6);
DELETE FROM gym_memberships WHERE membership_code = 'C-1';
SELECT membership_code, visits, visits_used, remaining_visits FROM gym_memberships ORDER BY 1;
SELECT count(*) FROM gym_checkins;
:last_credit;
\i :leave
