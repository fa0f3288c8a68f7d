-- Keys are the user's: uuid, bigint, smallint, text, domains, and the composite key (member, id).
\getenv top PG_ABS_SRCDIR
\set test key_types
\set gym :top /test/fixtures/gym.sql
\i :gym
-- One story for every kind of key: a last credit, a cancellation after a renewal, a foreign link.
CREATE DOMAIN member_number AS bigint CHECK (VALUE > 0);
CREATE FUNCTION story(kind text, member_type text, key_type text, member text, other text, first text, second text,
    foreign_one text, link_type text DEFAULT NULL)
    RETURNS TABLE (step text, happened text) LANGUAGE plpgsql AS $$
DECLARE
    subscriptions text := format('packs_of_%s', kind);
    sessions text := format('sessions_of_%s', kind);
BEGIN
    EXECUTE format('CREATE TABLE %I (id %s PRIMARY KEY, member_id %s NOT NULL, status text NOT NULL DEFAULT ''active'',
                                     total_sessions_snapshot int)',
                   subscriptions, key_type, member_type);
    EXECUTE format('CREATE TABLE %I (id int PRIMARY KEY, member_id %s NOT NULL, session_type text DEFAULT ''member'',
                                     status text DEFAULT ''scheduled'')',
                   sessions, member_type);
    IF link_type IS NOT NULL THEN
        EXECUTE format('ALTER TABLE %I ADD subscription_id %s', sessions, link_type);
    END IF;
    EXECUTE format('INSERT INTO %I VALUES (%L, %L, ''active'', 2), (%L, %L, ''active'', 2)', subscriptions, first,
        member, foreign_one, other);
    PERFORM session_consistency.attach(sessions, subscriptions);
    step := 'link type';
    SELECT format_type(atttypid, atttypmod) INTO happened FROM pg_attribute
        WHERE attrelid = sessions::regclass AND attname = 'subscription_id';
    RETURN NEXT;
    step := 'two';
    happened := outcome(format('INSERT INTO %I (id, member_id) VALUES (1, %L), (2, %L)', sessions, member, member));
    RETURN NEXT;
    step := 'third';
    happened := outcome(format('INSERT INTO %I (id, member_id) VALUES (3, %L)', sessions, member));
    RETURN NEXT;
    step := 'foreign';
    happened := outcome(format('INSERT INTO %I (id, member_id, subscription_id) VALUES (3, %L, %L)', sessions, member,
        foreign_one));
    RETURN NEXT;
    step := 'dangling';
    happened := outcome(format('INSERT INTO %I (id, member_id, subscription_id) VALUES (3, %L, %L)', sessions, member,
        second));
    RETURN NEXT;
    step := 'renewed';
    happened := outcome(format('UPDATE %I SET status = ''expired'' WHERE id = %L', subscriptions, first));
    happened := happened || ', ' || outcome(format('INSERT INTO %I VALUES (%L, %L, ''active'', 2)', subscriptions,
        second, member));
    RETURN NEXT;
    step := 'sold';
    happened := outcome(format('UPDATE %I SET member_id = %L WHERE id = %L', subscriptions, other, first));
    RETURN NEXT;
    step := 'booked, cancelled';
    happened := outcome(format('INSERT INTO %I (id, member_id) VALUES (3, %L)', sessions, member));
    happened := happened || ', ' || outcome(format('UPDATE %I SET status = ''cancelled'' WHERE id = 1', sessions));
    RETURN NEXT;
    step := 'given to the other';
    happened := outcome(format('UPDATE %I SET member_id = %L WHERE id = 2', sessions, other));
    RETURN NEXT;
    step := 'used';
    EXECUTE format('SELECT string_agg(used_sessions::text, '' '' ORDER BY id::text COLLATE "C") FROM %I', subscriptions)
        INTO happened;
    RETURN NEXT;
    step := 'recount';
    SELECT count(*)::text INTO happened FROM recount(quote_ident(sessions), quote_ident(subscriptions),
        remaining => NULL);
    RETURN NEXT;
END $$;
SELECT * FROM story('int', 'int', 'int', '1', '2', '10', '30', '20');
SELECT * FROM story('bigint', 'bigint', 'bigint', '5000000000', '-5000000000', '7000000000', '9000000000',
    '8000000000');
SELECT * FROM story('smallint', 'smallint', 'smallint', '1', '2', '10', '30', '20');
SELECT * FROM story('int_with_bigint_link', 'int', 'int', '1', '2', '10', '30', '20', 'bigint');
SELECT * FROM story('uuid', 'uuid', 'uuid', 'aaaaaaaa-0000-0000-0000-000000000001',
    'aaaaaaaa-0000-0000-0000-000000000002',
    'bbbbbbbb-0000-0000-0000-000000000010', 'bbbbbbbb-0000-0000-0000-000000000030',
    'bbbbbbbb-0000-0000-0000-000000000020');
SELECT * FROM story('text', 'text', 'text', 'Ada', 'Ben', 'pack A', 'pack C', 'pack ''B"');
SELECT * FROM story('long_text', 'text', 'text', repeat('Ada ', 1000), repeat('Ada ', 1000) || 'Ben',
    repeat('pack', 1000), repeat('pack', 1000) || '3', repeat('pack', 1000) || '2');
