-- Names that need quotes, names of 63 bytes, and tables in two schemas.
\getenv top PG_ABS_SRCDIR
\set test quoted_names
\set gym :top /test/fixtures/gym.sql
\i :gym
SET ROLE NONE;
CREATE SCHEMA "Packs & more" AUTHORIZATION :owner;
GRANT USAGE ON SCHEMA "Packs & more" TO :desk;
SET ROLE :owner;
CREATE TABLE "Packs & more"."Member's ""Packs""" ("Pack No." int PRIMARY KEY, "Member's No." int NOT NULL,
    "State" text NOT NULL, "Total, bought" int, "Used = gone" int NOT NULL DEFAULT 0,
    "remaining left over until the last of all the credits is gone!!" int);
CREATE TABLE "Sessions; DROP TABLE members" ("No." int PRIMARY KEY, "Who?" int NOT NULL,
    "What, %s" text DEFAULT 'member',
    "a status whose name fills all of the sixty-three bytes there is" text DEFAULT 'scheduled');
INSERT INTO "Packs & more"."Member's ""Packs"""
    VALUES (10, 1, 'active', 2, 0, 2), (11, 1, 'expired', 2, 0, 2), (20, 2, 'active', 2, 0, 2);
SELECT count(*) > 0 AS attached FROM session_consistency.attach('"Sessions; DROP TABLE members"',
    '"Packs & more"."Member''s ""Packs"""',
    member_column => 'Who?', subscription_column => 'Link to "Pack"', type_column => 'What, %s',
    status_column => 'a status whose name fills all of the sixty-three bytes there is',
    subscription_member_column => 'Member''s No.', subscription_status_column => 'State',
    total_column => 'Total, bought', used_column => 'Used = gone',
    remaining_column => 'remaining left over until the last of all the credits is gone!!');
GRANT SELECT, INSERT, UPDATE, DELETE ON "Sessions; DROP TABLE members" TO :desk;
SET ROLE :desk;
INSERT INTO "Sessions; DROP TABLE members" ("No.", "Who?") VALUES (1, 1), (2, 1), (3, 2);
INSERT INTO "Sessions; DROP TABLE members" ("No.", "Who?") VALUES (4, 1);
INSERT INTO "Sessions; DROP TABLE members" ("No.", "Who?", "Link to ""Pack""") VALUES (4, 1, 20);
INSERT INTO "Sessions; DROP TABLE members" ("No.", "Who?", "Link to ""Pack""") VALUES (4, 2, 11);
SELECT * FROM refusal('INSERT INTO "Sessions; DROP TABLE members" ("No.", "Who?") VALUES (4, 3)');
UPDATE "Sessions; DROP TABLE members"
    SET "a status whose name fills all of the sixty-three bytes there is" = 'cancelled' WHERE "No." = 1;
UPDATE "Sessions; DROP TABLE members" SET "Who?" = 1 WHERE "No." = 3;
UPDATE "Sessions; DROP TABLE members" SET "What, %s" = 'trial' WHERE "No." = 2;
SELECT "No.", "Who?", "Link to ""Pack""" FROM "Sessions; DROP TABLE members" ORDER BY 1;
SET ROLE :owner;
SELECT "Pack No.", "Total, bought", "Used = gone",
    "remaining left over until the last of all the credits is gone!!" AS remaining
FROM "Packs & more"."Member's ""Packs""" ORDER BY 1;
UPDATE "Packs & more"."Member's ""Packs""" SET "Used = gone" = 0 WHERE "Pack No." = 10;
UPDATE "Packs & more"."Member's ""Packs""" SET "Member's No." = 3 WHERE "Pack No." = 10;
SELECT * FROM recount('"Sessions; DROP TABLE members"', '"Packs & more"."Member''s ""Packs"""', 'Who?',
    'Link to "Pack"', 'What, %s',
    'a status whose name fills all of the sixty-three bytes there is', 'Pack No.', 'Member''s No.', 'Total, bought',
        'Used = gone',
    'remaining left over until the last of all the credits is gone!!');
SET client_min_messages = warning;
TRUNCATE "Sessions; DROP TABLE members";
SELECT "Pack No.", "Used = gone" FROM "Packs & more"."Member's ""Packs""" ORDER BY 1;
DROP SCHEMA "Packs & more" CASCADE;

-- Nobody has dropped the members.
SELECT count(*) AS members FROM members;
\i :finish
