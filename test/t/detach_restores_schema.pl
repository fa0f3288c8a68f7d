# attach, migrate and detach(drop_added_columns => true) leave a schema dump as it was, byte for byte, with live writes
# in between: whatever of the kind that attach makes was there already, on partitions too. So it is in a database that
# was restored from a dump of the attached one.
use strict;
use warnings FATAL => 'all';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('gym');
$node->init;
$node->start;

my ($help) = run_command([ 'pg_dump', '--help' ]);
my @same_key = $help =~ /--restrict-key/ ? ('--restrict-key=x') : ();

sub dump_schema
{
	my ($database) = @_;
	my ($dump, $error) = run_command(
		[ 'pg_dump', '--schema-only', @same_key, '--port', $node->port, '--host', $node->host, $database ]);
	die $error if $error;
	return $dump;
}

my $types = <<'SQL';
CREATE EXTENSION session_consistency;
CREATE TYPE status AS ENUM ('scheduled', 'in_progress', 'completed', 'cancelled');
CREATE DOMAIN pack_key AS varchar(20) COLLATE "C";
SQL
my $packs = <<'SQL';
CREATE TABLE member_subscriptions (
    id int PRIMARY KEY, member_id int NOT NULL, status text NOT NULL DEFAULT 'active', total_sessions_snapshot int);
INSERT INTO member_subscriptions VALUES (10, 1, 'active', 5), (20, 2, 'active', 5), (21, 2, 'expired', 5);
SQL
my $sessions = <<'SQL';
CREATE TABLE training_sessions (
    id int PRIMARY KEY, member_id int NOT NULL, session_type text DEFAULT 'member', status status DEFAULT 'scheduled');
SQL
my $history = "INSERT INTO training_sessions VALUES (1, 1, 'member', 'completed'), (2, 2, 'guest', 'completed');";
my $link = 'ALTER TABLE training_sessions ADD subscription_id int;';
my $columns =
  "$link ALTER TABLE member_subscriptions ADD used_sessions smallint DEFAULT 0, ADD remaining_sessions bigint;";
