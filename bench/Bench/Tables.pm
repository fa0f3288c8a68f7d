# The tables that are measured: filled once for each size, copied for each run, given to a peer.
package Bench::Tables;
use strict;
use warnings;
use Bench::Server qw(sql exists_database copy_database work);
use Exporter 'import';
our @EXPORT_OK = qw(base fresh gives_link rows_of peers verify);

my %peer_name = (
    floor              => 'no counter (a)',
    with               => 'one WITH (b)',
    transaction        => 'transaction (c)',
    row_triggers       => 'PL/pgSQL row triggers (d)',
    statement_triggers => 'PL/pgSQL statement triggers (e)',
    ivm                => 'pg_ivm (f)',
    extension          => 'session_consistency',
    noop               => 'C trigger that does nothing',
    update             => 'bare UPDATE of the counters',
    run_check          => 'run_check',
    scan               => 'bare scan, one process');

sub peers { return \%peer_name }

# Whether the application names the subscription of a session, or leaves that to triggers.
sub gives_link { return $_[0] !~ /^(?:row_triggers|statement_triggers|extension)$/ }

# Members and subscriptions 1 .. S, sessions spread over them in no particular order; the link as the peer has it.
sub rows_of
{
    my ($peer, $subscriptions, $sessions) = @_;
    my $link = gives_link($peer) ? 'pack' : 'NULL::bigint';
    return "SELECT pack AS member_id, $link AS subscription_id FROM (SELECT 1 + (i * 7919::bigint) % $subscriptions " .
        "AS pack FROM generate_series(0, $sessions - 1) i) s";
}

# A database of that size, with right counters and no triggers, made when it is first asked for. In an aged one the
# pages of the subscriptions have some room, as they have once rows have been written here and there for a while.
# With a shape, the tables are changed as it says.
sub base
{
    my ($subscriptions, $sessions, %option) = @_;
    my $name = join '_', 'base', $subscriptions, $sessions, $option{aged} ? 'aged' : ();
    if (my $change = $option{shape}{change}) {
        my $plain = base($subscriptions, $sessions, %option, shape => undef);
        copy_database($plain, 'shaped');
        sql('shaped', "SET session_replication_role = replica;\n$change\nRESET session_replication_role;\n" .
            pack_pages(%option));
        return 'shaped';
    }
    return $name if exists_database($name);
    sql('postgres', "CREATE DATABASE $name");
    sql($name, "CREATE EXTENSION IF NOT EXISTS pg_prewarm") if available('pg_prewarm');
    sql($name, <<"END");
\\i bench/tables.sql
SET session_replication_role = replica;
INSERT INTO members SELECT generate_series(1, $subscriptions);
INSERT INTO member_subscriptions
    SELECT i, i, 'active', 100000000, $sessions / $subscriptions + (i <= $sessions % $subscriptions)::int
    FROM generate_series(1, $subscriptions) i;
DROP INDEX training_sessions_subscription_id_idx;
INSERT INTO training_sessions (member_id, subscription_id) @{[rows_of('floor', $subscriptions, $sessions)]};
CREATE INDEX ON training_sessions (subscription_id);
UPDATE member_subscriptions s SET used_sessions = c.n
    FROM (SELECT subscription_id, count(*) AS n FROM training_sessions GROUP BY 1) c
    WHERE c.subscription_id = s.id AND s.used_sessions <> c.n;
@{[pack_pages(%option)]}
END
    return $name;
}

# Writes all pages anew, those of an aged database with some room.
sub pack_pages
{
    my (%option) = @_;
    my $room = $option{aged} ? 'SET (fillfactor = 80)' : 'RESET (fillfactor)';
    return "ALTER TABLE member_subscriptions $room;\nVACUUM (FULL, FREEZE, ANALYZE);\n" .
        "ALTER TABLE member_subscriptions RESET (fillfactor);";
}

sub at_least_one { return $_[0] < 1 ? 1 : $_[0] }

sub available { return sql('postgres', "SELECT count(*) FROM pg_available_extensions WHERE name = '$_[0]'") }

sub warm
{
    my ($database) = @_;
    return unless available('pg_prewarm');
    sql($database, "SELECT count(pg_prewarm(oid)) FROM pg_class WHERE relkind IN ('r', 'i') AND relnamespace = " .
        "'public'::regnamespace");
    return;
}

# A fresh copy of a base, with what the peer adds to it. Always the same name: one is there at a time.
sub fresh
{
    my ($peer, $base, $shape) = @_;
    copy_database($base, 'run');
    my $arguments = $shape->{attach} ? ", $shape->{attach}" : '';
    my %addition = (
        row_triggers       => '\i bench/peers/row_triggers.sql',
        statement_triggers => '\i bench/peers/statement_triggers.sql',
        ivm                => '\i bench/peers/ivm.sql',
        extension          => "CREATE EXTENSION session_consistency; SELECT FROM session_consistency.attach(" .
            "'training_sessions', 'member_subscriptions'$arguments); " . ($shape->{more} // ''),
        noop               => "CREATE FUNCTION noop() RETURNS trigger LANGUAGE c AS '" . work() . "/noop.so', " .
            "'noop_trigger'; CREATE TRIGGER noop AFTER INSERT OR UPDATE OR DELETE ON training_sessions FOR EACH ROW " .
            'EXECUTE FUNCTION noop();');
    sql('run', $addition{$peer}) if $addition{$peer};
    warm('run');
    sql('run', 'CHECKPOINT');
    return 'run';
}

# A peer that loses count is no peer.
sub verify
{
    my ($peer) = @_;
    return if $peer =~ /^(?:floor|noop|ivm)$/;
    my $wrong = sql('run', <<'END');
SELECT count(*) FROM member_subscriptions s
LEFT JOIN (SELECT subscription_id, count(*) AS n FROM training_sessions
           WHERE session_type IN ('member', 'makeup', 'contractual')
                 AND status IN ('scheduled', 'in_progress', 'completed') GROUP BY 1) c ON c.subscription_id = s.id
WHERE s.used_sessions <> coalesce(c.n, 0)
END
    die "$peer: $wrong counters are wrong\n" if $wrong != 0;
    return;
}

1;
