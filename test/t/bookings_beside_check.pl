# Clients book, complete, cancel and delete at full rate while one check follows the other: no statement fails, none
# ever waits for the check, and no check accuses what is right. The server's log says who waits for whom.
use strict;
use warnings FATAL => 'all';
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('gym');
$node->init;
$node->append_conf('postgresql.conf', <<'CONF');
fsync = off
autovacuum = off
deadlock_timeout = '1ms'
log_lock_waits = on
log_statement = none
CONF
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION session_consistency;
CREATE TABLE member_subscriptions (
    id int PRIMARY KEY, member_id int NOT NULL, status text NOT NULL DEFAULT 'active', total_sessions_snapshot int);
CREATE TABLE training_sessions (
    id bigserial PRIMARY KEY, member_id int NOT NULL, session_type text DEFAULT 'member',
    status text DEFAULT 'scheduled');
SELECT session_consistency.attach('training_sessions', 'member_subscriptions', ledger => true);
INSERT INTO member_subscriptions (id, member_id, total_sessions_snapshot)
    SELECT i, i, 1000 FROM generate_series(1, 5000) i;
INSERT INTO training_sessions (member_id) SELECT 1 + i % 5000 FROM generate_series(1, 50000) i;
VACUUM ANALYZE;
SQL

my $directory = PostgreSQL::Test::Utils::tempdir();
my %scripts = (
	book => "\\set m random(1, 5000)\nINSERT INTO training_sessions (member_id) VALUES (:m);\n",
	several => "\\set m random(1, 4990)\n"
	  . "INSERT INTO training_sessions (member_id) SELECT :m + i FROM generate_series(1, 9) i;\n",
	complete => "\\set i random(1, 50000)\nUPDATE training_sessions SET status = 'completed' WHERE id = :i;\n",
	cancel => "\\set i random(1, 50000)\nUPDATE training_sessions SET status = 'cancelled' WHERE id = :i;\n",
	delete => "\\set i random(1, 50000)\nDELETE FROM training_sessions WHERE id = :i;\n",
	lower => "\\set m random(1, 5000)\nUPDATE member_subscriptions SET total_sessions_snapshot = 999 WHERE id = :m;\n",);
append_to_file("$directory/$_.sql", $scripts{$_}) foreach keys %scripts;
my @load = (
	'pgbench', '-n', '-M', 'prepared', '-c', '3', '-j', '1', (map { ('-f', "$directory/$_.sql") } sort keys %scripts),
	'-h', $node->host, '-p', $node->port);

# Books for some seconds; transactions per second.
sub rate
{
	my ($seconds) = @_;
	my ($out, $error) = ('', '');
	my $ok = IPC::Run::run([ @load, '-T', $seconds, 'postgres' ], '>', \$out, '2>', \$error);
	ok($ok && $out =~ /number of failed transactions: 0 /, 'no statement failed') or diag($out, $error);
	return $out =~ /^tps = (\d+)/m ? $1 : 0;
}

# A session that checks again and again, until it is told to stop.
my ($in, $out, $error) = ('', '', '');
my $checker = IPC::Run::start([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres') ],
	'<', \$in, '>', \$out, '2>', \$error, IPC::Run::timeout(180));
$in = "SELECT 'pid ' || pg_backend_pid();\nCREATE TEMP TABLE stop (now bool);\n";
$checker->pump until $out =~ /^pid (\d+)$/m;
my ($pid) = $out =~ /^pid (\d+)$/m;

# What the log says of waits for that session.
sub waits_for_checker
{
	my ($from) = @_;
	my $log = slurp_file($node->logfile, $from);
	return scalar(grep { /Process(?:es)? holding the lock: [\d, ]*\b$pid\b/ } split /\n/, $log);
}

my $alone = rate(3);
my $start = -s $node->logfile;
my ($runs, $times) = (0, 0);
my $load = IPC::Run::start([ @load, '-T', '8', 'postgres' ], '>', \my $tps, '2>', \my $trouble, IPC::Run::timeout(180));
while ($load->pumpable)
{
	$out = '';
	$in = "SELECT 'run ' || session_consistency.run_check();\n";
	$checker->pump until $out =~ /^run \d+$/m;
	$runs++;
	$load->pump_nb;
}
ok($load->finish && $tps =~ /number of failed transactions: 0 /, 'no statement failed beside checks')
  or diag($tps, $trouble);
my ($beside) = $tps =~ /^tps = (\d+)/m;
cmp_ok($runs, '>=', 3, "$runs checks");
note("figure: bookings of a second $alone alone, $beside beside checks ($runs in 8 s)");
is(waits_for_checker($start), 0, 'none waited for a check');
is($node->safe_psql('postgres', 'SELECT count(*) FROM session_consistency.check_findings'), 0, 'no false alarm');
is($node->safe_psql('postgres', 'SELECT count(*) FROM session_consistency.check_counts()'), 0, 'counters are right');
is($node->safe_psql('postgres', 'SELECT count(*) FROM session_consistency.ledger_gaps()'), 0, 'so is the ledger');
is( $node->safe_psql(
		'postgres', 'SELECT max(session_rows) > min(session_rows) FROM session_consistency.check_runs'),
	't', 'each check saw what was booked until then');

# What a wait for that session would have looked like.
$out = '';
$in = "BEGIN; LOCK TABLE training_sessions IN SHARE MODE; SELECT 'locked';\n";
$checker->pump until $out =~ /^locked$/m;
my $waiting =
  IPC::Run::start([ @load, '-t', '10', 'postgres' ], '>', \my $more, '2>', \my $none, IPC::Run::timeout(180));
for (1 .. 1800)
{
	last if waits_for_checker($start) > 0;
	select(undef, undef, undef, 0.1);
}
$in = "COMMIT;\n\\q\n";
$checker->finish;
$waiting->finish;
cmp_ok(waits_for_checker($start), '>', 0, 'the log would have shown a wait');
$node->stop;
done_testing();