my $partitioned = <<'SQL';
CREATE TABLE training_sessions (
    id int, day date NOT NULL DEFAULT '2030-01-01', member_id int NOT NULL, session_type text DEFAULT 'member',
    status status DEFAULT 'scheduled', subscription_id int, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE sessions_2030 PARTITION OF training_sessions FOR VALUES FROM ('2030-01-01') TO ('2031-01-01');
CREATE TABLE "Sessions 2031" (subscription_id int, status status, day date NOT NULL, id int NOT NULL,
    session_type text, member_id int NOT NULL, PRIMARY KEY (id, day)) PARTITION BY LIST (day);
CREATE TABLE sessions_2031_rest PARTITION OF "Sessions 2031" DEFAULT;
ALTER TABLE training_sessions ATTACH PARTITION "Sessions 2031" FOR VALUES FROM ('2031-01-01') TO ('2032-01-01');
SQL
my $own_keys = <<'SQL';
ALTER TABLE sessions_2030 ADD CONSTRAINT "own.key" FOREIGN KEY (subscription_id) REFERENCES member_subscriptions;
ALTER TABLE "Sessions 2031" ADD CONSTRAINT own_key FOREIGN KEY (subscription_id) REFERENCES member_subscriptions;
SQL
my $own_indexes = <<'SQL';
CREATE INDEX own_index ON sessions_2030 (subscription_id);
CREATE INDEX own_index_2031 ON "Sessions 2031" (subscription_id);
SQL
my $composite = <<'SQL';
CREATE TABLE member_subscriptions (
    id pack_key, member_id int, status text DEFAULT 'active', total_sessions_snapshot bigint,
    PRIMARY KEY (member_id, id));
INSERT INTO member_subscriptions VALUES ('a', 1, 'active', 5), ('a', 2, 'active', 5);
SQL

# What is there before, and the arguments of attach.
my %cases = (
	'bare tables' => [ "$packs $sessions", '' ],
	'a CHECK on links' => [ "$packs $sessions", ', type_column => NULL, link_check => true' ],
	'tables with history' => [ "$packs $sessions $history", ', link_check => true' ],
	'columns' => [ "$packs $sessions $columns $history", ", guard => 'off'" ],
	'a counter above its total, so that migrate adds the CHECK' => [
		"$packs $sessions $columns $history UPDATE member_subscriptions SET used_sessions = 9 WHERE id = 21;", ''
	],
	'a foreign key' => [
		"$packs $sessions $link ALTER TABLE training_sessions
		 ADD CONSTRAINT mine FOREIGN KEY (subscription_id) REFERENCES member_subscriptions ON DELETE RESTRICT NOT VALID;", ''
	],
	'indexes' => [
		"$packs $sessions $link
		 CREATE INDEX mine ON training_sessions (subscription_id, status) WHERE subscription_id IS NOT NULL;
		 CREATE UNIQUE INDEX alone ON member_subscriptions (member_id) WHERE status = 'active';", ''
	],
	'indexes that only look alike' => [
		"$packs $sessions $link
		 CREATE INDEX sc_training_sessions_subscription_id_idx ON training_sessions (status, subscription_id);
		 CREATE INDEX sc_member_subscriptions_member_id_idx ON member_subscriptions (member_id);", ''
	],
	'CHECKs' => [
		"$packs $sessions $columns ALTER TABLE member_subscriptions ADD CHECK (used_sessions >= 0),
		 ADD CONSTRAINT other CHECK (used_sessions <= total_sessions_snapshot);
		 ALTER TABLE training_sessions ADD CHECK (subscription_id IS NOT NULL OR session_type NOT IN ('member'));",
		", consuming_types => '{member}', link_check => true"
	],
	'CHECKs that only look alike' => [
		"$packs $sessions $columns ALTER TABLE member_subscriptions ADD CHECK (used_sessions >= -1) NOT VALID;
		 ALTER TABLE training_sessions ADD CHECK (subscription_id > 0);", ', link_check => true'
	],
	'triggers, a view and grants' => [
		"$packs $sessions CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
		 CREATE TRIGGER zz BEFORE INSERT OR UPDATE ON training_sessions FOR EACH ROW EXECUTE FUNCTION f();
		 CREATE TRIGGER \"00\" AFTER INSERT ON member_subscriptions FOR EACH ROW EXECUTE FUNCTION f();
		 ALTER TABLE training_sessions ENABLE ALWAYS TRIGGER zz;
		 CREATE VIEW shown AS SELECT t.id, s.id AS pack
		 FROM training_sessions t JOIN member_subscriptions s USING (member_id);
		 GRANT SELECT ON shown, training_sessions TO PUBLIC;", ''
	],
	'partitions' => [ "$packs $partitioned", ', link_check => true' ],
	'partitions with history' => [ "$packs $partitioned $history", '' ],
	'partitions with keys' => [ "$packs $partitioned $own_keys", '' ],
	'partitions with indexes' => [ "$packs $partitioned $own_indexes", '' ],
	'partitions with both' => [ "$packs $partitioned $own_keys $own_indexes", '' ],
	'partitions with a key and an index of the root' => [
		"$packs $partitioned $own_indexes CREATE INDEX mine ON training_sessions (subscription_id, id);
		 ALTER TABLE training_sessions ADD CONSTRAINT mine FOREIGN KEY (subscription_id) REFERENCES member_subscriptions;", ''
	],
	'a composite key' => [ "$composite $sessions", ', link_check => true' ],
	'partitions with a composite key' => [
		"$composite $partitioned ALTER TABLE training_sessions ALTER subscription_id TYPE text COLLATE \"C\";
		 ALTER TABLE sessions_2030 ADD CONSTRAINT mine
		 FOREIGN KEY (member_id, subscription_id) REFERENCES member_subscriptions (member_id, id);", ''
	],
);

my $writes = <<'SQL';
INSERT INTO training_sessions (id, member_id, session_type, status) VALUES
    (5, 1, 'member', 'scheduled'), (6, 1, 'member', 'completed'), (7, 2, 'guest', 'scheduled');
UPDATE training_sessions SET status = 'cancelled' WHERE id = 5;
DELETE FROM training_sessions WHERE id = 7;
SQL
my $write_more = "UPDATE training_sessions SET status = 'cancelled' WHERE id = 6;";
my $attach = "SELECT count(*) FROM session_consistency.attach('training_sessions', 'member_subscriptions'";
my $migrate = "CALL session_consistency.migrate('training_sessions');";
my $detach = "SELECT count(*) FROM session_consistency.detach('training_sessions', drop_added_columns => true)";

my $number = 0;
foreach my $case (sort keys %cases)
{
	my ($setup, $arguments) = @{ $cases{$case} };
	my ($database, $restored) = ('before' . ++$number, "restored$number");
	$setup =~ s/training_sessions VALUES/training_sessions (id, member_id, session_type, status) VALUES/g;
	$node->safe_psql('postgres', "CREATE DATABASE $database");
	$node->safe_psql($database, "SET client_min_messages = error; $types $setup");
	my $before = dump_schema($database);
	$node->safe_psql($database, "SET client_min_messages = error; $attach $arguments); $writes $migrate $write_more");
	my $attached = dump_schema($database);
	isnt($attached, $before, "$case: attached");

	# What was dumped and restored is attached as it was, and can be detached as well.
	$node->safe_psql('postgres', "CREATE DATABASE $restored");
	my $file = PostgreSQL::Test::Utils::tempdir() . "/$number.sql";
	append_to_file($file, $attached);
	$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $file, $node->connstr($restored) ],
		"$case: restored");
	# Gaps come in the order in which partitions were made, which is another after a restore.
	my $mapping = "SELECT to_jsonb(a) - 'gaps', array(SELECT unnest(gaps) ORDER BY 1)
				   FROM session_consistency.attachments a";
	is($node->safe_psql($restored, $mapping), $node->safe_psql($database, $mapping), "$case: attached alike");
	$node->safe_psql($restored, $detach);
	is(dump_schema($restored), $before, "$case: what was restored is detached");

	$node->safe_psql($database, $detach);
	is(dump_schema($database), $before, "$case: detached");
	$node->safe_psql('postgres', "DROP DATABASE $_") foreach $database, $restored;
}

