-- A craft studio: bookings are paid for or not, some are workshops that take two credits, and some are for several guests;
-- credits are a column of the customer, who is the pack, and a customer may owe nothing.
\getenv top PG_ABS_SRCDIR
\set test craft_studio
\set gallery :top /test/fixtures/gallery.sql
\i :gallery
CREATE TABLE customers (
    id uuid PRIMARY KEY,
    email text NOT NULL UNIQUE,
    credits_bought bigint NOT NULL DEFAULT 0,
    credits_left bigint NOT NULL DEFAULT 0,
    "isActive" boolean NOT NULL DEFAULT true);
CREATE TABLE reservations (
    id int PRIMARY KEY,
    "customerId" uuid REFERENCES customers ON DELETE CASCADE,
    kind text NOT NULL DEFAULT 'class',
    guests smallint NOT NULL DEFAULT 0,
    paid boolean NOT NULL DEFAULT false,
    "cancelledAt" timestamptz);
INSERT INTO customers VALUES ('00000000-0000-0000-0000-00000000000a', 'ada', 10, 7, true),
    ('00000000-0000-0000-0000-00000000000b', 'ben', 2, 2, true), ('00000000-0000-0000-0000-00000000000c', 'cleo', 5, 5, false);
INSERT INTO reservations VALUES (1, '00000000-0000-0000-0000-00000000000a', 'workshop', 0, true),
    (2, '00000000-0000-0000-0000-00000000000a', 'class', 0, true), (3, '00000000-0000-0000-0000-00000000000a', 'class', 0, false),
    (4, NULL, 'class', 3, true);
CREATE FUNCTION book(n int) RETURNS void LANGUAGE sql AS $$
    INSERT INTO reservations (id, "customerId", kind, paid) SELECT n, id, 'workshop', true FROM customers WHERE email = 'ben' $$;
CREATE FUNCTION miscounted() RETURNS SETOF text LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY
    SELECT format('%s: %s used, %s left', c.email, c.credits_used, c.credits_left) FROM customers c
    WHERE c.credits_used <> (SELECT coalesce(sum((CASE kind WHEN 'workshop' THEN 2 ELSE 1 END) * (1 + guests)), 0)
                             FROM reservations r WHERE r."customerId" = c.id AND r.paid AND r."cancelledAt" IS NULL)
          OR c.credits_left <> c.credits_bought - c.credits_used;
END $$;
SELECT remember();

SELECT string_agg(action, ', ' ORDER BY step) FROM session_consistency.attach('reservations', 'customers',
    member_column => NULL, subscription_column => 'customerId', type_column => NULL, status_column => NULL,
    subscription_status_column => 'isActive', active_statuses => '{t}', total_column => 'credits_bought',
    used_column => 'credits_used', remaining_column => 'credits_left', counts_when => 'paid AND "cancelledAt" IS NULL',
    cost => 'CASE kind WHEN ''workshop'' THEN 2 ELSE 1 END * (1 + guests)');
CALL session_consistency.migrate('reservations');
:attached;
SELECT email, credits_bought, credits_used, credits_left FROM customers ORDER BY email;

-- To pay is what takes the credits.
UPDATE reservations SET paid = true WHERE id = 3;
INSERT INTO reservations SELECT 5, id, 'workshop', 2, false FROM customers WHERE email = 'ada';
UPDATE reservations SET paid = true WHERE id = 5;
SELECT outcome('UPDATE reservations SET guests = 3 WHERE id = 5'), outcome('UPDATE reservations SET kind = ''workshop'' WHERE id = 3');
UPDATE reservations SET guests = 1 WHERE id = 5;
UPDATE reservations SET kind = 'workshop' WHERE id = 3;
SELECT outcome($$INSERT INTO reservations SELECT 6, id, 'class', 0, true FROM customers WHERE email = 'cleo'$$);
INSERT INTO reservations SELECT 6, id, 'class', 0, false FROM customers WHERE email = 'cleo';
UPDATE reservations SET "cancelledAt" = now() WHERE id IN (1, 4);
SELECT email, credits_bought, credits_used, credits_left FROM customers ORDER BY email;
SELECT outcome($$DELETE FROM customers WHERE email = 'cleo'$$);
:last_credit;
\i :leave
