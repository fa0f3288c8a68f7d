# The owner of a database, who is no superuser, dumps it whole: with the extension installed and nothing attached, and
# with attached tables of his own, their history and their ledger. Nobody else may read what he may.
use strict;
use warnings FATAL => 'all';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('gym');
$node->init;
$node->start;
$node->safe_psql('postgres', 'CREATE ROLE keeper LOGIN; CREATE ROLE stranger LOGIN; CREATE DATABASE gym OWNER keeper');
$node->safe_psql('gym', 'CREATE EXTENSION session_consistency');
my $dumps = PostgreSQL::Test::Utils::tempdir();
my @connection = ('-h', $node->host, '-p', $node->port);

sub dump_as
{
	my ($role, $name) = @_;
	return command_ok([ 'pg_dump', @connection, '-U', $role, '-f', "$dumps/$name", 'gym' ], "$name: dumped by its owner");
}

dump_as('keeper', 'empty');
$node->safe_psql('gym', <<'SQL', extra_params => [ '-U', 'keeper' ]);
CREATE TABLE packs (
    id int PRIMARY KEY, member_id int NOT NULL, status text NOT NULL DEFAULT 'active', total_sessions_snapshot int);
CREATE TABLE visits (
    id int PRIMARY KEY, member_id int NOT NULL, session_type text DEFAULT 'member', status text DEFAULT 'scheduled');
SELECT session_consistency.attach('visits', 'packs', ledger => true);
INSERT INTO packs (id, member_id, total_sessions_snapshot) VALUES (10, 1, 10), (20, 2, 5), (30, 3, 0);
INSERT INTO visits (id, member_id) VALUES (1, 1), (2, 1), (3, 2);
ALTER TABLE packs DISABLE TRIGGER USER;
UPDATE packs SET used_sessions = 3 WHERE id = 20;
ALTER TABLE packs ENABLE TRIGGER USER;
SELECT session_consistency.run_check();
SELECT session_consistency.repair('visits', dry_run => false);
CALL session_consistency.migrate('visits');
SQL
dump_as('keeper', 'filled');
my $history = <<'SQL';
SELECT * FROM session_consistency.check_runs ORDER BY run_id;
SELECT * FROM session_consistency.check_findings ORDER BY finding_id;
SELECT * FROM session_consistency.repairs ORDER BY repair_id;
SELECT * FROM session_consistency.ledger_lines ORDER BY subscription_id, line;
SELECT * FROM session_consistency.migration_progress ORDER BY started;
SQL
my $before = $node->safe_psql('gym', $history);
for my $dump (qw(empty filled))
{
	$node->safe_psql('postgres', "CREATE DATABASE $dump OWNER keeper");
	command_ok([ 'psql', @connection, '-Xqo', "$dumps/out", '-v', 'ON_ERROR_STOP=1', '-f', "$dumps/$dump", $dump ],
		"$dump: restored by a superuser");
}
is($node->safe_psql('filled', $history), $before, 'the history and the ledger are in the dump');
is($node->safe_psql('filled', 'SELECT enforced FROM session_consistency.attachments'), 't', 'and what is attached');
is($node->safe_psql('filled', "SELECT count(*) FROM session_consistency.ledger_gaps('visits')"), '0', 'without a gap');

# Restored by its owner, the tables are whole; the history is a superuser's to write, and told as left out.
$node->safe_psql('postgres', 'CREATE DATABASE own OWNER keeper');
$node->safe_psql('own', 'CREATE EXTENSION session_consistency');
command_like([ 'bash', '-c', 'psql "$@" 2>&1 | grep -o "permission denied for table [a-z_]*" | sort', 'restore',
		@connection, '-U', 'keeper', '-Xqo', "$dumps/out", '-f', "$dumps/filled", 'own' ],
	qr/^(permission denied for table \w+\n)+$/, 'the owner is told what he may not restore');
is($node->safe_psql('own', 'SELECT string_agg(id || $$: $$ || used_sessions, $$, $$ ORDER BY id) FROM packs'),
	'10: 2, 20: 1, 30: 0', 'his tables are restored');
is($node->safe_psql('own', 'SELECT enforced FROM session_consistency.attachments'), 't', 'and enforced');

is($node->safe_psql('own', "SELECT session_consistency.open_ledger('visits')", extra_params => [ '-U', 'keeper' ]), '3',
	'he opens the books anew');
is($node->safe_psql('own', 'SELECT * FROM session_consistency.ledger_gaps()'), '', 'which have no gap then');

# What the owner may read, others may not.
my $tables = $node->safe_psql('gym', <<'SQL');
SELECT c.oid::regclass FROM pg_class c WHERE relkind IN ('r', 'S') AND relnamespace = 'session_consistency'::regnamespace
SQL
for my $table (split /\n/, $tables)
{
	is($node->psql('gym', "SELECT * FROM $table", extra_params => [ '-U', 'stranger' ]), 3, "a stranger may not read $table");
}
# Nor he, if that is not wanted; his dumps go without it.
$node->safe_psql('gym', 'REVOKE SELECT ON ALL TABLES IN SCHEMA session_consistency FROM pg_database_owner');
is($node->psql('gym', 'TABLE session_consistency.ledger', extra_params => [ '-U', 'keeper' ]), 3, 'nor may the owner any more');
command_fails([ 'pg_dump', @connection, '-U', 'keeper', '-f', "$dumps/refused", 'gym' ], 'who cannot dump it all then');
command_ok([ 'pg_dump', @connection, '-U', 'keeper', '-T', 'session_consistency.*', '-f', "$dumps/without", 'gym' ],
	'but what is his own');
$node->stop;
done_testing();