# Each command that dry_run prints is undone by the DROP of the same name, whatever has come before.
my @undone = (
	[ qr/^ALTER TABLE (\S+) ADD COLUMN (\S+)/ => 'ALTER TABLE %s DROP COLUMN %s' ],
	[ qr/^ALTER TABLE (\S+) ADD CONSTRAINT (\S+)/ => 'ALTER TABLE %s DROP CONSTRAINT %s' ],
	[ qr/^CREATE (?:UNIQUE )?INDEX (\S+)/ => 'DROP INDEX %s' ],
	[ qr/^CREATE VIEW (\S+)/ => 'DROP VIEW %s' ],
	[ qr/^(COMMENT ON .*?) IS '/ => '%s IS NULL' ],
	[ qr/^GRANT SELECT ON (\S+) TO PUBLIC/ => 'REVOKE SELECT ON %s FROM PUBLIC' ],
	[ qr/^CREATE (?:CONSTRAINT )?TRIGGER (\S+).*? ON (\S+)/s => 'DROP TRIGGER %s ON %s' ]);

foreach my $case ('tables with history', 'columns', 'a composite key', 'partitions')
{
	my ($setup, $arguments) = @{ $cases{$case} };
	$setup =~ s/training_sessions VALUES/training_sessions (id, member_id, session_type, status) VALUES/g;
	my $database = 'step' . ++$number;
	$node->safe_psql('postgres', "CREATE DATABASE $database");
	$node->safe_psql($database, "SET client_min_messages = error; $types $setup");
	my $planned = $node->safe_psql($database, <<"SQL");
SELECT string_agg(command, E'\x1e' ORDER BY step)
FROM session_consistency.attach('training_sessions', 'member_subscriptions', dry_run => true $arguments)
SQL
	my (@commands, @dumps);
	foreach my $command (split /\x1e/, $planned)
	{
		push @commands, $command;
		push @dumps, dump_schema($database);
		$node->safe_psql($database, $command);
	}
	my @differing;
	foreach my $command (reverse @commands)
	{
		my ($undo) = grep { $command =~ $_->[0] } @undone or die "nothing undoes $command";
		my @names = $command =~ $undo->[0];
		$node->safe_psql($database, sprintf($undo->[1], @names));
		push @differing, $command if dump_schema($database) ne pop @dumps;
	}
	is(join('; ', @differing), '', "$case: each of " . @commands . ' steps is undone on its own');
}
$node->stop;
done_testing();
