-- Meeting rooms by the hour: a company has hours of a month as a numeric, which no counter can be, so that they are counted
-- in quarters of an hour; a booking is a range of time that excludes others, and its length is what it costs.
\getenv top PG_ABS_SRCDIR
\set test room_hours
\set gallery :top /test/fixtures/gallery.sql
\i :gallery
CREATE TABLE room_allowances (
    company_id integer NOT NULL,
    month date NOT NULL,
    hours numeric(6,2) NOT NULL,
    hours_used numeric(6,2) NOT NULL DEFAULT 0,
    id bigserial PRIMARY KEY,
    UNIQUE (company_id, month));
CREATE TABLE room_bookings (
    id bigserial PRIMARY KEY,
    company_id integer NOT NULL,
    room integer NOT NULL,
    during tsrange NOT NULL CHECK (NOT isempty(during) AND NOT lower_inf(during) AND NOT upper_inf(during)),
    state varchar(16) NOT NULL DEFAULT 'reserved',
    allowance_id bigint REFERENCES room_allowances ON DELETE RESTRICT);
ALTER TABLE room_bookings ADD EXCLUDE USING gist (int4range(room, room, '[]') WITH &&, during WITH &&) WHERE (state <> 'cancelled');
INSERT INTO room_allowances (company_id, month, hours, hours_used, id) VALUES (1, '2030-01-01', 10, 1.5, 10), (1, '2030-02-01', 10, 0, 11),
    (2, '2030-01-01', 1.25, 0, 20);
INSERT INTO room_bookings VALUES (1, 1, 1, '[2030-01-02 09:00, 2030-01-02 10:30)', 'held', 10);
CREATE FUNCTION book(n int) RETURNS void LANGUAGE sql AS $$
    INSERT INTO room_bookings (id, company_id, room, during, allowance_id) VALUES (n, 2, n, '[2030-01-20 09:00, 2030-01-20 09:20)', 20) $$;
CREATE FUNCTION miscounted() RETURNS SETOF text LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY
    SELECT format('allowance %s: %s of %s', a.id, a.quarters_used, a.quarters) FROM room_allowances a
    WHERE a.quarters_used <> (
        SELECT coalesce(sum(ceil(extract(epoch FROM upper(during) - lower(during)) / 900)), 0) FROM room_bookings b
        WHERE b.allowance_id = a.id AND b.state <> 'cancelled') OR a.quarters_used > a.quarters;
END $$;
-- As they are, the columns are refused, with what to do about it; the total in quarters is generated.
SELECT value FROM refusal($$SELECT session_consistency.attach('room_bookings', 'room_allowances', member_column => NULL,
    subscription_column => 'allowance_id', type_column => NULL, status_column => 'state', scheduled_statuses => '{reserved}',
    completed_statuses => '{held}', subscription_status_column => NULL, total_column => 'hours',
    used_column => 'hours_used', remaining_column => NULL)$$) WHERE field IN ('sqlstate', 'detail', 'hint');
ALTER TABLE room_allowances ADD quarters integer GENERATED ALWAYS AS ((hours * 4)::integer) STORED;
SELECT remember();

SELECT string_agg(action, ', ' ORDER BY step) FROM session_consistency.attach('room_bookings', 'room_allowances',
    member_column => NULL, subscription_column => 'allowance_id', type_column => NULL, status_column => 'state',
    scheduled_statuses => '{reserved}', completed_statuses => '{held}', subscription_status_column => NULL,
    total_column => 'quarters', used_column => 'quarters_used', remaining_column => NULL,
    cost => 'ceil(extract(epoch FROM upper(during) - lower(during)) / 900)::int',
    pays_when => 'date_trunc(''month'', lower(session.during)) = subscription.month');
CALL session_consistency.migrate('room_bookings');
:attached;

INSERT INTO room_bookings (id, company_id, room, during, allowance_id) VALUES
    (2, 1, 1, '[2030-01-03 09:00, 2030-01-03 17:00)', 10), (3, 1, 2, '[2030-01-03 09:00, 2030-01-03 09:10)', 10);
SELECT outcome($$INSERT INTO room_bookings VALUES (4, 1, 1, '[2030-01-04 09:00, 2030-01-04 09:46)', 'reserved', 10)$$),
    outcome($$INSERT INTO room_bookings VALUES (4, 1, 1, '[2030-02-04 09:00, 2030-02-04 09:10)', 'reserved', 10)$$),
    outcome($$INSERT INTO room_bookings VALUES (4, 1, 1, '[2030-01-03 16:00, 2030-01-03 16:10)', 'reserved', 10)$$);
UPDATE room_bookings SET during = '[2030-01-03 09:00, 2030-01-03 16:15)' WHERE id = 2;
SELECT outcome($$UPDATE room_bookings SET during = '[2030-01-03 09:00, 2030-01-03 18:00)' WHERE id = 2$$);
UPDATE room_bookings SET during = '[2030-02-03 09:00, 2030-02-03 10:00)', allowance_id = 11 WHERE id = 3;
UPDATE room_bookings SET state = 'cancelled' WHERE id = 1;
UPDATE room_allowances SET hours = hours + 2.5 WHERE id = 11;
SELECT id, hours, quarters, quarters_used FROM room_allowances ORDER BY id;
INSERT INTO room_bookings (id, company_id, room, during, allowance_id) VALUES (5, 2, 1, '[2030-01-20 10:00, 2030-01-20 10:45)', 20);
SELECT left(outcome('DELETE FROM room_allowances WHERE id = 20'), 2);
:last_credit;
\i :leave
