# migrate() waits for no lock while it holds another, respects lock_timeout, leaves alone whom it cannot lock until the
# end, and refuses to run twice at once.
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
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION session_consistency;
CREATE ROLE owner;
CREATE ROLE watcher;
CREATE ROLE stranger;
GRANT CREATE ON SCHEMA public TO owner;
SET ROLE owner;
CREATE TABLE member_subscriptions (
    id int PRIMARY KEY, member_id int NOT NULL, status text NOT NULL DEFAULT 'active', total_sessions_snapshot int,
    used_sessions int NOT NULL DEFAULT 0);
CREATE TABLE training_sessions (
    id int PRIMARY KEY, member_id int NOT NULL, session_type text DEFAULT 'member', status text DEFAULT 'completed',
    note text);
SELECT session_consistency.attach('training_sessions', 'member_subscriptions');
GRANT SELECT ON training_sessions TO watcher;
SQL

my $call = "SET ROLE owner; CALL session_consistency.migrate('training_sessions', batch_size => 10, opening => 'give_back')";

# Fifty members with one pack and four sessions each, none of them linked, and counters that are wrong.
sub prepare
{
	$node->safe_psql('postgres', <<'SQL');
TRUNCATE training_sessions, member_subscriptions, session_consistency.migration_runs;
ALTER TABLE training_sessions DISABLE TRIGGER USER;
ALTER TABLE member_subscriptions DISABLE TRIGGER USER;
INSERT INTO member_subscriptions SELECT m * 10, m, 'active', 10, m % 4 FROM generate_series(1, 50) m;
INSERT INTO training_sessions SELECT m * 100 + i, m FROM generate_series(1, 4) i, generate_series(1, 50) m;
ALTER TABLE training_sessions ENABLE TRIGGER USER;
ALTER TABLE member_subscriptions ENABLE TRIGGER USER;
SQL
}

sub unlinked
{
	return $node->safe_psql('postgres', <<'SQL');
SELECT string_agg(DISTINCT member_id::text, ' ' ORDER BY member_id::text) FROM training_sessions
WHERE subscription_id IS NULL
SQL
}

sub wrong
{
	return $node->safe_psql('postgres', <<'SQL');
SELECT string_agg(s.member_id::text, ' ' ORDER BY s.id) FROM member_subscriptions s
WHERE used_sessions <> (SELECT count(*) FROM training_sessions t
                        WHERE t.subscription_id = s.id AND t.status IN ('scheduled', 'completed'))
SQL
}

# A psql that stays open; each script is sent, and awaited unless it has to wait itself.
my $sent = 0;
sub open_session
{
	my %session = (in => '', out => '', error => '');
	$session{run} = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') ],
		'<', \$session{in}, '>', \$session{out}, '2>', \$session{error},
		IPC::Run::timer($PostgreSQL::Test::Utils::timeout_default));
	return \%session;
}

sub send_to
{
	my ($session, $script) = @_;
	$session->{mark} = 'end ' . ++$sent;
	$session->{in} .= "$script;\n\\echo $session->{mark}\n";
	$session->{run}->pump_nb;
}

sub await
{
	my ($session) = @_;
	$session->{run}->pump until $session->{out} =~ /^\Q$session->{mark}\E$/m;
	my ($out, $error) = ($session->{out}, $session->{error});
	$session->{out} = $session->{error} = '';
	return wantarray ? ($out, $error) : $error;
}

sub do_in
{
	my ($session, $script) = @_;
	send_to($session, $script);
	return await($session);
}

sub close_session
{
	my ($session) = @_;
	$session->{in} .= "\\q\n";
	$session->{run}->finish;
}

my ($desk, $other, $dba) = (open_session(), open_session(), open_session());

# One has cancelled a session, another has booked: two members are locked.
prepare();
do_in($desk, "BEGIN; UPDATE training_sessions SET status = 'cancelled' WHERE id = 701");
do_in($other, "BEGIN; INSERT INTO training_sessions (id, member_id, status) VALUES (9901, 30, 'scheduled')");
my $started = time;
my ($status, undef, $error) = $node->psql('postgres', "\\set VERBOSITY verbose\nSET lock_timeout = '700ms';\n$call;\n");
my $took = time - $started;
like($error, qr/ERROR:  55P03/, 'lock_timeout ends the wait');
cmp_ok($took, '>', 0.6, '... not before');
is(unlinked(), '30 7', 'everybody else has been treated');
is($node->safe_psql('postgres', 'SELECT phase FROM session_consistency.migration_progress'), 'interrupted',
	'the progress says that it was interrupted');
