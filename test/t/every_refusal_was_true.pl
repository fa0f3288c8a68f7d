# Sixteen clients book, cancel and un-cancel for the same three members, each with three packs that are nearly always
# full, at three isolation levels. Every statement is the client's own. A client writes down what it has asked for, when,
# and what it was answered; the ledger and the times of the commits say what each member had left at any moment. A
# refusal was true if at one moment between question and answer the member had less left than was asked for.
# DRAW_STATEMENTS: of each client, at each level.
use strict;
use warnings FATAL => 'all';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $clients = 16;
my $statements = $ENV{DRAW_STATEMENTS} // 60;
my $node = PostgreSQL::Test::Cluster->new('gym');
$node->init;
$node->append_conf('postgresql.conf',
	"fsync = off\nmax_connections = 50\ntrack_commit_timestamp = on\nclient_min_messages = warning");
$node->start;
$node->safe_psql(
	'postgres', <<'SQL');
CREATE EXTENSION session_consistency;
CREATE TABLE packs (id int PRIMARY KEY, member_id int NOT NULL, status text DEFAULT 'active', size int, until date,
    note text);
CREATE TABLE visits (id bigserial PRIMARY KEY, member_id int NOT NULL, status text DEFAULT 'scheduled', day date);
INSERT INTO packs SELECT 10 * m + n, m, 'active', n, '2031-01-01'::date - n FROM generate_series(1, 3) m, generate_series(1, 3) n;
SELECT FROM session_consistency.attach('visits', 'packs', type_column => NULL, total_column => 'size',
    draw_order => 'until', start_column => 'day', valid_until_column => 'until', ledger => true);
CREATE TABLE asked (client int, members int[], began timestamptz, answered timestamptz DEFAULT clock_timestamp(), code text);
-- Refusals that were not true: of no member had less been left than was asked for, at no moment.
CREATE VIEW false_refusals AS
WITH changes AS (
    SELECT p.member_id AS member, pg_xact_commit_timestamp(l.transaction_id::text::xid) AS at, sum(l.delta) AS delta
    FROM session_consistency.ledger_lines l JOIN packs p ON p.id = l.subscription_id::int
    WHERE l.delta <> 0 GROUP BY 1, 2),
used AS (
    SELECT member, at, lead(at) OVER (PARTITION BY member ORDER BY at) AS until,
        sum(delta) OVER (PARTITION BY member ORDER BY at) AS used
    FROM (SELECT * FROM changes UNION ALL SELECT DISTINCT member_id, '-infinity'::timestamptz, 0 FROM packs) AS c),
total AS (SELECT member_id AS member, sum(size) AS size FROM packs GROUP BY 1)
SELECT a.* FROM asked a
WHERE a.code = '23SC2' AND NOT EXISTS (
    SELECT FROM (SELECT m AS member, count(*) AS wanted FROM unnest(a.members) AS m GROUP BY m) AS w
    JOIN used u USING (member) JOIN total t USING (member)
    WHERE u.at <= a.answered AND coalesce(u.until, 'infinity') > a.began AND t.size - u.used < w.wanted);
SQL

my $directory = PostgreSQL::Test::Utils::tempdir;

sub ask
{
	my ($client, $statement, @members) = @_;
	my $list = join(',', @members);
	return "SELECT clock_timestamp() AS began \\gset\n$statement;\n\\set code :SQLSTATE\n"
	  . "INSERT INTO asked (client, members, began, code) VALUES ($client, '{$list}', :'began', :'code');\n";
}

sub one_of
{
	my ($member, $status) = @_;
	return "(SELECT id FROM visits WHERE member_id = $member AND status = '$status' ORDER BY random() LIMIT 1)";
}

sub statement_of
{
	my ($client) = @_;
	my $member = 1 + int(rand(3));
	my $dice = rand();
	return ask($client, "INSERT INTO visits (member_id, day) VALUES ($member, '2030-01-01')", $member) if $dice < 0.5;
	return ask($client, "UPDATE visits SET status = 'cancelled' WHERE id = " . one_of($member, 'scheduled'), $member)
	  if $dice < 0.75;
	return ask($client, "UPDATE visits SET status = 'scheduled' WHERE id = " . one_of($member, 'cancelled'), $member)
	  if $dice < 0.85;
	return ask($client, 'UPDATE packs SET note = random() WHERE id = ' . (10 * $member + 1 + int(rand(3))))
	  if $dice < 0.9;
	my @members = map { 1 + int(rand(3)) } 1 .. 3;
	my $rows = join(',', map { "($_, '2030-01-01')" } @members);
	return ask($client, "INSERT INTO visits (member_id, day) VALUES $rows", @members);
}

foreach my $level ('read committed', 'repeatable read', 'serializable')
{
	my @runs;
	foreach my $client (1 .. $clients)
	{
		my $file = "$directory/$client.sql";
		unlink $file;
		append_to_file($file,
			"SET default_transaction_isolation = '$level';\n" . join('', map { statement_of($client) } 1 .. $statements));
		my ($out, $err) = ('', '');
		push @runs, IPC::Run::start([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=0', '-d', $node->connstr('postgres'), '-f',
				$file ], '<', \'', '>', \$out, '2>', \$err);
	}
	$_->finish foreach @runs;
	is($node->safe_psql('postgres', 'SELECT * FROM false_refusals'), '', "$level: every refusal was true");
	is( $node->safe_psql('postgres', q{SELECT DISTINCT code FROM asked WHERE code NOT IN ('00000', '23SC2', '40001')}),
		'', "$level: nobody deadlocks, and nothing else is refused");
	is( $node->safe_psql(
			'postgres', q{
SELECT p.id, p.used_sessions, count(v.id) FROM packs p
LEFT JOIN visits v ON v.subscription_id = p.id AND v.status = 'scheduled'
GROUP BY p.id HAVING p.used_sessions <> count(v.id) OR p.used_sessions > p.size OR p.used_sessions < 0
UNION ALL SELECT id, member_id, 0 FROM visits WHERE status = 'scheduled' AND subscription_id IS NULL}),
		'', "$level: every counter is what is booked");
	note($node->safe_psql('postgres', q{SELECT code, count(*) FROM asked GROUP BY 1 ORDER BY 1}));
}
cmp_ok($node->safe_psql('postgres', q{SELECT count(*) FROM asked WHERE code = '23SC2'}), '>', $statements, 'some were refused');
is($node->safe_psql('postgres', 'SELECT * FROM session_consistency.ledger_gaps()'), '', 'the ledger is whole');

# The checker finds a refusal that was not true: nobody has booked anything before the first commit.
is( $node->safe_psql(
		'postgres', q{
INSERT INTO asked VALUES (99, '{1}', '2000-01-01', '2000-01-02', '23SC2'); SELECT client FROM false_refusals}),
	'99', 'a refusal of a pack with room is found');
$node->stop;
done_testing();
