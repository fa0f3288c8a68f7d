# audit() writes nothing: it works on a hot standby, and says there what it says on the primary. While bookings run it
# raises no false alarm, on either.
use strict;
use warnings FATAL => 'all';
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1);
$primary->append_conf('postgresql.conf', 'max_connections = 20');
$primary->start;
$primary->safe_psql('postgres', <<'SQL');
CREATE EXTENSION session_consistency;
CREATE TABLE members (id int PRIMARY KEY);
CREATE TABLE member_subscriptions (
    id int PRIMARY KEY, member_id int REFERENCES members, status text NOT NULL DEFAULT 'active',
    total_sessions_snapshot int);
CREATE TABLE training_sessions (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, member_id int NOT NULL, session_type text DEFAULT 'member',
    status text DEFAULT 'scheduled');
INSERT INTO members SELECT g FROM generate_series(1, 20) g;
INSERT INTO member_subscriptions SELECT g, g, 'active', 1000000 FROM generate_series(1, 20) g;
SELECT session_consistency.attach('training_sessions', 'member_subscriptions');
SELECT format('ALTER TABLE %s VALIDATE CONSTRAINT %I', conrelid::regclass, conname)
FROM pg_constraint WHERE NOT convalidated \gexec
SQL
$primary->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'backup', has_streaming => 1);
$standby->start;

my $alarms = "SELECT coalesce(string_agg(code || ' ' || affected, ', '), 'none')
FROM session_consistency.audit('training_sessions') WHERE affected > 0";
my $findings = "SELECT * FROM session_consistency.audit_findings('training_sessions')";

my $script = PostgreSQL::Test::Utils::tempdir() . '/bookings.sql';
append_to_file($script, <<'SQL');
\set member random(1, 20)
INSERT INTO training_sessions (member_id) VALUES (:member);
UPDATE training_sessions SET status = 'cancelled'
WHERE id = (SELECT max(id) FROM training_sessions WHERE member_id = :member) AND random() < 0.3;
SQL
my $log = PostgreSQL::Test::Utils::tempdir() . '/pgbench.log';
my $bookings = IPC::Run::start(
	[ 'pgbench', '-n', '-c', '4', '-T', '600', '-f', $script, $primary->connstr('postgres') ],
	'<', '/dev/null', '&>', $log);
my $booked = 'SELECT max(id) FROM training_sessions';
$primary->poll_query_until('postgres', "SELECT ($booked) > 0");
my %seen;
for my $run (1 .. 20)
{
	$seen{$_->safe_psql('postgres', $alarms)}++ for $primary, $standby;
}
my $last = $primary->safe_psql('postgres', $booked);
ok($primary->poll_query_until('postgres', "SELECT ($booked) > $last"), 'bookings ran all the time');
is(join('; ', sort keys %seen), 'none', 'no alarm is raised while they do');
$bookings->kill_kill;
unlike(slurp_file($log), qr/ERROR|aborted/, '... and no booking fails');

$primary->safe_psql('postgres', <<'SQL');
SET session_replication_role = replica;
UPDATE member_subscriptions SET used_sessions = used_sessions + 1 WHERE id = 1;
UPDATE training_sessions SET subscription_id = NULL
WHERE id = (SELECT min(id) FROM training_sessions
            WHERE member_id = 2 AND status IN ('scheduled', 'completed') AND subscription_id IS NOT NULL);
DELETE FROM members WHERE id = 20;
ALTER TABLE training_sessions DISABLE TRIGGER USER;
SQL
$primary->wait_for_catchup($standby);
my $found = $primary->safe_psql('postgres', $findings);
like($found, qr/orphaned_session.*unlinked_session.*count_mismatch.*enforcement_gap/s,
	'the primary finds what is wrong');
is($standby->safe_psql('postgres', $findings), $found, 'the standby finds the same');
is($standby->safe_psql('postgres', 'SELECT pg_is_in_recovery()'), 't', 'and it is one');
$standby->stop;
$primary->stop;
done_testing();
