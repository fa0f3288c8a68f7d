# ANALYZE and ALTER TABLE tell every backend to build its description of a table anew, while triggers are at work with
# it: none of them goes on with what was freed.
use strict;
use warnings FATAL => 'all';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('gym');
$node->init;
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION session_consistency;
CREATE TABLE member_subscriptions (
    id int PRIMARY KEY, member_id int NOT NULL, status text NOT NULL DEFAULT 'active', total_sessions_snapshot int);
CREATE TABLE training_sessions (
    id serial, day int NOT NULL DEFAULT 0, member_id int NOT NULL, session_type text DEFAULT 'member',
    status text DEFAULT 'scheduled', PRIMARY KEY (id, day)) PARTITION BY LIST (day);
SELECT format('CREATE TABLE sessions_%s PARTITION OF training_sessions FOR VALUES IN (%1$s)', n)
FROM generate_series(0, 20) n \gexec
INSERT INTO member_subscriptions SELECT n, n, 'active', NULL FROM generate_series(1, 200) n;
SELECT session_consistency.attach('training_sessions', 'member_subscriptions');
SQL

my %load = (
	analyze => 'ANALYZE member_subscriptions; ANALYZE training_sessions',
	alter => 'ALTER TABLE member_subscriptions ALTER status SET STATISTICS :n',
	# Subscriptions above 100 have no sessions, so that their members may change.
	member => 'UPDATE member_subscriptions SET member_id = -member_id WHERE id = 100 + :n',
	book => 'INSERT INTO training_sessions (day, member_id) VALUES (:n % 20, :n)',
	move => "UPDATE training_sessions SET day = 20, status = 'completed' WHERE id = :n",
	cancel => "UPDATE training_sessions SET status = 'cancelled' WHERE id % 97 = :n");
my @scripts;
foreach my $name (sort keys %load)
{
	my $file = $node->basedir . "/$name.sql";
	append_to_file($file, "\\set n random(1, 100)\n$load{$name};\n");
	push @scripts, '-f', $name =~ /member|book/ ? "$file\@5" : $file;
}
command_ok(
	[ 'pgbench', '-n', '-c', 4, '-t', 600, @scripts, '-h', $node->host, '-p', $node->port, 'postgres' ],
	'every statement is done beside tables that are analyzed and altered');
is( $node->safe_psql('postgres', <<'SQL'), '', 'the counters are those of a recount');
SELECT s.id, s.used_sessions, count(t.id) FROM member_subscriptions s
     LEFT JOIN training_sessions t ON t.subscription_id = s.id AND t.status IN ('scheduled', 'completed')
GROUP BY s.id HAVING s.used_sessions <> count(t.id)
SQL
cmp_ok($node->safe_psql('postgres', 'SELECT sum(used_sessions) FROM member_subscriptions'),
	'>', 100, 'there were some');
$node->stop;
done_testing();
