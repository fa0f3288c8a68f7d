# attach() and migrate() on filled tables, with the columns and indexes prepared as dry_run prints them: what is left to
# do under strong locks is catalog changes. A second session samples pg_locks; the figures are printed beside those of
# an attach() that prepares everything itself. Event triggers tell what each command has scanned, and under which lock.
use strict;
use warnings FATAL => 'all';
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

my $node = PostgreSQL::Test::Cluster->new('gym');
$node->init;
$node->append_conf('postgresql.conf', 'autovacuum = off');
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION session_consistency;
CREATE TABLE commands (
    id int GENERATED ALWAYS AS IDENTITY, transaction bigint, tag text, at text, scans bigint, alone text);
CREATE FUNCTION note_command() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO public.commands (transaction, tag, at, scans, alone)
        SELECT txid_current(), tg_tag, tg_event, sum(pg_stat_get_xact_numscans(c.oid)),
               string_agg(c.relname, ', ') FILTER (WHERE EXISTS (SELECT FROM pg_locks l
                                                                 WHERE l.pid = pg_backend_pid() AND l.relation = c.oid
                                                                       AND l.mode = 'AccessExclusiveLock'))
        FROM pg_class c WHERE c.relkind IN ('r', 'p') AND c.relname ~ '^(training_sessions|member_subscriptions)';
END
$$;
CREATE EVENT TRIGGER at_start ON ddl_command_start EXECUTE FUNCTION note_command();
CREATE EVENT TRIGGER at_end ON ddl_command_end EXECUTE FUNCTION note_command();
SQL

