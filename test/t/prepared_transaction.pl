# PREPARE TRANSACTION: a prepared booking holds its credit, through a restart too, until it is committed or given up.
use strict;
use warnings FATAL => 'all';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('gym');
$node->init;
$node->append_conf('postgresql.conf', "max_prepared_transactions = 5\nlock_timeout = '2s'\n");
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION session_consistency;
CREATE TABLE member_subscriptions (
    id int PRIMARY KEY, member_id int NOT NULL, status text NOT NULL DEFAULT 'active', total_sessions_snapshot int);
CREATE TABLE training_sessions (
    id int PRIMARY KEY, member_id int NOT NULL, session_type text DEFAULT 'member', status text DEFAULT 'scheduled');
INSERT INTO member_subscriptions VALUES (10, 1, 'active', 2), (20, 2, 'active', 2);
SELECT session_consistency.attach('training_sessions', 'member_subscriptions', ledger => true);
SQL

# The SQLSTATE that a script ends with, or 'done'.
sub outcome
{
	my ($script) = @_;
	my ($status, $out, $error) =
	  $node->psql('postgres', "\\set VERBOSITY sqlstate\n$script", on_error_stop => 1);
	return $status == 0 ? 'done' : $error =~ /ERROR:\s+(\w{5})/ ? $1 : $error;
}

sub counters
{
	return $node->safe_psql('postgres',
		"SELECT string_agg(id || ': ' || used_sessions, ', ' ORDER BY id) FROM member_subscriptions");
}

is(outcome(<<'SQL'), 'done', 'a booking and a cancellation are prepared');
INSERT INTO training_sessions (id, member_id) VALUES (1, 1), (2, 2);
BEGIN;
INSERT INTO training_sessions (id, member_id) VALUES (3, 1);
UPDATE training_sessions SET status = 'cancelled' WHERE id = 2;
PREPARE TRANSACTION 'first';
SQL
is(counters(), '10: 1, 20: 1', 'what is prepared is not yet seen');
is(outcome("INSERT INTO training_sessions (id, member_id) VALUES (4, 1)"), '55P03', 'the next booking waits for it');

$node->restart;
is(outcome("INSERT INTO training_sessions (id, member_id) VALUES (4, 1)"), '55P03', 'it still does after a restart');
is(outcome("COMMIT PREPARED 'first'"), 'done', 'it is committed');
is(counters(), '10: 2, 20: 0', 'its counters are seen');
is(outcome("INSERT INTO training_sessions (id, member_id) VALUES (4, 1)"), '23SC2', 'the last credit was given once');

is(outcome(<<'SQL'), 'done', 'another one is prepared, after an error that was rolled back to a savepoint');
BEGIN;
INSERT INTO training_sessions (id, member_id) VALUES (5, 2);
SAVEPOINT s;
DO $$
BEGIN
    INSERT INTO training_sessions (id, member_id) VALUES (6, 2), (7, 1);
EXCEPTION WHEN SQLSTATE '23SC2' THEN
    NULL;
END $$;
DELETE FROM training_sessions WHERE id = 1;
ROLLBACK TO s;
PREPARE TRANSACTION 'second';
SQL
is(outcome("ROLLBACK PREPARED 'second'"), 'done', 'it is given up');
is(counters(), '10: 2, 20: 0', 'nothing is left of it');

is(outcome(<<'SQL'), '23SC2', 'a transaction that was refused cannot be prepared');
BEGIN;
INSERT INTO training_sessions (id, member_id) VALUES (8, 2), (9, 2), (10, 2);
PREPARE TRANSACTION 'third';
SQL

# The same backend prepares, commits and books on: no state of one transaction reaches into the next.
is(outcome(<<'SQL'), 'done', 'one backend prepares, commits and books on');
BEGIN;
INSERT INTO training_sessions (id, member_id) VALUES (8, 2);
PREPARE TRANSACTION 'fourth';
COMMIT PREPARED 'fourth';
INSERT INTO training_sessions (id, member_id) VALUES (9, 2);
BEGIN;
UPDATE training_sessions SET status = 'cancelled' WHERE member_id = 2;
PREPARE TRANSACTION 'fifth';
ROLLBACK PREPARED 'fifth';
SQL
is(counters(), '10: 2, 20: 2', 'each is counted once');

is($node->safe_psql('postgres', <<'SQL'), '', 'the recount finds nothing');
SELECT s.id FROM member_subscriptions s
WHERE s.used_sessions <> (SELECT count(*) FROM training_sessions t
                          WHERE t.subscription_id = s.id AND t.status IN ('scheduled', 'in_progress', 'completed'))
SQL
is($node->safe_psql('postgres', 'SELECT message FROM session_consistency.ledger_gaps()'), '', 'nor does the replay');
is( $node->safe_psql('postgres', <<'SQL'), '8 booked, 9 booked', 'what was prepared and given up has no line');
SELECT string_agg(concat_ws(' ', session_id, reason), ', ' ORDER BY line) FROM session_consistency.ledger
WHERE subscription_id = '20' AND line > (SELECT max(line) - 2 FROM session_consistency.ledger WHERE subscription_id = '20')
SQL
$node->stop;
done_testing();
