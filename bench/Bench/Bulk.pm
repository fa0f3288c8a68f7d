# Many sessions in one statement.
package Bench::Bulk;
use strict;
use warnings;
use Bench::Server qw(statement sql work);
use Bench::Tables qw(base fresh rows_of gives_link verify);
use Bench::Report qw(record median_of show target interleave);

# Runs a statement of each peer on a fresh copy of a base. The statement is text, or made from the peer's name.
sub measure
{
    my ($size, $work, $base, $make, $peers, $repeats) = @_;
    interleave($repeats // $size->{bulk_repeats}, $peers, sub {
        my ($peer, $repeat) = @_;
        my $database = fresh($peer, $base);
        record($work, $peer, statement($database, ref $make ? $make->($peer) : $make));
        verify($peer) if $repeat == 1 && $peer ne 'update';
    });
    show($work, 'ms', 'floor');
    return;
}

sub insert_of
{
    my ($subscriptions, $sessions) = @_;
    return sub {
        my ($peer) = @_;
        return 'INSERT INTO training_sessions (member_id, subscription_id) ' .
            rows_of($peer, $subscriptions, $sessions);
    };
}

sub copy_of
{
    my ($subscriptions, $sessions) = @_;
    return sub {
        my ($peer) = @_;
        my $file = work() . '/rows.' . (gives_link($peer) ? 'linked' : 'unlinked');
        sql('postgres', "COPY (@{[rows_of($peer, $subscriptions, $sessions)]}) TO '$file'") unless -e $file;
        return "COPY training_sessions (member_id, subscription_id) FROM '$file'";
    };
}

sub ratio
{
    my ($work, $peer, $other) = @_;
    my ($value, $base) = map { median_of($work, $_, 'ms') } $peer, $other;
    return $value && $base ? $value / $base : undef;
}

# Inserts.
sub run_inserts
{
    my ($size, $ivm) = @_;
    my ($many, $few, $rows) = @{$size}{qw(subscriptions few sessions)};
    my @insert = (floor => 'row_triggers:1', 'statement_triggers:1', $ivm ? 'ivm:1' : (), 'extension');
    for (["$rows sessions over $many subscriptions, INSERT ... SELECT", insert_of($many, $rows)],
        ["$rows sessions over $many subscriptions, COPY", copy_of($many, $rows)]) {
        my ($work, $make) = @$_;
        measure($size, $work, base($many, 0), $make, \@insert);
        target($work, 'time to (a)', ratio($work, 'extension', 'floor'), '<=', 1.4);
        target($work, 'time of (d) to the extension', ratio($work, 'row_triggers', 'extension'), '>=', 3);
    }
    my $work = "$rows sessions over $few subscriptions";
    measure($size, $work, base($few, 0), insert_of($few, $rows), [qw(floor statement_triggers:1 extension)]);
    target($work, 'time to (a)', ratio($work, 'extension', 'floor'), '<=', 1.2);

    my @one = map { ["$_ sessions of one subscription", $_] } $size->{one}, 5 * $size->{one};
    for (@one) {
        my ($name, $count) = @$_;
        my @slow = $count == $size->{one} ? 'row_triggers:1' : ();
        # So short that chance weighs more.
        measure($size, $name, base(1, 0), insert_of(1, $count), ['floor', @slow, 'extension'], $size->{repeats});
        target($name, 'time to (a)', ratio($name, 'extension', 'floor'), '<=', 1.3);
    }
    my ($small, $large) = map { median_of($_->[0], 'extension', 'ms') } @one;
    target("5 times as many sessions of one subscription", 'time to the fewer, over 5', $large / $small / 5, '<=', 1.2);
    return;
}

# Cancelling and deleting what is there.
sub run_changes
{
    my ($size) = @_;
    my ($many, $few, $rows) = @{$size}{qw(subscriptions few sessions)};
    my $cancel = q{UPDATE training_sessions SET status = 'cancelled'};
    for ([$few, 1.3], [$many, 1.6]) {
        my ($subscriptions, $limit) = @$_;
        my $work = "cancel $rows sessions of $subscriptions subscriptions";
        measure($size, $work, base($subscriptions, $rows), $cancel, [qw(floor statement_triggers:1 extension)]);
        target($work, 'time to (a)', ratio($work, 'extension', 'floor'), '<=', $limit);
    }
    my $work = "delete $rows sessions of $many subscriptions";
    measure($size, $work, base($many, $rows), sub {
        return $_[0] eq 'update' ? 'UPDATE member_subscriptions SET used_sessions = used_sessions - 1'
            : 'DELETE FROM training_sessions';
    }, [qw(floor noop update extension)]);
    my ($floor, $noop, $update, $extension) = map { median_of($work, $_, 'ms') } qw(floor noop update extension);
    target($work, 'time to (a) + UPDATE + 2 idle triggers',
        $extension / ($floor + $update + 2 * ($noop - $floor)), '<=', 1);
    return;
}

sub run
{
    my ($size, $ivm) = @_;
    run_inserts($size, $ivm);
    run_changes($size);
    return;
}

# The backend's memory for a statement over very many subscriptions.
sub run_memory
{
    my ($size) = @_;
    my $count = $size->{memory};
    my $work = "memory of one statement over $count subscriptions";
    for my $peer (qw(floor extension)) {
        my $database = fresh($peer, base($count, 0));
        record($work, $peer, statement($database, insert_of($count, $count)->($peer), watch => 1));
    }
    show($work, 'mb', 'floor');
    target($work, 'MB above (a)',
        median_of($work, 'extension', 'mb') - median_of($work, 'floor', 'mb'), '<=', 128);
    return;
}

1;
