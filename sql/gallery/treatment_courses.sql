-- A clinic's treatment courses (TypeORM): bigint keys, a course stores its total, what was used and what remains, and its
-- status says COMPLETED when it is used up; sessions of a course go with it, and moments have a time zone.
\getenv top PG_ABS_SRCDIR
\set test treatment_courses
\set gallery :top /test/fixtures/gallery.sql
\i :gallery
CREATE TYPE treatment_course_status AS ENUM ('active', 'completed', 'expired', 'cancelled');
CREATE TYPE treatment_session_status AS ENUM ('scheduled', 'completed', 'cancelled', 'no_show');
CREATE TABLE treatment_courses (
    id bigserial NOT NULL,
    patient_id bigint NOT NULL,
    service_id bigint NOT NULL,
    total_sessions integer NOT NULL,
    used_sessions integer NOT NULL DEFAULT 0,
    remaining_sessions integer NOT NULL,
    status treatment_course_status NOT NULL DEFAULT 'active',
    started_at timestamptz,
    expires_at timestamptz,
    updated_at timestamptz NOT NULL DEFAULT '2030-01-01',
    CONSTRAINT "PK_treatment_courses" PRIMARY KEY (id),
    CONSTRAINT "CHK_treatment_courses" CHECK (used_sessions + remaining_sessions = total_sessions));
CREATE TABLE treatment_sessions (
    id bigserial NOT NULL,
    patient_id bigint NOT NULL,
    course_id bigint NOT NULL,
    status treatment_session_status NOT NULL DEFAULT 'scheduled',
    scheduled_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT '2030-01-01',
    CONSTRAINT "PK_treatment_sessions" PRIMARY KEY (id),
    CONSTRAINT "FK_treatment_sessions_course" FOREIGN KEY (course_id) REFERENCES treatment_courses (id)
        ON DELETE CASCADE ON UPDATE NO ACTION);
CREATE INDEX "IDX_treatment_sessions_course" ON treatment_sessions (course_id);
INSERT INTO treatment_courses (id, patient_id, service_id, total_sessions, used_sessions, remaining_sessions, status, expires_at)
VALUES (10, 1, 7, 5, 2, 3, 'active', '2030-06-30 22:00+00'), (11, 1, 8, 2, 0, 2, 'active', NULL),
    (12, 1, 7, 1, 1, 0, 'completed', NULL), (20, 2, 7, 3, 0, 3, 'active', '2030-06-30 22:00+00');
INSERT INTO treatment_sessions (id, patient_id, course_id, status, scheduled_at) VALUES
    (1, 1, 10, 'completed', '2030-01-05 10:00+00'), (2, 1, 10, 'scheduled', '2030-02-05 10:00+00'),
    (3, 1, 12, 'no_show', '2029-02-05 10:00+00');
CREATE FUNCTION book(n int) RETURNS void LANGUAGE sql AS $$
    INSERT INTO treatment_sessions (id, patient_id, course_id, scheduled_at) VALUES (n, 2, 20, '2030-02-01') $$;
CREATE FUNCTION miscounted() RETURNS SETOF text LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY
    SELECT format('course %s: %s used, %s left', c.id, c.used_sessions, c.remaining_sessions) FROM treatment_courses c
    WHERE c.used_sessions <> (SELECT count(*) FROM treatment_sessions s WHERE s.course_id = c.id AND s.status <> 'cancelled')
          OR c.remaining_sessions <> c.total_sessions - c.used_sessions;
END $$;
SELECT remember();

-- The patient chooses the course, and a session may only name one of their own that is not over; what is used up is active.
SELECT string_agg(action, ', ' ORDER BY step) FROM session_consistency.attach('treatment_sessions', 'treatment_courses',
    member_column => 'patient_id', subscription_column => 'course_id', type_column => NULL,
    scheduled_statuses => '{scheduled}', completed_statuses => '{completed,no_show}',
    subscription_member_column => 'patient_id', active_statuses => '{active,completed}', total_column => 'total_sessions',
    draw_order => 'expires_at, id', start_column => 'scheduled_at', valid_from_column => 'started_at',
    valid_until_column => 'expires_at', guard => 'ignore');
CALL session_consistency.migrate('treatment_sessions');
:attached;

-- The application goes on with its own arithmetic, which the guard keeps from counting twice.
BEGIN;
INSERT INTO treatment_sessions (id, patient_id, course_id, scheduled_at) VALUES (4, 1, 11, '2030-02-01 10:00+00');
UPDATE treatment_courses SET used_sessions = 1, remaining_sessions = 1, updated_at = '2030-01-02' WHERE id = 11;
COMMIT;
BEGIN;
INSERT INTO treatment_sessions (id, patient_id, course_id, scheduled_at) VALUES (5, 1, 11, '2030-02-02 10:00+00');
UPDATE treatment_courses SET used_sessions = 2, remaining_sessions = 0, status = 'completed' WHERE id = 11;
COMMIT;
SELECT outcome($$INSERT INTO treatment_sessions (id, patient_id, course_id, scheduled_at) VALUES (6, 1, 11, '2030-02-03')$$),
    outcome($$INSERT INTO treatment_sessions (id, patient_id, course_id, scheduled_at) VALUES (6, 1, 20, '2030-02-03')$$),
    outcome($$INSERT INTO treatment_sessions (id, patient_id, course_id, scheduled_at) VALUES (6, 1, 10, '2030-07-01')$$);
-- Reopened by a cancellation; the last moment of June in Berlin is covered.
UPDATE treatment_sessions SET status = 'cancelled' WHERE id = 5;
UPDATE treatment_sessions SET scheduled_at = '2030-06-30 23:59 Europe/Berlin' WHERE id = 2;
SELECT id, status, used_sessions, remaining_sessions FROM treatment_courses ORDER BY id;
-- A course that is deleted takes its sessions along.
DELETE FROM treatment_courses WHERE id = 10;
SELECT id, course_id, status FROM treatment_sessions ORDER BY id;
INSERT INTO treatment_sessions (id, patient_id, course_id, scheduled_at) SELECT n, 2, 20, '2030-03-01' FROM generate_series(21, 22) n;
:last_credit;
-- Who means to sell more by raising what is left is told how it is done.
UPDATE treatment_courses SET remaining_sessions = remaining_sessions + 2 WHERE id = 20;
UPDATE treatment_courses SET total_sessions = total_sessions + 2, remaining_sessions = remaining_sessions + 2 WHERE id = 20;
UPDATE treatment_courses SET remaining_sessions = remaining_sessions - 1 WHERE id = 20;
SELECT total_sessions, used_sessions, remaining_sessions FROM treatment_courses WHERE id = 20;
\i :leave
