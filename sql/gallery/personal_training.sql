-- Personal training on contracts (TypeORM, PostgreSQL enums): the trainer books on a contract, which names the member; a
-- late cancellation counts, and a contract knows total and remaining, and no used.
\getenv top PG_ABS_SRCDIR
\set test personal_training
\set gallery :top /test/fixtures/gallery.sql
\i :gallery
CREATE TYPE pt_contracts_status_enum AS ENUM ('ACTIVE', 'COMPLETED', 'REFUNDED', 'EXPIRED');
CREATE TYPE pt_sessions_status_enum AS ENUM ('RESERVED', 'DONE', 'CANCELED', 'LATE_CANCELED', 'NO_SHOW');
CREATE TABLE pt_contracts (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    member_id uuid NOT NULL,
    trainer_id uuid NOT NULL,
    payment_id uuid,
    total_sessions int NOT NULL,
    remaining_sessions int NOT NULL,
    start_date date NOT NULL,
    end_date date NOT NULL,
    status pt_contracts_status_enum NOT NULL DEFAULT 'ACTIVE');
CREATE TABLE pt_sessions (
    id int PRIMARY KEY,
    contract_id uuid NOT NULL REFERENCES pt_contracts,
    starts_at timestamptz NOT NULL,
    status pt_sessions_status_enum NOT NULL DEFAULT 'RESERVED');
INSERT INTO pt_contracts (id, member_id, trainer_id, total_sessions, remaining_sessions, start_date, end_date, status) VALUES
    ('aaaaaaaa-0000-4000-8000-000000000001', gen_random_uuid(), gen_random_uuid(), 10, 8, '2030-01-01', '2030-03-31', 'ACTIVE'),
    ('aaaaaaaa-0000-4000-8000-000000000002', gen_random_uuid(), gen_random_uuid(), 2, 2, '2030-01-01', '2030-03-31', 'ACTIVE'),
    ('aaaaaaaa-0000-4000-8000-000000000003', gen_random_uuid(), gen_random_uuid(), 20, 20, '2030-01-01', '2030-03-31', 'REFUNDED');
INSERT INTO pt_sessions VALUES (1, 'aaaaaaaa-0000-4000-8000-000000000001', '2030-01-02 09:00+00', 'DONE'),
    (2, 'aaaaaaaa-0000-4000-8000-000000000001', '2030-01-03 09:00+00', 'LATE_CANCELED'),
    (3, 'aaaaaaaa-0000-4000-8000-000000000001', '2030-01-04 09:00+00', 'CANCELED');
CREATE FUNCTION reserve(n int, contract int, moment timestamptz) RETURNS void LANGUAGE sql AS $$
    INSERT INTO pt_sessions (id, contract_id, starts_at)
    VALUES (n, ('aaaaaaaa-0000-4000-8000-00000000000' || contract)::uuid, moment) $$;
CREATE FUNCTION book(n int) RETURNS void LANGUAGE sql AS $$ SELECT reserve(n, 2, '2030-02-01') $$;
CREATE FUNCTION miscounted() RETURNS SETOF text LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY
    SELECT format('contract %s: %s used, %s left', c.id, c.used_sessions, c.remaining_sessions) FROM pt_contracts c
    WHERE c.used_sessions <> (SELECT count(*) FROM pt_sessions s WHERE s.contract_id = c.id AND s.status <> 'CANCELED')
          OR c.remaining_sessions <> c.total_sessions - c.used_sessions;
END $$;
SELECT remember();

SELECT string_agg(action, ', ' ORDER BY step) FROM session_consistency.attach('pt_sessions', 'pt_contracts',
    member_column => NULL, subscription_column => 'contract_id', type_column => NULL, scheduled_statuses => '{RESERVED}',
    completed_statuses => '{DONE,NO_SHOW,LATE_CANCELED}', active_statuses => '{ACTIVE}', total_column => 'total_sessions',
    start_column => 'starts_at', valid_from_column => 'start_date', valid_until_column => 'end_date',
    time_zone => 'Asia/Seoul');
CALL session_consistency.migrate('pt_sessions');
:attached;
SELECT right(id::text, 1), total_sessions, used_sessions, remaining_sessions FROM pt_contracts ORDER BY id;

-- The last day of the contract is one of Seoul, whatever the caller's zone is.
SET timezone = 'America/Los_Angeles';
SELECT outcome($$SELECT reserve(4, 1, '2030-03-31 23:30+09')$$), outcome($$SELECT reserve(5, 1, '2030-04-01 00:00+09')$$),
    outcome($$SELECT reserve(5, 3, '2030-02-01')$$);
UPDATE pt_sessions SET status = 'CANCELED' WHERE id = 4;
UPDATE pt_sessions SET status = 'LATE_CANCELED' WHERE id = 4;
SELECT outcome($$UPDATE pt_sessions SET contract_id = 'aaaaaaaa-0000-4000-8000-000000000003', status = 'RESERVED' WHERE id = 4$$);
-- A sale adds to the total, and what remains follows; a refund takes back what is left.
UPDATE pt_contracts SET total_sessions = total_sessions + 10 WHERE id = 'aaaaaaaa-0000-4000-8000-000000000001';
SELECT outcome($$UPDATE pt_contracts SET remaining_sessions = 0 WHERE id = 'aaaaaaaa-0000-4000-8000-000000000001'$$);
UPDATE pt_contracts SET total_sessions = used_sessions, status = 'REFUNDED' WHERE id = 'aaaaaaaa-0000-4000-8000-000000000001';
SELECT right(id::text, 1), status, total_sessions, used_sessions, remaining_sessions FROM pt_contracts ORDER BY id;
SELECT reserve(6, 2, '2030-02-01');
:last_credit;
\i :leave
