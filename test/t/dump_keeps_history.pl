# pg_dump and restore carry the history of checks, the repairs and the ledger, and with them their numbers: in the restored
# database a check finds nothing new, an open finding is known again, a repair can still be undone, the ledger goes on.
use strict;
use warnings FATAL => 'all';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('gym');
$node->init;
$node->start;
my $dumps = PostgreSQL::Test::Utils::tempdir();
$node->safe_psql('postgres', 'CREATE DATABASE gym; CREATE DATABASE plain; CREATE DATABASE custom; CREATE ROLE owner');
$node->safe_psql('gym', <<'SQL');
CREATE EXTENSION session_consistency;
CREATE SCHEMA "the gym" AUTHORIZATION owner;
SET search_path = "the gym";
SET ROLE owner;
CREATE TABLE packs (
    id int PRIMARY KEY, member_id int NOT NULL, status text NOT NULL DEFAULT 'active', total_sessions_snapshot int);
CREATE TABLE visits (
    id int PRIMARY KEY, member_id int NOT NULL, session_type text DEFAULT 'member', status text DEFAULT 'scheduled');
SELECT session_consistency.attach('visits', 'packs', ledger => true);
INSERT INTO packs (id, member_id, total_sessions_snapshot) VALUES (10, 1, 10), (20, 2, 5), (30, 3, 0);
INSERT INTO visits (id, member_id) VALUES (1, 1), (2, 1), (3, 2);
RESET ROLE;
SELECT session_consistency.run_check();
SET session_replication_role = replica;
UPDATE packs SET used_sessions = used_sessions + 2 WHERE id < 30;
RESET session_replication_role;
SELECT session_consistency.run_check();
SELECT * FROM session_consistency.repair('visits', dry_run => false);
SELECT session_consistency.undo_repair((SELECT max(repair_id) FROM session_consistency.repairs));
SELECT session_consistency.run_check('visits');
SQL

my $history = <<'SQL';
SELECT * FROM session_consistency.check_runs ORDER BY run_id;
SELECT * FROM session_consistency.check_findings ORDER BY finding_id;
SELECT * FROM session_consistency.repairs ORDER BY repair_id;
SELECT * FROM session_consistency.ledger_lines ORDER BY subscription_id, line;
SELECT * FROM session_consistency.ledger ORDER BY pair, subscription_id, line;
SQL
my $before = $node->safe_psql('gym', $history);
is($node->safe_psql('gym', 'SELECT count(*) FROM session_consistency.check_findings WHERE ended IS NULL'),
	2, 'something is open when it is dumped');

my @connection = ('-h', $node->host, '-p', $node->port);
command_ok([ 'pg_dump', @connection, '-f', "$dumps/plain", 'gym' ], 'a plain dump');
command_ok([ 'psql', @connection, '-Xqo', "$dumps/out", '-v', 'ON_ERROR_STOP=1', '-f', "$dumps/plain", 'plain' ],
	'is restored');
command_ok([ 'pg_dump', @connection, '-Fc', '-f', "$dumps/custom", 'gym' ], 'a custom dump');
command_ok([ 'pg_restore', @connection, '-j', '2', '-d', 'custom', "$dumps/custom" ], 'is restored with two jobs');

for my $database (qw(plain custom))
{
	is($node->safe_psql($database, $history), $before, "$database: the history is the same");
	my $run = $node->safe_psql($database, 'SELECT session_consistency.run_check()');
	is($node->safe_psql($database, "SELECT new_findings, ended_findings, open_findings, enforced
			FROM session_consistency.check_runs, session_consistency.attachments WHERE run_id = $run"),
		'0|0|2|t', "$database: a check finds what is known, and nothing new");
	is($node->safe_psql($database, "SELECT $run - max(run_id) FROM session_consistency.check_runs WHERE run_id < $run"),
		1, "$database: runs are numbered on");
	is($node->safe_psql($database, 'SELECT * FROM session_consistency.ledger_gaps()'), '', "$database: no gap");
	is($node->safe_psql($database, <<'SQL'), <<'MISSED' =~ s/\n\z//r, "$database: a line that was seen is missed");
BEGIN;
DELETE FROM session_consistency.ledger WHERE subscription_id = '10' AND reason = 'repaired';
SELECT session_consistency.run_check() > 0;
SELECT code, actual FROM session_consistency.check_findings WHERE ended IS NULL AND code = 'ledger_gap';
ROLLBACK;
SQL
t
ledger_gap|Subscription 10: line 3, which a check has seen, is missing.
MISSED
	my $line = $node->safe_psql($database, 'SELECT max(id) FROM session_consistency.ledger');
	$node->safe_psql($database, q{UPDATE "the gym".visits SET status = 'completed' WHERE id = 1});
	is($node->safe_psql($database, "SELECT line, session_id, reason FROM session_consistency.ledger
			WHERE id > $line"), '4|1|completed', "$database: the ledger goes on");
	my $last = $node->safe_psql($database, 'SELECT max(repair_id) FROM session_consistency.repairs');
	is( $node->safe_psql($database, q{SELECT repair_id FROM session_consistency.repair('"the gym".visits', dry_run => false)}),
		$last + 1, "$database: repairs are numbered on");
	$node->safe_psql($database, 'SELECT session_consistency.run_check()');
	is($node->safe_psql($database, 'SELECT code FROM session_consistency.check_findings WHERE ended IS NULL'),
		'zero_total', "$database: what was found before the dump has ended");
	is($node->safe_psql($database, <<'SQL'), '', "$database: the recount finds nothing");
SELECT s.id FROM "the gym".packs s
WHERE s.used_sessions <> (SELECT count(*) FROM "the gym".visits t
                          WHERE t.subscription_id = s.id AND t.status IN ('scheduled', 'in_progress', 'completed'))
SQL
	$node->safe_psql($database,
		'SELECT session_consistency.undo_repair((SELECT min(repair_id) FROM session_consistency.repairs))');
	is($node->safe_psql($database, 'SELECT used_sessions FROM "the gym".packs WHERE id = 10'),
		4, "$database: a repair from before the dump is undone");
}
$node->stop;
done_testing();
