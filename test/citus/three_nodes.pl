# A cluster of three nodes of Citus. Everything that is written through one node is counted again by a join of its own,
# which shares no code with the extension. CITUS_SECONDS is how long each of the loads takes.
use strict;
use warnings FATAL => 'all';
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $seconds = $ENV{CITUS_SECONDS} // 10;
my $members = 400;
my $database = 'postgres';

my @nodes = map { PostgreSQL::Test::Cluster->new("node$_") } 0 .. 2;
foreach my $node (@nodes)
{
	$node->init;
	$node->append_conf('postgresql.conf', <<'CONF');
listen_addresses = '127.0.0.1'
shared_preload_libraries = 'citus'
wal_level = logical
fsync = off
max_connections = 200
max_prepared_transactions = 200
max_wal_senders = 20
max_replication_slots = 20
max_worker_processes = 30
client_min_messages = warning
log_min_messages = warning
CONF
	$node->append_conf('pg_hba.conf', "host all all 127.0.0.1/32 trust");
	$node->start;
	$node->safe_psql($database, 'CREATE EXTENSION citus; CREATE EXTENSION session_consistency');
}
my ($coordinator, @workers) = @nodes;
$coordinator->safe_psql($database, "SELECT citus_set_coordinator_host('127.0.0.1', " . $coordinator->port . ')');
$coordinator->safe_psql($database, "SELECT citus_add_node('127.0.0.1', " . $_->port . ')') foreach @workers;
note('figure: ' . $coordinator->safe_psql($database, "SELECT split_part(citus_version(), ' on ', 1) || ', ' || version()"));