do_in($desk, 'COMMIT');
do_in($other, 'ROLLBACK');
$node->safe_psql('postgres', $call);
is(unlinked(), '', 'called again, it treats them too');
is(wrong(), '', 'every counter is right');

# Without lock_timeout it waits as long as it takes, and blocks nobody meanwhile: not even for the rows that it needs.
prepare();
do_in($desk, "BEGIN; INSERT INTO training_sessions (id, member_id, status) VALUES (9902, 7, 'scheduled')");
send_to($dba, $call);
$node->poll_query_until('postgres',
	"SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%migrate%'");
is(unlinked(), '7', 'it waits for one member, after all others');
is(do_in($desk, "SET statement_timeout = '10s'; UPDATE training_sessions SET status = 'cancelled' WHERE id = 702"), '',
	'a session of that member is cancelled under its eyes');
is(do_in($desk, "DELETE FROM training_sessions WHERE id = 703"), '', '... and another one deleted');
is(do_in($other, "UPDATE training_sessions SET status = 'cancelled' WHERE member_id = 8"), '',
	'other members are free');
my $progress = $node->safe_psql('postgres', <<'SQL');
SET ROLE watcher;
SELECT phase, rows_done, rows_total, pid IN (SELECT pid FROM pg_stat_activity)
FROM session_consistency.migration_progress
SQL
is($progress, 'retrying|245|250|t', 'whoever may read the sessions sees how far it is');

# A second one is refused meanwhile, and told by whom.
my $pid = $node->safe_psql('postgres', 'SELECT pid FROM session_consistency.migration_progress');
($status, undef, $error) = $node->psql('postgres', "\\set VERBOSITY verbose\n$call;\n");
like($error, qr/ERROR:  55006: table "training_sessions" is being migrated or purged by process $pid\b/,
	'a second call is refused');
my $role = $node->safe_psql('postgres', 'SELECT current_user');
like($error, qr/DETAIL:  Role "$role" has called it\./, '... and told by whom');
is($node->safe_psql('postgres', 'SET ROLE stranger; SELECT count(*) FROM session_consistency.migration_progress'), '0',
	'whoever may not read the sessions sees nothing');

do_in($desk, 'COMMIT');
$error = await($dba);
like($error, qr/NOTICE:  table "training_sessions" is migrated/, 'it goes on when the other has committed');
is(unlinked(), '', 'everybody is treated');
is(wrong(), '', 'every counter is right');

# Where the link is part of a key, whoever refers to a session is in the way of linking it: no other member waits for
# him.
prepare();
$node->safe_psql('postgres', 'CREATE UNIQUE INDEX with_link ON training_sessions (id, subscription_id)');
do_in($desk, 'BEGIN; SELECT FROM training_sessions WHERE id = 701 FOR KEY SHARE');
send_to($dba, $call);
$node->poll_query_until('postgres',
	"SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%migrate%'");
is(do_in($desk, "UPDATE training_sessions SET note = 'seen' WHERE id = 801"), '',
	'he changes a session of the same batch');
is(unlinked(), '7', 'all others are treated');
do_in($desk, 'COMMIT');
like(await($dba), qr/NOTICE:  table "training_sessions" is migrated/, '... and the last one when he has committed');
is(unlinked(), '', 'everybody is treated');
$node->safe_psql('postgres', 'DROP INDEX with_link');

# A subscription that goes to another member meanwhile takes none of the sessions that it was listed for.
prepare();
do_in($desk, 'BEGIN; UPDATE member_subscriptions SET member_id = 1007 WHERE id = 70');
do_in($other, 'BEGIN; UPDATE member_subscriptions SET member_id = 1008 WHERE id = 80');
send_to($dba, $call);
$node->poll_query_until('postgres',
	"SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%migrate%'");
do_in($desk, 'COMMIT');
do_in($other, 'ROLLBACK');
like(await($dba), qr/left without a link: 4; .*Left by reason: no_subscription 4/s, 'its sessions are left');
is(unlinked(), '7', '... and nobody else is');
is(wrong(), '', 'its own counter is right all the same');

# A session that somebody moves to another partition is found there.
$node->safe_psql('postgres', <<'SQL');
SET ROLE owner;
CREATE TABLE packs (
    id int PRIMARY KEY, member_id int NOT NULL, status text NOT NULL DEFAULT 'active', total_sessions_snapshot int);
