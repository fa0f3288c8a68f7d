# A streaming standby shows everything, and says of what would write that it cannot, and where it can: 25006 with a hint.
# Promoted, it goes on where the primary was.
use strict;
use warnings FATAL => 'all';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1);
$primary->start;
$primary->safe_psql('postgres', <<'SQL');
CREATE EXTENSION session_consistency;
CREATE TABLE packs (
    id int PRIMARY KEY, member_id int NOT NULL, status text NOT NULL DEFAULT 'active', total_sessions_snapshot int);
CREATE TABLE visits (
    id int PRIMARY KEY, member_id int NOT NULL, session_type text DEFAULT 'member', status text DEFAULT 'scheduled');
INSERT INTO packs (id, member_id, total_sessions_snapshot) VALUES (10, 1, 10), (20, 2, 5);
SELECT session_consistency.attach('visits', 'packs', ledger => true);
CALL session_consistency.migrate('visits');
INSERT INTO visits (id, member_id) VALUES (1, 1), (2, 1), (3, 2);
SET session_replication_role = replica;
UPDATE packs SET used_sessions = used_sessions + 1;
RESET session_replication_role;
SELECT session_consistency.run_check();
SELECT session_consistency.repair('visits', dry_run => false);
SET session_replication_role = replica;
UPDATE packs SET used_sessions = used_sessions + 1 WHERE id = 10;
SQL
$primary->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'backup', has_streaming => 1);
$standby->start;

my $shown = <<'SQL';
SELECT * FROM session_consistency.check_counts();
SELECT * FROM session_consistency.audit_findings('visits');
SELECT * FROM session_consistency.explain_subscription('visits', '10');
SELECT * FROM session_consistency.ledger_gaps();
SELECT * FROM session_consistency.ledger_lines ORDER BY subscription_id, line;
SELECT * FROM session_consistency.repair('visits');
SELECT * FROM session_consistency.repairs ORDER BY repair_id;
SELECT * FROM session_consistency.check_findings ORDER BY finding_id;
SELECT sessions, subscriptions, enforced, used, last_check FROM session_consistency.metrics;
SELECT * FROM session_consistency.open_findings ORDER BY severity;
SELECT * FROM session_consistency.attachments;
SQL
$primary->wait_for_catchup($standby);
my $known = $primary->safe_psql('postgres', $shown);
like($known, qr/Subscription 10: used is 3/, 'the primary shows what is wrong');
is($standby->safe_psql('postgres', $shown), $known, 'the standby shows the same');

my %writes = (
	'run_check' => 'SELECT session_consistency.run_check()',
	'repair' => q{SELECT session_consistency.repair('visits', dry_run => false)},
	'undo_repair' => 'SELECT session_consistency.undo_repair(2)',
	'open_ledger' => q{SELECT session_consistency.open_ledger('visits')},
	'migrate' => q{CALL session_consistency.migrate('visits')});
for my $function (sort keys %writes)
{
	my ($result, $out, $error) = $standby->psql('postgres', "\\set VERBOSITY verbose\n$writes{$function}");
	like($error, qr/^(psql:\S+ )?ERROR:  25006: cannot execute $function\(\) during recovery$/m, "$function() cannot be called");
	like($error, qr/^HINT:  .*primary/m, '... and it says where it can');
	($result, $out, $error) = $primary->psql('postgres',
		"\\set VERBOSITY verbose\nSET default_transaction_read_only = on;\n$writes{$function}");
	like($error, qr/^(psql:\S+ )?ERROR:  25006: cannot execute $function\(\) in a read-only transaction$/m,
		'... nor in a transaction that is read-only');
	like($error, qr/^HINT:  .*READ WRITE/m, '... and it says how it can');
}
$primary->stop;

$standby->promote;
$standby->safe_psql('postgres', $writes{undo_repair});
$standby->safe_psql('postgres', $writes{repair});
is($standby->safe_psql('postgres', "$writes{run_check}; SELECT max(finding_id) - count(*) FROM session_consistency.check_findings"),
	"2\n0", 'promoted, it numbers checks and findings on');
$standby->safe_psql('postgres', 'INSERT INTO visits (id, member_id) VALUES (4, 1)');
is($standby->safe_psql('postgres', 'SELECT * FROM session_consistency.ledger_gaps()'), '', 'and has no gap');
is($standby->safe_psql('postgres', 'SELECT * FROM session_consistency.check_counts()'), '', 'and no wrong counter');
$standby->stop;
done_testing();
