-- A music school (Prisma): cuid keys as text, quoted names, a lesson loses its package when that is deleted and follows its
-- key; trial lessons are free, makeup lessons are paid like others, and a package is a child's, whatever the family.
\getenv top PG_ABS_SRCDIR
\set test music_school
\set gallery :top /test/fixtures/gallery.sql
\i :gallery
CREATE TYPE "LessonStatus" AS ENUM ('SCHEDULED', 'COMPLETED', 'CANCELLED_BY_STUDENT', 'CANCELLED_BY_TEACHER', 'NO_SHOW');
CREATE TYPE "LessonType" AS ENUM ('REGULAR', 'TRIAL', 'MAKEUP');
CREATE TYPE "PackageStatus" AS ENUM ('ACTIVE', 'COMPLETED', 'EXPIRED');
CREATE TABLE "Student" (id text NOT NULL, name text NOT NULL, CONSTRAINT "Student_pkey" PRIMARY KEY (id));
CREATE TABLE "Package" (
    id text NOT NULL,
    "studentId" text NOT NULL,
    "totalLessons" integer NOT NULL,
    "usedLessons" integer NOT NULL DEFAULT 0,
    status "PackageStatus" NOT NULL DEFAULT 'ACTIVE',
    "validFrom" date NOT NULL DEFAULT '2030-01-01',
    "updatedAt" timestamp(3) NOT NULL DEFAULT '2030-01-01',
    CONSTRAINT "Package_pkey" PRIMARY KEY (id),
    CONSTRAINT "Package_studentId_fkey" FOREIGN KEY ("studentId") REFERENCES "Student" (id) ON DELETE RESTRICT ON UPDATE CASCADE);
CREATE TABLE "Lesson" (
    id text NOT NULL,
    "studentId" text NOT NULL,
    type "LessonType" NOT NULL DEFAULT 'REGULAR',
    status "LessonStatus" NOT NULL DEFAULT 'SCHEDULED',
    "startTime" timestamp(3) NOT NULL DEFAULT '2030-01-15 15:00',
    "packageId" text,
    CONSTRAINT "Lesson_pkey" PRIMARY KEY (id),
    CONSTRAINT "Lesson_studentId_fkey" FOREIGN KEY ("studentId") REFERENCES "Student" (id) ON DELETE RESTRICT ON UPDATE CASCADE,
    CONSTRAINT "Lesson_packageId_fkey" FOREIGN KEY ("packageId") REFERENCES "Package" (id) ON DELETE SET NULL ON UPDATE CASCADE);
CREATE INDEX "Lesson_packageId_idx" ON "Lesson" ("packageId");
INSERT INTO "Student" VALUES ('ada', 'Ada'), ('ben', 'Ben');
INSERT INTO "Package" (id, "studentId", "totalLessons", "usedLessons", status) VALUES ('clx-ada-1', 'ada', 4, 4, 'COMPLETED'),
    ('clx-ada-2', 'ada', 4, 1, 'ACTIVE'), ('clx-ben-1', 'ben', 2, 0, 'ACTIVE');
INSERT INTO "Lesson" (id, "studentId", status, "packageId") SELECT 'old' || n, 'ada', 'COMPLETED', 'clx-ada-1' FROM generate_series(1, 4) n;
INSERT INTO "Lesson" (id, "studentId", status) VALUES ('l1', 'ada', 'SCHEDULED');
CREATE FUNCTION book(n int) RETURNS void LANGUAGE sql AS $$ INSERT INTO "Lesson" (id, "studentId") VALUES ('l' || n, 'ben') $$;
CREATE FUNCTION miscounted() RETURNS SETOF text LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY
    SELECT format('package %s: %s of %s', p.id, p."usedLessons", p."totalLessons") FROM "Package" p
    WHERE p."usedLessons" <> (SELECT count(*) FROM "Lesson" l WHERE l."packageId" = p.id AND l.type <> 'TRIAL'
                                AND l.status IN ('SCHEDULED', 'COMPLETED', 'NO_SHOW', 'CANCELLED_BY_STUDENT'))
          OR p."usedLessons" > p."totalLessons";
END $$;
SELECT remember();

-- One package at a time, which is as before the application's own rule; a late cancellation of the student counts.
SELECT string_agg(action, ', ' ORDER BY step) FROM session_consistency.attach('"Lesson"', '"Package"',
    member_column => 'studentId', subscription_column => 'packageId', type_column => 'type',
    consuming_types => '{REGULAR,MAKEUP}', scheduled_statuses => '{SCHEDULED}',
    completed_statuses => '{COMPLETED,NO_SHOW,CANCELLED_BY_STUDENT}', subscription_member_column => 'studentId',
    active_statuses => '{ACTIVE}', total_column => 'totalLessons', used_column => 'usedLessons', remaining_column => NULL);
CALL session_consistency.migrate('"Lesson"', when_ambiguous => 'active');
:attached;

INSERT INTO "Lesson" (id, "studentId", type) VALUES ('l2', 'ada', 'TRIAL'), ('l3', 'ada', 'MAKEUP'), ('l4', 'ada', 'REGULAR');
UPDATE "Lesson" SET status = 'CANCELLED_BY_TEACHER' WHERE id = 'l3';
UPDATE "Lesson" SET status = 'CANCELLED_BY_STUDENT' WHERE id = 'l4';
SELECT outcome($$INSERT INTO "Package" (id, "studentId", "totalLessons") VALUES ('clx-ada-3', 'ada', 4)$$);
UPDATE "Package" SET status = 'COMPLETED' WHERE id = 'clx-ada-2';
INSERT INTO "Package" (id, "studentId", "totalLessons") VALUES ('clx-ada-3', 'ada', 4);
SELECT outcome($$UPDATE "Lesson" SET status = 'SCHEDULED' WHERE id = 'l3'$$);
INSERT INTO "Lesson" (id, "studentId") VALUES ('l5', 'ada');
-- Keys change with their lessons; a package that is deleted leaves the cancelled ones behind.
UPDATE "Package" SET id = 'clx-ada-two' WHERE id = 'clx-ada-2';
SELECT outcome($$DELETE FROM "Package" WHERE id = 'clx-ada-two'$$);
UPDATE "Lesson" SET status = 'CANCELLED_BY_TEACHER' WHERE "packageId" = 'clx-ada-two';
DELETE FROM "Package" WHERE id = 'clx-ada-two';
UPDATE "Student" SET id = 'ada lovelace' WHERE id = 'ada';
SELECT id, "studentId", type, status, "packageId" FROM "Lesson" ORDER BY id;
SELECT id, "totalLessons", "usedLessons", status FROM "Package" ORDER BY id;
INSERT INTO "Lesson" (id, "studentId") VALUES ('l6', 'ben');
:last_credit;
\i :leave
