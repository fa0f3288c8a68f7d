# Bookings and their changes one at a time, with pgbench and prepared statements.
package Bench::Single;
use strict;
use warnings;
use Bench::Server qw(pgbench sql);
use Bench::Tables qw(base fresh verify);
use Bench::Shapes qw(shapes);
use Bench::Report qw(record median_of show target interleave);

# What the application of each peer sends. "plain" is for all that leave the counter to others.
my %book = (
    floor => 'INSERT INTO training_sessions (member_id, subscription_id) VALUES (:member, :member);',
    plain => 'INSERT INTO training_sessions (member_id) VALUES (:member);',
    with  => <<'END',
WITH charged AS (
    UPDATE member_subscriptions SET used_sessions = used_sessions + 1
    WHERE member_id = :member AND status = 'active' AND used_sessions < total_sessions_snapshot
    RETURNING id)
INSERT INTO training_sessions (member_id, subscription_id) SELECT :member, id FROM charged;
END
    transaction => <<'END');
BEGIN;
SELECT id AS pack FROM member_subscriptions
    WHERE member_id = :member AND status = 'active' AND used_sessions < total_sessions_snapshot FOR UPDATE \gset
INSERT INTO training_sessions (member_id, subscription_id) VALUES (:member, :pack);
UPDATE member_subscriptions SET used_sessions = used_sessions + 1 WHERE id = :pack;
COMMIT;
END

# Right from whatever status the session has: only one that held no credit takes one now.
my %complete = (
    plain => q{UPDATE training_sessions SET status = 'completed' WHERE id = :id;},
    with  => <<'END');
WITH before AS (
    SELECT id, subscription_id, status FROM training_sessions WHERE id = :id FOR UPDATE),
charged AS (
    UPDATE member_subscriptions s SET used_sessions = used_sessions + 1 FROM before
    WHERE s.id = before.subscription_id AND before.status = 'cancelled' AND used_sessions < total_sessions_snapshot
    RETURNING s.id)
UPDATE training_sessions t SET status = 'completed' FROM before
WHERE t.id = before.id AND (before.status <> 'cancelled' OR EXISTS (SELECT FROM charged));
END

my %cancel_and_restore = (
    plain => <<'END',
UPDATE training_sessions SET status = 'cancelled' WHERE id = :id;
UPDATE training_sessions SET status = 'scheduled' WHERE id = :id;
END
    with => <<'END');
WITH cancelled AS (
    UPDATE training_sessions SET status = 'cancelled' WHERE id = :id AND status <> 'cancelled'
    RETURNING subscription_id)
UPDATE member_subscriptions s SET used_sessions = used_sessions - 1 FROM cancelled WHERE s.id = subscription_id;
WITH before AS (
    SELECT id, subscription_id FROM training_sessions WHERE id = :id AND status = 'cancelled' FOR UPDATE),
charged AS (
    UPDATE member_subscriptions s SET used_sessions = used_sessions + 1 FROM before
    WHERE s.id = before.subscription_id AND s.status = 'active' AND used_sessions < total_sessions_snapshot
    RETURNING s.id)
UPDATE training_sessions t SET status = 'scheduled' FROM before, charged
WHERE t.id = before.id AND charged.id = before.subscription_id;
END

my %delete = (
    plain => 'DELETE FROM training_sessions WHERE id = :id;',
    with  => <<'END');
WITH gone AS (
    DELETE FROM training_sessions WHERE id = :id RETURNING subscription_id, status)
UPDATE member_subscriptions s SET used_sessions = used_sessions - 1 FROM gone
WHERE s.id = gone.subscription_id AND gone.status IN ('scheduled', 'in_progress', 'completed');
END

# The scripts by the work that they do, for those who run them in another way.
sub scripts
{
    return ({ work => 'booking', scripts => \%book }, { work => 'completion', scripts => \%complete },
        { work => 'cancellation and its undoing', scripts => \%cancel_and_restore },
        { work => 'deletion', scripts => \%delete });
}

# A script picks a member at random, the same for every peer, or walks through the sessions, each of them once.
sub pick_member { return "\\set member random(1, $_[0])\n" }

sub walk_sessions
{
    my ($sessions) = @_;
    return "\\set n :n + 1\n\\set id 1 + ((:n * :clients + :client_id) * 7919) % $sessions\n";
}

sub script_of
{
    my ($scripts, $peer) = @_;
    return $scripts->{$peer} // ($peer eq 'ivm' ? $scripts->{floor} : undef) // $scripts->{plain};
}

