-- A household pays for its members: the booking holds who pays, filled in when it is made. Whoever moves out leaves the
-- credits of old bookings where they are.
\getenv top PG_ABS_SRCDIR
\set test recipes_of_households
\set gym :top /test/fixtures/gym.sql
\i :gym
\pset format unaligned
\pset tuples_only on
CREATE TABLE people (id int PRIMARY KEY, household_id int NOT NULL);
CREATE TABLE packs (id int PRIMARY KEY, household_id int NOT NULL, status text NOT NULL DEFAULT 'active', credits int);
CREATE TABLE visits (id int PRIMARY KEY, person_id int NOT NULL REFERENCES people, household_id int NOT NULL, status text DEFAULT 'scheduled');
CREATE FUNCTION name_household() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    NEW.household_id := (SELECT household_id FROM people WHERE id = NEW.person_id);
    RETURN NEW;
END $$;
CREATE TRIGGER name_household BEFORE INSERT OR UPDATE OF person_id ON visits FOR EACH ROW EXECUTE FUNCTION name_household();
INSERT INTO people VALUES (1, 1), (2, 1), (3, 2);
INSERT INTO packs VALUES (10, 1, 'active', 3), (20, 2, 'active', 1);
SELECT count(*) > 0 FROM session_consistency.attach('visits', 'packs', member_column => 'household_id',
    subscription_member_column => 'household_id', type_column => NULL, total_column => 'credits', remaining_column => NULL);
\set check 'SELECT * FROM recount(''visits'', ''packs'', session_member => ''household_id'', subscription_member => ''household_id'', type => NULL, total => ''credits'', remaining => NULL)'

INSERT INTO visits (id, person_id) VALUES (1, 1), (2, 2), (3, 3);
SELECT outcome('INSERT INTO visits (id, person_id) VALUES (4, 3)');
SELECT id, person_id, household_id, subscription_id FROM visits ORDER BY id;
-- Person 2 moves out: the old booking stays paid for by the first household, the next is the second one's.
UPDATE people SET household_id = 2 WHERE id = 2;
UPDATE packs SET credits = 2 WHERE id = 20;
INSERT INTO visits (id, person_id) VALUES (4, 2);
UPDATE visits SET status = 'cancelled' WHERE id = 2;
SELECT id, person_id, household_id, subscription_id FROM visits ORDER BY id;
SELECT id, used_sessions FROM packs ORDER BY id;
-- A booking that is handed over to somebody else is paid for by that one's household.
UPDATE visits SET person_id = 1 WHERE id = 3;
SELECT id, used_sessions FROM packs ORDER BY id;
:check;
\i :finish
