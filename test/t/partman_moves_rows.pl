# A real pg_partman moves rows out of the default partition by a DELETE and an INSERT. A scheduled session of an expired
# pack would be booked anew, and is refused; without triggers it goes as it is, and so do counters and ledger. Its retention
# drops a partition: the next check names it, unless its sessions gave their credits back, or were purged, before.
use strict;
use warnings FATAL => 'all';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my ($shared) = run_command([ 'pg_config', '--sharedir' ]);
plan skip_all => 'there is no package of pg_partman for this server' if !-e "$shared/extension/pg_partman.control";

my $node = PostgreSQL::Test::Cluster->new('gym');
$node->init;
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE SCHEMA partman;
CREATE EXTENSION pg_partman SCHEMA partman;
CREATE EXTENSION session_consistency;
-- Not attached.
CREATE TABLE plain_visits (id int, day date NOT NULL, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE packs (
    id int PRIMARY KEY, member_id int NOT NULL, status text NOT NULL DEFAULT 'active', total_sessions_snapshot int);
CREATE TABLE visits (
    id int, day date NOT NULL, member_id int NOT NULL, session_type text DEFAULT 'member',
    status text DEFAULT 'scheduled', PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
INSERT INTO packs (id, member_id, total_sessions_snapshot) VALUES (10, 1, 10), (20, 2, 5);
SELECT session_consistency.attach('visits', 'packs', ledger => true);
CALL session_consistency.migrate('visits');
SQL
my $interval =
  $node->safe_psql('postgres', "SELECT extversion LIKE '4%' FROM pg_extension WHERE extname = 'pg_partman'") eq 't'
  ? "'native', 'monthly'"
  : "'1 month'";

# pg_partman 5.5.0 does not move rows to partitions that it has yet to make.
my ($cannot) = $node->psql('postgres', <<"SQL");
SELECT partman.create_parent('public.plain_visits', 'day', $interval);
INSERT INTO plain_visits VALUES (1, '2020-01-01');
CALL partman.partition_data_proc('public.plain_visits');
SQL
if ($cannot)
{
	$node->stop;
	plan skip_all => 'this pg_partman does not move rows of a plain table either';
}

$node->safe_psql('postgres', <<"SQL");
SELECT partman.create_parent('public.visits', 'day', $interval);
-- Before what pg_partman has made a partition for.
INSERT INTO visits (id, day, member_id, status) VALUES
    (1, '2020-01-01', 1, 'scheduled'), (2, '2020-01-02', 1, 'completed'), (3, '2020-02-01', 2, 'scheduled'),
    (4, '2020-02-02', 1, 'cancelled'), (5, current_date, 1, 'completed');
UPDATE packs SET status = 'expired' WHERE id = 10;
SQL
my $state = <<'SQL';
SELECT id, status, used_sessions FROM packs ORDER BY id;
SELECT id, day, member_id, status, subscription_id FROM visits ORDER BY id;
SELECT subscription_id, line, session_id, delta, balance, reason FROM session_consistency.ledger_lines
ORDER BY subscription_id, line;
SQL
my $before = $node->safe_psql('postgres', $state);
my $places = 'SELECT count(*) FROM visits_default';
is($node->safe_psql('postgres', $places), 4, 'rows are in the default partition');

my $move = "CALL partman.partition_data_proc('public.visits')";
my ($result, $out, $error) = $node->psql('postgres', $move);
like($error, qr/23SC4|inactive|not active|expired/, 'moved with triggers, a scheduled session of an expired pack is refused');
is($node->safe_psql('postgres', $state), $before, 'and nothing has changed');
is($node->safe_psql('postgres', $places), 4, 'nor moved');

$node->safe_psql('postgres', "SET session_replication_role = replica;\n$move");
is($node->safe_psql('postgres', $places), 0, 'moved without triggers, they leave the default partition');
is($node->safe_psql('postgres', $state), $before, 'sessions, links, counters and ledger are as they were');
is($node->safe_psql('postgres', 'SELECT * FROM session_consistency.check_counts()'), '', 'and right');
is($node->safe_psql('postgres', 'SELECT * FROM session_consistency.ledger_gaps()'), '', 'without a gap');
is($node->safe_psql('postgres', 'SELECT enforced FROM session_consistency.attachments'), 't',
	'the partitions that it made are attached');
$node->safe_psql('postgres', "UPDATE visits SET status = 'cancelled' WHERE id = 3");
is($node->safe_psql('postgres', 'SELECT used_sessions FROM packs WHERE id = 20'), 0, 'and charge as others do');

# Retention.
$node->safe_psql('postgres', <<'SQL');
SELECT session_consistency.run_check();
UPDATE partman.part_config SET retention = '12 months', retention_keep_table = false WHERE parent_table = 'public.visits';
UPDATE visits SET status = 'cancelled' WHERE day = '2020-02-02';
CALL partman.run_maintenance_proc();
SELECT session_consistency.run_check();
SQL
is($node->safe_psql('postgres', 'SELECT count(*) FROM visits'), 1, 'old partitions are dropped');
my $named = <<'SQL';
SELECT code, actual FROM session_consistency.check_findings WHERE ended IS NULL ORDER BY code, actual
SQL
like($node->safe_psql('postgres', $named),
	qr/\Acount_mismatch\|3\npartition_left\|partition public\.visits_p2020_?01\w* was dropped after check \d+ saw it; 1 counters are above their recount, by 2 credits.*(\npartition_left.*)?\z/,
	'the check says which, and what they took along');

# With a purge before it, what the partition held stays, and nobody accuses anything.
$node->safe_psql('postgres', <<'SQL');
SELECT session_consistency.repair('visits', dry_run => false);
SELECT session_consistency.detach('visits');
SELECT session_consistency.attach('visits', 'packs', ledger => true, carried_column => 'carried', start_column => 'day');
CALL session_consistency.migrate('visits');
UPDATE packs SET status = 'active' WHERE id = 10;
UPDATE partman.part_config SET retention = NULL WHERE parent_table = 'public.visits';
INSERT INTO visits (id, day, member_id, status) VALUES
    (11, '2021-01-01', 1, 'completed'), (12, '2021-01-02', 2, 'scheduled'), (13, '2021-01-03', 2, 'cancelled');
SQL
$node->safe_psql('postgres', "SET session_replication_role = replica;\n$move");
$node->safe_psql('postgres', 'SELECT session_consistency.run_check()');
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_class WHERE relname ~ '^visits_p2021_?01' AND relkind = 'r'"), 1,
	'old sessions have a partition');
my $used = $node->safe_psql('postgres', 'SELECT id, used_sessions FROM packs ORDER BY id');
$node->safe_psql('postgres', "CALL session_consistency.purge_sessions('visits', now() - interval '12 months')");
$node->safe_psql('postgres', <<'SQL');
UPDATE partman.part_config SET retention = '12 months', retention_keep_table = false WHERE parent_table = 'public.visits';
CALL partman.run_maintenance_proc();
SELECT session_consistency.run_check();
SQL
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_class WHERE relname ~ '^visits_p2021_?01' AND relkind = 'r'"), 0,
	'after the purge its retention drops it');
is($node->safe_psql('postgres', 'SELECT id, used_sessions FROM packs ORDER BY id'), $used, 'nothing is given back');
is($node->safe_psql('postgres', 'SELECT id, carried FROM packs ORDER BY id'), "10|1\n20|1", 'it is carried');
is($node->safe_psql('postgres', $named), '', 'and nothing is found');
is($node->safe_psql('postgres', "SELECT count(*) FROM session_consistency.repair('visits')"), 0, 'nor repaired');
$node->stop;
done_testing();
