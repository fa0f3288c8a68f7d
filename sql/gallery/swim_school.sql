-- A swim school (TypeORM): a household pays for its children, an enrolment is a pack that counts when it is paid, which is a
-- boolean, and remembers the total and what remains; an attendance is deleted by a column, with a foreign key of its own.
\getenv top PG_ABS_SRCDIR
\set test swim_school
\set gallery :top /test/fixtures/gallery.sql
\i :gallery
CREATE TABLE households (id serial PRIMARY KEY, name varchar NOT NULL);
CREATE TABLE students (
    id serial PRIMARY KEY, household_id int NOT NULL REFERENCES households ON UPDATE CASCADE, name varchar NOT NULL,
    UNIQUE (id, household_id));
CREATE TABLE enrollments (
    id serial PRIMARY KEY,
    household_id integer NOT NULL REFERENCES households,
    total_sessions integer NOT NULL,
    remaining_sessions integer NOT NULL,
    is_paid boolean NOT NULL DEFAULT false,
    deleted_at timestamp,
    created_at timestamp NOT NULL DEFAULT '2030-01-01');
CREATE TABLE attendances (
    id serial PRIMARY KEY,
    student_id integer NOT NULL,
    household_id integer NOT NULL,
    enrollment_id integer REFERENCES enrollments ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED,
    kind varchar(10) NOT NULL DEFAULT 'lesson' CHECK (kind IN ('lesson', 'trial', 'makeup')),
    deleted_at timestamp,
    FOREIGN KEY (student_id, household_id) REFERENCES students (id, household_id) ON UPDATE CASCADE);
INSERT INTO households VALUES (1, 'Lovelace'), (2, 'Babbage');
INSERT INTO students VALUES (1, 1, 'Ada'), (2, 1, 'Byron'), (3, 2, 'Ben');
INSERT INTO enrollments (id, household_id, total_sessions, remaining_sessions, is_paid) VALUES (10, 1, 4, 2, true), (11, 1, 10, 10, false),
    (20, 2, 2, 2, true);
INSERT INTO attendances (id, student_id, household_id, enrollment_id) VALUES (1, 1, 1, 10), (2, 2, 1, 10);
CREATE FUNCTION book(n int) RETURNS void LANGUAGE sql AS $$
    INSERT INTO attendances (id, student_id, household_id) VALUES (n, 3, 2) $$;
CREATE FUNCTION miscounted() RETURNS SETOF text LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY
    SELECT format('enrollment %s: %s used, %s left', e.id, e.used_sessions, e.remaining_sessions) FROM enrollments e
    WHERE e.used_sessions <> (SELECT count(*) FROM attendances a
                              WHERE a.enrollment_id = e.id AND a.kind <> 'trial' AND a.deleted_at IS NULL)
          OR e.remaining_sessions <> e.total_sessions - e.used_sessions;
END $$;
SELECT remember();

SELECT string_agg(action, ', ' ORDER BY step) FROM session_consistency.attach('attendances', 'enrollments',
    member_column => 'household_id', subscription_column => 'enrollment_id', type_column => 'kind',
    consuming_types => '{lesson,makeup}', status_column => NULL, subscription_member_column => 'household_id',
    subscription_status_column => 'is_paid', active_statuses => '{t}', total_column => 'total_sessions',
    draw_order => 'created_at, id', counts_when => 'deleted_at IS NULL', pays_when => 'subscription.deleted_at IS NULL');
CALL session_consistency.migrate('attendances');
:attached;

-- Two children on one enrolment; the one that is not paid pays nothing.
INSERT INTO attendances (id, student_id, household_id) VALUES (3, 1, 1), (4, 2, 1);
SELECT outcome('INSERT INTO attendances (id, student_id, household_id) VALUES (5, 2, 1)');
INSERT INTO attendances (id, student_id, household_id, kind) VALUES (5, 2, 1, 'trial');
UPDATE enrollments SET is_paid = true WHERE id = 11;
UPDATE attendances SET kind = 'lesson' WHERE id = 5;
-- Deleted by a column, and brought back; so are enrolments, which keep what they have and pay for nothing more.
UPDATE attendances SET deleted_at = now() WHERE id = 1;
UPDATE enrollments SET deleted_at = now() WHERE id = 11;
INSERT INTO attendances (id, student_id, household_id) VALUES (6, 1, 1);
SELECT outcome('UPDATE attendances SET deleted_at = NULL WHERE id = 1');
SELECT id, student_id, enrollment_id, kind, deleted_at IS NOT NULL FROM attendances ORDER BY id;
-- Byron moves out, and what he has booked is paid for by his new household.
UPDATE attendances SET deleted_at = now() WHERE student_id = 2 AND id <> 5;
UPDATE students SET household_id = 2 WHERE id = 2;
SELECT id, household_id, enrollment_id, deleted_at IS NOT NULL FROM attendances ORDER BY id;
SELECT id, used_sessions, remaining_sessions FROM enrollments ORDER BY id;
SELECT outcome('DELETE FROM enrollments WHERE id = 20');
:last_credit;
\i :leave