SELECT * FROM story('varchar', 'varchar(20)', 'varchar(20)', 'Ada', 'Ben', 'pack A', 'pack C', 'pack B', 'text');
SELECT * FROM story('domain', 'member_number', 'uuid', '1', '2', 'bbbbbbbb-0000-0000-0000-000000000010',
    'bbbbbbbb-0000-0000-0000-000000000030', 'bbbbbbbb-0000-0000-0000-000000000020');

-- A pack's number counts for its member only: the composite key. The sessions' member column is a part of the link.
CREATE TABLE numbered_packs (member_id int, id int, status text NOT NULL DEFAULT 'active', total_sessions_snapshot int,
    PRIMARY KEY (member_id, id));
CREATE TABLE numbered_sessions (id int PRIMARY KEY, member_id int, session_type text DEFAULT 'member',
    status text DEFAULT 'scheduled', subscription_id int,
    FOREIGN KEY (member_id, subscription_id) REFERENCES numbered_packs (member_id, id));
INSERT INTO numbered_packs VALUES (1, 1, 'active', 2), (2, 1, 'active', 2), (2, 2, 'expired', 2), (3, 3, 'expired', 2);
SELECT count(*) > 0 AS attached FROM session_consistency.attach('numbered_sessions', 'numbered_packs');
INSERT INTO numbered_sessions (id, member_id) VALUES (1, 1), (2, 2), (3, 2);
INSERT INTO numbered_sessions (id, member_id) VALUES (4, 2);
INSERT INTO numbered_sessions (id, member_id) VALUES (4, 3);
INSERT INTO numbered_sessions (id, member_id, status, subscription_id)
    VALUES (4, 2, 'completed', 2), (5, 1, 'completed', 1);
INSERT INTO numbered_sessions (id, member_id, status, subscription_id) VALUES (6, 1, 'completed', 2);
SELECT member_id, id, used_sessions FROM numbered_packs ORDER BY 1, 2;
UPDATE numbered_sessions SET status = 'cancelled' WHERE id = 5;
UPDATE numbered_sessions SET member_id = 1 WHERE id = 2;
UPDATE numbered_sessions SET member_id = 3 WHERE id = 2;
UPDATE numbered_packs SET member_id = 4 WHERE member_id = 1;
DELETE FROM numbered_packs WHERE member_id = 2 AND id = 2;
INSERT INTO numbered_packs VALUES (2, 3, 'active', 2);
DELETE FROM numbered_sessions WHERE id = 3;
SELECT * FROM numbered_sessions ORDER BY id;
SELECT member_id, id, used_sessions FROM numbered_packs ORDER BY 1, 2;
SELECT * FROM recount('numbered_sessions', 'numbered_packs', remaining => NULL);

-- The other order of columns in key and reference, and bigint sessions over int packs.
CREATE TABLE counted_packs (id int, member_id int, status text NOT NULL DEFAULT 'active', total_sessions_snapshot int,
    PRIMARY KEY (id, member_id));
CREATE TABLE counted_sessions (subscription_id bigint, id int PRIMARY KEY, member_id bigint,
    session_type text DEFAULT 'member', status text DEFAULT 'scheduled',
    FOREIGN KEY (subscription_id, member_id) REFERENCES counted_packs (id, member_id));
INSERT INTO counted_packs VALUES (1, 1, 'active', 2), (1, 2, 'active', 1);
SELECT count(*) > 0 AS attached FROM session_consistency.attach('counted_sessions', 'counted_packs');
INSERT INTO counted_sessions (id, member_id) VALUES (1, 1), (2, 2);
INSERT INTO counted_sessions (id, member_id) VALUES (3, 2);
INSERT INTO counted_sessions (id, member_id) VALUES (3, 5000000000);
UPDATE counted_sessions SET member_id = 1 WHERE id = 2;
SELECT id, member_id, used_sessions FROM counted_packs ORDER BY 2, 1;
SELECT * FROM recount('counted_sessions', 'counted_packs', remaining => NULL);

-- A pack's key that is unique by a constraint of its own, beside the primary key.
CREATE TABLE coded_packs (row_number int PRIMARY KEY, code text NOT NULL UNIQUE, member_id int NOT NULL,
    status text NOT NULL DEFAULT 'active', total_sessions_snapshot int);
CREATE TABLE coded_sessions (id int PRIMARY KEY, member_id int, session_type text DEFAULT 'member',
    status text DEFAULT 'scheduled',
    subscription_id text REFERENCES coded_packs (code));
INSERT INTO coded_packs VALUES (1, 'A-1', 1, 'active', 1), (2, 'A-2', 1, 'expired', 1);
SELECT count(*) > 0 AS attached FROM session_consistency.attach('coded_sessions', 'coded_packs');
INSERT INTO coded_sessions (id, member_id) VALUES (1, 1);
INSERT INTO coded_sessions (id, member_id) VALUES (2, 1);
INSERT INTO coded_sessions (id, member_id, status, subscription_id) VALUES (2, 1, 'completed', 'A-2');
SELECT * FROM coded_sessions ORDER BY id;
SELECT * FROM recount('coded_sessions', 'coded_packs', key => 'code', remaining => NULL);
\i :finish
