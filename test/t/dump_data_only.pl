# A dump of data alone is restored into attached tables without their triggers: links and counters are in the dump. With
# triggers, each session would be charged as a booking.
use strict;
use warnings FATAL => 'all';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('gym');
$node->init;
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE gym; CREATE DATABASE quiet; CREATE DATABASE loud');
$node->safe_psql('gym', <<'SQL');
CREATE EXTENSION session_consistency;
CREATE TABLE packs (
    id int PRIMARY KEY, member_id int NOT NULL, status text NOT NULL DEFAULT 'active', total_sessions_snapshot int);
CREATE TABLE visits (
    id int PRIMARY KEY, member_id int NOT NULL, session_type text DEFAULT 'member', status text DEFAULT 'scheduled');
SELECT session_consistency.attach('visits', 'packs', ledger => true);
INSERT INTO packs (id, member_id, total_sessions_snapshot) VALUES (10, 1, 10), (20, 2, 2);
INSERT INTO visits (id, member_id) VALUES (1, 1), (2, 1), (3, 2), (4, 2);
UPDATE packs SET status = 'expired' WHERE id = 10;
SELECT session_consistency.run_check();
SQL
my $dumps = PostgreSQL::Test::Utils::tempdir();
my @connection = ('-h', $node->host, '-p', $node->port);
command_ok([ 'pg_dump', @connection, '-s', '-f', "$dumps/schema", 'gym' ], 'the schema');
command_ok([ 'pg_dump', @connection, '-a', '--disable-triggers', '-f', "$dumps/quiet", 'gym' ], 'data without triggers');
command_ok([ 'pg_dump', @connection, '-a', '-f', "$dumps/loud", 'gym' ], 'data with triggers');
my $state = <<'SQL';
SELECT * FROM packs ORDER BY id;
SELECT * FROM visits ORDER BY id;
SELECT * FROM session_consistency.ledger_lines ORDER BY subscription_id, line;
SELECT * FROM session_consistency.check_runs ORDER BY run_id;
SQL
for my $database (qw(quiet loud))
{
	command_ok([ 'psql', @connection, '-Xqo', "$dumps/out", '-v', 'ON_ERROR_STOP=1', '-f', "$dumps/schema", $database ],
		"$database: the schema is restored");
}
command_ok([ 'psql', @connection, '-Xqo', "$dumps/out", '-v', 'ON_ERROR_STOP=1', '-f', "$dumps/quiet", 'quiet' ],
	'quiet: so are the data');
is($node->safe_psql('quiet', $state), $node->safe_psql('gym', $state), 'quiet: all is as it was');
is($node->safe_psql('quiet', 'SELECT * FROM session_consistency.check_counts()'), '', 'quiet: the counters are right');
is($node->safe_psql('quiet', 'SELECT * FROM session_consistency.ledger_gaps()'), '', 'quiet: the ledger has no gap');
is($node->safe_psql('quiet', 'SELECT enforced FROM session_consistency.attachments'), 't', 'quiet: the rules are on');

# pg_dump orders the tables by their keys: the packs come first, at 0 used, and each session is charged, or refused.
command_fails_like([ 'psql', @connection, '-Xqo', "$dumps/out", '-v', 'ON_ERROR_STOP=1', '-f', "$dumps/loud", 'loud' ],
	qr/ERROR/, 'loud: what an expired pack would be charged for is refused');
is($node->safe_psql('loud', 'SELECT * FROM session_consistency.check_counts()'), '', 'loud: and no counter is wrong');
$node->stop;
done_testing();
