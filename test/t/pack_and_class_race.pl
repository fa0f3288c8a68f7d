# Thirty clients want one seat, each with a pack of its own; then thirty seats with one credit. Then they book, cancel and
# change classes, members and kinds for a while. Never a credit without its seat, and no statement ever deadlocks on a
# counter. RACE_SECONDS is how long they do.
use strict;
use warnings FATAL => 'all';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('gym');
$node->init;
$node->append_conf('postgresql.conf', "fsync = off\nmax_connections = 50\nclient_min_messages = warning");
$node->start;

$node->safe_psql(
	'postgres', <<'SQL');
CREATE EXTENSION session_consistency;
CREATE TABLE packs (id int PRIMARY KEY, member_id int NOT NULL, status text DEFAULT 'active', total_sessions_snapshot int,
    used_sessions int NOT NULL DEFAULT 0);
CREATE TABLE classes (id int PRIMARY KEY, status text DEFAULT 'active', seats int, taken int NOT NULL DEFAULT 0);
CREATE TABLE bookings (id bigserial PRIMARY KEY, member_id int NOT NULL, class_id int, session_type text DEFAULT 'member',
    status text DEFAULT 'scheduled');
INSERT INTO packs (id, member_id, total_sessions_snapshot) SELECT n, n, 1 FROM generate_series(1, 30) n;
INSERT INTO packs (id, member_id, total_sessions_snapshot) VALUES (31, 31, 1);
INSERT INTO classes (id, seats) SELECT n, 1 FROM generate_series(0, 30) n;
DO $$ BEGIN
    PERFORM session_consistency.attach('bookings', 'packs', remaining_column => NULL);
    PERFORM session_consistency.attach('bookings', 'classes', member_column => NULL, subscription_column => 'class_id',
        consuming_types => '{member,trial}', total_column => 'seats', used_column => 'taken', remaining_column => NULL);
END $$;
-- What a client meets when there is no room is no failure of its script. Nor is an error that PostgreSQL 18 raises, with
-- plain tables and no extension, too: while one client's update of a row is rolled back, others that hold its KEY SHARE
-- lock want to update the row.
CREATE FUNCTION try(statement text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
EXCEPTION
    WHEN SQLSTATE '23SC2' THEN
        NULL;
    WHEN internal_error THEN
        IF SQLERRM NOT LIKE 'new multixact has more than one updating member%' THEN
            RAISE;
        END IF;
END $$;
SQL

# Plain SQL: counters that are not what is booked, or above what there is.
my $wrong = <<'SQL';
SELECT 'pack', p.id FROM packs p LEFT JOIN bookings b ON b.subscription_id = p.id AND b.session_type = 'member'
    AND b.status = 'scheduled'
GROUP BY p.id HAVING p.used_sessions <> count(b.id) OR p.used_sessions > p.total_sessions_snapshot
UNION ALL
SELECT 'class', c.id FROM classes c LEFT JOIN bookings b ON b.class_id = c.id AND b.status = 'scheduled'
GROUP BY c.id HAVING c.taken <> count(b.id) OR c.taken > c.seats
SQL

my $directory = PostgreSQL::Test::Utils::tempdir;

sub race
{
	my ($name, $clients, $until, @scripts) = @_;
	my @files;
	foreach my $i (0 .. $#scripts)
	{
		append_to_file("$directory/$name$i.sql", $scripts[$i]);
		push @files, '-f', "$directory/$name$i.sql";
	}
	my ($out, $err);
	my $done = IPC::Run::run([ 'pgbench', '-n', '-c', $clients, '-j', 2, @$until, @files, '-d',
			$node->connstr('postgres') ], '>', \$out, '2>', \$err);
	ok($done, "$name: every client comes through") or diag($err);
	unlike($err, qr/deadlock/, "$name: nobody deadlocks");
	is($node->safe_psql('postgres', $wrong), '', "$name: both recounts agree");
	return;
}

# client_id is 0 to 29.
race('one seat', 30, [ '-t', 1 ],
	"SELECT try(format('INSERT INTO bookings (member_id, class_id) VALUES (%s, 0)', :client_id + 1));\n");
is($node->safe_psql('postgres', 'SELECT count(*) FROM bookings'), '1', 'one of thirty has the seat');
is($node->safe_psql('postgres', 'SELECT sum(used_sessions) FROM packs'), '1', 'and the others their credits');

race('one credit', 30, [ '-t', 1 ],
	"SELECT try(format('INSERT INTO bookings (member_id, class_id) VALUES (31, %s)', :client_id + 1));\n");
is($node->safe_psql('postgres', 'SELECT used_sessions FROM packs WHERE id = 31'), '1', 'one of thirty has the credit');
is($node->safe_psql('postgres', 'SELECT sum(taken) FROM classes WHERE id > 0'), '1', 'and the others left their seats');

# Few classes, few packs, so that they meet: statements of one row and of several, in any order.
$node->safe_psql('postgres', 'UPDATE packs SET total_sessions_snapshot = 6 WHERE id <= 5; UPDATE classes SET seats = 6');
race('busy', 10, [ '-T', $ENV{RACE_SECONDS} || 15 ],
	"\\set m random(1, 5)\n\\set c random(0, 4)\nSELECT try(format('INSERT INTO bookings (member_id, class_id) VALUES (%s, %s)',"
	  . " :m, :c));\n",
	"\\set m random(1, 5)\n\\set n random(1, 5)\n\\set c random(0, 4)\n\\set d random(0, 4)\n"
	  . "SELECT try(format('INSERT INTO bookings (member_id, class_id, session_type) VALUES (%s, %s, ''trial''),"
	  . " (%s, %s, ''member'')', :m, :c, :n, :d));\n",
	"\\set i random(1, 200)\nSELECT try(format('UPDATE bookings SET status = CASE status WHEN ''scheduled'' THEN"
	  . " ''cancelled'' ELSE ''scheduled'' END WHERE id = %s', :i));\n",
	"\\set i random(1, 200)\n\\set c random(0, 4)\nSELECT try(format('UPDATE bookings SET class_id = %s WHERE id = %s', :c, :i));\n",
	"\\set i random(1, 200)\n\\set m random(1, 5)\n\\set c random(0, 4)\nSELECT try(format('UPDATE bookings SET class_id = %s,"
	  . " member_id = %s, session_type = CASE WHEN id %% 3 = 0 THEN ''trial'' ELSE ''member'' END WHERE id IN (%s, %s + 1)',"
	  . " :c, :m, :i, :i));\n",
	"\\set i random(1, 200)\nSELECT try(format('WITH gone AS (DELETE FROM bookings WHERE id = %s RETURNING *)"
	  . " INSERT INTO bookings (member_id, class_id) SELECT member_id, class_id FROM gone', :i));\n",
	"\\set i random(1, 200)\nSELECT try(format('DELETE FROM bookings WHERE id = %s', :i));\n");
cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM bookings'), '>', 2, 'they have booked');
is($node->safe_psql('postgres', 'SELECT message FROM session_consistency.check_counts()'), '', 'the check agrees');

$node->stop;
done_testing();
