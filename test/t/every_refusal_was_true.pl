# Sixteen clients book, cancel and un-cancel for the same three members, each with three packs that are nearly always
# full, and freeze, thaw, shorten, prolong, shrink and enlarge these packs meanwhile, at three isolation levels. Every
# statement is the client's own. A client writes down what it has asked for, when, and what it was answered. The ledger,
# a log of the packs and the times of the commits say what each member had left at any moment. A refusal was true if at
# one moment between question and answer the member had less left than was asked for.
# DRAW_STATEMENTS: of each client, at each level.
use strict;
use warnings FATAL => 'all';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $clients = 16;
my $statements = $ENV{DRAW_STATEMENTS} // 400;
my $node = PostgreSQL::Test::Cluster->new('gym');
$node->init;
$node->append_conf('postgresql.conf',
	"fsync = off\nmax_connections = 50\ntrack_commit_timestamp = on\nclient_min_messages = warning");
$node->start;
$node->safe_psql(
	'postgres', <<'SQL');
CREATE EXTENSION session_consistency;
CREATE TABLE packs (id int PRIMARY KEY, member_id int NOT NULL, status text DEFAULT 'active', size int, until date,
    note text);
CREATE TABLE visits (id bigserial PRIMARY KEY, member_id int NOT NULL, status text DEFAULT 'scheduled', day date);
INSERT INTO packs SELECT 10 * m + n, m, 'active', n, '2031-01-01'::date - n FROM generate_series(1, 3) m, generate_series(1, 3) n;
SELECT FROM session_consistency.attach('visits', 'packs', type_column => NULL, total_column => 'size',
    draw_order => 'until', start_column => 'day', valid_until_column => 'until', ledger => true);
CREATE TABLE asked (client int, members int[], began timestamptz, answered timestamptz DEFAULT clock_timestamp(), code text);
-- What became of the packs: a pack is open while it is active and covers the day of all bookings.
CREATE TABLE written (pack int, open boolean, size int, client int DEFAULT current_setting('race.client', true)::int,
    transaction xid8 DEFAULT pg_current_xact_id());
CREATE FUNCTION write_down() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO written VALUES (NEW.id, NEW.status = 'active' AND NEW.until >= '2030-01-01', NEW.size);
    RETURN NULL;
END $$;
CREATE TRIGGER write_down AFTER UPDATE OF status, until, size ON packs FOR EACH ROW EXECUTE FUNCTION write_down();
-- A change of a pack that a booking need not wait for is seen between its commit and the answer of its client.
CREATE FUNCTION seen_at(writer int, committed timestamptz) RETURNS timestamptz LANGUAGE sql AS
    'SELECT coalesce(max(answered), committed) FROM asked WHERE client = writer AND began <= committed AND answered >= committed';
-- What each member had left, from one change to the next.
CREATE FUNCTION tell_history() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
DROP TABLE IF EXISTS history, changes;
CREATE TABLE changes AS
    SELECT subscription_id::int AS pack, pg_xact_commit_timestamp(transaction_id::text::xid) AS at, NULL::timestamptz AS seen,
        sum(delta) AS delta, NULL::boolean AS open, NULL::int AS size
    FROM session_consistency.ledger_lines WHERE delta <> 0 GROUP BY 1, 2
    UNION ALL SELECT pack, pg_xact_commit_timestamp(transaction::xid), seen_at(client, pg_xact_commit_timestamp(transaction::xid)),
        0, open, size FROM written
    UNION ALL SELECT id, '-infinity', NULL, 0, true, id % 10 FROM packs;
CREATE TABLE history AS
WITH known AS (
    SELECT *, sum(delta) OVER earlier AS used, count(open) OVER earlier AS version FROM changes
    WINDOW earlier AS (PARTITION BY pack ORDER BY at)),
state AS (
    SELECT pack, at, seen, CASE WHEN max(open::int) OVER same = 1 THEN greatest(max(size) OVER same - used, 0) ELSE 0 END AS room
    FROM known WINDOW same AS (PARTITION BY pack, version)),
step AS (SELECT *, room - lag(room, 1, 0::numeric) OVER (PARTITION BY pack ORDER BY at) AS more FROM state),
moment AS (SELECT pack / 10 AS member, at, max(seen) AS seen, sum(more) AS more FROM step GROUP BY 1, 2)
SELECT member, at, lead(coalesce(seen, at)) OVER (PARTITION BY member ORDER BY at) AS until,
    sum(more) OVER (PARTITION BY member ORDER BY at) AS room
FROM moment;
CREATE INDEX ON history (member, at);
END $$;
-- Refusals that were not true: of no member had less been left than was asked for, at no moment.
CREATE FUNCTION false_refusals() RETURNS SETOF asked LANGUAGE plpgsql AS $$
BEGIN
RETURN QUERY SELECT a.* FROM asked a
WHERE a.code IN ('23SC1', '23SC2', '23SC4') AND NOT EXISTS (
    SELECT FROM (SELECT m AS member, count(*) AS wanted FROM unnest(a.members) AS m GROUP BY m) AS w
    JOIN history h USING (member)
    WHERE h.at <= a.answered AND coalesce(h.until, 'infinity') > a.began AND h.room < w.wanted);