CREATE TABLE visits (
    id int, day int, member_id int NOT NULL, session_type text DEFAULT 'member', status text DEFAULT 'completed',
    PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE visits_0 PARTITION OF visits FOR VALUES FROM (0) TO (10);
CREATE TABLE visits_1 PARTITION OF visits FOR VALUES FROM (10) TO (20);
INSERT INTO packs SELECT m, m, 'active', 10 FROM generate_series(1, 2) m;
INSERT INTO visits SELECT i, 5, 1 + i % 2 FROM generate_series(1, 4) i;
SELECT session_consistency.attach('visits', 'packs');
SQL
do_in($desk, 'BEGIN; UPDATE visits SET day = 15 WHERE id = 3');
send_to($dba, "CALL session_consistency.migrate('visits')");
$node->poll_query_until('postgres',
	"SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%migrate%'");
do_in($desk, 'COMMIT');
like(await($dba), qr/sessions linked: 4, left without a link: 0/, 'a session that moves to another partition is linked');

# Cancelled, it gives everything up, and its place to the next.
prepare();
do_in($desk, "BEGIN; SELECT FROM member_subscriptions WHERE id = 70 FOR UPDATE");
send_to($dba, $call);
$node->poll_query_until('postgres',
	"SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%migrate%'");
$node->safe_psql('postgres', "SELECT pg_cancel_backend(pid) FROM session_consistency.migration_progress");
like(await($dba), qr/canceling statement due to user request/, 'it can be cancelled');
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_cursors"), '0', 'no cursor stays open');
is(do_in($dba, "SELECT count(*) FROM pg_cursors"), '', '... nor in its session');
($status, undef, $error) = $node->psql('postgres', "SET statement_timeout = '500ms';\n$call;\n");
like($error, qr/canceling statement due to statement timeout/, 'the next one may run, and statement_timeout ends it');
do_in($desk, 'COMMIT');
is(do_in($dba, "SET client_min_messages = warning; $call"), '', 'the same session may call it again');
is(wrong(), '', 'every counter is right');

# It tells how far it is, at most once a second.
prepare();
$node->safe_psql('postgres', <<'SQL');
CREATE FUNCTION tarry() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.02); RETURN NEW; END $$;
CREATE TRIGGER tarry BEFORE UPDATE ON training_sessions FOR EACH ROW EXECUTE FUNCTION tarry();
SQL
$started = time;
($status, undef, $error) = $node->psql('postgres', $call);
$took = time - $started;
my @notices = $error =~ /NOTICE:  (migrating .*)/g;
cmp_ok(scalar(@notices), '>', 1, 'it tells its progress');
cmp_ok(scalar(@notices), '<=', $took, '... at most once a second');
my $share = qr/\d+ of 250 rows \(\d+ %\)/;
is(scalar(grep { !/^migrating table "training_sessions": $share, \d+ rows\/s, \d+:\d\d:\d\d left$/ } @notices), 0,
	'... with rate and time left');
$node->safe_psql('postgres', 'DROP TRIGGER tarry ON training_sessions');

# A subscription that somebody books on all the time is treated none the less, and so is a session that somebody
# changes all the time.
prepare();
$node->safe_psql('postgres', "UPDATE member_subscriptions SET total_sessions_snapshot = 1000000 WHERE id = 70");
append_to_file($node->basedir . '/book.sql',
	"INSERT INTO training_sessions (id, member_id, status) VALUES (nextval('ids'), 7, 'scheduled');\n");
append_to_file($node->basedir . '/touch.sql', "UPDATE training_sessions SET note = 'seen' WHERE id = 801;\n");
$node->safe_psql('postgres', 'CREATE SEQUENCE ids START 100000');
my $log = $node->basedir . '/pgbench.log';
my $load = IPC::Run::start(
	[ 'pgbench', '-n', '-c', 8, '-T', 600, '-f', $node->basedir . '/book.sql', '-f', $node->basedir . '/touch.sql',
		$node->connstr('postgres') ],
	'<', '/dev/null', '&>', $log);
$node->poll_query_until('postgres', 'SELECT is_called FROM ids');
$node->safe_psql('postgres', $call);
my $last = $node->safe_psql('postgres', 'SELECT last_value FROM ids');
ok($node->poll_query_until('postgres', "SELECT last_value > $last FROM ids"),
	'rows that are always locked are treated while bookings go on');
$load->kill_kill;
unlike(slurp_file($log), qr/ERROR|aborted/, 'no booking fails');
is(unlinked(), '', 'everybody is treated');
is(wrong(), '', 'every counter is right');

close_session($_) for $desk, $other, $dba;
$node->stop;
done_testing();
