# Each shape of the gallery, with many clients at once: whatever the tables look like, the last credit is given once, the
# counters are what plain SQL counts, also after clients have given sessions values of each other at random, and a schema
# dump after detach is the one before attach, byte for byte. Where two tables are attached, dumps are restored, of all
# and of the data alone, and both attachments hold in them.
use strict;
use warnings FATAL => 'all';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $clients = 10;
my $top = $ENV{PG_ABS_SRCDIR} // '.';
$ENV{PG_ABS_SRCDIR} = $top;
my $directory = PostgreSQL::Test::Utils::tempdir();
my $node = PostgreSQL::Test::Cluster->new('gallery');
$node->init;
$node->append_conf('postgresql.conf', 'max_connections = 50');
$node->start;
$ENV{PGHOST} = $node->host;
$ENV{PGPORT} = $node->port;
my ($help) = run_command([ 'pg_dump', '--help' ]);
my @same_key = $help =~ /--restrict-key/ ? ('--restrict-key=x') : ();

sub dump_schema
{
	my ($shape) = @_;
	my ($dump, $error) = run_command([ 'pg_dump', '--schema-only', @same_key, '--schema', $shape, $shape ]);
	die $error if $error;
	return $dump;
}

# Runs a part of the test of a shape, in a session that is set up like the one before.
sub run_part
{
	my ($shape, $part) = @_;
	my $file = "$directory/$shape.sql";
	open my $out, '>', $file or die "$file: $!";
	print $out $part;
	close $out;
	my ($stdout, $stderr) = run_command([ 'psql', '-X', '-q', '-f', $file, '-d', $shape ]);
	return $stderr;
}

# A dump is restored into another database, which is as the first.
sub is_restored
{
	my ($shape, $how, @dumps) = @_;
	my $mappings = "SELECT to_jsonb(a) - 'gaps', array(SELECT unnest(gaps) ORDER BY 1)
		FROM session_consistency.attachments a ORDER BY subscriptions::text";
	$node->safe_psql('postgres', 'CREATE DATABASE restored');
	foreach my $options (@dumps)
	{
		my $file = "$directory/dump";
		run_command([ 'pg_dump', @$options, '-f', $file, $shape ]);
		command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-o', "$file.out", '-f', $file, 'restored' ],
			"$shape: restored from a dump of $how");
	}
	is($node->safe_psql('restored', $mappings), $node->safe_psql($shape, $mappings), "$shape: attached alike");
	is($node->safe_psql('restored', 'SELECT miscounted() UNION ALL SELECT message FROM session_consistency.check_counts()'),
		'', "$shape: with right counters");
	my ($status, $out, $error) = $node->psql('restored', "\\set VERBOSITY sqlstate\nSELECT book(115)");
	like($error, qr/23SC2/, "$shape: and no credit left");
	$node->safe_psql('postgres', 'DROP DATABASE restored');
}

# Gives a random session a value that another one has, or deletes it: whatever is refused stays as it was. Any column but
# the key is one that the rules may read.
my $shake = <<'SQL';
CREATE FUNCTION shake(sessions regclass) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	field text;
BEGIN
	SELECT attname INTO field FROM pg_attribute a
	WHERE attrelid = sessions AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
		AND attnum <> ALL (SELECT unnest(indkey) FROM pg_index WHERE indrelid = sessions AND indisprimary)
	ORDER BY random() LIMIT 1;
	IF random() < 0.1 THEN
		EXECUTE format('DELETE FROM %s WHERE ctid = (SELECT ctid FROM %1$s ORDER BY random() LIMIT 1)', sessions);
	ELSE
		EXECUTE format('UPDATE %s SET %I = (SELECT %2$I FROM %1$s ORDER BY random() LIMIT 1)
			WHERE ctid IN (SELECT ctid FROM %1$s ORDER BY random() LIMIT 1 + (random() * 2)::int)', sessions, field);
	END IF;
	RETURN 'done';
EXCEPTION WHEN integrity_constraint_violation OR data_exception OR deadlock_detected THEN
	RETURN SQLSTATE;
END $$;
SQL

my @shapes = map { m{/([^/]+)\.sql$} } sort glob "$top/sql/gallery/*.sql";
my $restored = 0;
cmp_ok(scalar @shapes, '>=', 15, 'the shapes are there');
foreach my $shape (@shapes)
{
	my $test = slurp_file("$top/sql/gallery/$shape.sql");
	my ($tables, $story) = $test =~ /^(.*^SELECT remember\(\);\n)(.*?)^:last_credit;$/ms or die "no race in $shape";
	$node->safe_psql('postgres', "CREATE DATABASE $shape");
	is(run_part($shape, $tables), '', "$shape: made");
	my $before = dump_schema($shape);
	my $session = join '', "\\set owner regress_${shape}_owner\n\\set desk regress_${shape}_desk\n\\set attached SELECT\n",
	  $tables =~ /^(\\set .*\n)/mg, "SET search_path = $shape; SET client_min_messages = warning; SET ROLE :owner;\n";
	is(run_part($shape, $session . $story), '', "$shape: attached and booked");

	my $file = "$directory/$shape.book.sql";
	append_to_file($file, "SELECT book(100 + :client_id);\n");
	local $ENV{PGOPTIONS} = "-c search_path=$shape";
	my ($report) = run_command([ 'pgbench', '-n', '-c', $clients, '-j', 4, '-t', 1, '-f', $file, $shape ]);
	my ($booked) = $report =~ m{actually processed: (\d+)/};
	is($booked, 1, "$shape: the last credit is given once");
	is($node->safe_psql($shape, 'SELECT miscounted() UNION ALL SELECT message FROM session_consistency.check_counts()'),
		'', "$shape: counters are right");
	if ($node->safe_psql($shape, 'SELECT count(*) FROM session_consistency.attachments') == 2)
	{
		is_restored($shape, 'all', []);
		is_restored($shape, 'the data alone', ['--schema-only'], [ '--data-only', '--disable-triggers' ]);
		$restored++;
	}
	$node->safe_psql($shape, $shake);
	my $sessions = $node->safe_psql($shape, 'SELECT DISTINCT sessions FROM session_consistency.attachments');
	append_to_file("$directory/$shape.shake.sql", "SELECT shake('$sessions');\n");
	command_ok([ 'pgbench', '-n', '-c', 4, '-j', 2, '-t', 30, '-f', "$directory/$shape.shake.sql", $shape ],
		"$shape: shaken");
	is($node->safe_psql($shape, 'SELECT miscounted() UNION ALL SELECT message FROM session_consistency.check_counts()'),
		'', "$shape: and the counters are right");
	$node->safe_psql($shape, 'DROP FUNCTION shake');
	$node->safe_psql($shape, 'SELECT d.step FROM session_consistency.attachments a,
		LATERAL session_consistency.detach(a.sessions, a.subscriptions, drop_added_columns => true) d');
	is(dump_schema($shape), $before, "$shape: the dump is as before");
	$node->safe_psql('postgres', "DROP DATABASE $shape; DROP ROLE regress_${shape}_owner, regress_${shape}_desk");
}
cmp_ok($restored, '>=', 4, 'some have two attachments');
$node->stop;
done_testing();
