# What attaches where Citus is installed, and what is refused by name; what is asked of shards, and put together. Citus
# itself is not needed: an extension of that name stands in for its catalogs, and two tables with other columns and other
# names of triggers for the shards of two empty ones. test/citus/ runs the same on the real one.
use strict;
use warnings FATAL => 'all';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

chomp(my $directory = `pg_config --sharedir`);
$directory .= '/extension';
my %files = (
	'citus.control' => "default_version = '0'\nrelocatable = false\nschema = pg_catalog\n",
	'citus--0.sql' => <<'SQL');
CREATE SCHEMA citus;
CREATE TABLE citus.pg_dist_partition (logicalrelid regclass PRIMARY KEY, partmethod "char" NOT NULL, partkey text,
    colocationid integer NOT NULL DEFAULT 0, repmodel "char" NOT NULL DEFAULT 's');
GRANT SELECT ON citus.pg_dist_partition TO PUBLIC;
ALTER TABLE citus.pg_dist_partition SET SCHEMA pg_catalog;
CREATE TABLE citus.known_shards (shard regclass);
GRANT USAGE ON SCHEMA citus TO PUBLIC;
GRANT SELECT ON citus.known_shards TO PUBLIC;
CREATE FUNCTION pg_catalog.column_to_column_name(regclass, text) RETURNS text LANGUAGE sql AS 'SELECT $2';
CREATE FUNCTION pg_catalog.relation_is_a_known_shard(regclass) RETURNS boolean LANGUAGE sql STABLE AS
    'SELECT EXISTS (SELECT FROM citus.known_shards WHERE shard = $1)';
CREATE FUNCTION pg_catalog.run_command_on_shards(name regclass, command text, parallel bool DEFAULT true,
    OUT shardid bigint, OUT success bool, OUT result text) RETURNS SETOF record LANGUAGE plpgsql AS $$
DECLARE shard regclass;
BEGIN
    FOR shard IN SELECT k.shard FROM citus.known_shards AS k WHERE k.shard::text ~ (name::text || '_[0-9]+$') LOOP
        shardid := substring(shard::text FROM '[0-9]+$');
        BEGIN
            EXECUTE format(command, shard) INTO result;
            success := true;
        EXCEPTION WHEN OTHERS THEN
            success := false;
            result := 'ERROR: ' || SQLERRM;
        END;
        RETURN NEXT;
    END LOOP;
END $$;
SQL
foreach my $name (keys %files)
{
	plan skip_all => 'Citus is installed here' if -e "$directory/$name";
}
append_to_file("$directory/$_", $files{$_}) foreach keys %files;
END { unlink map { "$directory/$_" } keys %files if $directory; }

my $node = PostgreSQL::Test::Cluster->new('gym');
$node->init;
$node->append_conf('postgresql.conf', "fsync = off\nclient_min_messages = warning");
$node->start;
$node->safe_psql(
	'postgres', <<'SQL');
CREATE EXTENSION session_consistency;
CREATE TABLE packs (id int, member_id int, status text, total_sessions_snapshot int, used_sessions int NOT NULL DEFAULT 0,
    PRIMARY KEY (member_id, id));
CREATE TABLE bookings (id int, member_id int, subscription_id int, session_type text DEFAULT 'member',
    status text DEFAULT 'scheduled', PRIMARY KEY (member_id, id));
CREATE TABLE packs_102008 (gone int, used_sessions int NOT NULL DEFAULT 0, status text, member_id int,
    total_sessions_snapshot int, id int, PRIMARY KEY (member_id, id));
ALTER TABLE packs_102008 DROP gone;
CREATE TABLE bookings_102009 (subscription_id int, status text DEFAULT 'scheduled', gone int, member_id int,
    session_type text DEFAULT 'member', id int, PRIMARY KEY (member_id, id));
ALTER TABLE bookings_102009 DROP gone;
CREATE TABLE classes (id int PRIMARY KEY, status text, seats int, taken int NOT NULL DEFAULT 0);
SQL

# The two ends of a statement: its state and message with detail and hint.
sub outcome
{
	my ($statement) = @_;
	my ($out, $err);
	$node->psql('postgres', "\\set VERBOSITY verbose\n$statement", stdout => \$out, stderr => \$err);
	$err =~ s/^psql:<stdin>:\d+: //mg;
	$err =~ s/^LOCATION:.*\n?//mg;
	$err =~ s/^CONTEXT:.*\n?//mg;
	return $err eq '' ? $out : $err;
}

