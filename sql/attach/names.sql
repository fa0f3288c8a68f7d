-- Names that need quotes, names of 63 bytes, names that are taken, in several schemas; the search path plays no part.
\getenv top PG_ABS_SRCDIR
\set test attach_names
\set gym :top /test/fixtures/gym.sql
\set objects :top /test/fixtures/objects.sql
\i :gym
\i :objects
\set VERBOSITY default
\pset format unaligned
\pset tuples_only on

-- Quotes, blanks, keywords, capitals, a backslash, a percent sign, an apostrophe.
CREATE TABLE "Pack's ""best"" %s" ("Id" uuid PRIMARY KEY, "Member Id" text, "order" text, "Σ" integer);
CREATE TABLE "from" (id integer PRIMARY KEY, "Member Id" text, "typ\e" text, "select" text);
SELECT remember();
SET search_path = pg_catalog;
SELECT step, action, command FROM session_consistency.attach('attach_names."from"', 'attach_names."Pack''s ""best"" %s"',
    member_column => 'Member Id', subscription_column => 'Pack "id"', type_column => 'typ\e', status_column => 'select',
    consuming_types => '{it''s,"a,b","{}","NULL"}'::text[] || 'back\slash'::text, scheduled_statuses => '{"to do"}',
    completed_statuses => '{"done, at last","=\""}', subscription_member_column => 'Member Id',
    subscription_status_column => 'order', active_statuses => ARRAY['it''s "on"'], total_column => 'Σ', used_column => 'σ',
    counts_view => 'The "counts"');
SET search_path = :test;
\x
SELECT * FROM session_consistency.attachments WHERE sessions = '"from"'::regclass;
\x
INSERT INTO "Pack's ""best"" %s" VALUES ('00000000-0000-0000-0000-000000000001', E'A\\d\'a', 'it''s "on"', 3);
INSERT INTO "from" VALUES (1, E'A\\d\'a', 'a,b', 'to do'), (2, E'A\\d\'a', 'back\slash', '="'), (3, E'A\\d\'a', 'a', 'to do'),
    (4, E'A\\d\'a', 'NULL', 'done, at last');
SELECT "σ" FROM "Pack's ""best"" %s";
SELECT completed, scheduled, remaining, is_consistent FROM "The ""counts""";
SELECT * FROM recount('"from"', '"Pack''s ""best"" %s"', 'Member Id', 'Pack "id"', 'typ\e', 'select', 'Id', 'Member Id', 'Σ', 'σ',
    NULL, '{it''s,"a,b","{}","NULL","back\\slash"}', '{"to do","done, at last","=\""}');
SELECT command FROM session_consistency.detach('"from"', drop_added_columns => true);
SELECT * FROM changed();

-- 63 bytes: the server shortens its names, and so does attach; what is taken is numbered.
SELECT repeat('s', 63) AS long_sessions, repeat('p', 63) AS long_packs, repeat('é', 31) || 'l' AS long_link,
       repeat('u', 63) AS long_used \gset
CREATE TABLE :long_packs (id bigint PRIMARY KEY, member_id bigint, status text, total_sessions_snapshot smallint);
CREATE TABLE :long_sessions (id bigint PRIMARY KEY, member_id bigint, session_type text, status text);
CREATE VIEW ppppppppppppppppppppppppppppppppppppppppppppppppp_member_id_idx AS SELECT 1;
CREATE TABLE other (id integer CONSTRAINT pppppppppppppppppppppppppppp_uuuuuuuuuuuuuuuuuuuuuuuuuuuu_check CHECK (id > 0));
SELECT remember();
SELECT action, substr(command, 1, 230) FROM session_consistency.attach(:'long_sessions', :'long_packs',
    subscription_column => :'long_link', used_column => :'long_used') WHERE action NOT LIKE '%trigger';
INSERT INTO :long_packs VALUES (1, 1, 'active', 1);
INSERT INTO :long_sessions VALUES (1, 1, 'member', 'scheduled');
SELECT outcome(format('INSERT INTO %I VALUES (2, 1, ''member'', ''scheduled'')', :'long_sessions'));
SELECT length(counts_view::text), enforced FROM session_consistency.attachments WHERE sessions = :'long_sessions'::regclass;
SELECT * FROM recount(:'long_sessions', :'long_packs', link => :'long_link', used => :'long_used', remaining => NULL);
SELECT count(*) FROM session_consistency.detach(:'long_sessions', drop_added_columns => true);
SELECT * FROM changed();

-- Sessions and subscriptions in two schemas; renamed and moved since, detach finds what it made.
SET ROLE NONE;
CREATE SCHEMA "attach_names 2" AUTHORIZATION :owner;
SET ROLE :owner;
DROP TABLE :long_sessions, :long_packs, "from", "Pack's ""best"" %s", training_sessions;
CREATE TABLE "attach_names 2".visits (id integer PRIMARY KEY, member_id integer, session_type text, status text);
SELECT remember();
SELECT action, command FROM session_consistency.attach('"attach_names 2".visits', 'member_subscriptions')
WHERE action NOT LIKE '%trigger' AND action <> 'create view';
ALTER TABLE "attach_names 2".visits SET SCHEMA :test;
ALTER TABLE visits RENAME TO lessons;
ALTER TABLE member_subscriptions RENAME TO packs;
ALTER VIEW member_subscriptions_session_counts SET SCHEMA "attach_names 2";
ALTER TRIGGER "00_session_consistency_charge_member_subscriptions" ON lessons RENAME TO charge;
ALTER TABLE packs VALIDATE CONSTRAINT sc_member_subscriptions_used_sessions_check;
SELECT sessions, subscriptions, counts_view, enforced, gaps FROM session_consistency.attachments
WHERE sessions = 'lessons'::regclass;
INSERT INTO lessons (id, member_id, session_type, status) VALUES (1, 1, 'member', 'scheduled');
SELECT id, used_sessions FROM packs WHERE used_sessions > 0;
SELECT * FROM recount('lessons', 'packs');
SELECT command FROM session_consistency.detach('lessons', drop_added_columns => true);
DROP TABLE lessons;
ALTER TABLE packs RENAME TO member_subscriptions;
SELECT * FROM changed();
RESET ROLE;
DROP SCHEMA "attach_names 2" CASCADE;
\i :finish