sub query
{
	my ($sql, $node) = @_;
	return ($node // $coordinator)->safe_psql($database, $sql);
}

# What it says, or its state with message, detail and hint.
sub outcome
{
	my ($sql, $node) = @_;
	my ($out, $err);
	($node // $coordinator)->psql($database, "\\set VERBOSITY verbose\n$sql", stdout => \$out, stderr => \$err);
	$err =~ s/^psql:<stdin>:\d+: //mg;
	$err =~ s/^(LOCATION|CONTEXT):.*\n?//mg;
	return $err eq '' ? $out : $err;
}

my $recount = <<'SQL';
SELECT count(*) FROM packs p LEFT JOIN (
    SELECT member_id, subscription_id, count(*) AS held FROM bookings
    WHERE session_type IN ('member', 'makeup', 'contractual') AND status IN ('scheduled', 'in_progress', 'completed')
    GROUP BY 1, 2) b ON b.member_id = p.member_id AND b.subscription_id = p.id
WHERE p.used_sessions <> coalesce(b.held, 0) OR p.used_sessions NOT BETWEEN 0 AND p.total_sessions_snapshot
SQL
my $unlinked = "SELECT count(*) FROM bookings WHERE subscription_id IS NULL AND session_type = 'member' AND status = 'scheduled'";

sub is_right
{
	my ($name) = @_;
	is(query($recount), '0', "$name: counted again, every counter is right");
	is(query('SELECT count(*) FROM session_consistency.check_counts()'), '0', "$name: check_counts says so");
	return;
}

# Books, cancels, completes and deletes through the nodes until it is stopped; what a load has done.
my $loads = 0;
sub start_load
{
	my (@through) = @_;
	my @running;
	foreach my $node (@through)
	{
		my $script = $node->basedir . '/load' . $loads++ . '.sql';
		append_to_file($script, <<"SQL");
\\set member random(1, $members)
\\set then random(1, 6)
INSERT INTO bookings (id, member_id) VALUES (nextval('booking_ids'), :member) RETURNING id AS booked \\gset
UPDATE bookings SET status = CASE WHEN :then = 1 THEN 'cancelled' WHEN :then = 2 THEN 'completed' ELSE status END
    WHERE member_id = :member AND id = :booked;
UPDATE bookings SET session_type = CASE WHEN :then = 3 THEN 'trial' ELSE session_type END
    WHERE member_id = :member AND id = :booked;
DELETE FROM bookings WHERE member_id = :member AND id = :booked AND :then = 4;
\\if :then = 5
INSERT INTO bookings (id, member_id) VALUES (nextval('booking_ids'), :member), (nextval('booking_ids'), :member);
\\endif
SQL
		my ($out, $err) = ('', '');
		my $harness = IPC::Run::start(
			[ 'pgbench', '-n', '-h', $node->host, '-p', $node->port, '-c', '4', '-T', "$seconds", '-f', $script, $database ],
			'<', \undef, '>', \$out, '2>', \$err);
		push @running, { harness => $harness, out => \$out, err => \$err };
	}
	return @running;
}

sub end_load
{
	my (@running) = @_;
	my $done = 0;
	foreach my $one (@running)
	{
		$one->{harness}->finish;
		$done += $1 if ${ $one->{out} } =~ /transactions actually processed: (\d+)/;
		note(${ $one->{err} }) if ${ $one->{err} } =~ /error/i;
	}
	return $done;
}

# History from before, then the triggers.
query(<<"SQL");
SET citus.shard_count = 8;
CREATE TABLE members (id int PRIMARY KEY);
CREATE TABLE packs (id int, member_id int REFERENCES members, status text DEFAULT 'active', total_sessions_snapshot int,
    used_sessions int NOT NULL DEFAULT 0, PRIMARY KEY (member_id, id));
CREATE TABLE bookings (id bigint, member_id int, subscription_id int, session_type text DEFAULT 'member',
    status text DEFAULT 'scheduled', PRIMARY KEY (member_id, id));
CREATE SEQUENCE booking_ids;
SELECT create_distributed_table('members', 'id');
SELECT create_distributed_table('packs', 'member_id', colocate_with => 'members');
SELECT create_distributed_table('bookings', 'member_id', colocate_with => 'packs');
CREATE TABLE uses_booking_ids (id bigint DEFAULT nextval('booking_ids'));
SELECT create_reference_table('uses_booking_ids');
INSERT INTO members SELECT generate_series(1, $members);
INSERT INTO packs (id, member_id, total_sessions_snapshot) SELECT g, g, 1000000 FROM generate_series(1, $members) g;
INSERT INTO bookings (id, member_id) SELECT -g, 1 + g % $members FROM generate_series(1, 100 * $members) g;
SQL
my $attach = "SELECT count(*) > 0 FROM session_consistency.attach('bookings', 'packs')";
like(outcome("SET citus.enable_unsafe_triggers TO off; $attach"), qr/^ERROR:  55000: .*\n.*\nHINT:/, 'attach names the gate');
is(query("SELECT count(*) > 0 FROM session_consistency.attach('bookings', 'packs', dry_run => true)"), 't', 'a dry run needs none');
is(outcome("SET citus.enable_unsafe_triggers TO on; $attach"), 't', 'attached');
like(query('SELECT enforced, gaps::text FROM session_consistency.attachments'), qr/^f\|.*on each shard: the history of table/,
	'history is a gap of the shards');
is(query("SELECT code, affected FROM session_consistency.audit('bookings') WHERE code = 'unlinked_session'"),
	'unlinked_session|' . 100 * $members, 'an audit reads all shards');

# Migrate beside bookings through two nodes.
my @load = start_load(@nodes[ 0, 1 ]);
my $began = time;
is(outcome("CALL session_consistency.migrate('bookings')"), '', 'migrate beside bookings');
my $migrated = time - $began;
my $done = end_load(@load);
note(sprintf('figure: migrate of %d sessions on 8 shards beside bookings: %.1f s; %d bookings through two nodes',
		100 * $members, $migrated, $done));
cmp_ok($done, '>', 0, 'they went on');
is(query('SELECT enforced, gaps FROM session_consistency.attachments'), 't|{}', 'enforced on every shard');
is(query($unlinked), '0', 'every session is linked');
is_right('migrated');
is(outcome("CALL session_consistency.migrate('bookings')"), '', 'migrate again');

# Audits beside bookings accuse nobody.
@load = start_load(@nodes);
my ($audits, $accused) = (0, 0);
for (my $end = time + $seconds - 2; time < $end; $audits++)
{
	$accused++ if query("SELECT sum(affected) FROM session_consistency.audit('bookings')") != 0;
}
is(query("SELECT session_consistency.run_check('bookings')") && query('SELECT count(*) FROM session_consistency.check_findings'),
	'0', 'nor does a check');
$done = end_load(@load);
note("figure: $audits audits beside $done bookings through three nodes, $accused false");
is($accused, 0, 'no audit beside bookings was false');
is_right('booked through three nodes');

# Shards move, and the cluster is balanced, beside bookings.
@load = start_load(@nodes[ 1, 2 ]);
my $place = 'SELECT shardid, nodeport FROM pg_dist_shard JOIN pg_dist_shard_placement USING (shardid)'
  . " WHERE logicalrelid = 'packs'::regclass ORDER BY shardid LIMIT 1";
my ($shard, $port) = split /\|/, query($place);
my ($target) = grep { $_ != $port } map { $_->port } @workers;
is(outcome("SELECT citus_move_shard_placement($shard, '127.0.0.1', $port, '127.0.0.1', $target, 'force_logical')"), '',
	'a shard moves beside bookings');
is(outcome("SELECT rebalance_table_shards('bookings', shard_transfer_mode => 'force_logical')"), '', 'and the cluster is balanced');
$done = end_load(@load);
note("figure: $done bookings beside a shard's move");
is_right('moved');
is(query('SELECT enforced, gaps FROM session_consistency.attachments'), 't|{}', 'moved: enforced');

# A worker dies beside bookings.
@load = start_load($coordinator);
sleep 2;
$workers[0]->stop('immediate');
sleep 1;
like(query('SELECT gaps::text FROM session_consistency.attachments'), qr/cannot be looked at: /, 'a dead node is a gap');
like(outcome("SELECT session_consistency.audit('bookings')"), qr/^ERROR:  55000: audit\(\) failed on shard/, 'and no empty audit');
$workers[0]->start;
end_load(@load);
$coordinator->poll_query_until($database, 'SELECT recover_prepared_transactions() >= 0');
is_right('a killed worker');

# What is wrong is mended beside bookings, and can be taken back.
query("SELECT run_command_on_shards('packs', 'ALTER TABLE %s DISABLE TRIGGER USER')");
like(query('SELECT gaps::text FROM session_consistency.attachments'), qr/on each shard: trigger .* is disabled/, 'a gap of shards');
query('UPDATE packs SET used_sessions = used_sessions + 1 WHERE member_id <= 20');
query("SELECT run_command_on_shards('packs', 'ALTER TABLE %s ENABLE TRIGGER USER')");
@load = start_load(@nodes[ 0, 2 ]);
is(query("SELECT count(*) FROM session_consistency.repair('bookings', dry_run => false)"), '20', 'repaired beside bookings');
end_load(@load);
is_right('repaired');
query("SELECT run_command_on_shards('packs', 'ALTER TABLE %s DISABLE TRIGGER USER')");
query('UPDATE packs SET used_sessions = used_sessions + 1 WHERE member_id = 7');
query("SELECT run_command_on_shards('packs', 'ALTER TABLE %s ENABLE TRIGGER USER')");
my $repair = query("SELECT repair_id FROM session_consistency.repair('bookings', dry_run => false)");
($shard, $port) = split /\|/, query('SELECT s.shardid, nodeport FROM pg_dist_shard_placement AS s'
	  . " WHERE shardid = get_shard_id_for_distribution_column('packs', 7)");
($target) = grep { $_ != $port } map { $_->port } @workers;
query("SELECT citus_move_shard_placement($shard, '127.0.0.1', $port, '127.0.0.1', $target, 'block_writes')");
is(outcome("SELECT session_consistency.undo_repair($repair)"), '', 'undone, though the shard has moved');
is(query($recount), '1', 'undone: what was wrong is wrong again');
is(query("SELECT undone_at IS NOT NULL FROM session_consistency.repairs WHERE repair_id = $repair AND sessions = 'bookings'::regclass"),
	't', 'undone: in the log');
is(query("SELECT count(*) FROM session_consistency.repair('bookings', dry_run => false)"), '1', 'repaired again');

# The last credit, from all nodes at once.
query("INSERT INTO members VALUES (100000); INSERT INTO packs (id, member_id, total_sessions_snapshot) VALUES (1, 100000, 1)");
my @clients = map {
	my ($out, $err) = ('', '');
	my $node = $nodes[ $_ % 3 ];
	my $harness = IPC::Run::start(
		[ 'psql', '-XqAt', '-v', 'VERBOSITY=verbose', '-h', $node->host, '-p', $node->port, '-d', $database, '-c',
			"INSERT INTO bookings (id, member_id) VALUES (1000000 + $_, 100000)" ],
		'<', \undef, '>', \$out, '2>', \$err);
	{ harness => $harness, err => \$err }
} 1 .. 30;
my %said;
foreach my $client (@clients)
{
	$client->{harness}->finish;
	my ($state) = ${ $client->{err} } =~ /ERROR:  (\w+):/;
	$said{ $state // 'booked' }++;
}
is_deeply(\%said, { booked => 1, '23SC2' => 29 }, 'one of thirty gets the last credit') or diag(explain(\%said));
is_right('the last credit');

# Errors can be told apart.
like(outcome("INSERT INTO bookings (id, member_id) VALUES (1000000000, 100000)", $workers[1]), qr/^ERROR:  23SC2: subscription 1 has no credit left/, '23SC2');
query('INSERT INTO members VALUES (100001)');
like(outcome("INSERT INTO bookings (id, member_id) VALUES (1, 100001)", $workers[1]), qr/^ERROR:  23SC1: /, '23SC1');
like(outcome("INSERT INTO bookings (id, member_id, subscription_id) VALUES (1000000000, 1, 2)"), qr/^ERROR:  (23503|23SC3): /, "another member's");
like(outcome("UPDATE packs SET used_sessions = 0 WHERE member_id = 1"), qr/^ERROR:  23SC5: column "used_sessions"/, '23SC5');
like(outcome("COPY bookings (id, member_id) FROM stdin;\n7\t100000\n\\.\n"), qr/^ERROR:  \w+: subscription 1 has no credit left/,
	'COPY: by the message');
like(outcome("COPY bookings (id, member_id) FROM stdin;\n7\t100001\n\\.\n"), qr/^ERROR:  \w+: member 100001 has no/,
	'COPY: by the message');

# TRUNCATE, from a worker, with a shard that has been moved.
is(outcome('TRUNCATE bookings', $workers[1]), '', 'truncated');
is(query('SELECT count(*) FROM packs WHERE used_sessions <> 0'), '0', 'every counter is 0');
@load = start_load(@nodes[ 0, 1 ]);
end_load(@load);
is_right('booked after TRUNCATE');

# Back to the tables as they were.
like(outcome("SET citus.enable_unsafe_triggers TO off; SELECT session_consistency.detach('bookings')"), qr/^ERROR:  55000/,
	'detach names the gate');
is(query("SET citus.enable_unsafe_triggers TO on; SELECT count(*) > 0 FROM session_consistency.detach('bookings')"), 't', 'detached');
is( query("SELECT count(*) FROM run_command_on_shards('bookings', \$\$SELECT count(*) FROM pg_trigger WHERE tgrelid = '%s'::regclass"
		  . " AND NOT tgisinternal AND tgname !~ 'truncate'\$\$) WHERE result <> '0'"), '0', 'nothing is left on the shards');

# Other pairs of tables, each with its own recount: attached with history, migrated, booked through a worker, made wrong,
# repaired, taken back, truncated, detached.
my $packs = "status text DEFAULT 'active', total_sessions_snapshot int, used_sessions int NOT NULL DEFAULT 0";
my $bookings = "subscription_id int, session_type text DEFAULT 'member', status text DEFAULT 'scheduled'";
my $keyed = "CREATE TABLE packs (id int PRIMARY KEY, member_id int, $packs);"
  . "CREATE TABLE bookings (id int PRIMARY KEY, member_id int, $bookings);";
my $by_member = "CREATE TABLE packs (id int, member_id int, $packs, PRIMARY KEY (member_id, id));"
  . "CREATE TABLE bookings (id int, member_id int, $bookings, PRIMARY KEY (member_id, id));";
my $distributed = "SELECT create_distributed_table('packs', 'member_id', shard_count => 4);"
  . "SELECT create_distributed_table('bookings', 'member_id', colocate_with => 'packs');";
my $fill = 'INSERT INTO packs (id, member_id, total_sessions_snapshot) SELECT g, g, 10 FROM generate_series(1, 30) g;'
  . 'INSERT INTO bookings (id, member_id) SELECT g, 1 + g % 30 FROM generate_series(1, 120) g;';
my $book = 'INSERT INTO bookings (id, member_id) SELECT 1000 + g, 1 + g % 30 FROM generate_series(1, 60) g;'
  . "UPDATE bookings SET status = 'cancelled' WHERE id % 7 = 0; DELETE FROM bookings WHERE id % 11 = 0;";
my $count_held = "SELECT count(*) FROM packs p LEFT JOIN (SELECT subscription_id AS id, count(*) AS held FROM bookings"
  . " WHERE status = 'scheduled' GROUP BY 1) b USING (id) WHERE p.used_sessions <> coalesce(b.held, 0)";

foreach my $shape (
	{ name => 'local tables that Citus manages', tables => $keyed,
		place => "SELECT citus_add_local_table_to_metadata('packs'); SELECT citus_add_local_table_to_metadata('bookings');" },
	{ name => 'reference tables', tables => $keyed,
		place => "SELECT create_reference_table('packs'); SELECT create_reference_table('bookings');" },
	{ name => 'a distributed schema', tables => $keyed, place => "SELECT citus_schema_distribute('shape');" },
	{ name => 'draw_order, cost and carried credits', place => $distributed,
		tables => "$by_member ALTER TABLE packs ADD carried int NOT NULL DEFAULT 0, ADD remaining_sessions int;"
		  . 'ALTER TABLE bookings ADD hours int DEFAULT 1, ADD starts date DEFAULT current_date;',
		fill => 'INSERT INTO packs (id, member_id, total_sessions_snapshot) SELECT 100 * p + g, g, 10 FROM generate_series(1, 30) g,'
		  . ' generate_series(1, 2) p; INSERT INTO bookings (id, member_id, hours) SELECT g, 1 + g % 30, 1 + g % 2'
		  . ' FROM generate_series(1, 120) g;',
		settings => 'SET citus.enable_local_execution TO off;',
		arguments => ", draw_order => 'id', cost => 'hours', carried_column => 'carried', start_column => 'starts'",
		held => 'SELECT count(*) FROM packs p LEFT JOIN (SELECT member_id, subscription_id AS id, sum(hours) AS held FROM bookings'
		  . " WHERE status = 'scheduled' GROUP BY 1, 2) b USING (member_id, id) WHERE p.used_sessions <> carried + coalesce(b.held, 0)"
		  . ' OR remaining_sessions <> total_sessions_snapshot - used_sessions OR used_sessions NOT BETWEEN 0 AND 10',
		purge => 1 },
	{ name => 'partitions', place => $distributed,
		tables => "CREATE TABLE packs (id int, member_id int, $packs, PRIMARY KEY (member_id, id));"
		  . "CREATE TABLE bookings (id int, member_id int, at date DEFAULT '2026-02-01', $bookings,"
		  . ' PRIMARY KEY (member_id, id, at)) PARTITION BY RANGE (at);'
		  . "CREATE TABLE spring PARTITION OF bookings FOR VALUES FROM ('2026-01-01') TO ('2026-07-01');",
		arguments => ", guard => 'ignore'",
		book => "CREATE TABLE autumn PARTITION OF bookings FOR VALUES FROM ('2026-07-01') TO ('2027-01-01');"
		  . "$book INSERT INTO bookings (id, member_id, at) SELECT 2000 + g, g, '2026-08-01' FROM generate_series(1, 30) g;" },
	{ name => 'given links', place => "SELECT create_distributed_table('packs', 'id', shard_count => 4);"
		  . "SELECT create_distributed_table('bookings', 'subscription_id', colocate_with => 'packs');",
		tables => "CREATE TABLE packs (id int PRIMARY KEY, $packs);"
		  . "CREATE TABLE bookings (id int, subscription_id int REFERENCES packs, session_type text DEFAULT 'member',"
		  . " status text DEFAULT 'scheduled', PRIMARY KEY (subscription_id, id));",
		fill => 'INSERT INTO packs (id, total_sessions_snapshot) SELECT g, 10 FROM generate_series(1, 30) g;'
		  . 'INSERT INTO bookings (id, subscription_id) SELECT g, 1 + g % 30 FROM generate_series(1, 120) g;',
		book => "INSERT INTO bookings (id, subscription_id) SELECT 1000 + g, 1 + g % 30 FROM generate_series(1, 60) g;"
		  . "UPDATE bookings SET status = 'cancelled' WHERE id % 7 = 0;",
		arguments => ', member_column => NULL' })
{
	my ($name, $held) = ($shape->{name}, $shape->{held} // $count_held);
	my $path = 'SET search_path = shape, public; SET citus.enable_unsafe_triggers TO on;';
	my $settings = $shape->{settings} // '';
	my $in_shape = sub { my ($sql, $node) = @_; return query("$path $sql", $node) };
	$in_shape->("CREATE SCHEMA shape; $shape->{tables}");
	$in_shape->($shape->{place});
	$in_shape->($shape->{fill} // $fill);
	my $remaining = $shape->{purge} ? '' : ', remaining_column => NULL';
	$in_shape->("SELECT session_consistency.attach('bookings', 'packs'$remaining" . ($shape->{arguments} // '') . ')');
	is(outcome("$path CALL session_consistency.migrate('bookings')"), '', "$name: migrated");
	my $enforced = 'SELECT enforced, gaps FROM session_consistency.attachments';
	is($in_shape->($enforced), 't|{}', "$name: enforced");
	is($in_shape->($held), '0', "$name: history counted again");
	# Subtransactions of a trigger meet other connections of the same statement.
	like(outcome("$path $shape->{refused}", $workers[1]), qr/another command is already in progress/,
		"$name: rows for other shards through a node with shards are refused")
	  if $shape->{refused};
	my $through = $name eq 'partitions' ? $coordinator : $workers[1];   # which makes one, too
	$in_shape->($settings . ($shape->{book} // $book), $through);
	is($in_shape->($held), '0', "$name: bookings counted again");
	is($in_shape->($enforced), 't|{}', "$name: still enforced");
	is($in_shape->("SELECT coalesce(sum(affected), 0) FROM session_consistency.audit('bookings')"), '0', "$name: nothing to find");
	my $triggers = sub { $in_shape->("SELECT run_command_on_placements('packs', 'ALTER TABLE %s $_[0] TRIGGER USER')") };
	$triggers->('DISABLE');
	$in_shape->('UPDATE packs SET used_sessions = used_sessions - 1 WHERE used_sessions > 0 AND id % 10 = 3');
	$triggers->('ENABLE');
	my $wrong = $in_shape->($held);
	cmp_ok($wrong, '>', 0, "$name: made wrong");
	is($in_shape->("SELECT count(*) FROM session_consistency.audit_findings('bookings') WHERE code = 'count_mismatch'"), $wrong,
		"$name: found")
	  unless $shape->{arguments} && $shape->{arguments} =~ /draw_order/;
	my $repaired = $in_shape->("SELECT count(*), min(repair_id) FROM session_consistency.repair('bookings', dry_run => false)");
	like($repaired, qr/^$wrong\|/, "$name: repaired");
	is($in_shape->($held), '0', "$name: repaired, counted again");
	my ($id) = $repaired =~ /\|(\d+)/;
	is(outcome("$path SELECT session_consistency.undo_repair($id)"), '', "$name: taken back");
	is($in_shape->($held), '1', "$name: one is wrong again");
	$in_shape->("SELECT session_consistency.repair('bookings', dry_run => false)");
	if ($shape->{purge})
	{
		my $before = $in_shape->('SELECT sum(used_sessions) FROM packs');
		is(outcome("$path CALL session_consistency.purge_sessions('bookings', now() + interval '1 day')"), '', "$name: purged");
		is($in_shape->('SELECT sum(used_sessions), sum(carried) FROM packs'), "$before|$before", "$name: what was purged is carried");
		is($in_shape->('SELECT count(*) FROM bookings'), '0', "$name: and gone");
		is($in_shape->($held), '0', "$name: purged, counted again");
	}
	$in_shape->('TRUNCATE bookings', $shape->{name} =~ /reference|distributed schema/ ? $workers[0] : undef);
	is($in_shape->($held), '0', "$name: truncated");
	is($in_shape->("SELECT count(*) > 0 FROM session_consistency.detach('bookings')"), 't', "$name: detached");
	$in_shape->('TRUNCATE bookings');
	query('SET citus.enable_unsafe_triggers TO on; DROP SCHEMA shape CASCADE');
}

$_->stop foreach reverse @nodes;
done_testing();
