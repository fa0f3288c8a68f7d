"""The statements that PostgREST sends, under row-level security, by the roles that it becomes; itself it is not needed."""
import json
import os

import psycopg2

from tools import equal, finish, passes, psql, test, whole

ROLES = """
CREATE ROLE anon;
CREATE ROLE authenticated;
CREATE ROLE authenticator LOGIN NOINHERIT;
GRANT anon, authenticated TO authenticator;
"""
POLICIES = """
CREATE FUNCTION me() RETURNS bigint STABLE
    RETURN (current_setting('request.jwt.claims', true)::json ->> 'customer_id')::bigint;
ALTER TABLE appointments ENABLE ROW LEVEL SECURITY;
ALTER TABLE passes ENABLE ROW LEVEL SECURITY;
GRANT SELECT, INSERT, UPDATE, DELETE ON appointments TO authenticated;
GRANT SELECT ON passes, passes_session_counts TO authenticated;
CREATE POLICY own ON appointments TO authenticated USING (customer_id = me()) WITH CHECK (customer_id = me());
CREATE POLICY own ON passes FOR SELECT TO authenticated USING (customer_id = me());
"""
COLUMNS = {'customer_id': 'bigint', 'reference': 'text', 'starts_at': 'timestamptz', 'state': 'text', 'pass_id': 'bigint'}
SOURCE = """WITH pgrst_source AS ({}) SELECT '' AS total_result_set, pg_catalog.count(_postgrest_t) AS page_total,
array[]::text[] AS header, coalesce(json_agg(_postgrest_t), '[]') AS body,
nullif(current_setting('response.headers', true), '') AS response_headers,
nullif(current_setting('response.status', true), '') AS response_status
FROM (SELECT "appointments".* FROM "pgrst_source" AS "appointments") _postgrest_t"""


def request(statement, parameters=(), role='authenticated', customer=1):
    """One request: a transaction that becomes the role, and one statement. The answer's body, or its error."""
    connection = psycopg2.connect(host=os.environ['PGHOST'], dbname=os.environ['PGDATABASE'], user='authenticator')
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("""SELECT set_config('search_path', '"public"', true), set_config('role', %s, true),
                              set_config('request.jwt.claims', %s, true), set_config('request.method', 'POST', true),
                              set_config('request.path', '/appointments', true)""",
                           (role, json.dumps({'role': role, 'customer_id': customer})))
            cursor.execute(statement, parameters)
            return cursor.fetchone()[3] if statement.startswith('WITH') else cursor.fetchall()
    except psycopg2.Error as error:
        return {'code': error.pgcode, 'message': error.diag.message_primary, 'details': error.diag.message_detail,
                'hint': error.diag.message_hint}
    finally:
        connection.close()


def post(rows, conflict='', **who):
    names = ', '.join(f'"{name}"' for name in rows[0])
    types = ', '.join(f'"{name}" {COLUMNS[name]}' for name in rows[0])
    insert = f"""INSERT INTO "public"."appointments" ({names}) SELECT {names}
                 FROM (SELECT %s::json AS json_data) pgrst_payload,
                 LATERAL (SELECT {names} FROM json_to_recordset(pgrst_payload.json_data) AS _({types})) pgrst_body
                 {conflict} RETURNING "public"."appointments".*"""
    return request(SOURCE.format(insert), (json.dumps(rows),), **who)


def patch(reference, column, value):
    return request(SOURCE.format(f"""UPDATE "public"."appointments" SET "{column}" = pgrst_body."{column}"
        FROM (SELECT %s::json AS json_data) pgrst_payload,
        LATERAL (SELECT "{column}" FROM json_to_record(pgrst_payload.json_data) AS _("{column}" {COLUMNS[column]})) pgrst_body
        WHERE "public"."appointments"."reference" = %s RETURNING "public"."appointments".*"""),
                   (json.dumps({column: value}), reference))


def booking(reference, customer=1):
    return {'customer_id': customer, 'reference': reference, 'starts_at': '2030-01-07T12:00:00Z'}


psql(ROLES + 'SET ROLE studio;' + POLICIES)


@test('postgrest: a booking is posted by who may not write passes, and its link read in the next request')
def _():
    equal([row['reference'] for row in post([booking('A1')])], ['A1'])
    equal(request('SELECT pass_id FROM appointments'), [(1,)])
    equal(passes(), '1:1 2:0 3:0')
    whole()


@test('postgrest: many are posted at once, and drawn from both passes')
def _():
    equal(len(post([booking(f'B{n}') for n in range(3)])), 3)
    equal(passes(), '1:2 2:2 3:0')
    whole()


@test('postgrest: duplicates that are merged or ignored take nothing')
def _():
    merge = 'ON CONFLICT("reference") DO UPDATE SET ' + ', '.join(f'"{c}" = EXCLUDED."{c}"' for c in booking(''))
    equal([row['pass_id'] for row in post([booking('A1')], merge)], [1])
    equal(post([booking('A1')], 'ON CONFLICT("reference") DO NOTHING'), [])
    equal(len(post([dict(booking('A1'), pass_id=None), dict(booking('B0'), pass_id=None)],
                   merge + ', "pass_id" = EXCLUDED."pass_id"')), 2)
    equal(passes(), '1:2 2:2 3:0')
    whole()


@test('postgrest: a refusal answers with code, message and hint, and changes nothing')
def _():
    equal(len(post([booking('C1', 2)], customer=2)), 1)
    refused = post([booking('C2', 2)], customer=2)
    equal(refused['code'], '23SC2')
    assert refused['message'] and refused['hint']
    equal(refused['details'], None)     # the figures are not for who reads passes under row-level security
    equal(post([booking('C3'), dict(booking('C4'), customer_id=2)])['code'], '42501')
    equal(passes(), '1:2 2:2 3:1')
    whole()


@test('postgrest: a cancelled booking gives back, one that is deleted too')
def _():
    equal([row['state'] for row in patch('A1', 'state', 'cancelled')], ['cancelled'])
    equal(passes(), '1:1 2:2 3:1')
    equal(len(request(SOURCE.format("""DELETE FROM "public"."appointments" WHERE "reference" = 'B0'
                                       RETURNING "public"."appointments".*"""))), 1)
    equal(passes(), '1:0 2:2 3:1')
    equal([row['pass_id'] for row in patch('B1', 'pass_id', None)], [2])
    equal(patch('B1', 'pass_id', 3)['code'], '23SC3')
    whole()


@test('postgrest: nobody reads or books what is not his')
def _():
    equal(request('SELECT count(*) FROM appointments', customer=2), [(1,)])
    equal(request('SELECT subscription_id, remaining FROM passes_session_counts ORDER BY 1'), [(1, 2), (2, 8)])
    equal(request('UPDATE passes SET credits = 100 RETURNING id')['code'], '42501')
    equal(post([booking('D1')], role='anon')['code'], '42501')
    equal(request('SELECT FROM appointments', role='anon')['code'], '42501')


finish()
