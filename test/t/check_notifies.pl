# run_check() notifies once for a run with new findings, in fewer than 8,000 bytes however many there are; bookings go on
# beside checks, which accuse nothing that is right, and beside repairs, which are exact.
use strict;
use warnings FATAL => 'all';
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('gym');
$node->init;
$node->append_conf('postgresql.conf', "lock_timeout = '10s'\nmax_locks_per_transaction = 512\n");
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION session_consistency;
CREATE TABLE member_subscriptions (
    id int PRIMARY KEY, member_id int NOT NULL, status text NOT NULL DEFAULT 'active', total_sessions_snapshot int);
CREATE TABLE training_sessions (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, member_id int NOT NULL, session_type text DEFAULT 'member',
    status text DEFAULT 'scheduled');
SELECT session_consistency.attach('training_sessions', 'member_subscriptions');
INSERT INTO member_subscriptions (id, member_id) SELECT i, i FROM generate_series(1, 1000) i;
INSERT INTO training_sessions (member_id) SELECT i % 1000 + 1 FROM generate_series(1, 20000) i;
SQL

# Runs SQL in a session that listens; the payloads that it gets.
sub payloads
{
	my ($sql) = @_;
	my $out = $node->safe_psql('postgres', "LISTEN session_consistency;\n$sql");
	my @payloads = $out =~ /^Asynchronous notification "session_consistency" with payload "(.*)" received/mg;
	return @payloads;
}

# What an SQL expression over a payload p is.
sub value
{
	my ($payload, $expression) = @_;
	$payload =~ s/'/''/g;
	return $node->safe_psql('postgres', "SELECT $expression FROM (SELECT '$payload'::jsonb) AS x (p)");
}

is(scalar(payloads('SELECT session_consistency.run_check();')), 0, 'nothing is told where all is well');

my $drift = <<'SQL';
SET session_replication_role = replica;
UPDATE member_subscriptions SET used_sessions = used_sessions + 1 WHERE id <= 500;
RESET session_replication_role;
SQL
my @told = payloads("$drift SELECT session_consistency.run_check();");
is(scalar(@told), 1, 'one notification for a run with 500 new findings');
is(value($told[0], "p -> 'new_findings'"), '500', 'it says how many are new');
is(value($told[0], "p -> 'by_severity'"), '{"high": 500}', 'it says how bad they are');
is(value($told[0], "p #> '{findings,0}'"),
	'{"code": "count_mismatch", "findings": 500, "severity": "high", "attachment": "public.training_sessions", '
	  . '"subscriptions": "public.member_subscriptions"}',
	'it says where they are');
is(value($told[0], "(p -> 'run_id')::bigint = (SELECT max(run_id) FROM session_consistency.check_runs)"),
	't', 'it names the run');
is(scalar(payloads('SELECT session_consistency.run_check();')), 0, 'the same is not told again');
@told = payloads(<<'SQL');
DELETE FROM training_sessions WHERE member_id = 999;
UPDATE member_subscriptions SET total_sessions_snapshot = 0 WHERE id = 999;
SELECT session_consistency.run_check();
SQL
is(value($told[0], "concat(p -> 'new_findings', ' of ', p -> 'open_findings')"),
	'1 of 501', 'only what is new is counted as new');
is(scalar(payloads("BEGIN; $drift SELECT session_consistency.run_check(); ROLLBACK;")),
	0, 'a run that is rolled back tells nobody');

# What a check holds until its end is nothing that a booking waits for.
my ($in, $out, $error) = ('', '', '');
my $check = IPC::Run::start(
	[ 'psql', '-XAtq', '-d', $node->connstr('postgres') ],
	'<', \$in, '>', \$out, '2>', \$error, IPC::Run::timeout(180));
$in = "BEGIN; SELECT session_consistency.run_check() > 0 AS checked;\n";
$check->pump until $out =~ /^t$/m;
is( $node->psql('postgres', <<'SQL'), 0, 'bookings wait for nothing that a check holds');
SET lock_timeout = '1s';
INSERT INTO training_sessions (member_id) SELECT i FROM generate_series(1, 998) i;
UPDATE training_sessions SET status = 'completed' WHERE member_id = 7;
DELETE FROM training_sessions WHERE member_id = 8;
UPDATE member_subscriptions SET status = 'expired' WHERE id = 1000;
SQL
$in = "COMMIT;\n\\q\n";
$check->finish;

$node->safe_psql('postgres', "SELECT count(*) FROM session_consistency.repair('training_sessions', dry_run => false)");
my $script = PostgreSQL::Test::Utils::tempdir() . '/book.sql';
append_to_file($script, "\\set member random(1, 998)\nINSERT INTO training_sessions (member_id) VALUES (:member);\n");

# Runs SQL again and again while 3,000 bookings are made, and says how often.
sub beside_bookings
{
	my (@sql) = @_;
	my $log = PostgreSQL::Test::Utils::tempdir() . '/pgbench.log';
	my $bookings = IPC::Run::start(
		[ 'pgbench', '-n', '-c', '2', '-t', '1500', '-f', $script, '-h', $node->host, '-p', $node->port, 'postgres' ],
		'<', '/dev/null', '&>', $log);
	my $times = 0;
	while ($bookings->pumpable)
	{
		$node->safe_psql('postgres', $sql[ $times++ % @sql ]);
	}
	ok($bookings->finish, 'no booking failed') or diag(slurp_file($log));
	return $times;
}

