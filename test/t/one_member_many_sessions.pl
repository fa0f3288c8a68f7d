# Drawing takes work in proportion to the sessions, also where all of them are of one member: four times the sessions,
# four times the instructions. They are counted, since times say nothing on a busy machine. The last of the packs has
# to be used in each case, and those that come first are full before.
use strict;
use warnings FATAL => 'all';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'valgrind counts instructions, and is not installed' if system('command -v valgrind >/dev/null 2>&1') != 0;

my $node = PostgreSQL::Test::Cluster->new('gym');
$node->init;
$node->append_conf('postgresql.conf', "fsync = off\nautovacuum = off");
$node->start;
$node->safe_psql(
	'postgres', <<'SQL');
CREATE EXTENSION session_consistency;
CREATE TABLE packs (id int PRIMARY KEY, member_id int NOT NULL, status text DEFAULT 'active', size int, until date);
CREATE TABLE visits (id bigserial PRIMARY KEY, member_id int NOT NULL, status text DEFAULT 'scheduled', day date);
INSERT INTO packs SELECT 10 * m + n, m, 'active', m * n, '2031-01-01'::date + n
    FROM unnest('{1,400,1600}'::int[]) m, generate_series(1, 3) n;
SELECT FROM session_consistency.attach('visits', 'packs', type_column => NULL, total_column => 'size',
    draw_order => 'until', start_column => 'day', valid_until_column => 'until');
SQL
$node->stop;

sub instructions
{
	my ($member, $sessions) = @_;
	my $statement = "INSERT INTO visits (member_id, day) SELECT $member, '2030-01-01' FROM generate_series(1, $sessions) n";
	my ($out, $err) = ('', '');
	IPC::Run::run(
		[   'valgrind', '--tool=callgrind', '--callgrind-out-file=/dev/null', 'postgres', '--single', '-D',
			$node->data_dir, 'postgres'
		], '<', \"$statement\n", '>', \$out, '2>', \$err) or die $err;
	die $err if $err =~ /ERROR|FATAL/;
	my ($count) = $err =~ /Collected\s*:\s*(\d+)/ or die $err;
	return $count;
}

my $start = instructions(1, 6);
my $few = instructions(400, 2_400) - $start;
my $many = instructions(1_600, 9_600) - $start;
note("$few, $many");
cmp_ok($many / $few, '<', 4.4, 'four times the sessions of one member take four times the instructions');
$node->start;
is($node->safe_psql('postgres', 'SELECT count(*), sum(used_sessions) FROM packs WHERE used_sessions <> size'), '0|',
	'every pack is used up');
$node->stop;
done_testing();
