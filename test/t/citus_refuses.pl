# Where Citus is installed: what attaches, and what is refused by name until it works there. Citus itself is not needed: an
# extension of that name stands in for its catalogs, and a renamed copy of two attached tables for their shards.
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
CREATE TABLE packs_102008 (LIKE packs INCLUDING ALL);
CREATE TABLE bookings_102009 (LIKE bookings INCLUDING ALL);
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
	[ 'n', undef, 0, 's', [ 'n', undef, 0, 's' ], 'table "packs" is a local table that Citus manages', 'both managed' ],
	[ 'n', undef, 7, 's', [ 'n', undef, 7, 's' ], 'is a table of one shard', 'both in a distributed schema' ],
	[ 'n', undef, 1, 't', [ 'n', undef, 1, 't' ], 'is a reference table', 'both reference' ],
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

# A class is not colocated with its members.
place('bookings', 'h', 'member_id', 1, 's');
place('packs', 'h', 'member_id', 1, 's');
place('classes', 'h', 'id', 1, 's');
like(outcome("$gate ALTER TABLE bookings ADD class_id int;"
	  . " SELECT session_consistency.attach('bookings', 'classes', member_column => NULL, subscription_column => 'class_id',"
	  . " total_column => 'seats', used_column => 'taken', remaining_column => NULL)"),
	qr/0A000: tables "bookings" and "classes".*\nDETAIL:  They are not distributed by the link/, 'seats of a class');

# Both distributed by the member: what Citus has to allow, and what each node would do by itself.
like(outcome($attach), qr/^ERROR:  55000: triggers on distributed tables are not enabled\n.*\nHINT:.*attach again/, 'the gate');
like(outcome("$gate SELECT session_consistency.attach('bookings', 'packs', ledger => true)"),
	qr/^ERROR:  0A000: distributed tables have no ledger/, 'no ledger');
is(outcome("$gate $attach"), 't', 'colocated by the member: attached');
like(
	$node->safe_psql('postgres', 'SELECT enforced, gaps::text FROM session_consistency.attachments'),
	qr/^f\|.*table public.bookings is distributed: its shards are not looked at/,
	'not said to be enforced');

# What would see an empty shell.
foreach my $case (
	[ 'migrate', "CALL session_consistency.migrate('bookings')" ],
	[ 'repair', "SELECT * FROM session_consistency.repair('bookings')" ],
	[ 'audit', "SELECT * FROM session_consistency.audit('bookings')" ],
	[ 'audit', "SELECT * FROM session_consistency.audit_findings('bookings')" ],
	[ 'run_check', "SELECT session_consistency.run_check('bookings')" ])
{
	my ($function, $call) = @$case;
	like(outcome($call),
		qr/^ERROR:  0A000: $function\(\) does not work on table "bookings"\nDETAIL:.*\nHINT:  Call it on each shard: SELECT \* FROM run_command_on_shards\('public.bookings', \$\$.*session_consistency.*'%s'/,
		"$call is refused");
}
like(outcome('TRUNCATE bookings'), qr/^ERROR:  0A000: distributed table "bookings" cannot be truncated/, 'TRUNCATE, too');
is(outcome("SELECT count(*) FROM session_consistency.check_counts('bookings')"), '0', 'check_counts works');
like(outcome("SELECT session_consistency.run_check() > 0"), qr/^t$/, 'a check of everything goes on');
like(
	$node->safe_psql('postgres', 'SELECT actual FROM session_consistency.check_findings WHERE ended IS NULL ORDER BY actual'),
	qr/audit\(\) does not work/, 'and finds that it was not possible');

# Shards: no attachments of their own, and each can be asked by name.
$node->safe_psql('postgres', "SELECT session_consistency.attach('bookings_102009', 'packs_102008')");
$node->safe_psql('postgres', "INSERT INTO citus.known_shards VALUES ('packs_102008'), ('bookings_102009')");
is($node->safe_psql('postgres', 'SELECT sessions FROM session_consistency.attachments'), 'bookings', 'shards are not listed');
$node->safe_psql(
	'postgres', <<'SQL');
INSERT INTO packs_102008 (id, member_id, status, total_sessions_snapshot) VALUES (1, 1, 'active', 5);
INSERT INTO bookings_102009 (id, member_id) VALUES (1, 1), (2, 1);
ALTER TABLE packs_102008 DISABLE TRIGGER USER;
UPDATE packs_102008 SET used_sessions = 1;
ALTER TABLE packs_102008 ENABLE TRIGGER USER;
SQL
is($node->safe_psql('postgres', 'SELECT count(*) FROM session_consistency.check_counts()'), '0', 'not checked twice');
like(outcome("SELECT session_consistency.check_session_integrity(1)"), qr/"valid"|42P08|null/, 'a member is asked of one');
unlike(outcome("SELECT session_consistency.check_session_integrity(1)"), qr/42P08/, 'and not of several');
is($node->safe_psql('postgres', "SELECT expected_used FROM session_consistency.check_counts('bookings_102009')"), '2',
	'checked by name');
is(outcome("CALL session_consistency.migrate('bookings_102009')"), '', 'migrated by name');
is($node->safe_psql('postgres', 'SELECT used_sessions FROM packs_102008'), '2', 'and counted');
is($node->safe_psql('postgres', "SELECT count(*) FROM session_consistency.audit_findings('bookings_102009')"), '0', 'audited');
$node->safe_psql('postgres', 'SELECT session_consistency.run_check()');
unlike($node->safe_psql('postgres', 'SELECT actual FROM session_consistency.check_findings WHERE ended IS NULL'), qr/_10200|guarded/,
	'a check does not miss them');
is(outcome('TRUNCATE bookings_102009; SELECT used_sessions FROM packs_102008'), '0', 'truncated');
like(outcome("$gate SELECT session_consistency.attach('bookings_102009', 'packs_102008')"),
	qr/^ERROR:  0A000: table "bookings_102009" is a shard\n.*\nHINT:  Attach the distributed table/, 'not attached again');

# Local tables that become Citus' own later.
place('bookings', 'n', undef, 0, 's');
place('packs', 'n', undef, 1, 't');
like(outcome("CALL session_consistency.migrate('bookings')"),
	qr/^ERROR:  0A000.*\nDETAIL:  It is a local table that Citus manages.*\nHINT:  Detach the tables; undistribute_table/,
	'managed tables are refused');
like($node->safe_psql('postgres', 'SELECT gaps::text FROM session_consistency.attachments'),
	qr/table public.packs is a reference table: counters are kept/, 'and a gap');

# Detaching.
place($_, 'h', 'member_id', 1, 's') foreach ('bookings', 'packs');
like(outcome("SELECT session_consistency.detach('bookings')"), qr/^ERROR:  55000: triggers.*\n.*\nHINT:.*detach again/, 'the gate');
is(outcome("SELECT count(*) > 0 FROM session_consistency.detach('bookings', dry_run => true)"), 't', 'a dry run needs none');
is(outcome("$gate SELECT count(*) > 0 FROM session_consistency.detach('bookings')"), 't', 'detached');
is($node->safe_psql('postgres', 'SELECT count(*) FROM session_consistency.attachments'), '0', 'nothing is left');

$node->stop;
done_testing();
