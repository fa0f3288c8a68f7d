# A real postgres_exporter with monitoring/postgres_exporter.yml tells Prometheus what there is to know; a role with
# pg_monitor is enough. The alert rules do what they are for, and the dashboard asks for what is exported.
use strict;
use warnings FATAL => 'all';
use HTTP::Tiny;
use IPC::Run;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my ($exporter) = grep { -x } map { "$_/prometheus-postgres-exporter" } split /:/, $ENV{PATH};
my ($promtool) = grep { -x } map { "$_/promtool" } split /:/, $ENV{PATH};

SKIP:
{
	skip 'this distribution has no package prometheus', 2 if !$promtool;
	command_ok([ $promtool, 'check', 'rules', 'monitoring/alerts.yml' ], 'the alert rules are rules');
	command_ok([ $promtool, 'test', 'rules', 'test/fixtures/alerts_test.yml' ], 'each alert fires when it has to');
}

my $dashboard = decode_json(slurp_file('monitoring/grafana.json'));
my %asked;
for my $panel (@{ $dashboard->{panels} })
{
	$asked{$_} = 1 for map { $_->{expr} =~ /(session_consistency_\w+)/g } @{ $panel->{targets} };
}
cmp_ok(scalar(keys %asked), '>', 5, 'the dashboard is JSON and asks for metrics');

SKIP:
{
	skip 'this distribution has no package prometheus-postgres-exporter', 1 if !$exporter;

	my $node = PostgreSQL::Test::Cluster->new('gym');
	$node->init;
	$node->start;
	$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION session_consistency;
CREATE TABLE member_subscriptions (
    id int PRIMARY KEY, member_id int NOT NULL, status text NOT NULL DEFAULT 'active', total_sessions_snapshot int);
CREATE TABLE training_sessions (
    id int PRIMARY KEY, member_id int NOT NULL, session_type text DEFAULT 'member', status text DEFAULT 'scheduled');
INSERT INTO member_subscriptions (id, member_id, total_sessions_snapshot) VALUES (10, 1, 10), (20, 2, 5), (30, 3, NULL);
SELECT session_consistency.attach('training_sessions', 'member_subscriptions');
CALL session_consistency.migrate('training_sessions');
INSERT INTO training_sessions (id, member_id) VALUES (1, 1), (2, 1), (3, 2), (4, 3);
REVOKE ALL ON member_subscriptions, training_sessions FROM PUBLIC;
CREATE ROLE watcher LOGIN;
GRANT pg_monitor TO watcher;
SQL
	is($node->safe_psql('postgres', 'SET ROLE watcher; SELECT count(*) FROM session_consistency.check_findings'),
		0, 'the role reads no finding');

	my $port = PostgreSQL::Test::Cluster::get_free_port();
	local $ENV{DATA_SOURCE_NAME} =
	  sprintf('host=%s port=%d user=watcher dbname=postgres sslmode=disable', $node->host, $node->port);
	my $said = '';
	my $running = IPC::Run::start(
		[
			$exporter, '--disable-default-metrics', '--disable-settings-metrics',
			"--web.listen-address=127.0.0.1:$port", '--extend.query-path=monitoring/postgres_exporter.yml'
		],
		'<', '/dev/null', '>', \$said, '2>', \$said);

	# All metrics of the extension, by name and labels without the server's.
	my $scrape = sub {
		my $answer;
		for (1 .. 300)
		{
			$answer = HTTP::Tiny->new(timeout => 20)->get("http://127.0.0.1:$port/metrics");
			last if $answer->{success} && $answer->{content} =~ /^session_consistency_enforced/m;
			usleep(100_000);
		}
		my %values;
		for (split /\n/, $answer->{content})
		{
			next if !/^(session_consistency\w+)\{(.*)\} (\S+)$/;
			my ($name, $labels, $value) = ($1, $2, $3);
			$labels =~ s/,?server="[^"]*"//;
			$labels =~ s/^attachment="public.training_sessions",?//;
			$labels =~ s/,?subscriptions_table="public.member_subscriptions"//;
			$labels =~ s/^severity="(\w+)"$/$1/;
			$values{ $labels eq '' ? $name : "$name $labels" } = $value;
		}
		return \%values;
	};

	my $metrics = $scrape->();
	is($metrics->{session_consistency_enforced}, 1, 'enforced') or diag($said);
	is($metrics->{session_consistency_credits_used}, 4, 'credits used');
	is($metrics->{session_consistency_credits_remaining}, 12, 'credits remaining');
	is($metrics->{session_consistency_subscriptions}, 3, 'subscriptions');
	is($metrics->{session_consistency_last_check_age_seconds}, '+Inf', 'there was no check yet');
	is($metrics->{"session_consistency_findings_open $_"}, 0, "no $_ finding") for qw(critical high medium low);

	$node->safe_psql('postgres', <<'SQL');
SET session_replication_role = replica;
UPDATE member_subscriptions SET used_sessions = 5 WHERE id = 10;
RESET session_replication_role;
ALTER TABLE training_sessions DISABLE TRIGGER "zz_session_consistency_link_member_subscriptions";
SELECT session_consistency.run_check();
SQL
	$metrics = $scrape->();
	is($metrics->{session_consistency_enforced}, 0, 'not enforced any more');
	is($metrics->{session_consistency_credits_used}, 7, 'credits used, as they stand');
	is($metrics->{'session_consistency_findings_open high'}, 1, 'a wrong counter');
	is($metrics->{'session_consistency_findings_open critical'}, 1, 'a disabled trigger');
	is($metrics->{'session_consistency_findings_open low'}, 0, 'and nothing else');
	cmp_ok($metrics->{session_consistency_last_check_age_seconds}, '<', 300, 'age of the last check');
	cmp_ok($metrics->{session_consistency_last_check_duration_seconds}, '>', 0, 'its length');
	cmp_ok($metrics->{'session_consistency_findings_oldest_seconds high'}, '>', 0, 'age of the oldest finding');
	for my $name (sort keys %asked)
	{
		ok((grep { /^\Q$name\E( |$)/ } keys %$metrics), "the dashboard finds $name");
	}
	$running->kill_kill;
	$node->stop;
}
done_testing();
