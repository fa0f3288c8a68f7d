# schedule_check() and unschedule_check() with a real pg_cron: one job however often, and it runs.
use strict;
use warnings FATAL => 'all';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $shared = `pg_config --sharedir`;
chomp $shared;
plan skip_all => 'there is no package of pg_cron for this server' if !-e "$shared/extension/pg_cron.control";

my $node = PostgreSQL::Test::Cluster->new('gym');
$node->init;
$node->append_conf('postgresql.conf', <<'END');
shared_preload_libraries = 'pg_cron'
cron.database_name = 'gym'
cron.use_background_workers = on
END
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE gym');
my $tables = <<'SQL';
CREATE EXTENSION session_consistency;
CREATE TABLE member_subscriptions (
    id int PRIMARY KEY, member_id int NOT NULL, status text NOT NULL DEFAULT 'active', total_sessions_snapshot int);
CREATE TABLE "Training ""sessions" (
    id int PRIMARY KEY, member_id int NOT NULL, session_type text DEFAULT 'member', status text DEFAULT 'scheduled');
SELECT session_consistency.attach('"Training ""sessions"', 'member_subscriptions');
SQL
$node->safe_psql($_, $tables) for qw(postgres gym);

# The whole error that a statement ends with, or 'done'.
sub outcome
{
	my ($database, $sql) = @_;
	my ($status, $out, $error) = $node->psql($database, "\\set VERBOSITY verbose\n$sql", on_error_stop => 1);
	return $status == 0 ? 'done' : $error;
}

sub jobs
{
	return $node->safe_psql('gym',
		"SELECT string_agg(concat_ws(': ', jobname, schedule, command), E'\n' ORDER BY jobname) FROM cron.job");
}

like(outcome('gym', 'SELECT session_consistency.schedule_check()'),
	qr/55000: extension "pg_cron" is not installed in database "gym".*CREATE EXTENSION pg_cron/s,
	'pg_cron is loaded and not installed');
like(outcome('postgres', 'SELECT session_consistency.schedule_check()'),
	qr/55000: pg_cron serves database "gym", and this is "postgres".*cron.schedule_in_database/s,
	'pg_cron serves another database');
$node->safe_psql('gym', 'CREATE EXTENSION pg_cron');

is(outcome('gym', 'SELECT session_consistency.schedule_check()'), 'done', 'a check is scheduled');
is(outcome('gym', 'SELECT session_consistency.schedule_check()'), 'done', 'and once more');
is(jobs(), 'session_consistency check: 15 3 * * *: SELECT session_consistency.run_check()', 'twice the same is one job');
is(outcome('gym', "SELECT session_consistency.schedule_check('0 5 * * *')"), 'done', 'at another time');
is(jobs(), 'session_consistency check: 0 5 * * *: SELECT session_consistency.run_check()', 'it is the same job');
like(outcome('gym', "SELECT session_consistency.schedule_check('every full moon')"),
	qr/ERROR: .*schedule/, 'a schedule that pg_cron does not accept');
is(jobs(), 'session_consistency check: 0 5 * * *: SELECT session_consistency.run_check()', 'and nothing is changed');
is( outcome('gym', q{SELECT session_consistency.schedule_check('* * * * *', '"Training ""sessions"')}),
	'done', 'one table has a job of its own');
is(jobs(), <<'JOBS' =~ s/\n\z//r, 'beside the one for all');
session_consistency check: 0 5 * * *: SELECT session_consistency.run_check()
session_consistency check of public."Training ""sessions": * * * * *: SELECT session_consistency.run_check('public."Training ""sessions"')
JOBS

$node->safe_psql('gym', 'CREATE ROLE clerk; GRANT CREATE ON SCHEMA public TO clerk');
like(outcome('gym', 'SET ROLE clerk; SELECT session_consistency.schedule_check()'),
	qr/42501/, 'a role without rights on pg_cron');
like(outcome('gym', 'SET ROLE clerk; SELECT session_consistency.unschedule_check()'), qr/42501/, 'nor takes it away');
$node->safe_psql('gym', 'GRANT USAGE ON SCHEMA cron TO clerk');
is($node->safe_psql('gym', 'SET ROLE clerk; SELECT session_consistency.unschedule_check()'), 0,
	'a role takes away its own jobs only');

# What was scheduled runs: pg_cron has no shorter schedule in its older versions than a minute.
my $ran = 0;
for (1 .. 1500)
{
	$ran = $node->safe_psql('gym', 'SELECT count(*) FROM session_consistency.check_runs');
	last if $ran > 0;
	usleep(100_000);
}
cmp_ok($ran, '>', 0, 'the job has run');
is($node->safe_psql('gym', 'SELECT DISTINCT sessions FROM session_consistency.check_runs'),
	'"Training ""sessions"', 'it has checked the table');

is($node->safe_psql('gym', 'SELECT session_consistency.unschedule_check()'), 2, 'both jobs are taken away');
is(jobs(), '', 'none is left');
is($node->safe_psql('gym', 'SELECT session_consistency.unschedule_check()'), 0, 'and once more');
$node->stop;
done_testing();
