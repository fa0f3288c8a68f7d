-- A coworking space (Drizzle): varchar keys, passes of several days of which only the uses that remain are stored and may
-- be unknown, a status that old code may leave NULL, and check-ins without a key to the pass.
\getenv top PG_ABS_SRCDIR
\set test coworking_days
\set gallery :top /test/fixtures/gallery.sql
\i :gallery
CREATE TABLE day_pass_purchases (
    id varchar PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id varchar,
    product_type varchar NOT NULL,
    amount_cents integer NOT NULL,
    quantity integer DEFAULT 1,
    remaining_uses integer DEFAULT 1,
    status varchar DEFAULT 'active',
    purchased_at timestamp DEFAULT '2030-01-01');
CREATE INDEX day_pass_purchases_user_id_idx ON day_pass_purchases (user_id);
CREATE TABLE check_ins (
    id serial PRIMARY KEY,
    user_id varchar NOT NULL,
    pass_id varchar,
    day date NOT NULL,
    kind varchar NOT NULL DEFAULT 'pass',
    undone_at timestamp);
CREATE UNIQUE INDEX check_ins_once_a_day ON check_ins (user_id, day) WHERE undone_at IS NULL;
INSERT INTO day_pass_purchases (id, user_id, product_type, amount_cents, quantity, remaining_uses, status) VALUES
    ('p-ada-10', 'ada', 'day-pass-coworking', 20000, 10, 9, 'active'), ('p-ada-golf', 'ada', 'day-pass-golf-sim', 9000, 1, 1, 'active'),
    ('p-ben-1', 'ben', 'day-pass-coworking', 2500, 2, 2, NULL), ('p-gone', NULL, 'day-pass-coworking', 2500, 1, 0, 'exhausted');
INSERT INTO check_ins (id, user_id, pass_id, day) VALUES (1, 'ada', 'p-ada-10', '2030-01-02');
INSERT INTO check_ins (id, user_id, day, kind) VALUES (2, 'ben', '2030-01-02', 'tour');
CREATE FUNCTION book(n int) RETURNS void LANGUAGE sql AS $$
    INSERT INTO check_ins (id, user_id, day) VALUES (n, 'ben', date '2030-02-01' + n) $$;
CREATE FUNCTION miscounted() RETURNS SETOF text LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY
    SELECT format('pass %s: %s used, %s left', p.id, p.used_days, p.remaining_uses) FROM day_pass_purchases p
    WHERE p.used_days <> (SELECT count(*) FROM check_ins c WHERE c.pass_id = p.id AND c.kind = 'pass' AND c.undone_at IS NULL)
          OR p.remaining_uses <> p.total_days - p.used_days;
END $$;
SELECT remember();

SELECT string_agg(action, ', ' ORDER BY step) FROM session_consistency.attach('check_ins', 'day_pass_purchases',
    member_column => 'user_id', subscription_column => 'pass_id', type_column => 'kind', consuming_types => '{pass}',
    status_column => NULL, subscription_member_column => 'user_id', active_statuses => '{active}',
    total_column => 'total_days', used_column => 'used_days', remaining_column => 'remaining_uses',
    draw_order => 'purchased_at, id', counts_when => 'undone_at IS NULL',
    pays_when => 'subscription.product_type = ''day-pass-coworking''');
CALL session_consistency.migrate('check_ins');
:attached;
SELECT id, quantity, total_days, used_days, remaining_uses FROM day_pass_purchases ORDER BY id;

-- The desk checks somebody in twice a day, undoes it, and finds Ben's pass without a status.
INSERT INTO check_ins (id, user_id, day) VALUES (3, 'ada', '2030-01-03') RETURNING pass_id;
SELECT outcome($$INSERT INTO check_ins (id, user_id, day) VALUES (4, 'ada', '2030-01-03')$$),
    outcome($$INSERT INTO check_ins (id, user_id, day) VALUES (4, 'ben', '2030-01-03')$$);
INSERT INTO check_ins (id, user_id, day) VALUES (4, 'ada', '2030-01-03')
    ON CONFLICT (user_id, day) WHERE undone_at IS NULL DO UPDATE SET day = excluded.day + 1 RETURNING id, day, pass_id;
UPDATE check_ins SET undone_at = now() WHERE id = 3;
UPDATE day_pass_purchases SET status = 'active' WHERE id = 'p-ben-1';
INSERT INTO check_ins (id, user_id, day) VALUES (5, 'ben', '2030-01-03') RETURNING pass_id;
UPDATE check_ins SET kind = 'pass' WHERE id = 2;
UPDATE check_ins SET kind = 'tour' WHERE id = 2;
-- A pass is sold; old code still says what remains.
INSERT INTO day_pass_purchases (id, user_id, product_type, amount_cents, quantity, remaining_uses)
VALUES ('p-cleo-5', 'cleo', 'day-pass-coworking', 11000, 5, 5);
SELECT outcome($$UPDATE day_pass_purchases SET remaining_uses = remaining_uses - 1 WHERE id = 'p-cleo-5'$$);
SELECT id, total_days, used_days, remaining_uses FROM day_pass_purchases ORDER BY id;
:last_credit;
\i :leave
