# Instructions of one booking, counted by callgrind in a single backend: the same on every run, however busy the
# machine. What starting and stopping costs falls out of the difference between many bookings and few.
package Bench::Instructions;
use strict;
use warnings;
use Bench::Server qw(sql work);
use Bench::Tables qw(base fresh);
use Bench::Report qw(record show);

my %book = (
    floor => 'INSERT INTO training_sessions (member_id, subscription_id) VALUES ($1, $1)',
    with  => q{WITH charged AS (UPDATE member_subscriptions SET used_sessions = used_sessions + 1 } .
        q{WHERE member_id = $1 AND status = 'active' AND used_sessions < total_sessions_snapshot RETURNING id) } .
        'INSERT INTO training_sessions (member_id, subscription_id) SELECT $1, id FROM charged',
    plain => 'INSERT INTO training_sessions (member_id) VALUES ($1)');

sub server
{
    my ($action) = @_;
    my $work = work();
    system("pg_ctl -D '$work/data' -l '$work/server.log' -w -m fast $action >>'$work/initdb.log' 2>&1") == 0
        or die "pg_ctl $action failed\n";
    return;
}

# Instructions of a backend that books that often.
sub count
{
    my ($peer, $bookings, $subscriptions) = @_;
    my $work = work();
    open my $input, '>', "$work/single.sql" or die;
    print $input 'PREPARE book(bigint) AS ', $book{$peer} // $book{plain}, "\n";
    print $input 'EXECUTE book(', 1 + ($_ * 7919) % $subscriptions, ")\n" for 1 .. $bookings;
    close $input;
    my $kept = "$work/callgrind.$peer";
    my $log = `valgrind --tool=callgrind --callgrind-out-file='$kept' postgres --single -D '$work/data' run \\
        <'$work/single.sql' 2>&1`;
    die $log if $log =~ /ERROR|FATAL/;
    my ($count) = $log =~ /Collected\s*:\s*(\d+)/ or die $log;
    return $count;
}

sub run
{
    my ($size) = @_;
    if (system('command -v valgrind >/dev/null') != 0) {
        print "\nno instruction counts: valgrind is not installed\n";
        return;
    }
    my $work = 'instructions of one booking';
    my ($subscriptions, $bookings) = (10_000, $size->{instructions});
    my $base = base($subscriptions, 3 * $subscriptions, aged => 1);
    for my $peer (qw(floor with row_triggers statement_triggers extension)) {
        fresh($peer, $base);
        server('stop');
        # The second count goes on in the database of the first: the same pages, grown by the same bookings.
        my ($few, $many) = (count($peer, $bookings / 4, $subscriptions), count($peer, $bookings, $subscriptions));
        record($work, $peer, { count => ($many - $few) / ($bookings - $bookings / 4) });
        server('start');
    }
    show($work, 'count', 'floor');
    return;
}

1;
