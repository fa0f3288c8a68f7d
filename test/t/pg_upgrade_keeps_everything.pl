# pg_upgrade carries rules, counters, history and ledger to the new server; the pairs of tables still mean these tables,
# those that are gone stay gone, and everything is numbered on.
use strict;
use warnings FATAL => 'all';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $old = PostgreSQL::Test::Cluster->new('old');
$old->init;
$old->start;
$old->safe_psql('postgres', <<'SQL');
CREATE EXTENSION session_consistency;
CREATE TABLE gone_packs (
    id int PRIMARY KEY, member_id int NOT NULL, status text NOT NULL DEFAULT 'active', total_sessions_snapshot int);
CREATE TABLE gone_visits (
    id int PRIMARY KEY, member_id int NOT NULL, session_type text DEFAULT 'member', status text DEFAULT 'scheduled');
SELECT session_consistency.attach('gone_visits', 'gone_packs', ledger => true);
INSERT INTO gone_packs (id, member_id, total_sessions_snapshot) VALUES (10, 1, 10);
INSERT INTO gone_visits (id, member_id) VALUES (1, 1);
SELECT session_consistency.run_check();
DROP TABLE gone_visits, gone_packs CASCADE;
CREATE TABLE packs (
    id int PRIMARY KEY, member_id int NOT NULL, status text NOT NULL DEFAULT 'active', total_sessions_snapshot int);
CREATE TABLE visits (
    id int, day date NOT NULL DEFAULT '2030-01-01', member_id int NOT NULL, session_type text DEFAULT 'member',
    status text DEFAULT 'scheduled', PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE visits_2030 PARTITION OF visits FOR VALUES FROM ('2030-01-01') TO ('2031-01-01');
CREATE TABLE visits_2031 PARTITION OF visits FOR VALUES FROM ('2031-01-01') TO ('2032-01-01');
SELECT session_consistency.attach('visits', 'packs', ledger => true);
INSERT INTO packs (id, member_id, total_sessions_snapshot) VALUES (10, 1, 10), (20, 2, 5);
INSERT INTO visits (id, member_id) VALUES (1, 1), (2, 1), (3, 2);
CALL session_consistency.migrate('visits');
ALTER TABLE visits RENAME TO bookings;
SET session_replication_role = replica;
UPDATE packs SET used_sessions = 3;
RESET session_replication_role;
SELECT session_consistency.run_check();
SELECT session_consistency.repair('bookings', dry_run => false);
SELECT session_consistency.undo_repair(1);
SQL
my $kept = <<'SQL';
SELECT * FROM session_consistency.attachments;
SELECT * FROM session_consistency.check_runs ORDER BY run_id;
SELECT * FROM session_consistency.check_findings ORDER BY finding_id;
SELECT * FROM session_consistency.repairs ORDER BY repair_id;
SELECT * FROM session_consistency.ledger_lines ORDER BY pair, subscription_id, line;
SELECT * FROM session_consistency.check_counts();
SELECT * FROM session_consistency._pairs ORDER BY pair;
SELECT * FROM packs ORDER BY id;
SQL
my $before = $old->safe_psql('postgres', $kept);
like($before, qr/^1\|gone: public.gone_visits\|gone: public.gone_packs\|/m, 'some history is of tables that are gone');
$old->stop;

my $new = PostgreSQL::Test::Cluster->new('new');
$new->init;
my $bindir = $new->config_data('--bindir');
chdir PostgreSQL::Test::Utils::tempdir();
command_ok([ 'pg_upgrade', '--no-sync', '-d', $old->data_dir, '-D', $new->data_dir, '-b', $bindir, '-B', $bindir,
		'-s', $new->host, '-p', $old->port, '-P', $new->port ], 'pg_upgrade');
$new->start;
is($new->safe_psql('postgres', $kept), $before, 'everything is as it was');
$new->safe_psql('postgres', <<'SQL');
INSERT INTO bookings (id, member_id) VALUES (4, 1);
SELECT session_consistency.undo_repair(2);
SELECT session_consistency.repair('bookings', dry_run => false);
SQL
is($new->safe_psql('postgres', 'SELECT session_consistency.run_check()'), '3', 'checks are numbered on');
is($new->safe_psql('postgres', 'SELECT max(repair_id) FROM session_consistency.repairs'), '4', 'so are repairs');
is($new->safe_psql('postgres', 'SELECT * FROM session_consistency.ledger_gaps()'), '', 'the ledger goes on');
is($new->safe_psql('postgres', 'SELECT * FROM session_consistency.check_counts()'), '', 'no counter is wrong');
$new->safe_psql('postgres', 'DROP TABLE visits_2030; SELECT session_consistency.run_check()');
like($new->safe_psql('postgres', 'SELECT actual FROM session_consistency.check_findings WHERE ended IS NULL ORDER BY 1 DESC LIMIT 1'),
	qr/partition public.visits_2030 was dropped after check 3 saw it/, 'and partitions are remembered');
$new->stop;
done_testing();
