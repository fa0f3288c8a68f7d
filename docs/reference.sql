-- Prints docs/reference.md from the comments of the installed extension ("make docs"); leaves nothing behind.
-- Stable: the same on every version of the server, in the order of the names.
\set ON_ERROR_STOP on
\pset format unaligned
\pset tuples_only on
\pset recordsep '\n\n'
BEGIN;
SET LOCAL client_min_messages = warning;
CREATE EXTENSION session_consistency;
SET LOCAL search_path = pg_catalog;

-- Prose, as Markdown that shows every character; code in it stands between backquotes already.
CREATE FUNCTION pg_temp.prose(comment text) RETURNS text LANGUAGE sql AS
$$ SELECT coalesce(regexp_replace(comment, '([<*|])', '\\\1', 'g'), '**Without a comment.**') $$;

CREATE FUNCTION pg_temp.code(lines text) RETURNS text LANGUAGE sql AS
$$ SELECT format(E'```sql\n%s\n```', lines) $$;

-- The arguments of a function, or with results true the columns that it returns, in order.
CREATE FUNCTION pg_temp.arguments(function oid, results boolean) RETURNS text[] LANGUAGE sql AS
$$
    SELECT array_agg(concat_ws(' ', a.name, format_type(a.type, NULL),
                               'DEFAULT ' || regexp_replace(pg_get_function_arg_default(p.oid, a.place::int),
                                                            '::[a-z]+(\[\])?$', '')) ORDER BY a.place)
    FROM pg_proc p,
         unnest(coalesce(p.proallargtypes, p.proargtypes::oid[]), p.proargmodes, p.proargnames)
             WITH ORDINALITY AS a (type, mode, name, place)
    WHERE p.oid = function AND (coalesce(a.mode, 'i') IN ('o', 't')) = results
$$;

CREATE FUNCTION pg_temp.signature(function oid) RETURNS text LANGUAGE sql AS
$$
    SELECT CASE WHEN p.prokind = 'p' THEN 'CALL ' ELSE '' END
           || p.oid::regproc || '('
           || CASE WHEN cardinality(i.arguments) > 3
                   THEN E'\n    ' || array_to_string(i.arguments, E',\n    ')
                   ELSE coalesce(array_to_string(i.arguments, ', '), '') END
           || ')'
           || CASE WHEN p.prokind = 'p' THEN ''
                   WHEN o.columns IS NOT NULL THEN E'\nRETURNS ' || CASE WHEN p.proretset THEN 'TABLE ' ELSE '' END
                       || CASE WHEN cardinality(o.columns) > 4
                               THEN E'(\n    ' || array_to_string(o.columns, E',\n    ') || ')'
                               ELSE '(' || array_to_string(o.columns, ', ') || ')' END
                   ELSE E'\nRETURNS ' || CASE WHEN p.proretset THEN 'SETOF ' ELSE '' END
                       || format_type(p.prorettype, NULL)
              END
    FROM pg_proc p,
         LATERAL (SELECT pg_temp.arguments(p.oid, false)) i (arguments),
         LATERAL (SELECT pg_temp.arguments(p.oid, true)) o (columns)
    WHERE p.oid = function
$$;

-- What the extension consists of.
CREATE TEMPORARY VIEW members AS
    SELECT d.classid, d.objid
    FROM pg_depend d JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
    WHERE e.extname = 'session_consistency' AND d.deptype = 'e';

CREATE TEMPORARY VIEW functions AS
    SELECT p.proname AS name,
           p.prorettype = 'trigger'::regtype AS is_trigger,
           string_agg(pg_temp.signature(p.oid), E'\n\n' ORDER BY c.place, p.oid::regprocedure::text) AS signatures,
           string_agg(c.comment, E'\n\n' ORDER BY c.place, p.oid::regprocedure::text) AS comments
    FROM pg_proc p JOIN members m ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid,
         LATERAL (SELECT pg_temp.prose(obj_description(p.oid, 'pg_proc'))) d (comment),
         LATERAL (SELECT d.comment, -length(d.comment)) c (comment, place)   -- of several, the one that explains first
    WHERE p.proname !~ '^_'
    GROUP BY 1, 2;

\qecho '# Reference\n'
\qecho 'Made by `make docs` from the comments that `\\df+`, `\\dv+` and `\\d+` show: change those, not this page.\n'

\qecho '## Functions and procedures\n'
SELECT format(E'### %s\n\n%s\n\n%s', name, pg_temp.code(signatures), comments)
FROM functions WHERE NOT is_trigger ORDER BY name COLLATE "C";

\qecho
SELECT CASE WHEN c.relkind = 'v' THEN '## View ' ELSE '## Table ' END || c.relname
       || E'\n\n' || pg_temp.prose(obj_description(c.oid, 'pg_class'))
       || E'\n\n| column | type | meaning |\n|---|---|---|\n'
       || string_agg(format('| `%s` | `%s` | %s |', a.attname, format_type(a.atttypid, a.atttypmod),
                            pg_temp.prose(replace(col_description(c.oid, a.attnum), E'\n', ' '))),
                     E'\n' ORDER BY a.attnum)
FROM pg_class c
     JOIN members m ON m.classid = 'pg_class'::regclass AND m.objid = c.oid
     JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind IN ('v', 'r') AND c.relname !~ '^_'
GROUP BY c.oid, c.relname, c.relkind
ORDER BY c.relname COLLATE "C";

\qecho '\n## Trigger functions\n'
\qecho 'Called by the triggers that `attach` makes, and by nothing else.\n'
SELECT format(E'### %s\n\n%s', name, comments)
FROM functions WHERE is_trigger ORDER BY name COLLATE "C";
ROLLBACK;