# One schema for each way, with the same history: nothing is linked, no counter is there yet.
sub fill
{
	my ($schema, $partitioned) = @_;
	my ($by, $partitions) = $partitioned
	  ? ('PARTITION BY RANGE (id)', join('', map {
			"CREATE TABLE training_sessions_$_ PARTITION OF training_sessions
			 FOR VALUES FROM (" . 200001 * $_ . ') TO (' . 200001 * ($_ + 1) . ');' } 0, 1))
	  : ('', '');
	$node->safe_psql('postgres', <<"SQL");
CREATE SCHEMA $schema;
SET search_path = $schema;
CREATE TABLE member_subscriptions (
    id int PRIMARY KEY, member_id int NOT NULL, status text NOT NULL DEFAULT 'active', total_sessions_snapshot int);
CREATE TABLE training_sessions (
    id int PRIMARY KEY, member_id int NOT NULL, session_type text DEFAULT 'member', status text DEFAULT 'completed')
    $by;
$partitions
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

my $builds = qr/ADD COLUMN|CREATE (UNIQUE )?INDEX/;

sub prepare
{
	my ($schema, $partitioned) = @_;
	foreach my $command (grep { /$builds/ } split /\n/, $node->safe_psql('postgres', attach_sql($schema, 'true')))
	{
		$command =~ s/INDEX/INDEX CONCURRENTLY/ unless $partitioned;
		$node->safe_psql('postgres', $command);
	}
}

# Runs SQL while a second session samples which locks are held on the two tables. Gives what it printed, and for each
# lock mode the longest time in milliseconds that one transaction was seen holding it.
sub run_sampled
{
	my ($schema, @sql) = @_;
	my ($out, $error) = map { $node->basedir . "/$schema.$_" } 'out', 'error';
	my $sampler = $node->background_psql('postgres', on_error_die => 1);
	my $run = IPC::Run::start(
		[ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'), map { ('-c', $_) } @sql ],
		'<', '/dev/null', '>', $out, '2>', $error);
	my (%since, %longest);
	while ($run->pumpable)
	{
		my $now = time;
		my %held = map { $_ => 1 } split /\n/, $sampler->query(<<"SQL");
SELECT DISTINCT mode || ' ' || virtualtransaction FROM pg_locks
WHERE granted AND locktype = 'relation' AND pid <> pg_backend_pid()
  AND relation IN ('$schema.training_sessions'::regclass, '$schema.member_subscriptions'::regclass)
SQL
		foreach my $lock (keys %held, keys %since)
		{
			if (!$held{$lock}) { delete $since{$lock}; next; }
			$since{$lock} //= $now;
			my ($mode, $length) = ($lock =~ /^(\w+)/, 1000 * (time - $since{$lock}));
			$longest{$mode} = $length if $length > ($longest{$mode} // 0);
		}
		usleep(2000);
	}
	ok($run->finish, "$schema: it succeeds") or diag(slurp_file($error));
	$sampler->quit;
	return (slurp_file($out), %longest);
}

my %strength = (
	ShareUpdateExclusiveLock => 4, ShareLock => 5, ShareRowExclusiveLock => 6, ExclusiveLock => 7,
	AccessExclusiveLock => 8);

# Figures for each lock mode from SHARE UPDATE EXCLUSIVE on.
sub print_figures
{
	my ($name, $alone, $prepared) = @_;
	my %seen = (%$alone, %$prepared);
	foreach my $mode (sort { $strength{$b} <=> $strength{$a} } grep { $strength{$_} } keys %seen)
	{
		diag(sprintf('figure: %-7s %-24s held %6.1f ms without preparation, %6.1f ms with it',
				$name, $mode, $alone->{$mode} // 0, $prepared->{$mode} // 0));
	}
}

sub strongest
{
	my (%longest) = @_;
	my ($mode) = sort { ($strength{$b} // 0) <=> ($strength{$a} // 0) } keys %longest;
	return $mode;
}

# What transactions that had a table alone have scanned of the tables from their first command to their last.
sub scans_alone
{
	return $node->safe_psql('postgres', <<'SQL');
SELECT coalesce(sum(scans), 0) FROM (SELECT max(scans) - min(scans) AS scans FROM commands
                                     GROUP BY transaction HAVING count(alone) > 0) AS t
SQL
}

fill('unprepared');
my ($commands, %attach_alone) = run_sampled('unprepared', attach_sql('unprepared', 'false'));
like($commands, $builds, 'unprepared: attach adds columns and builds indexes itself');
cmp_ok(scans_alone(), '>', 0, 'unprepared: ... and scans a table that it has alone');

fill('prepared');
prepare('prepared');
$node->safe_psql('postgres', 'TRUNCATE commands');
my ($rest, %attach_prepared) = run_sampled('prepared', attach_sql('prepared', 'false'));
unlike($rest, $builds, 'prepared: attach adds no column and builds no index');
my @constraints = grep { /ADD CONSTRAINT/ } split /\n/, $rest;
is(scalar(@constraints), 2, 'prepared: a foreign key and a CHECK are added');
is(scalar(grep { !/NOT VALID/ } @constraints), 0, 'prepared: no constraint is validated under the locks');
is($node->safe_psql('postgres', 'SELECT count(alone) > 0, max(scans) - min(scans) FROM commands'), 't|0',
	'prepared: attach has a table alone, and scans none from then on');
cmp_ok($attach_prepared{AccessExclusiveLock} // 0, '<', $attach_alone{AccessExclusiveLock},
	'prepared: ... and for a shorter time');
print_figures('attach', \%attach_alone, \%attach_prepared);

# migrate() beside somebody who writes both tables and does not end: it asks for nothing that a booking excludes.
my $booking = $node->background_psql('postgres', on_error_die => 1);
$booking->query_safe(
	'BEGIN; LOCK TABLE prepared.training_sessions, prepared.member_subscriptions IN ROW EXCLUSIVE MODE');
$node->safe_psql('postgres', 'TRUNCATE commands');
sub migrate_sampled
{
	my ($schema) = @_;
	my (undef, %longest) = run_sampled($schema, 'SET client_min_messages = warning', "SET lock_timeout = '10s'",
		"CALL session_consistency.migrate('$schema.training_sessions', opening => 'give_back')");
	return %longest;
}
my %migrate_prepared = migrate_sampled('prepared');
is(strongest(%migrate_prepared), 'ShareUpdateExclusiveLock',
	'prepared: the strongest lock of migrate lets bookings be');
my $ended = "FROM commands WHERE at = 'ddl_command_end'";
is($node->safe_psql('postgres', "SELECT string_agg(tag, ', '), count(alone) $ended"),
	'ALTER TABLE, ALTER TABLE|0', 'prepared: it validates two constraints, and has no table alone');
is($node->safe_psql('postgres', 'SELECT max(scans) > min(scans) FROM commands'), 't',
	'prepared: ... which scans them');
$booking->query_safe('COMMIT');
$booking->quit;
my %migrate_alone = migrate_sampled('unprepared');
print_figures('migrate', \%migrate_alone, \%migrate_prepared);

# Before 18 the foreign key of a partitioned table is validated at once, unless each partition brings its own.
fill('partitioned', 1);
prepare('partitioned', 1);
$node->safe_psql('postgres', <<"SQL") foreach 0, 1;
ALTER TABLE partitioned.training_sessions_$_
    ADD CONSTRAINT key_$_ FOREIGN KEY (subscription_id) REFERENCES partitioned.member_subscriptions NOT VALID;
ALTER TABLE partitioned.training_sessions_$_ VALIDATE CONSTRAINT key_$_;
SQL
$node->safe_psql('postgres', 'TRUNCATE commands');
run_sampled('partitioned', attach_sql('partitioned', 'false'));
is($node->safe_psql('postgres', 'SELECT count(alone) > 0, max(scans) - min(scans) FROM commands'), 't|0',
	'partitioned: attach scans nothing either');
migrate_sampled('partitioned');

# Where rows were in the way of a CHECK, migrate() adds it: alone for a catalog change, not for the scan.
fill('violated');
prepare('violated');
$node->safe_psql('postgres', 'UPDATE violated.member_subscriptions SET used_sessions = 99 WHERE id = 7');
my ($left_out) = run_sampled('violated', attach_sql('violated', 'false'));
unlike($left_out, qr/ADD CONSTRAINT \S+ CHECK/, 'violated: attach leaves the CHECK out');
$node->safe_psql('postgres', 'TRUNCATE commands');
my %migrate_adds = migrate_sampled('violated');
is($node->safe_psql('postgres', "SELECT string_agg(alone, ', ') $ended"),
	'member_subscriptions', 'violated: migrate has the subscriptions alone for one command');
is(scans_alone(), 0, 'violated: ... and scans nothing meanwhile');
diag(sprintf('figure: %-7s %-24s held %6.1f ms where migrate adds a CHECK', 'migrate', 'AccessExclusiveLock',
		$migrate_adds{AccessExclusiveLock} // 0));
is($node->safe_psql('postgres', "SELECT bool_and(enforced), count(*) FROM session_consistency.attachments"), 't|4',
	 'everything is enforced');
$node->stop;
done_testing();