sub place
{
	my ($table, $method, $key, $colocation, $replication) = @_;
	$node->safe_psql('postgres', "INSERT INTO pg_dist_partition VALUES ('$table', '$method', "
		  . ($key ? "'$key'" : 'NULL') . ", $colocation, '$replication') ON CONFLICT (logicalrelid) DO UPDATE"
		  . ' SET partmethod = EXCLUDED.partmethod, partkey = EXCLUDED.partkey, colocationid = EXCLUDED.colocationid,'
		  . ' repmodel = EXCLUDED.repmodel');
	return;
}

my $attach = "SELECT count(*) > 0 FROM session_consistency.attach('bookings', 'packs')";
my $gate = 'SET citus.enable_unsafe_triggers TO on;';

# Without the extension nothing of it is asked.
is(outcome("BEGIN; $attach; ROLLBACK"), 't', 'local tables attach without Citus');
$node->safe_psql('postgres', 'CREATE EXTENSION citus');
is(outcome("BEGIN; $attach; ROLLBACK"), 't', 'and beside it, where it knows neither');

# Pairs that do not belong together, each by name.
foreach my $case (
	[ 'h', 'member_id', 1, 's', undef, 'table "packs" is a local table', 'distributed and local' ],
	[ undef, undef, 0, undef, [ 'n', undef, 1, 't' ], 'table "packs" is a reference table', 'local and reference' ],
	[ 'h', 'member_id', 1, 's', [ 'n', undef, 1, 't' ], 'table "packs" is a reference table', 'distributed and reference' ],
	[ 'n', undef, 0, 's', [ 'n', undef, 1, 't' ], 'table "packs" is a reference table', 'managed and reference' ],
	[ 'n', undef, 7, 's', [ 'n', undef, 8, 's' ], 'They are not colocated', 'in two distributed schemas' ],
	[ 'r', 'member_id', 1, 's', [ 'h', 'member_id', 1, 's' ], 'distributed by append or range', 'by range' ],
	[ 'h', 'member_id', 1, 's', [ 'h', 'member_id', 2, 's' ], 'They are not colocated', 'not colocated' ],
	[ 'h', 'id', 1, 's', [ 'h', 'member_id', 1, 's' ], 'not distributed by the member', 'by another column' ])
{
	my ($method, $key, $colocation, $replication, $packs, $detail, $name) = @$case;
	$node->safe_psql('postgres', 'TRUNCATE pg_dist_partition');
	place('bookings', $method, $key, $colocation, $replication) if $method;
	place('packs', @$packs) if $packs;
	my $said = outcome("$gate $attach");
	like($said, qr/^ERROR:  0A000: tables "bookings" and "packs" are not distributed together\n/, "$name: refused");
	like($said, qr/^DETAIL:.*\Q$detail\E.*\nHINT:  Distribute both/m, "$name: says why");
}
like(outcome("SELECT command FROM session_consistency.attach('bookings', 'packs', dry_run => true)"),
	qr/not distributed by the member/, 'a dry run tells of it');

# Pairs that do belong together.
foreach my $case (
	[ 'n', undef, 0, 's', 'both managed', '' ],
	[ 'n', undef, 7, 's', 'both in a distributed schema', $gate ],
	[ 'n', undef, 1, 't', 'both reference', $gate ],
	[ 'h', 'member_id', 1, 's', 'both distributed by the member', $gate ])
{
	my ($method, $key, $colocation, $replication, $name, $needs) = @$case;
	place($_, $method, $key, $colocation, $replication) foreach ('bookings', 'packs');
	is(outcome("BEGIN; $needs $attach; ROLLBACK"), 't', "$name: attached");
	unlike(outcome("SELECT command FROM session_consistency.attach('bookings', 'packs', dry_run => true)"), qr/ERROR/,
		"$name: a dry run needs no gate");
	like(outcome("SET citus.enable_unsafe_triggers TO off; $attach"),
		qr/^ERROR:  55000: triggers on distributed tables are not enabled\n.*\nHINT:.*attach again/, "$name: the gate")
	  if $needs;
}
place($_, 'n', undef, 1, 't') foreach ('bookings', 'packs');
like(outcome("$gate SELECT session_consistency.attach('bookings', 'packs', draw_order => 'id')"),
	qr/^ERROR:  0A000: reference tables have no draw_order/, 'copies would be drawn from each by itself');

