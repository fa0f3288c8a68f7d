# While clients book, cancel, move and delete, and migrate() links history, each snapshot of another session shows a
# ledger whose replay is the counters. A dump carries it: the restored database replays clean, and goes on.
use strict;
use warnings FATAL => 'all';
use IPC::Run qw(start timeout);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('gym');
$node->init;
$node->append_conf('postgresql.conf', "fsync = off\nclient_min_messages = warning");
$node->start;

$node->safe_psql(
	'postgres', <<'SQL');
CREATE EXTENSION session_consistency;
CREATE TABLE member_subscriptions (
    id int PRIMARY KEY, member_id int NOT NULL, status text NOT NULL DEFAULT 'active', total_sessions_snapshot int,
    used_sessions int NOT NULL DEFAULT 0);
CREATE TABLE training_sessions (
    id bigserial PRIMARY KEY, member_id int NOT NULL, session_type text DEFAULT 'member', status text DEFAULT 'scheduled');
INSERT INTO member_subscriptions (id, member_id, total_sessions_snapshot, used_sessions)
    SELECT n, n, 30, n % 7 FROM generate_series(1, 20) n;
INSERT INTO member_subscriptions (id, member_id, status, total_sessions_snapshot)
    SELECT n + 100, n, 'expired', 30 FROM generate_series(1, 20) n;
INSERT INTO training_sessions (member_id, status) SELECT 1 + n % 20, 'completed' FROM generate_series(1, 200) n;
SELECT FROM session_consistency.attach('training_sessions', 'member_subscriptions', remaining_column => NULL,
    ledger => true);
SQL

# Plain SQL, in one snapshot: the last balance and the sum of all lines, beside the counter.
my $differences = <<'SQL';
SELECT s.id, s.used_sessions, l.replay, l.last
FROM member_subscriptions s
     LEFT JOIN (SELECT subscription_id::int AS id, sum(delta) AS replay, (array_agg(balance ORDER BY id DESC))[1] AS last
                FROM session_consistency.ledger GROUP BY 1) l USING (id)
WHERE s.used_sessions <> coalesce(l.replay, 0) OR s.used_sessions <> coalesce(l.last, 0)
SQL
my $gaps = "SELECT message FROM session_consistency.ledger_gaps('training_sessions')";

my $directory = PostgreSQL::Test::Utils::tempdir;
my %scripts = (
	book => "\\set m random(1, 20)\nINSERT INTO training_sessions (member_id) VALUES (:m), (:m);\n",
	complete => "\\set m random(1, 20)\nUPDATE training_sessions SET status = CASE status WHEN 'completed' THEN 'scheduled'"
	  . " ELSE 'completed' END WHERE id IN (SELECT id FROM training_sessions WHERE member_id = :m LIMIT 3);\n",
	cancel => "\\set m random(1, 20)\nBEGIN;\nSET LOCAL session_consistency.actor = 'pgbench';\nUPDATE training_sessions"
	  . " SET status = CASE WHEN random() < 0.6 THEN 'cancelled' ELSE 'completed' END"
	  . " WHERE id IN (SELECT id FROM training_sessions WHERE member_id = :m LIMIT 2);\nEND;\n",
	move => "\\set m random(1, 20)\nUPDATE training_sessions SET status = 'completed', subscription_id = CASE"
	  . " WHEN subscription_id > 100 THEN member_id ELSE member_id + 100 END WHERE subscription_id IS NOT NULL AND"
	  . " id IN (SELECT id FROM training_sessions WHERE member_id = :m ORDER BY id DESC LIMIT 2);\n",
	remove => "\\set m random(1, 20)\nDELETE FROM training_sessions WHERE id IN (SELECT id FROM training_sessions"
	  . " WHERE member_id = :m ORDER BY id DESC LIMIT 2);\n",);
my @files;
foreach my $name (sort keys %scripts)
{
	append_to_file("$directory/$name.sql", $scripts{$name});
	push @files, '-f', "$directory/$name.sql";
}

# A statement that is refused, or loses a deadlock of row locks on sessions, ends its client: a new one follows.
my $load = start(
	[
		'bash', '-c', 'for ((i = 0; i < $1; i++)); do '
		  . 'for c in 1 2 3 4; do "${@:2}" --random-seed=$((i * 4 + c)) & done; wait; done',
		'load', '60', 'pgbench', '-n', '-c', '1', '-t', '15', @files, '-h', $node->host, '-p', $node->port, 'postgres'
	],
	'<', '/dev/null', '&>', "$directory/load.log");

my ($looks, $bad) = (0, '');
my $migrated = 0;
while ($load->pumpable)
{
	$bad .= $node->safe_psql('postgres', $looks % 2 ? $gaps : $differences);
	$looks++;
	next if $migrated || $looks < 5;
	$node->safe_psql('postgres',
		"CALL session_consistency.migrate('training_sessions', batch_size => 20, when_ambiguous => 'fill', opening => 'give_back')");
	$migrated = 1;
}
$load->finish;
cmp_ok($looks, '>', 5, 'looked at the ledger while clients wrote');
is($bad, '', 'each snapshot replays to its counters');
cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM session_consistency.ledger'), '>', 1000, 'lines were written');
is( $node->safe_psql(
		'postgres',
		"SELECT string_agg(reason, ' ' ORDER BY reason) FROM (SELECT DISTINCT reason FROM session_consistency.ledger) r"),
	'booked cancelled completed deleted linked moved opened recounted reopened',
	'of every kind');
is($node->safe_psql('postgres', 'SELECT * FROM session_consistency.check_counts()'), '', 'the counters are right');
is($node->safe_psql('postgres', "SELECT DISTINCT actor FROM session_consistency.ledger WHERE actor <> ''"),
	'pgbench', 'the actor is named');

# Dump and restore.
my $dump = "$directory/gym.dump";
command_ok([ 'pg_dump', '-Fc', '-f', $dump, '-h', $node->host, '-p', $node->port, 'postgres' ], 'dumps');
$node->safe_psql('postgres', 'CREATE DATABASE restored');
command_ok(
	[ 'pg_restore', '--exit-on-error', '-d', 'restored', '-h', $node->host, '-p', $node->port, $dump ], 'restores');
my $lines = 'SELECT count(*), max(id), sum(delta) FROM session_consistency.ledger';
is($node->safe_psql('restored', $lines), $node->safe_psql('postgres', $lines), 'every line is there');
is($node->safe_psql('restored', $gaps), '', 'the restored ledger replays clean');
is($node->safe_psql('restored', $differences), '', 'to the restored counters');
$node->safe_psql('restored', 'DELETE FROM training_sessions WHERE member_id = 3;'
	  . 'INSERT INTO training_sessions (member_id) VALUES (3)');
is($node->safe_psql('restored', $gaps), '', 'and goes on');

done_testing();
