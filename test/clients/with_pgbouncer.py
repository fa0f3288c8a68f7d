"""pgbouncer in transaction mode: two connections to the server for twenty clients, whose transactions take turns."""
import atexit
import os
import select
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

import psycopg2

from tools import equal, finish, passes, psql, test, whole

database, server = os.environ['PGDATABASE'], os.environ['PGHOST']
directory = tempfile.mkdtemp(dir=os.environ.get('SESSION_CONSISTENCY_WORK'))
CONFIG = f"""
[databases]
{database} = host={server} dbname={database}

[pgbouncer]
pool_mode = transaction
default_pool_size = 2
max_client_conn = 100
listen_port = 6432
unix_socket_dir = {directory}
auth_type = trust
auth_file = {directory}/users
logfile = {directory}/log
"""


def start():
    for name, text in (('pgbouncer.ini', CONFIG), ('users', '"studio" ""\n')):
        with open(os.path.join(directory, name), 'w') as file:
            file.write(text)
    pooler = subprocess.Popen(['pgbouncer', '-q', os.path.join(directory, 'pgbouncer.ini')],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    atexit.register(pooler.terminate)
    for _ in range(100):
        if os.path.exists(os.path.join(directory, '.s.PGSQL.6432')):
            return
        time.sleep(0.1)
    raise RuntimeError('pgbouncer does not start')


def connect():
    return psycopg2.connect(host=directory, port=6432, dbname=database, user='studio')


def book(customer, reference):
    """The SQLSTATE of one booking in a transaction of its own."""
    connection = connect()
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("INSERT INTO appointments (customer_id, reference, starts_at) VALUES (%s, %s, '2030-01-07')",
                           (customer, reference))
        return 'booked'
    except psycopg2.Error as error:
        return error.pgcode
    finally:
        connection.close()


start()


@test('pgbouncer: of twenty clients one gets the last credit')
def _():
    with ThreadPoolExecutor(20) as pool:
        outcomes = list(pool.map(lambda n: book(2, f'A{n}'), range(20)))
    equal(sorted(set(outcomes)), ['23SC2', 'booked'])
    equal(outcomes.count('booked'), 1)
    equal(passes(), '1:0 2:0 3:1')
    whole()


@test('pgbouncer: a transaction reads its link back, and goes on after a refusal in a savepoint')
def _():
    connection = connect()
    with connection, connection.cursor() as cursor:
        cursor.execute("""INSERT INTO appointments (customer_id, reference, starts_at) VALUES (1, 'B1', '2030-01-07')
                          RETURNING id""")
        cursor.execute('SELECT pass_id FROM appointments WHERE id = %s', cursor.fetchone())
        equal(cursor.fetchone(), (1,))
        cursor.execute('SAVEPOINT inner_block')
        try:
            cursor.execute("""INSERT INTO appointments (customer_id, reference, starts_at)
                              VALUES (1, 'B2', '2030-01-07'), (2, 'B3', '2030-01-07')""")
        except psycopg2.IntegrityError as error:
            equal((error.pgcode, error.diag.constraint_name), ('23SC2', 'no_credit_left'))
            cursor.execute('ROLLBACK TO inner_block')
        cursor.execute("INSERT INTO appointments (customer_id, reference, starts_at) VALUES (1, 'B4', '2030-01-07')")
    connection.close()
    equal(passes(), '1:2 2:0 3:1')
    whole()


@test('pgbouncer: bookings and cancellations of many clients on few connections')
def _():
    def story(n):
        book(1, f'C{n}')
        connection = connect()
        with connection, connection.cursor() as cursor:
            cursor.execute("UPDATE appointments SET state = 'cancelled' WHERE reference = %s AND state = 'booked'",
                           (f'C{n - n % 2}',))
        connection.close()
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(story, range(40)))
    whole()


@test('pgbouncer: attach and migrate work through it, and who listens directly is told of what is booked through it')
def _():
    with open('studio.sql') as file:
        attach = file.read().partition('SELECT')[2].partition(';')[0]
    through = connect()
    through.autocommit = True
    with through.cursor() as cursor:
        cursor.execute('SELECT' + attach.replace('remaining_column', 'notify => true, remaining_column'))
        cursor.execute("CALL session_consistency.migrate('appointments')")
    through.close()
    listener = psycopg2.connect(host=server, dbname=database, user='studio')
    listener.autocommit = True
    with listener.cursor() as cursor:
        cursor.execute('LISTEN session_consistency_counts')
    psql('UPDATE passes SET credits = credits + 1 WHERE id = 3')
    equal(book(2, 'D1'), 'booked')
    assert select.select([listener], [], [], 10)[0], 'nothing was told'
    listener.poll()
    equal(len(listener.notifies) > 0, True)
    listener.close()
    whole()


finish()
