# A dump that leaves out an attached table loses nothing else: history and ledger of the others are restored, those of the
# table that is left out stay, and belong to no table. The history of a table that was dropped never becomes another's:
# not in the database itself, not in a restored one, not by a number and not by a name.
use strict;
use warnings FATAL => 'all';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('gym');
$node->init;
$node->start;
$node->safe_psql('postgres', 'CREATE ROLE stranger LOGIN; CREATE DATABASE gym; CREATE DATABASE part; CREATE DATABASE whole');
$node->safe_psql('gym', 'CREATE EXTENSION session_consistency; GRANT CREATE ON SCHEMA public TO stranger');
my $dumps = PostgreSQL::Test::Utils::tempdir();
my @connection = ('-h', $node->host, '-p', $node->port);

sub make_branch
{
	my ($branch) = @_;
	return <<"SQL";
CREATE TABLE packs_$branch (
    id int PRIMARY KEY, member_id int NOT NULL, status text NOT NULL DEFAULT 'active', total_sessions_snapshot int);
CREATE TABLE visits_$branch (
    id int PRIMARY KEY, member_id int NOT NULL, session_type text DEFAULT 'member', status text DEFAULT 'scheduled');
SELECT session_consistency.attach('visits_$branch', 'packs_$branch', ledger => true);
INSERT INTO packs_$branch (id, member_id, total_sessions_snapshot) VALUES (10, 1, 10), (20, 2, 5);
INSERT INTO visits_$branch (id, member_id) VALUES (1, 1), (2, 1), (3, 2);
ALTER TABLE packs_$branch DISABLE TRIGGER USER;
UPDATE packs_$branch SET used_sessions = used_sessions + 1;
ALTER TABLE packs_$branch ENABLE TRIGGER USER;
SELECT session_consistency.run_check('visits_$branch');
SELECT session_consistency.repair('visits_$branch', dry_run => false);
SELECT session_consistency.run_check();
CALL session_consistency.migrate('visits_$branch');
SQL
}

$node->safe_psql('gym', make_branch($_)) for qw(north south);
my $lines = <<'SQL';
SELECT attachment, subscriptions, subscription_id, line, session_id, delta, balance, reason
FROM session_consistency.ledger_lines WHERE attachment = 'visits_north'::regclass ORDER BY subscription_id, line;
SELECT * FROM session_consistency.repairs WHERE sessions = 'visits_north'::regclass ORDER BY repair_id;
SELECT * FROM session_consistency.check_findings WHERE sessions = 'visits_north'::regclass ORDER BY finding_id;
SELECT * FROM session_consistency.migration_progress WHERE sessions = 'visits_north'::regclass ORDER BY started;
SQL
my $north = $node->safe_psql('gym', $lines);

# Left out -------------------------------------------------------------------------------------------------------------

command_ok([ 'pg_dump', @connection, '-T', 'visits_south', '-T', '*_south_session_counts', '-f', "$dumps/part", 'gym' ],
	'a dump without one table, and without the view on it');
command_ok([ 'psql', @connection, '-Xqo', "$dumps/out", '-v', 'ON_ERROR_STOP=1', '-f', "$dumps/part", 'part' ], 'is restored');
is($node->safe_psql('part', $lines), $north, 'the other branch has its history and its ledger');
is($node->safe_psql('part', 'SELECT * FROM session_consistency.ledger_gaps()'), '', 'without a gap');
my $of_none = <<'SQL';
SELECT count(*) FILTER (WHERE attachment IS NULL) || ' of ' || count(*) FROM session_consistency.ledger_lines;
SELECT count(*) FILTER (WHERE sessions IS NULL) || ' of ' || count(*) FROM session_consistency.repairs;
SELECT count(*) FILTER (WHERE sessions IS NULL) || ' of ' || count(*) FROM session_consistency.check_findings;
SQL
is($node->safe_psql('part', $of_none), "5 of 10\n2 of 4\n4 of 8", 'that of the table that was left out belongs to none');
is($node->safe_psql('part', $of_none, extra_params => [ '-U', 'stranger' ]), "0 of 0\n0 of 0\n0 of 0",
	'and is shown to nobody who may not read everything');

