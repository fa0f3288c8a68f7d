-- A beauty salon (Laravel): an enum is a CHECK of varchar, the packages of a client store only what remains and have no
-- status, several are sold at a time; an appointment may come without one, and is paid for on the day.
\getenv top PG_ABS_SRCDIR
\set test beauty_salon
\set gallery :top /test/fixtures/gallery.sql
\i :gallery
CREATE TABLE clients (id bigserial PRIMARY KEY, name varchar(255) NOT NULL);
CREATE TABLE client_packages (
    id bigserial PRIMARY KEY,
    client_id bigint NOT NULL CONSTRAINT client_packages_client_id_foreign REFERENCES clients ON DELETE CASCADE,
    service_id bigint NOT NULL,
    purchased_at timestamp(0) NOT NULL,
    remaining_sessions integer NOT NULL,
    expiry_at timestamp(0),
    created_at timestamp(0), updated_at timestamp(0));
CREATE TABLE appointments (
    id bigserial PRIMARY KEY,
    client_id bigint NOT NULL CONSTRAINT appointments_client_id_foreign REFERENCES clients ON DELETE CASCADE,
    service_id bigint NOT NULL,
    client_package_id bigint CONSTRAINT appointments_client_package_id_foreign REFERENCES client_packages ON DELETE SET NULL,
    starts_at timestamp(0) NOT NULL,
    status varchar(255) NOT NULL DEFAULT 'pending' CONSTRAINT appointments_status_check
        CHECK (status::text = ANY (ARRAY['pending', 'confirmed', 'completed', 'no_show', 'cancelled']::text[])));
INSERT INTO clients VALUES (1, 'Ada'), (2, 'Ben');
INSERT INTO client_packages VALUES (10, 1, 7, '2030-01-01', 3, NULL), (11, 1, 7, '2030-01-05', 1, '2030-02-01'),
    (12, 1, 8, '2030-01-05', 5, NULL), (20, 2, 7, '2030-01-01', 2, NULL);
INSERT INTO appointments VALUES (1, 1, 7, 10, '2030-01-08', 'completed'), (2, 1, 7, NULL, '2030-01-09', 'cancelled');
CREATE FUNCTION book(n int) RETURNS void LANGUAGE sql AS $$
    INSERT INTO appointments (id, client_id, service_id, client_package_id, starts_at) VALUES (n, 2, 7, 20, '2030-01-20') $$;
CREATE FUNCTION miscounted() RETURNS SETOF text LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY
    SELECT format('package %s: %s of %s, %s left', p.id, p.used_sessions, p.total_sessions, p.remaining_sessions)
    FROM client_packages p
    WHERE p.used_sessions <> (SELECT count(*) FROM appointments a WHERE a.client_package_id = p.id AND a.status <> 'cancelled')
          OR p.remaining_sessions <> p.total_sessions - p.used_sessions
    UNION ALL
    SELECT format('appointment %s is on package %s', a.id, p.id)
    FROM appointments a JOIN client_packages p ON p.id = a.client_package_id
    WHERE a.client_id <> p.client_id OR a.service_id <> p.service_id;
END $$;
SELECT remember();

SELECT string_agg(action, ', ' ORDER BY step) FROM session_consistency.attach('appointments', 'client_packages',
    member_column => 'client_id', subscription_column => 'client_package_id', type_column => NULL,
    scheduled_statuses => '{pending,confirmed}', completed_statuses => '{completed,no_show}',
    subscription_member_column => 'client_id', subscription_status_column => NULL, total_column => 'total_sessions',
    remaining_column => 'remaining_sessions', draw_order => 'expiry_at, purchased_at', start_column => 'starts_at',
    valid_until_column => 'expiry_at', pays_when => 'session.service_id = subscription.service_id', when_none => 'leave');
CALL session_consistency.migrate('appointments');
:attached;
SELECT id, total_sessions, used_sessions, remaining_sessions FROM client_packages ORDER BY id;

-- What ends first, then what was bought first, for this service; without a package the appointment stands all the same.
INSERT INTO appointments (id, client_id, service_id, starts_at) VALUES (3, 1, 7, '2030-01-20'), (4, 1, 7, '2030-01-20'),
    (5, 1, 8, '2030-01-20'), (6, 1, 9, '2030-01-20'), (7, 2, 8, '2030-01-20');
UPDATE appointments SET status = 'confirmed' WHERE id = 3;
UPDATE appointments SET starts_at = '2030-02-10' WHERE id = 3;
SELECT outcome('UPDATE appointments SET service_id = 9 WHERE id = 5');
SELECT outcome($$INSERT INTO appointments (id, client_id, service_id, client_package_id, starts_at) VALUES (8, 1, 7, 20, '2030-01-20')$$);
SELECT id, service_id, client_package_id, status FROM appointments ORDER BY id;
-- The salon deletes a package that nobody uses; its cancelled appointments forget it.
INSERT INTO appointments (id, client_id, service_id, client_package_id, starts_at, status) VALUES (9, 1, 7, 11, '2030-01-20', 'cancelled');
DELETE FROM client_packages WHERE id = 11;
SELECT outcome('DELETE FROM client_packages WHERE id = 12');
SELECT id, client_package_id FROM appointments WHERE id IN (3, 9) ORDER BY id;
SELECT outcome('SELECT book(20)');
:last_credit;
-- A client who goes takes packages and appointments along.
DELETE FROM clients WHERE id = 2;
\i :leave
