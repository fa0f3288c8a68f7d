# migrate() is killed with kill -9 at random points, at least 20 times: calling it again goes on, and ends in the same
# state as a call that nobody disturbed.
use strict;
use warnings FATAL => 'all';
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

my $kills = 20;
my $seed = time * 1000 % 2**31;
srand($seed);
note "seed $seed";

my $node = PostgreSQL::Test::Cluster->new('gym');
$node->init;
$node->append_conf('postgresql.conf', "restart_after_crash = on\nmax_wal_size = '1GB'\n");
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE prepared');
$node->safe_psql('prepared', <<'SQL');
CREATE EXTENSION session_consistency;
CREATE TABLE member_subscriptions (
    id int PRIMARY KEY, member_id int NOT NULL, status text NOT NULL, total_sessions_snapshot int,
    used_sessions int NOT NULL, remaining_sessions int, valid_from date, valid_until date);
CREATE TABLE training_sessions (
    id int PRIMARY KEY, member_id int, session_type text DEFAULT 'member', status text, starts date);
INSERT INTO member_subscriptions
    SELECT m * 10 + p, m, CASE p WHEN 3 THEN 'active' ELSE 'expired' END, nullif(10 + (m + p) % 20, 12), m % 5, p,
           date '2026-01-01' + p * 100, date '2026-01-01' + p * 100 + 90 + m % 40
    FROM generate_series(1, 1000) m, generate_series(1 + m % 4, 3) p;
INSERT INTO training_sessions
    SELECT i, nullif(i % 1050, 7), CASE i % 11 WHEN 0 THEN 'guest' ELSE 'makeup' END,
           CASE i % 9 WHEN 0 THEN 'cancelled' WHEN 1 THEN 'scheduled' ELSE 'completed' END,
           CASE WHEN i % 17 > 0 THEN date '2026-01-01' + i % 450 END
    FROM generate_series(1, 30000) i;
SELECT session_consistency.attach('training_sessions', 'member_subscriptions');
SQL

my $call = "CALL session_consistency.migrate('training_sessions', batch_size => 20, start_column => 'starts', valid_from_column => 'valid_from', valid_until_column => 'valid_until',"
  . " when_ambiguous => 'active', opening => 'give_back')";

sub fresh_copy
{
	my ($database) = @_;
	$node->safe_psql('postgres', "DROP DATABASE IF EXISTS $database");
	$node->safe_psql('postgres', "CREATE DATABASE $database TEMPLATE prepared");
}

# Everything that migrate() may change.
sub state_of
{
	my ($database) = @_;
	return $node->safe_psql($database, <<'SQL');
SELECT id, subscription_id FROM training_sessions WHERE subscription_id IS NOT NULL ORDER BY id;
SELECT id, used_sessions, remaining_sessions FROM member_subscriptions ORDER BY id;
SELECT conname, convalidated FROM pg_constraint
WHERE conrelid IN ('training_sessions'::regclass, 'member_subscriptions'::regclass) ORDER BY conname;
SQL
}

fresh_copy('undisturbed');
my $started = time;
$node->safe_psql('undisturbed', $call);
my $duration = time - $started;
my $expected = state_of('undisturbed');
is($node->safe_psql('undisturbed', 'SELECT count(*) FROM session_consistency.check_counts()'), '0',
	'undisturbed, it leaves no wrong counter');

# The killed process is gone before the server notices, ends all others and starts again with new ones.
my $generation = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'";

my ($killed, $ended, $inconsistent) = (0, 0, 0);
fresh_copy('disturbed');
while ($killed < $kills)
{
	my ($out, $error) = ('', '');
	my $before = $node->safe_psql('disturbed', $generation);
	my $psql = IPC::Run::start(
		[ 'psql', '-XAtq', '-d', $node->connstr('disturbed'), '-c', 'SELECT pg_backend_pid()', '-c', $call ],
		'>', \$out, '2>', \$error, IPC::Run::timer($PostgreSQL::Test::Utils::timeout_default));
	$psql->pump until $out =~ /^\d+\n/;
	usleep(rand() * $duration / 5 * 1e6);
	my ($pid) = $out =~ /^(\d+)/;
	my $hit = kill('KILL', $pid);
	$psql->finish;
	$node->poll_query_until('disturbed', "SELECT ($generation) <> $before") if $hit;
	if ($error =~ /is migrated/ || !$hit)
	{
		# It was faster: the next one begins from the start.
		$ended++;
		is(state_of('disturbed'), $expected, 'it had ended before, in the same state');
		fresh_copy('disturbed');
		next;
	}
	$killed++;
	# Whoever has been treated is right, whatever came after.
	$inconsistent += $node->safe_psql('disturbed', <<'SQL');
SELECT count(*) FROM member_subscriptions s
WHERE EXISTS (SELECT FROM training_sessions t JOIN member_subscriptions o ON o.id = t.subscription_id
              WHERE o.member_id = s.member_id)
      AND s.used_sessions <> (SELECT count(*) FROM training_sessions t
                              WHERE t.subscription_id = s.id AND t.status IN ('scheduled', 'completed'))
SQL
}
is($inconsistent, 0, 'no member was ever treated by half');
my $interrupted = $node->safe_psql('disturbed',
	"SELECT count(*) FROM session_consistency.migration_progress WHERE phase = 'interrupted'");
cmp_ok($interrupted, '>', 0, 'the progress says that it was interrupted');
$node->safe_psql('disturbed', $call);
is(state_of('disturbed'), $expected, "killed $killed times, it ends in the same state");
note sprintf('undisturbed %.1f s; %d calls ended before they were killed', $duration, $ended);
$node->stop;
done_testing();