# A class is not colocated with its members.
place('bookings', 'h', 'member_id', 1, 's');
place('packs', 'h', 'member_id', 1, 's');
place('classes', 'h', 'id', 1, 's');
like(outcome("$gate ALTER TABLE bookings ADD class_id int;"
	  . " SELECT session_consistency.attach('bookings', 'classes', member_column => NULL, subscription_column => 'class_id',"
	  . " total_column => 'seats', used_column => 'taken', remaining_column => NULL)"),
	qr/0A000: tables "bookings" and "classes".*\nDETAIL:  They are not distributed by the link/, 'seats of a class');

# What each node would do by itself.
like(outcome("$gate SELECT session_consistency.attach('bookings', 'packs', ledger => true)"),
	qr/^ERROR:  0A000: tables of Citus have no ledger/, 'no ledger');
like(outcome("$gate SELECT session_consistency.attach('bookings', 'packs', notify => true)"),
	qr/^ERROR:  0A000: counts of tables of Citus are not notified/, 'no notifications');
is(outcome("$gate $attach"), 't', 'colocated by the member: attached');

# Shards: their triggers and constraints have other names, and they are no attachments of their own.
$node->safe_psql(
	'postgres', <<'SQL');
SELECT session_consistency.attach('bookings_102009', 'packs_102008', remaining_column => NULL);
INSERT INTO citus.known_shards VALUES ('packs_102008'), ('bookings_102009');
ALTER TRIGGER "00_session_consistency_charge_packs_102008" ON bookings_102009 RENAME TO x_102009;
ALTER TRIGGER "zz_session_consistency_keep_packs_102008" ON packs_102008 RENAME TO keep_102008;
INSERT INTO packs_102008 (id, member_id, status, total_sessions_snapshot) VALUES (1, 1, 'active', 5), (2, 2, 'active', 2);
INSERT INTO bookings_102009 (id, member_id) VALUES (1, 1), (2, 1), (3, 2);
SQL
is($node->safe_psql('postgres', 'SELECT sessions, enforced, gaps FROM session_consistency.attachments'), 'bookings|t|{}',
	'the table is listed alone, and whole');
like(outcome("$gate SELECT session_consistency.attach('bookings_102009', 'packs_102008')"),
	qr/^ERROR:  0A000: table "bookings_102009" is a shard\n.*\nHINT:  Attach the distributed table/, 'a shard is not attached');
$node->safe_psql('postgres', 'DROP TRIGGER "00_session_consistency_reset_packs_102008" ON bookings_102009');
is($node->safe_psql('postgres', 'SELECT gaps FROM session_consistency.attachments'), '{}',
	'a shard needs no trigger for TRUNCATE');
$node->safe_psql('postgres', 'ALTER TABLE packs_102008 DISABLE TRIGGER keep_102008');
like($node->safe_psql('postgres', 'SELECT enforced, gaps::text FROM session_consistency.attachments'),
	qr/^f\|.*on each shard: trigger .*keep.* of table public.packs is disabled/, 'a gap of a shard is one of the table');

# Wrong counters on the shard are found and mended from the empty table.
my $findings = "SELECT code, member_id, expected, actual, repair_sql FROM session_consistency.audit_findings('bookings')"
  . " WHERE code <> 'enforcement_gap'";
is(outcome($findings), '', 'nothing is found where nothing is wrong');
$node->safe_psql(
	'postgres', <<'SQL');
ALTER TABLE packs_102008 DISABLE TRIGGER USER;
UPDATE packs_102008 SET used_sessions = used_sessions - 1;
ALTER TABLE packs_102008 ENABLE TRIGGER USER;
SQL
my $call = "SELECT * FROM session_consistency.repair('public.bookings', dry_run => false)";
is(outcome($findings), "count_mismatch|1|2|1|$call\ncount_mismatch|2|1|0|$call", 'an audit asks the shards');
is(outcome("SELECT code, affected, jsonb_array_length(samples) FROM session_consistency.audit('bookings') WHERE affected > 0"),
	'count_mismatch|2|2', 'and sums up');
is(outcome("SELECT session_consistency.run_check('bookings') > 0"), 't', 'a check keeps it');
is(outcome("SELECT code, member_id FROM session_consistency.check_findings WHERE ended IS NULL ORDER BY 2"),
	"count_mismatch|1\ncount_mismatch|2", 'as findings of the table');
