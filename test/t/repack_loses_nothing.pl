# A real pg_repack rewrites the attached tables and the ledger while bookings go on: it follows each table by a trigger, which
# sees every counter and every line.
use strict;
use warnings FATAL => 'all';
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my ($shared) = run_command([ 'pg_config', '--sharedir' ]);
my ($repack) = grep { -x } map { "$_/pg_repack" } split /:/, $ENV{PATH};
plan skip_all => 'there is no package of pg_repack for this server' if !$repack || !-e "$shared/extension/pg_repack.control";

my $node = PostgreSQL::Test::Cluster->new('gym');
$node->init;
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION pg_repack;
CREATE EXTENSION session_consistency;
CREATE TABLE packs (
    id int PRIMARY KEY, member_id int NOT NULL, status text NOT NULL DEFAULT 'active', total_sessions_snapshot int);
CREATE TABLE visits (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, member_id int NOT NULL, session_type text DEFAULT 'member',
    status text DEFAULT 'scheduled');
INSERT INTO packs (id, member_id) SELECT n, n FROM generate_series(1, 50) n;
SELECT session_consistency.attach('visits', 'packs', ledger => true);
CALL session_consistency.migrate('visits');
-- pg_repack needs a key without NULL.
ALTER TABLE session_consistency.ledger ADD COLUMN number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY;
INSERT INTO visits (member_id) SELECT 1 + n % 50 FROM generate_series(1, 5000) n;
SQL
my $script = PostgreSQL::Test::Utils::tempdir() . '/book.sql';
append_to_file($script, <<'SQL');
\set member random(1, 50)
INSERT INTO visits (member_id) VALUES (:member);
UPDATE visits SET status = 'cancelled' WHERE id = (SELECT max(id) FROM visits WHERE member_id = :member) AND random() < 0.5;
SQL
my $log = PostgreSQL::Test::Utils::tempdir() . '/pgbench.log';
my $bookings = IPC::Run::start(
	[ 'pgbench', '-n', '-c', '3', '-T', '600', '-f', $script, '-h', $node->host, '-p', $node->port, 'postgres' ],
	'<', '/dev/null', '&>', $log);
my $booked = 'SELECT count(*) FROM visits';
$node->poll_query_until('postgres', "SELECT ($booked) > 5100");
for my $table (qw(session_consistency.ledger packs visits session_consistency.ledger))
{
	my $file = "SELECT pg_relation_filenode('$table')";
	my $before = $node->safe_psql('postgres', $file);
	my $last = $node->safe_psql('postgres', $booked);
	command_ok([ $repack, '-h', $node->host, '-p', $node->port, '-d', 'postgres', '-t', $table, '--no-superuser-check' ],
		"$table is repacked");
	isnt($node->safe_psql('postgres', $file), $before, 'and is another file');
	ok($node->poll_query_until('postgres', "SELECT ($booked) > $last"), 'bookings go on');
}
$bookings->kill_kill;
unlike(slurp_file($log), qr/ERROR|aborted/, 'none failed');
is($node->safe_psql('postgres', 'SELECT * FROM session_consistency.check_counts()'), '', 'counters are right');
is($node->safe_psql('postgres', 'SELECT * FROM session_consistency.ledger_gaps()'), '', 'no line is lost');
is($node->safe_psql('postgres', 'SELECT enforced FROM session_consistency.attachments'), 't', 'and the rules are whole');
$node->stop;
done_testing();
