-- A training club (Rails): bookings are cancelled by a boolean and a moment, memberships are for a time and without a
-- number, which are only counted; each class has a capacity, and its kind says what a booking takes.
\getenv top PG_ABS_SRCDIR
\set test training_club
\set gallery :top /test/fixtures/gallery.sql
\i :gallery
CREATE TABLE users (id bigserial PRIMARY KEY, email character varying DEFAULT '' NOT NULL);
CREATE TABLE memberships (
    id bigserial PRIMARY KEY,
    user_id bigint NOT NULL CONSTRAINT fk_rails_99326fb65d REFERENCES users,
    name character varying NOT NULL,
    price_cents integer DEFAULT 0 NOT NULL,
    start_date timestamp(6),
    end_date timestamp(6),
    created_at timestamp(6) NOT NULL DEFAULT '2030-01-01');
CREATE TABLE training_sessions (
    id bigserial PRIMARY KEY,
    begins_at timestamp NOT NULL,
    capacity integer NOT NULL,
    class_kind integer NOT NULL);
CREATE TABLE bookings (
    id bigserial PRIMARY KEY,
    user_id bigint NOT NULL CONSTRAINT fk_rails_ef0571f117 REFERENCES users,
    training_session_id bigint NOT NULL CONSTRAINT fk_rails_4b5a1d6e42 REFERENCES training_sessions,
    cancelled boolean DEFAULT false NOT NULL,
    cancelled_at timestamp,
    attended boolean,
    booked_with character varying,
    membership_id bigint CONSTRAINT fk_rails_3e4c9c0b77 REFERENCES memberships,
    created_at timestamp(6) NOT NULL DEFAULT '2030-01-10',
    updated_at timestamp(6) NOT NULL DEFAULT '2030-01-10');
CREATE INDEX index_bookings_on_membership_id ON bookings (membership_id);
CREATE INDEX index_bookings_on_training_session_id ON bookings (training_session_id);
CREATE UNIQUE INDEX index_bookings_once ON bookings (user_id, training_session_id) WHERE NOT cancelled;
INSERT INTO users SELECT n, 'user' || n FROM generate_series(1, 200) n;
INSERT INTO memberships VALUES (10, 1, 'a month', 9900, '2030-01-01', '2030-02-01'), (11, 1, 'a month', 9900, '2030-02-01', '2030-03-01');
INSERT INTO training_sessions VALUES (1, '2030-01-20', 3, 0), (2, '2030-02-20', 12, 0);
INSERT INTO bookings (id, user_id, training_session_id, booked_with, membership_id, attended) VALUES
    (1, 1, 1, 'membership', 10, NULL), (2, 2, 1, 'drop-in', NULL, NULL);
CREATE FUNCTION book(n int) RETURNS void LANGUAGE sql AS $$
    INSERT INTO bookings (id, user_id, training_session_id, booked_with) VALUES (n, n, 1, 'voucher') $$;
CREATE FUNCTION miscounted() RETURNS SETOF text LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY
    SELECT format('class %s: %s of %s', t.id, t.bookings_count, t.capacity) FROM training_sessions t
    WHERE t.bookings_count <> (SELECT count(*) FROM bookings b WHERE b.training_session_id = t.id AND NOT b.cancelled)
          OR t.bookings_count > t.capacity
    UNION ALL
    SELECT format('membership %s: %s', m.id, m.used_sessions) FROM memberships m
    WHERE m.used_sessions <> (SELECT count(*) FROM bookings b WHERE b.membership_id = m.id AND NOT b.cancelled);
END $$;
SELECT remember();

-- A counter of Rails' own name that bookings cannot overdraw; visits of a membership, which has no total.
SELECT string_agg(action, ', ' ORDER BY step) FROM session_consistency.attach('bookings', 'training_sessions',
    member_column => NULL, subscription_column => 'training_session_id', type_column => NULL, status_column => 'cancelled',
    scheduled_statuses => '{f}', completed_statuses => '{}', subscription_status_column => NULL,
    total_column => 'capacity', used_column => 'bookings_count', remaining_column => NULL);
SELECT string_agg(action, ', ' ORDER BY step) FROM session_consistency.attach('bookings', 'memberships',
    member_column => 'user_id', subscription_column => 'membership_id', type_column => 'booked_with',
    consuming_types => '{membership}', status_column => 'cancelled', scheduled_statuses => '{f}', completed_statuses => '{}',
    subscription_member_column => 'user_id', subscription_status_column => NULL, total_column => NULL,
    remaining_column => NULL, draw_order => 'end_date', start_column => 'created_at', valid_from_column => 'start_date',
    valid_until_column => 'end_date');
CALL session_consistency.migrate('bookings', 'training_sessions');
CALL session_consistency.migrate('bookings', 'memberships');
:attached;

INSERT INTO bookings (id, user_id, training_session_id, booked_with) VALUES (3, 1, 2, 'membership');
SELECT outcome($$INSERT INTO bookings (id, user_id, training_session_id, booked_with) VALUES (4, 5, 2, 'membership')$$),
    outcome($$INSERT INTO bookings (id, user_id, training_session_id, booked_with) VALUES (4, 1, 2, 'membership')$$);
INSERT INTO bookings (id, user_id, training_session_id, booked_with) VALUES (5, 5, 2, 'drop-in');
-- Cancelled, and booked anew; Rails writes all three columns.
UPDATE bookings SET cancelled = true, cancelled_at = '2030-01-11', updated_at = '2030-01-11' WHERE id = 3;
INSERT INTO bookings (id, user_id, training_session_id, booked_with, created_at) VALUES (6, 1, 2, 'membership', '2030-02-05');
UPDATE bookings SET attended = true WHERE id = 6;
SELECT id, training_session_id, cancelled, booked_with, membership_id FROM bookings ORDER BY id;
SELECT id, capacity, bookings_count FROM training_sessions ORDER BY id;
SELECT subscription_id, total, used, remaining, is_consistent FROM memberships_session_counts ORDER BY 1;
:last_credit;
\i :leave
