"""What the tests of the tools in Python share: TAP, psql, and what must hold at their end."""
import os
import subprocess
import sys
import traceback

number = 0
failures = 0


def test(name):
    """Runs the function below it at once, as one test."""
    def run(body):
        global number, failures
        number += 1
        try:
            body()
            print(f'ok {number} - {name}', flush=True)
        except Exception:
            failures += 1
            print(f'not ok {number} - {name}')
            print('# ' + traceback.format_exc().strip().replace('\n', '\n# '), flush=True)
        return body
    return run


def equal(actual, expected):
    assert actual == expected, f'got {actual!r}, expected {expected!r}'


def psql(sql):
    """Runs SQL as the superuser; what it returns, unaligned."""
    done = subprocess.run(['psql', '-XAtq', '-v', 'ON_ERROR_STOP=1'], input=sql, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def passes():
    """Each pass with what it has used."""
    return psql("SELECT string_agg(format('%s:%s', id, credits_used), ' ' ORDER BY id) FROM passes")


def whole():
    """Counters, and what attach() has made, are as they must be."""
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'whole.sql')) as file:
        equal(psql(file.read()), '')


def finish():
    sys.exit(1 if failures else 0)