like(outcome("BEGIN; $call; ROLLBACK"), qr/^ERROR:  25001: repair\(\) of tables of Citus cannot run inside/, 'not in a block');
is(outcome("SELECT repair_id, subscription_id, before, after FROM session_consistency.repair('bookings')"),
	qq(|1|{"used": 1, "total": 5}|{"used": 2, "total": 5}\n|2|{"used": 0, "total": 2}|{"used": 1, "total": 2}), 'previewed');
is(outcome("SELECT subscription_id, after FROM session_consistency.repair('bookings', dry_run => false)"),
	qq(1|{"used": 2, "total": 5}\n2|{"used": 1, "total": 2}), 'repaired');
is($node->safe_psql('postgres', 'SELECT used_sessions FROM packs_102008 ORDER BY id'), "2\n1", 'on the shard');
is( $node->safe_psql('postgres',
		"SELECT member_id, after FROM session_consistency.repairs WHERE sessions = 'bookings'::regclass ORDER BY 1"),
	qq(1|{"used": 2, "total": 5}\n2|{"used": 1, "total": 2}),
	'and in the log of the table');
is(outcome($findings), '', 'then nothing is found');

# A shard that does not answer is no empty answer.
$node->safe_psql('postgres', 'ALTER TABLE bookings_102009 RENAME COLUMN member_id TO renamed');
like(outcome($findings), qr/^ERROR:  55000: audit\(\) failed on shard 102009\nDETAIL:  .*\nHINT:/, 'a shard that fails');
$node->safe_psql('postgres', 'ALTER TABLE bookings_102009 RENAME COLUMN renamed TO member_id');

# A shard by its name.
is($node->safe_psql('postgres', 'SELECT count(*) FROM session_consistency.check_counts()'), '0', 'checked once');
unlike(outcome("SELECT session_consistency.check_session_integrity(1)"), qr/42P08/, 'a member is asked of one');
is(outcome("CALL session_consistency.migrate('bookings_102009')"), '', 'migrated by name');
is(outcome('TRUNCATE bookings_102009'), '', 'truncated by Citus');
is(outcome('UPDATE packs_102008 SET used_sessions = 0 WHERE id = 1 RETURNING used_sessions'), '0',
	'then its counters may be set to 0');
like(outcome('UPDATE packs_102008 SET used_sessions = 2 WHERE id = 2'), qr/^ERROR:  23SC5/, 'and to nothing else');
$node->safe_psql('postgres', 'UPDATE packs_102008 SET used_sessions = 0; INSERT INTO bookings_102009 (id, member_id) VALUES (1, 1)');
like(outcome('UPDATE packs_102008 SET used_sessions = 0 WHERE id = 1'), qr/^ERROR:  23SC5/, 'not beside a session');

# Tables that are taken apart later.
place('bookings', 'n', undef, 0, 's');
place('packs', 'n', undef, 1, 't');
foreach my $case (
	[ 'migrate', "CALL session_consistency.migrate('bookings')" ],
	[ 'repair', "SELECT * FROM session_consistency.repair('bookings')" ],
	[ 'audit', "SELECT * FROM session_consistency.audit('bookings')" ],
	[ 'audit', "SELECT * FROM session_consistency.audit_findings('bookings')" ],
	[ 'run_check', "SELECT session_consistency.run_check('bookings')" ])
{
	my ($function, $call) = @$case;
	like(outcome($call),
		qr/^ERROR:  0A000: $function\(\) does not work on tables "bookings" and "packs"\nDETAIL:.*local table that Citus manages, table "packs" is a reference.*\nHINT:  Detach them, bring them together/,
		"$call is refused");
}
like($node->safe_psql('postgres', 'SELECT gaps::text FROM session_consistency.attachments'),
	qr/tables public.bookings and public.packs do not lie together: /, 'and a gap');

# Detaching.
place($_, 'h', 'member_id', 1, 's') foreach ('bookings', 'packs');
like(outcome("SET citus.enable_unsafe_triggers TO off; SELECT session_consistency.detach('bookings')"), qr/^ERROR:  55000: triggers.*\n.*\nHINT:.*detach again/, 'the gate');
is(outcome("SELECT count(*) > 0 FROM session_consistency.detach('bookings', dry_run => true)"), 't', 'a dry run needs none');
is(outcome("$gate SELECT count(*) > 0 FROM session_consistency.detach('bookings')"), 't', 'detached');
is($node->safe_psql('postgres', 'SELECT count(*) FROM session_consistency.attachments'), '0', 'nothing is left');

$node->stop;
done_testing();
