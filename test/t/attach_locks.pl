# attach() on filled tables, with the columns and indexes prepared as dry_run prints them: what is left to do under
# strong locks is catalog changes. A second session samples pg_locks; the figures are printed beside those of an
# attach() that prepares everything itself.
use strict;
use warnings FATAL => 'all';
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $node = PostgreSQL::Test::Cluster->new('gym');
$node->init;
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION session_consistency');

# One schema for each way, with the same history: nothing is linked, no counter is there yet.
sub fill
{
	my ($schema) = @_;
	$node->safe_psql('postgres', <<"SQL");
CREATE SCHEMA $schema;
SET search_path = $schema;
CREATE TABLE member_subscriptions (
    id int PRIMARY KEY, member_id int NOT NULL, status text NOT NULL DEFAULT 'active', total_sessions_snapshot int);
CREATE TABLE training_sessions (
    id int PRIMARY KEY, member_id int NOT NULL, session_type text DEFAULT 'member', status text DEFAULT 'completed');
INSERT INTO member_subscriptions SELECT m, m, 'active', 20 FROM generate_series(1, 40000) m;
INSERT INTO training_sessions SELECT i, 1 + i % 40000 FROM generate_series(1, 400000) i;
VACUUM ANALYZE;
SQL
}

sub attach_sql
{
	my ($schema, $dry_run) = @_;
	return "SELECT command FROM session_consistency.attach('$schema.training_sessions', "
	  . "'$schema.member_subscriptions', dry_run => $dry_run)";
}

# Attaches while a second session samples which locks stronger than SHARE UPDATE EXCLUSIVE are held on the two tables.
# Gives the commands that ran, and for each lock mode the longest time in milliseconds that it was seen held.
sub attach_sampled
{
	my ($schema) = @_;
	my ($out, $error) = ('', '');
	my $attach = IPC::Run::start(
		[ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'), '-c', attach_sql($schema, 'false') ],
		'>', \$out, '2>', \$error, IPC::Run::timer($PostgreSQL::Test::Utils::timeout_default));
	my $sampler = $node->background_psql('postgres', on_error_die => 1);
	my (%since, %longest);
	while ($attach->pumpable)
	{
		$attach->pump_nb;
		my $now = time;
		my %held = map { $_ => 1 } split /\n/, $sampler->query(<<"SQL");
SELECT DISTINCT mode FROM pg_locks
WHERE granted AND mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
  AND relation IN ('$schema.training_sessions'::regclass, '$schema.member_subscriptions'::regclass)
SQL
		foreach my $mode (keys %held, keys %since)
		{
			if (!$held{$mode}) { delete $since{$mode}; next; }
			$since{$mode} //= $now;
			my $length = 1000 * (time - $since{$mode});
			$longest{$mode} = $length if $length > ($longest{$mode} // 0);
		}
	}
	$attach->finish;
	$sampler->quit;
	is($error, '', "$schema: attach succeeds");
	return ($out, %longest);
}

my $builds = qr/ADD COLUMN|CREATE (UNIQUE )?INDEX/;

fill('unprepared');
my ($commands, %alone) = attach_sampled('unprepared');
like($commands, $builds, 'unprepared: attach adds columns and builds indexes itself');

fill('prepared');
foreach my $command (grep { /$builds/ } split /\n/, $node->safe_psql('postgres', attach_sql('prepared', 'true')))
{
	$command =~ s/INDEX/INDEX CONCURRENTLY/;
	$node->safe_psql('postgres', $command);
}
my ($rest, %prepared) = attach_sampled('prepared');
unlike($rest, $builds, 'prepared: attach adds no column and builds no index');
my @constraints = grep { /ADD CONSTRAINT/ } split /\n/, $rest;
is(scalar(@constraints), 2, 'prepared: a foreign key and a CHECK are added');
is(scalar(grep { !/NOT VALID/ } @constraints), 0, 'prepared: no constraint is validated under the locks');

foreach my $mode (sort keys %{ { %alone, %prepared } })
{
	diag(sprintf('figure: %-22s held %6.0f ms without preparation, %6.0f ms with it',
			$mode, $alone{$mode} // 0, $prepared{$mode} // 0));
}
done_testing();
