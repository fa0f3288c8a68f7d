-- A yoga studio's website (Prisma): quoted names, the size of a pack stands in its plan, and the pack stores what was
-- used and what remains, until a moment, also of bookings that are deleted since; a booking may be a guest's or a single
-- payment, and needs a seat of its class.
\getenv top PG_ABS_SRCDIR
\set test yoga_studio
\set gallery :top /test/fixtures/gallery.sql
\i :gallery
CREATE TABLE "User" (id serial PRIMARY KEY, email text NOT NULL UNIQUE);
CREATE TABLE "ClassPackage" (id serial PRIMARY KEY, name text NOT NULL, "classCount" int NOT NULL,
    "expiresInDays" int NOT NULL DEFAULT 90);
CREATE TABLE "Class" (id serial PRIMARY KEY, date timestamp(3) NOT NULL, capacity int NOT NULL,
    archived boolean NOT NULL DEFAULT false);
CREATE TABLE "PackageBooking" (
    id serial PRIMARY KEY,
    "packageId" int NOT NULL REFERENCES "ClassPackage" ON DELETE RESTRICT ON UPDATE CASCADE,
    "userId" int NOT NULL REFERENCES "User" ON DELETE RESTRICT ON UPDATE CASCADE,
    paid boolean NOT NULL DEFAULT false,
    "classesUsed" int NOT NULL DEFAULT 0,
    "classesRemaining" int NOT NULL,
    "expiresAt" timestamp(3) NOT NULL);
CREATE TABLE "Booking" (
    id serial PRIMARY KEY,
    "classId" int NOT NULL REFERENCES "Class" ON DELETE CASCADE ON UPDATE CASCADE,
    name text NOT NULL,
    paid boolean NOT NULL DEFAULT false,
    "createdAt" timestamp(3) NOT NULL DEFAULT '2030-01-10',
    "userId" int REFERENCES "User" ON DELETE SET NULL ON UPDATE CASCADE,
    "packageBookingId" int REFERENCES "PackageBooking" ON DELETE SET NULL ON UPDATE CASCADE);
INSERT INTO "User" VALUES (1, 'ada'), (2, 'ben'), (3, 'cleo');
INSERT INTO "ClassPackage" VALUES (1, 'four classes', 4);
INSERT INTO "Class" VALUES (1, '2030-02-01', 3, false), (2, '2030-02-02', 40, false), (3, '2030-02-03', 40, true);
INSERT INTO "PackageBooking" VALUES (10, 1, 1, true, 1, 3, '2030-04-01'), (11, 1, 1, true, 4, 0, '2030-02-01'),
    (12, 1, 2, false, 0, 4, '2030-04-01'), (13, 1, 3, true, 0, 4, '2030-04-01');
INSERT INTO "Booking" (id, "classId", name, paid, "userId", "packageBookingId") VALUES
    (1, 2, 'Ada', false, 1, 10), (2, 2, 'a guest', true, NULL, NULL);
CREATE FUNCTION book(n int) RETURNS void LANGUAGE sql AS $$
    INSERT INTO "Booking" (id, "classId", name, paid) VALUES (n, 1, 'a guest', true) $$;
CREATE FUNCTION miscounted() RETURNS SETOF text LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY
    SELECT format('pack %s: %s', p.id, p."classesUsed") FROM "PackageBooking" p
    WHERE p."classesUsed" - CASE p.id WHEN 11 THEN 4 ELSE 0 END
          <> (SELECT count(*) FROM "Booking" b WHERE b."packageBookingId" = p.id)
          OR p."classesUsed" + p."classesRemaining" <> 4
    UNION ALL
    SELECT format('class %s: %s', c.id, c."seatsTaken") FROM "Class" c
    WHERE c."seatsTaken" <> (SELECT count(*) FROM "Booking" b WHERE b."classId" = c.id) OR c."seatsTaken" > c.capacity;
END $$;
SELECT remember();

-- Attached as they are: the total is added, as what was used and what remains.
SELECT string_agg(action, ', ' ORDER BY step) FROM session_consistency.attach('"Booking"', '"PackageBooking"',
    member_column => 'userId', subscription_column => 'packageBookingId', type_column => NULL, status_column => NULL,
    subscription_member_column => 'userId', subscription_status_column => NULL, total_column => 'classesBought',
    used_column => 'classesUsed', remaining_column => 'classesRemaining', carried_column => 'classesBefore',
    draw_order => '"expiresAt"', start_column => 'createdAt', valid_until_column => 'expiresAt',
    counts_when => '"userId" IS NOT NULL', pays_when => 'subscription.paid', when_none => 'leave');
SELECT string_agg(action, ', ' ORDER BY step) FROM session_consistency.attach('"Booking"', '"Class"',
    member_column => NULL, subscription_column => 'classId', type_column => NULL, status_column => NULL,
    subscription_status_column => 'archived', active_statuses => '{f}', total_column => 'capacity',
    used_column => 'seatsTaken', remaining_column => NULL);
CALL session_consistency.migrate('"Booking"', '"PackageBooking"', opening => 'carry');
CALL session_consistency.migrate('"Booking"', '"Class"');
:attached;
SELECT id, "classesBought", "classesBefore", "classesUsed", "classesRemaining" FROM "PackageBooking" ORDER BY id;

-- A guest takes a seat; Ben's pack is not paid, so that he books without one; Ada has two packs, one is used up.
INSERT INTO "Booking" (id, "classId", name, "userId") VALUES (3, 1, 'a guest', NULL), (4, 2, 'Ben', 2), (5, 1, 'Ada', 1);
SELECT outcome('INSERT INTO "Booking" (id, "classId", name, "userId") VALUES (6, 3, ''Ada'', 1)');
UPDATE "PackageBooking" SET paid = true WHERE id = 12;
INSERT INTO "Booking" (id, "classId", name, "userId") VALUES (7, 2, 'Ben', 2);
-- Cleo's four: one is cancelled by deleting it, and one is left.
INSERT INTO "Booking" (id, "classId", name, "userId") SELECT n, 2, 'Cleo', 3 FROM generate_series(21, 24) n;
DELETE FROM "Booking" WHERE id = 24;
SELECT id, "userId", "packageBookingId" FROM "Booking" ORDER BY id;
-- The last seat of class 1. A class that is deleted takes its bookings along, and their credits go back.
:last_credit;
SELECT outcome('DELETE FROM "PackageBooking" WHERE id = 13'), outcome('DELETE FROM "Class" WHERE id = 2');
SELECT subscription_id, total, used, remaining, is_consistent FROM "PackageBooking_session_counts" ORDER BY 1;
\i :leave
