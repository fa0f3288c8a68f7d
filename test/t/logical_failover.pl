# A logical subscriber takes over: everything is published FOR ALL TABLES, the extension's own tables with it, and none of
# them keeps the publisher from writing. No number comes from a sequence, which is not replicated: after the failover
# bookings, the ledger, checks and repairs go on where the publisher was.
use strict;
use warnings FATAL => 'all';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $publisher = PostgreSQL::Test::Cluster->new('publisher');
$publisher->init(allows_streaming => 'logical');
$publisher->start;
my $subscriber = PostgreSQL::Test::Cluster->new('subscriber');
$subscriber->init(allows_streaming => 'logical');
$subscriber->start;

$publisher->safe_psql('postgres', <<'SQL');
CREATE EXTENSION session_consistency;
CREATE TABLE packs (
    id int PRIMARY KEY, member_id int NOT NULL, status text NOT NULL DEFAULT 'active', total_sessions_snapshot int);
CREATE TABLE visits (
    id int PRIMARY KEY, member_id int NOT NULL, session_type text DEFAULT 'member', status text DEFAULT 'scheduled');
INSERT INTO packs (id, member_id, total_sessions_snapshot) VALUES (10, 1, 10), (20, 2, 5);
SELECT session_consistency.attach('visits', 'packs', ledger => true);
CALL session_consistency.migrate('visits');
INSERT INTO visits (id, member_id) VALUES (1, 1), (2, 1), (3, 2);
SELECT session_consistency.run_check();
CREATE PUBLICATION everything FOR ALL TABLES;
SQL

# The tables of the subscriber are a dump of the publisher's: the same rules, and no row.
my $schema = PostgreSQL::Test::Utils::tempdir() . '/schema';
command_ok([ 'pg_dump', '-s', '-h', $publisher->host, '-p', $publisher->port, '-f', $schema, 'postgres' ], 'the schema is dumped');
command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-h', $subscriber->host, '-p', $subscriber->port, '-f', $schema, 'postgres' ],
	'and restored');
# Of the publication the subscriber has no need.
$subscriber->safe_psql('postgres', 'DROP PUBLICATION everything');
my $connection = $publisher->connstr . ' dbname=postgres';
$subscriber->safe_psql('postgres', "CREATE SUBSCRIPTION standby CONNECTION '$connection' PUBLICATION everything WITH (binary = true)");
$subscriber->wait_for_subscription_sync($publisher, 'standby');

# Everything that the publisher does to its own tables.
$publisher->safe_psql('postgres', <<'SQL');
INSERT INTO visits (id, member_id) VALUES (4, 2);
UPDATE visits SET status = 'cancelled' WHERE id = 1;
SET session_replication_role = replica;
UPDATE packs SET used_sessions = used_sessions + 1;
RESET session_replication_role;
SELECT session_consistency.run_check();
SELECT session_consistency.repair('visits', dry_run => false);
SELECT session_consistency.undo_repair(1);
SELECT session_consistency.run_check();
SELECT session_consistency.repair('visits', dry_run => false);
SELECT session_consistency.run_check();
CALL session_consistency.migrate('visits');
DELETE FROM visits WHERE id = 3;
SELECT session_consistency.run_check();
SQL
ok(1, 'a publisher of all tables checks and repairs');
my $history = <<'SQL';
SELECT * FROM session_consistency.check_runs ORDER BY run_id;
SELECT * FROM session_consistency.check_findings ORDER BY finding_id;
SELECT * FROM session_consistency.repairs ORDER BY repair_id;
SELECT * FROM session_consistency.ledger_lines ORDER BY subscription_id, line;
SELECT * FROM packs ORDER BY id;
SELECT * FROM visits ORDER BY id;
SQL
my $published = $publisher->safe_psql('postgres', $history);
$publisher->wait_for_catchup('standby');
is($subscriber->safe_psql('postgres', $history), $published, 'the subscriber has the same history, of its own tables');
is($subscriber->safe_psql('postgres', 'SELECT * FROM session_consistency.check_counts()'), '', 'and right counters');
$publisher->stop;

# Failover ---------------------------------------------------------------------------------------------------------

$subscriber->safe_psql('postgres', <<'SQL');
ALTER SUBSCRIPTION standby DISABLE;
ALTER SUBSCRIPTION standby SET (slot_name = NONE);
DROP SUBSCRIPTION standby;
INSERT INTO visits (id, member_id) VALUES (5, 1), (6, 2), (7, 1);
UPDATE visits SET status = 'completed' WHERE id = 5;
DELETE FROM visits WHERE id = 2;
SQL
is($subscriber->safe_psql('postgres', <<'SQL'), <<'LIFE' =~ s/\n\z//r, 'the ledger goes on, in order');
SELECT line, session_id, delta, balance, reason FROM session_consistency.explain_subscription('visits', '10');
SQL
1||0|0|opened
2|1|1|1|booked
3|2|1|2|booked
4|1|-1|1|cancelled
5||0|1|repaired
6||1|2|repair undone
7||-1|1|repaired
8|5|1|2|booked
9|7|1|3|booked
10|5|0|3|completed
11|2|-1|2|deleted
LIFE
is($subscriber->safe_psql('postgres', 'SELECT * FROM session_consistency.ledger_gaps()'), '', 'without a gap');
is($subscriber->safe_psql('postgres', 'SELECT session_consistency.run_check()'), '6', 'checks are numbered on');
is($subscriber->safe_psql('postgres', 'SELECT new_findings, open_findings FROM session_consistency.check_runs WHERE run_id = 6'),
	'0|0', 'and find nothing');
$subscriber->safe_psql('postgres', <<'SQL');
SET session_replication_role = replica;
UPDATE packs SET used_sessions = used_sessions + 1;
RESET session_replication_role;
SELECT session_consistency.run_check();
SQL
my $numbers = 'SELECT max(finding_id) || $$ $$ || count(*) FROM session_consistency.check_findings';
is($subscriber->safe_psql('postgres', $numbers), '8 8', 'findings are numbered on');
is($subscriber->safe_psql('postgres', q{SELECT string_agg(repair_id::text, ' ' ORDER BY repair_id)
		FROM session_consistency.repair('visits', dry_run => false)}), '4 5', 'so are repairs');
is($subscriber->safe_psql('postgres', 'SELECT session_consistency.undo_repair(5)'), '', 'which can be undone');
is($subscriber->safe_psql('postgres', 'SELECT count(*) FROM session_consistency.check_counts()'), '1', 'one by one');
$subscriber->stop;
done_testing();
