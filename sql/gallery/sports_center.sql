-- A sports centre (plain SQL migrations): a class has a waitlist among its bookings, a package is of some classes or
-- unlimited, and several are active at once; the application counts what was used, and bookings are kept for ever.
\getenv top PG_ABS_SRCDIR
\set test sports_center
\set gallery :top /test/fixtures/gallery.sql
\i :gallery
CREATE TYPE booking_status AS ENUM ('confirmed', 'waitlisted', 'attended', 'no_show', 'cancelled');
CREATE TYPE package_status AS ENUM ('active', 'depleted', 'expired', 'frozen');
CREATE TABLE classes (
    id serial PRIMARY KEY, name varchar(100) NOT NULL, scheduled_at timestamptz NOT NULL, capacity integer NOT NULL CHECK (capacity > 0),
    status varchar(20) NOT NULL DEFAULT 'scheduled' CHECK (status IN ('scheduled', 'cancelled', 'completed')));
CREATE TABLE user_class_packages (
    id serial PRIMARY KEY,
    user_id text NOT NULL,
    total_classes integer,
    classes_used integer NOT NULL DEFAULT 0 CHECK (classes_used >= 0),
    classes_remaining integer GENERATED ALWAYS AS (total_classes - classes_used) STORED,
    purchased_at timestamptz NOT NULL DEFAULT '2030-01-01',
    expires_at timestamptz NOT NULL,
    status package_status NOT NULL DEFAULT 'active');
CREATE TABLE bookings (
    id serial PRIMARY KEY,
    user_id text NOT NULL,
    class_id integer NOT NULL REFERENCES classes ON DELETE CASCADE,
    package_id integer REFERENCES user_class_packages ON DELETE SET NULL,
    status booking_status NOT NULL DEFAULT 'confirmed',
    waitlist_position integer,
    class_at timestamptz NOT NULL,
    CONSTRAINT unique_booking UNIQUE (user_id, class_id));
CREATE INDEX idx_bookings_package_id ON bookings (package_id) WHERE package_id IS NOT NULL;
INSERT INTO classes VALUES (1, 'Spinning', '2030-02-01 18:00', 2), (2, 'Box', '2030-02-02 18:00', 20), (3, 'Yoga', '2030-05-01 18:00', 20);
INSERT INTO user_class_packages (id, user_id, total_classes, classes_used, expires_at, status) VALUES
    (10, 'ada', 8, 0, '2030-03-01', 'active'),
    (11, 'ada', NULL, 0, '2030-12-31', 'active'), (20, 'ben', 1, 1, '2030-12-31', 'depleted'), (30, 'cleo', 8, 0, '2030-12-31', 'frozen');
CREATE FUNCTION enrol(n int, who text, class int, how booking_status DEFAULT 'confirmed') RETURNS void LANGUAGE sql AS $$
    INSERT INTO bookings (id, user_id, class_id, status, class_at) SELECT n, who, id, how, scheduled_at FROM classes WHERE id = class $$;
SELECT enrol(1, 'ben', 1);
UPDATE bookings SET package_id = 20;
CREATE FUNCTION book(n int) RETURNS void LANGUAGE sql AS $$ UPDATE bookings SET status = 'confirmed' WHERE id = n $$;
CREATE FUNCTION miscounted() RETURNS SETOF text LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY
    SELECT format('package %s: %s', p.id, p.classes_used) FROM user_class_packages p
    WHERE p.classes_used <> (SELECT count(*) FROM bookings b WHERE b.package_id = p.id AND b.status NOT IN ('cancelled', 'waitlisted'))
    UNION ALL
    SELECT format('class %s: %s of %s', c.id, c.enrolled, c.capacity) FROM classes c
    WHERE c.enrolled <> (SELECT count(*) FROM bookings b WHERE b.class_id = c.id AND b.status NOT IN ('cancelled', 'waitlisted'))
          OR c.enrolled > c.capacity;
END $$;
SELECT remember();

SELECT string_agg(action, ', ' ORDER BY step) FROM session_consistency.attach('bookings', 'user_class_packages',
    member_column => 'user_id', subscription_column => 'package_id', type_column => NULL,
    scheduled_statuses => '{confirmed}', completed_statuses => '{attended,no_show}', subscription_member_column => 'user_id',
    active_statuses => '{active,depleted}', total_column => 'total_classes', used_column => 'classes_used',
    remaining_column => 'classes_remaining', draw_order => 'expires_at, id', start_column => 'class_at',
    valid_until_column => 'expires_at');
SELECT string_agg(action, ', ' ORDER BY step) FROM session_consistency.attach('bookings', 'classes',
    member_column => NULL, subscription_column => 'class_id', type_column => NULL,
    scheduled_statuses => '{confirmed}', completed_statuses => '{attended,no_show}', active_statuses => '{scheduled}',
    total_column => 'capacity', used_column => 'enrolled', remaining_column => NULL);
CALL session_consistency.migrate('bookings', 'user_class_packages');
CALL session_consistency.migrate('bookings', 'classes');
:attached;

-- A waitlisted booking needs neither a seat nor a package, whoever it is.
SELECT enrol(2, 'ada', 1), enrol(3, 'dan', 1, 'waitlisted'), enrol(4, 'cleo', 1, 'waitlisted');
SELECT outcome('SELECT enrol(5, ''ada'', 1)'), outcome('SELECT enrol(5, ''cleo'', 2)'), outcome('SELECT enrol(5, ''ben'', 2)'),
    outcome('SELECT book(4)');
UPDATE user_class_packages SET status = 'active' WHERE id = 30;
SELECT outcome('SELECT book(4)');
-- A seat becomes free and is given to who waits; the same row is booked again by an upsert.
UPDATE bookings SET status = 'cancelled' WHERE id = 2;
UPDATE bookings SET status = 'confirmed', waitlist_position = NULL WHERE id = 4;
INSERT INTO bookings (user_id, class_id, class_at, status) VALUES ('ada', 1, '2030-02-01', 'waitlisted')
    ON CONFLICT ON CONSTRAINT unique_booking DO UPDATE SET status = excluded.status RETURNING id, package_id, status;
SELECT enrol(6, 'ada', 3);
SELECT id, user_id, class_id, package_id, status FROM bookings ORDER BY id;
-- The class is cancelled, and its bookings with it.
SELECT enrol(7, 'ada', 2), enrol(8, 'cleo', 2);
BEGIN;
UPDATE classes SET status = 'cancelled' WHERE id = 2;
UPDATE bookings SET status = 'cancelled' WHERE class_id = 2 AND status = 'confirmed';
COMMIT;
SELECT id, classes_used, classes_remaining FROM user_class_packages ORDER BY id;
-- Many wait for one seat.
INSERT INTO user_class_packages (id, user_id, total_classes, expires_at)
SELECT n, 'user' || n, 1, '2030-12-31' FROM generate_series(100, 130) n;
SELECT count(enrol(n, 'user' || n, 1, 'waitlisted')) FROM generate_series(100, 130) n;
UPDATE bookings SET status = 'cancelled' WHERE id = 4;
:last_credit;
\i :leave