my $before = $node->safe_psql('postgres', 'SELECT count(*) FROM training_sessions');
my $checks = beside_bookings('SELECT session_consistency.run_check()');
cmp_ok($checks, '>', 0, 'checks beside bookings');
is($node->safe_psql('postgres', 'SELECT count(*) FROM training_sessions') - $before, 3000, 'every booking was taken');
is( $node->safe_psql('postgres', <<'SQL'), 'zero_total', 'no check accused what was right');
SELECT string_agg(DISTINCT code, ', ') FROM session_consistency.check_findings
WHERE ended IS NULL
      OR first_run > (SELECT max(f.last_run) FROM session_consistency.check_findings f WHERE code = 'count_mismatch')
SQL

my $repair = "SELECT count(*) FROM session_consistency.repair('training_sessions', dry_run => false)";
cmp_ok(beside_bookings("$drift $repair"), '>', 0, 'repairs beside bookings');
$node->safe_psql('postgres', $repair);
is($node->safe_psql('postgres', <<'SQL'), '', 'the recount finds nothing');
SELECT s.id, s.used_sessions FROM member_subscriptions s
WHERE s.used_sessions <> (SELECT count(*) FROM training_sessions t
                          WHERE t.subscription_id = s.id AND t.status IN ('scheduled', 'in_progress', 'completed'))
SQL

# Thousands of findings, of subscriptions that all have new lines in a ledger: they come and go in seconds.
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE packs (
    id int PRIMARY KEY, member_id int NOT NULL, status text DEFAULT 'active', total_sessions_snapshot int);
CREATE TABLE visits (
    id int PRIMARY KEY, member_id int NOT NULL, session_type text DEFAULT 'member', status text DEFAULT 'scheduled');
SELECT session_consistency.attach('visits', 'packs', ledger => true);
INSERT INTO packs (id, member_id) SELECT i, i FROM generate_series(1, 20000) i;
INSERT INTO visits (id, member_id) SELECT i, i FROM generate_series(1, 20000) i;
SELECT session_consistency.run_check('visits');
SET session_replication_role = replica;
UPDATE packs SET used_sessions = used_sessions + 1;
SQL
my $quickly = "SET statement_timeout = '60s'; SELECT session_consistency.run_check('visits');";
@told = payloads($quickly);
is( value($told[0], "concat_ws(' ', p ->> 'new_findings', p #>> '{findings,0,code}', p #>> '{findings,1,code}')"),
	'40000 count_mismatch ledger_gap', 'forty thousand findings in one notification');
cmp_ok(length($told[0]), '<', 8000, 'which is short');
$node->safe_psql('postgres', <<'SQL');
SET session_replication_role = replica;
UPDATE packs SET used_sessions = used_sessions - 1;
SET session_replication_role = origin;
INSERT INTO visits (id, member_id) SELECT 20000 + i, i FROM generate_series(1, 20000) i;
SQL
is(scalar(payloads($quickly)), 0, 'they are gone');
is($node->safe_psql('postgres', "SELECT count(*) FROM session_consistency.check_findings
		WHERE ended IS NULL AND sessions = 'visits'::regclass"), 0, 'all of them');
$node->safe_psql('postgres', "SELECT session_consistency.detach('visits')");

# Triggers that fire for nobody: only a server of its own can be set so.
$node->append_conf('postgresql.conf', 'session_replication_role = replica');
$node->reload;
$node->poll_query_until('postgres', "SELECT current_setting('session_replication_role') = 'replica'");
@told = payloads('SELECT session_consistency.run_check();');
is(value($told[0], "p -> 'by_severity' ->> 'critical'"), 1, 'a server that fires no trigger is told');
is( $node->safe_psql('postgres',
		"SELECT actual FROM session_consistency.check_findings WHERE ended IS NULL AND code = 'enforcement_gap'"),
	'session_replication_role is set to replica for the whole server', 'and named');
$node->append_conf('postgresql.conf', 'session_replication_role = origin');
$node->reload;
$node->poll_query_until('postgres', "SELECT current_setting('session_replication_role') = 'origin'");

# More attachments with findings than a payload has room for.
$node->safe_psql('postgres', <<'SQL');
DO $$
DECLARE
    sessions text;
    packs text;
BEGIN
    FOR i IN 1 .. 80 LOOP
        sessions := quote_ident(rpad('sessions ' || i || ' ', 60, '"x'));
        packs := quote_ident('packs ' || i);
        EXECUTE format('CREATE TABLE %s (id int PRIMARY KEY, member_id int NOT NULL, status text DEFAULT ''active'',
                        total_sessions_snapshot int)', packs);
        EXECUTE format('CREATE TABLE %s (id int PRIMARY KEY, member_id int NOT NULL, session_type text, status text)',
                       sessions);
        PERFORM session_consistency.attach(sessions, packs);
        EXECUTE format('INSERT INTO %s VALUES (1, 1, ''active'', 0)', packs);
    END LOOP;
END $$
SQL
@told = payloads('SELECT session_consistency.run_check();');
is(scalar(@told), 1, 'one notification for a run over 81 attachments');
cmp_ok(length($told[0]), '<', 8000, 'it is short enough');
is(value($told[0], "p -> 'new_findings'"), 80, 'it counts them all');
is(value($told[0], "jsonb_array_length(p -> 'findings') + (p -> 'omitted')::int"), 80, 'listed or omitted');
is(value($told[0], "(p -> 'omitted')::int > 0"), 't', 'some had no room');
$node->stop;
done_testing();