# A check, a repair and bookings go on beside it; what comes back by its name is not the same table by that alone.
$node->safe_psql('part', <<'SQL');
SELECT session_consistency.run_check();
INSERT INTO visits_north (id, member_id) VALUES (4, 1);
GRANT CREATE ON SCHEMA public TO stranger;
SQL
my $take_name = <<'SQL';
CREATE TABLE visits_south (
    id int PRIMARY KEY, member_id int NOT NULL, session_type text DEFAULT 'member', status text DEFAULT 'scheduled');
CREATE TABLE packs_mine (
    id int PRIMARY KEY, member_id int NOT NULL, status text NOT NULL DEFAULT 'active', total_sessions_snapshot int);
SELECT session_consistency.attach('visits_south', 'packs_mine', ledger => true);
INSERT INTO packs_mine (id, member_id, total_sessions_snapshot) VALUES (10, 1, 10);
INSERT INTO visits_south (id, member_id) VALUES (1, 1);
SELECT session_consistency.run_check('visits_south');
SQL
my $mine = <<'SQL';
SELECT count(*) FROM session_consistency.ledger_lines;
SELECT count(*) FROM session_consistency.repairs;
SELECT count(*) FROM session_consistency.check_findings;
SELECT count(*) FROM session_consistency.migration_progress;
SQL
for my $database (qw(part gym))
{
	$node->safe_psql($database, 'DROP TABLE visits_south, packs_south CASCADE') if $database eq 'gym';
	$node->safe_psql($database, $take_name, extra_params => [ '-U', 'stranger' ]);
	is($node->safe_psql($database, $mine, extra_params => [ '-U', 'stranger' ]), "1\n0\n0\n0",
		"$database: who takes the name of a table that is gone reads his own lines alone");
	is($node->safe_psql($database, "SELECT * FROM session_consistency.ledger_gaps('visits_south')"), '',
		"$database: and has his own numbers");
}

# Dropped, and its name taken by another's: nor is it so in a dump.
command_ok([ 'pg_dump', @connection, '-f', "$dumps/whole", 'gym' ], 'a dump after that');
command_ok([ 'psql', @connection, '-Xqo', "$dumps/out", '-v', 'ON_ERROR_STOP=1', '-f', "$dumps/whole", 'whole' ], 'is restored');
is($node->safe_psql('whole', $mine, extra_params => [ '-U', 'stranger' ]), "1\n0\n0\n0",
	'whole: who has the name of a table that is gone reads his own lines alone');
is($node->safe_psql('whole', $lines), $node->safe_psql('gym', $lines), 'whole: the other branch has its own');
is($node->safe_psql('whole', 'SELECT count(*) FROM session_consistency.ledger_lines WHERE attachment IS NULL'), '5',
	'whole: what belongs to no table is there');

# Renamed, and only then dumped: history follows the table, whoever has its old name.
$node->safe_psql('gym', <<'SQL');
DROP TABLE visits_south, packs_mine CASCADE;
ALTER TABLE visits_north RENAME TO visits_old;
CREATE SCHEMA north;
ALTER TABLE visits_old SET SCHEMA north;
ALTER TABLE packs_north RENAME TO packs_old;
CREATE TABLE visits_north (LIKE north.visits_old INCLUDING ALL);
INSERT INTO north.visits_old (id, member_id) VALUES (9, 2);
CREATE DATABASE renamed;
SQL
command_ok([ 'pg_dump', @connection, '-f', "$dumps/renamed", 'gym' ], 'a dump after a rename');
command_ok([ 'psql', @connection, '-Xqo', "$dumps/out", '-v', 'ON_ERROR_STOP=1', '-f', "$dumps/renamed", 'renamed' ],
	'is restored');
for my $database (qw(gym renamed))
{
	is($node->safe_psql($database, 'SELECT * FROM session_consistency.ledger_gaps()'), '', "$database: no gap after a rename");
	is($node->safe_psql($database, <<'SQL'), "north.visits_old|packs_old|6\npacks_old|1", "$database: lines follow the table");
SELECT attachment, subscriptions, count(*) FROM session_consistency.ledger_lines WHERE attachment IS NOT NULL GROUP BY 1, 2;
SELECT subscriptions_table, count(*) FROM session_consistency.migration_progress WHERE sessions IS NOT NULL GROUP BY 1;
SQL
}
$node->stop;
done_testing();