# A booking on tables of that shape.
sub booking_of
{
    my ($shape, $peer) = @_;
    my $script = script_of({ %book, %{ $shape->{book} // {} } }, $peer);
    $script =~ s/:member\b/$shape->{key}/g if $shape->{key};
    return $script;
}

# Interleaved samples of each peer on fresh tables, after one second that is not counted.
sub measure
{
    my ($size, $work, $script_of, $peers, %option) = @_;
    my $shape = $option{shape};
    my $base = base($option{subscriptions} // int($size->{single} / 3), $option{sessions} // $size->{single}, aged => 1,
        shape => $shape);
    my %run = (clients => $option{clients} // 2, role => $shape->{role});
    interleave($option{repeats} // $size->{repeats}, $peers, sub {
        my ($peer, $repeat) = @_;
        my $database = fresh($peer, $base, $shape);
        my $script = $script_of->($peer);
        pgbench($database, $script, %run, seconds => 1, seed => 1000, variables => { n => 1_000_000 });
        record($work, $peer, pgbench($database, $script, %run, seconds => $size->{seconds}, seed => $repeat));
        verify($peer) if $repeat == 1;
    });
    show($work, 'tps', $option{against} // 'floor') unless $option{quiet};
    return;
}

sub ratio
{
    my ($work, $peer, $other) = @_;
    my ($value, $base) = map { median_of($work, $_, 'tps') } $peer, $other;
    return $value && $base ? $value / $base : undef;
}

sub run
{
    my ($size, $ivm) = @_;
    my $members = int($size->{single} / 3);
    my $booking = sub { pick_member($members) . script_of(\%book, $_[0]) };
    my $book = 'bookings, linked and charged, 2 clients';
    measure($size, $book, $booking,
        [qw(floor with transaction row_triggers statement_triggers), $ivm ? 'ivm' : (), 'extension']);
    target($book, 'throughput to (a)', ratio($book, 'extension', 'floor'), '>=', 0.85);
    target($book, 'throughput to (b)', ratio($book, 'extension', 'with'), '>=', 1.2);
    target($book, 'throughput to (d)', ratio($book, 'extension', 'row_triggers'), '>=', 1.6);

    my @changes = (['complete, one at a time', \%complete, 0.95],
        ['cancel and un-cancel, one at a time', \%cancel_and_restore, 0.80],
        ['delete, one at a time', \%delete, 0.80]);
    for (@changes) {
        my ($work, $scripts, $limit) = @$_;
        measure($size, $work, sub { walk_sessions($size->{single}) . script_of($scripts, $_[0]) },
            [qw(floor with extension)]);
        target($work, 'throughput to (a)', ratio($work, 'extension', 'floor'), '>=', $limit);
        target($work, 'throughput to (b)', ratio($work, 'extension', 'with'), '>=', 1.0);
    }

    my $crowd = '16 clients on one subscription';
    measure($size, $crowd, sub { pick_member(1) . script_of(\%book, $_[0]) }, [qw(with extension)],
        clients => 16, against => 'with');
    target($crowd, 'throughput to (b)', ratio($crowd, 'extension', 'with'), '>=', 1.5);
    return;
}

# Bookings on the tables that people have.
sub run_shapes
{
    my ($size) = @_;
    my $members = int($size->{single} / 3);
    for my $shape (shapes($size->{shape})) {
        my $work = "bookings of 2 clients, $shape->{name}";
        measure($size, $work, sub { pick_member($members) . booking_of($shape, $_[0]) },
            [Bench::Shapes::peers_of($shape)], shape => $shape, repeats => $size->{shape_repeats});
        target($work, 'throughput to (b)', ratio($work, 'extension', 'with'), '>=', 1.1);
    }
    return;
}

# Bookings whose commits wait for the disk, as users have them.
sub run_durable
{
    my ($size) = @_;
    my $members = int($size->{single} / 3);
    for my $clients (8, 32) {
        measure($size, "durable bookings, $clients clients", sub { pick_member($members) . script_of(\%book, $_[0]) },
            [qw(floor with transaction row_triggers extension)], clients => $clients);
    }
    return;
}

# How the cost grows: by sessions for each subscription, and by sessions in the table.
sub run_growth
{
    my ($size) = @_;
    my @by_subscription = map { ["$_", $size->{single} / $_, $size->{single}] } 1, 10, 100, 1000;
    my @by_table = map { ["$_", Bench::Tables::at_least_one($_ / 3), $_] } @{ $size->{tables} };
    for (['sessions per subscription', @by_subscription], ['sessions in the table', @by_table]) {
        my ($axis, @points) = @$_;
        print "\nbookings by $axis: throughput of (a), of the extension, ratio\n";
        for (@points) {
            my ($label, $subscriptions, $sessions) = @$_;
            my $work = "bookings, $axis: $label";
            my $members = int $subscriptions;
            measure($size, $work, sub { pick_member($members) . script_of(\%book, $_[0]) }, [qw(floor extension)],
                subscriptions => $members, sessions => $sessions, quiet => 1, repeats => $size->{growth_repeats});
            printf "  %10s %10.0f %10.0f %8.2f\n", $label, median_of($work, 'floor', 'tps'),
                median_of($work, 'extension', 'tps'), ratio($work, 'extension', 'floor');
        }
    }
    return;
}

1;