END $$;
SQL

my $directory = PostgreSQL::Test::Utils::tempdir;

sub ask
{
	my ($client, $statement, @members) = @_;
	my $list = join(',', @members);
	return "SELECT clock_timestamp() AS began \\gset\n$statement;\n\\set code :SQLSTATE\n"
	  . "INSERT INTO asked (client, members, began, code) VALUES ($client, '{$list}', :'began', :'code');\n";
}

sub one_of
{
	my ($member, $status) = @_;
	return "(SELECT id FROM visits WHERE member_id = $member AND status = '$status' ORDER BY random() LIMIT 1)";
}

sub change_of_pack
{
	my @changes = (
		'note = random()',
		"status = CASE status WHEN 'active' THEN 'frozen' ELSE 'active' END",
		"status = 'active'",
		"until = CASE WHEN until < '2030-01-01' THEN until + 1000 ELSE until - 1000 END",
		"until = '2031-01-01'::date - id % 10",
		'size = greatest(size - 1, 1)',
		'size = least(size + 1, 4)');
	return $changes[rand @changes];
}

sub statement_of
{
	my ($client) = @_;
	my $member = 1 + int(rand(3));
	my $dice = rand();
	return ask($client, "INSERT INTO visits (member_id, day) VALUES ($member, '2030-01-01')", $member) if $dice < 0.5;
	return ask($client, "UPDATE visits SET status = 'cancelled' WHERE id = " . one_of($member, 'scheduled'), $member)
	  if $dice < 0.75;
	return ask($client, "UPDATE visits SET status = 'scheduled' WHERE id = " . one_of($member, 'cancelled'), $member)
	  if $dice < 0.85;
	return ask($client, "UPDATE packs SET " . change_of_pack() . ' WHERE id = ' . (10 * $member + 1 + int(rand(3))))
	  if $dice < 0.93;
	my @members = map { 1 + int(rand(3)) } 1 .. 3;
	my $rows = join(',', map { "($_, '2030-01-01')" } @members);
	return ask($client, "INSERT INTO visits (member_id, day) VALUES $rows", @members);
}

foreach my $level ('read committed', 'repeatable read', 'serializable')
{
	my @runs;
	foreach my $client (1 .. $clients)
	{
		my $file = "$directory/$client.sql";
		unlink $file;
		append_to_file($file,
			"SET default_transaction_isolation = '$level';\nSET race.client = $client;\n" . join('', map { statement_of($client) } 1 .. $statements));
		my ($out, $err) = ('', '');
		push @runs, IPC::Run::start([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=0', '-d', $node->connstr('postgres'), '-f',
				$file ], '<', \'', '>', \$out, '2>', \$err);
	}
	$_->finish foreach @runs;
	is($node->safe_psql('postgres', 'SELECT tell_history(); SELECT * FROM false_refusals()'),
		'', "$level: every refusal was true");
	is( $node->safe_psql(
			'postgres', q{
SELECT DISTINCT code FROM asked WHERE code NOT IN ('00000', '23SC1', '23SC2', '23SC4', '40001')
    AND (code <> '23514' OR members <> '{}')}),
		'', "$level: nobody deadlocks, and nothing else is refused but to shrink a pack below what is used");
	is( $node->safe_psql(
			'postgres', q{
SELECT p.id, p.used_sessions, count(v.id) FROM packs p
LEFT JOIN visits v ON v.subscription_id = p.id AND v.status = 'scheduled'
GROUP BY p.id HAVING p.used_sessions <> count(v.id) OR p.used_sessions > p.size OR p.used_sessions < 0
UNION ALL SELECT id, member_id, 0 FROM visits WHERE status = 'scheduled' AND subscription_id IS NULL}),
		'', "$level: every counter is what is booked");
	note($node->safe_psql('postgres', q{SELECT code, count(*) FROM asked GROUP BY 1 ORDER BY 1}));
}
cmp_ok($node->safe_psql('postgres', q{SELECT count(*) FROM asked WHERE code = '23SC2'}), '>', $statements, 'some were refused');
is($node->safe_psql('postgres', 'SELECT * FROM session_consistency.ledger_gaps()'), '', 'the ledger is whole');

# The checker finds a refusal that was not true: nobody has booked anything before the first commit.
is( $node->safe_psql(
		'postgres', q{
INSERT INTO asked VALUES (99, '{1}', '2000-01-01', '2000-01-02', '23SC2'); SELECT client FROM false_refusals()}),
	'99', 'a refusal of a pack with room is found');
$node->stop;
done_testing();
