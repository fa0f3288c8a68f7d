# The expressions of an attachment are in a dump of the schema, and what it restores says the same: attach() has no step,
# the rules hold, on partitions, too, and the next dump is equal. A restore of data alone enables every trigger.
use strict;
use warnings FATAL => 'all';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('studio');
$node->init;
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE studio; CREATE DATABASE copy; CREATE DATABASE filled');
my $attach = <<'SQL';
SELECT action FROM session_consistency.attach('studio.visits', 'studio.packs', type_column => NULL,
    counts_when => $$status <> 'void' AND code IN ('a', 'b') AND coalesce(deleted, false) IS NOT TRUE$$,
    cost => $$CASE WHEN studio.is_long(minutes) THEN 2 ELSE weight END$$,
    pays_when => $$subscription.codes IS NULL OR session.code = ANY (subscription.codes)$$);
SQL
$node->safe_psql('studio', <<"SQL");
CREATE EXTENSION session_consistency;
CREATE SCHEMA studio;
CREATE FUNCTION studio.is_long(minutes int) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT minutes > 60';
CREATE TABLE studio.packs (
    id int PRIMARY KEY, member_id int NOT NULL, status text NOT NULL DEFAULT 'active', total_sessions_snapshot int,
    gone int, codes varchar(3)[]);
CREATE TABLE studio.visits (
    id int, day date, gone int, member_id int NOT NULL, status varchar(20) DEFAULT 'scheduled', code varchar(3) DEFAULT 'a',
    minutes int DEFAULT 30, weight smallint NOT NULL DEFAULT 1, deleted boolean, PRIMARY KEY (id, day))
    PARTITION BY RANGE (day);
CREATE TABLE studio.visits_2030 PARTITION OF studio.visits FOR VALUES FROM ('2030-01-01') TO ('2031-01-01');
ALTER TABLE studio.packs DROP COLUMN gone;
ALTER TABLE studio.visits DROP COLUMN gone;
$attach
CREATE TABLE studio.visits_2031 PARTITION OF studio.visits FOR VALUES FROM ('2031-01-01') TO ('2032-01-01');
INSERT INTO studio.packs (id, member_id, total_sessions_snapshot, codes) VALUES (10, 1, 10, '{a}'), (20, 2, 2, NULL);
INSERT INTO studio.visits (id, day, member_id, minutes) VALUES (1, '2030-05-05', 1, 90), (2, '2031-05-05', 1, 30);
INSERT INTO studio.visits (id, day, member_id, weight, code) VALUES (3, '2031-05-05', 2, 2, 'b'), (4, '2031-05-05', 2, 9, 'z');
SQL
is($node->safe_psql('studio', $attach), '', 'the same expressions again are no step');

my $dumps = PostgreSQL::Test::Utils::tempdir();
my @connection = ('-h', $node->host, '-p', $node->port);
my @restore = ('psql', @connection, '-Xqo', "$dumps/out", '-v', 'ON_ERROR_STOP=1', '-f');
command_ok([ 'pg_dump', @connection, '-f', "$dumps/all", 'studio' ], 'a dump');
command_ok([ @restore, "$dumps/all", 'copy' ], 'is restored');
command_ok([ 'pg_dump', @connection, '-f', "$dumps/again", 'copy' ], 'and dumped again');
my ($first, $second) = map { s/^\\(un)?restrict .*$//gmr } map { slurp_file("$dumps/$_") } qw(all again);
is($second, $first, 'the two dumps are equal');

is($node->safe_psql('copy', $attach), '', 'attach() has no step in what was restored');
is($node->safe_psql('copy', 'SELECT enforced, gaps FROM session_consistency.attachments'), 't|{}', 'the rules are on');
is($node->safe_psql('copy', 'SELECT * FROM session_consistency.check_counts()'), '', 'and the counters right');
is($node->safe_psql('copy', 'SELECT id, used_sessions FROM studio.packs ORDER BY id'), "10|3\n20|2", 'as they were');
for my $refused (
	[ "(5, '2031-05-05', 2, 30, 1, 'a')", '23SC2', 'a cost beyond the total' ],
	[ "(5, '2030-05-05', 1, 30, 1, 'b')", '23SC4', 'a code that the pack does not pay for' ],
	[ "(5, '2030-05-05', 1, 30, -1, 'a')", '22003', 'a negative cost' ])
{
	my ($values, $state, $what) = @$refused;
	my ($status, $out, $err) = $node->psql('copy',
		"\\set VERBOSITY sqlstate\nINSERT INTO studio.visits (id, day, member_id, minutes, weight, code) VALUES $values");
	like($err, qr/$state/, "$what is refused");
}

# Data alone, without triggers: they are all enabled afterwards, this one too, and it does nothing.
command_ok([ 'pg_dump', @connection, '-s', '-f', "$dumps/schema", 'studio' ], 'the schema');
command_ok([ 'pg_dump', @connection, '-a', '--disable-triggers', '-f', "$dumps/data", 'studio' ], 'the data');
command_ok([ @restore, "$dumps/$_", 'filled' ], "$_ restored") for qw(schema data);
is($node->safe_psql('filled', 'SELECT enforced, gaps FROM session_consistency.attachments'), 't|{}', 'all is whole');
$node->safe_psql('filled', 'UPDATE studio.visits SET minutes = 30');
is($node->safe_psql('filled', 'SELECT id, used_sessions FROM studio.packs ORDER BY id'), "10|2\n20|2", 'costs follow');
is($node->safe_psql('filled', 'SELECT * FROM session_consistency.check_counts()'), '', 'and are counted');
$node->stop;
done_testing();
