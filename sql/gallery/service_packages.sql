-- A coach's clients book single sessions or those of a package for one service (Supabase): uuid keys, text with a CHECK, a
-- session of a package is taken when it is completed, and one that is paid alone never.
\getenv top PG_ABS_SRCDIR
\set test service_packages
\set gallery :top /test/fixtures/gallery.sql
\i :gallery
CREATE TABLE booking_packages (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id uuid NOT NULL,
    service_id uuid NOT NULL,
    sessions_total integer NOT NULL CHECK (sessions_total > 0),
    sessions_used integer NOT NULL DEFAULT 0,
    sessions_remaining integer NOT NULL,
    status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'completed', 'expired', 'cancelled')),
    purchased_at timestamptz NOT NULL DEFAULT '2030-01-01 00:00+00',
    expires_at timestamptz);
CREATE TABLE bookings (
    id int PRIMARY KEY,
    user_id uuid NOT NULL,
    service_id uuid NOT NULL,
    is_package boolean DEFAULT false,
    package_id uuid REFERENCES booking_packages (id) ON DELETE SET NULL,
    status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'confirmed', 'completed', 'cancelled')),
    scheduled_at timestamptz NOT NULL DEFAULT '2030-02-01 09:00+00');
ALTER TABLE booking_packages ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON booking_packages USING (user_id::text = current_setting('request.jwt.claim.sub', true));
\set ada '''00000000-0000-4000-8000-00000000000a'''
\set ben '''00000000-0000-4000-8000-00000000000b'''
\set massage '''00000000-0000-4000-8000-000000000001'''
\set coaching '''00000000-0000-4000-8000-000000000002'''
INSERT INTO booking_packages (id, user_id, service_id, sessions_total, sessions_used, sessions_remaining, expires_at) VALUES
    ('00000000-0000-4000-8000-000000000010', :ada, :massage, 3, 1, 2, NULL),
    ('00000000-0000-4000-8000-000000000011', :ada, :coaching, 5, 0, 5, '2030-03-01'),
    ('00000000-0000-4000-8000-000000000020', :ben, :massage, 2, 0, 2, NULL);
INSERT INTO bookings VALUES (1, :ada, :massage, true, '00000000-0000-4000-8000-000000000010', 'completed'),
    (2, :ada, :massage, true, NULL, 'confirmed'), (3, :ada, :massage, false, NULL, 'completed');
INSERT INTO bookings SELECT n, :ben, :massage, true, NULL, 'confirmed' FROM generate_series(100, 130) n;
CREATE FUNCTION book(n int) RETURNS void LANGUAGE sql AS $$ UPDATE bookings SET status = 'completed' WHERE id = n $$;
CREATE FUNCTION miscounted() RETURNS SETOF text LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY
    SELECT format('package %s: %s used, %s left', p.id, p.sessions_used, p.sessions_remaining) FROM booking_packages p
    WHERE p.sessions_used <> (SELECT count(*) FROM bookings b WHERE b.package_id = p.id AND b.status = 'completed' AND b.is_package)
          OR p.sessions_remaining <> p.sessions_total - p.sessions_used
    UNION ALL
    SELECT format('booking %s is on a package of another service', b.id)
    FROM bookings b JOIN booking_packages p ON p.id = b.package_id WHERE b.service_id <> p.service_id;
END $$;
SELECT remember();

SELECT string_agg(action, ', ' ORDER BY step) FROM session_consistency.attach('bookings', 'booking_packages',
    member_column => 'user_id', subscription_column => 'package_id', type_column => 'is_package', consuming_types => '{t}',
    scheduled_statuses => '{}', completed_statuses => '{completed}', subscription_member_column => 'user_id',
    active_statuses => '{active,completed}', total_column => 'sessions_total', used_column => 'sessions_used',
    remaining_column => 'sessions_remaining', draw_order => 'expires_at, purchased_at', start_column => 'scheduled_at',
    valid_until_column => 'expires_at', pays_when => 'subscription.service_id = session.service_id');
CALL session_consistency.migrate('bookings');
:attached;

-- Confirmed twice, paid for once: what the package does not hold is not completed on it, and may be paid alone.
INSERT INTO bookings VALUES (4, :ada, :massage, true), (5, :ada, :massage, true), (6, :ada, :coaching, true);
UPDATE bookings SET status = 'completed' WHERE id IN (2, 4, 6);
SELECT outcome('UPDATE bookings SET status = ''completed'' WHERE id = 5');
UPDATE bookings SET is_package = false, status = 'completed' WHERE id = 5;
UPDATE bookings SET is_package = false WHERE id = 4;
SELECT id, is_package, right(package_id::text, 2), status FROM bookings WHERE id < 100 ORDER BY id;
SELECT right(id::text, 2), sessions_used, sessions_remaining, status FROM booking_packages ORDER BY id;
-- Somebody who sees no package of others completes a booking of theirs.
SET ROLE NONE;
GRANT SELECT, UPDATE ON bookings TO :desk;
SET ROLE :desk;
UPDATE bookings SET status = 'completed' WHERE id = 130;
SET ROLE NONE;
REVOKE ALL ON bookings FROM :desk;
SET ROLE :owner;
:last_credit;
\i :leave
