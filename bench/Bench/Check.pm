# Reading: the check of all counts, and one member's row of the counts view.
package Bench::Check;
use strict;
use warnings;
use Bench::Server qw(statement pgbench sql);
use Bench::Tables qw(base fresh);
use Bench::Report qw(record median_of show target interleave);

my $consuming = "session_type IN ('member', 'makeup', 'contractual')";

# The same answer by hand: a row for each subscription that is wrong.
my $by_hand = <<"END";
SELECT s.id, s.member_id, s.total_sessions_snapshot, coalesce(c.completed, 0) AS completed,
       coalesce(c.scheduled, 0) AS scheduled, s.total_sessions_snapshot - s.used_sessions AS remaining,
       s.used_sessions, coalesce(c.expected, 0) AS expected, s.used_sessions - coalesce(c.expected, 0) AS drift
FROM member_subscriptions s
LEFT JOIN (SELECT subscription_id, count(*) FILTER (WHERE status = 'completed') AS completed,
                  count(*) FILTER (WHERE status IN ('scheduled', 'in_progress')) AS scheduled, count(*) AS expected
           FROM training_sessions
           WHERE $consuming AND status IN ('scheduled', 'in_progress', 'completed')
           GROUP BY subscription_id) c ON c.subscription_id = s.id
WHERE s.used_sessions IS DISTINCT FROM coalesce(c.expected, 0)
END

# Settings that the hand-written statement is tried with; the best of them counts.
my %variant = (
    'by hand, as configured'                 => '',
    'by hand, with work_mem'                 => q{SET work_mem = '512MB';},
    'by hand, with work_mem, without jit'    => q{SET work_mem = '512MB'; SET jit = off;},
    'by hand, with work_mem, one process'    => q{SET work_mem = '512MB'; SET max_parallel_workers_per_gather = 0;
                                                  SET jit = off;},
    'by hand, without a hash, without jit'   => q{SET work_mem = '512MB'; SET jit = off; SET enable_hashagg = off;});

my %slow = map { $_ => 1 } 'by hand, as configured', 'by hand, without a hash, without jit';

my $scan = 'SELECT FROM training_sessions WHERE subscription_id IS NULL OR session_type IS NULL OR status IS NULL';

sub run_check
{
    my ($size) = @_;
    my $sessions = $size->{check};
    my $work = "check of $sessions sessions over " . $sessions / 10 . ' subscriptions, all right';
    my $database = fresh('extension', base($sessions / 10, $sessions));
    # Variants that take three times as long as the others have enough with one run, the others with two.
    my @variants = map { $slow{$_} ? "$_:1" : "$_:2" } sort keys %variant;
    my %statement = (
        extension => 'SELECT * FROM session_consistency.check_counts()',
        run_check => 'SELECT * FROM session_consistency.run_check()',
        scan      => $scan);
    interleave($size->{bulk_repeats}, ['extension', 'run_check', 'scan', @variants], sub {
        my ($peer, $repeat) = @_;
        my $text = $statement{$peer} // $by_hand;
        my $before = $peer eq 'scan' ? 'SET max_parallel_workers_per_gather = 0; SET jit = off;' : $variant{$peer} // '';
        my $cost = statement($database, $text, before => $before, watch => $peer eq 'extension');
        $cost->{mb} //= 0;
        record($work, $peer, $cost);
    });
    show($work, 'ms', 'scan');
    my ($best) = sort { $a <=> $b } map { median_of($work, $_, 'ms') } keys %variant;
    my $time = median_of($work, 'extension', 'ms');
    target($work, 'time to the best by hand', $time / $best, '<=', 0.5);
    target($work, 'time to a bare scan', $time / median_of($work, 'scan', 'ms'), '<=', 3);
    target($work, 'time of run_check to check_counts', median_of($work, 'run_check', 'ms') / $time, '<=', 2);
    target($work, 'MB', median_of($work, 'extension', 'mb'), '<=', 128);
    return;
}

# One member's row: through the view, and written by hand for the same numbers.
sub run_view
{
    my ($size) = @_;
    my ($subscriptions, $sessions) = (int($size->{single} / 3), $size->{single});
    my $work = "one member's row of the counts view";
    my %script = (
        extension => q{SELECT * FROM member_subscriptions_session_counts } .
            q{WHERE member_id = :member AND status = 'active';},
        'by hand' => <<"END");
SELECT s.id, s.member_id, s.status, s.total_sessions_snapshot, c.completed, c.scheduled,
       s.total_sessions_snapshot - s.used_sessions, s.used_sessions, s.used_sessions = c.completed + c.scheduled
FROM member_subscriptions s
CROSS JOIN LATERAL (SELECT count(*) FILTER (WHERE status = 'completed') AS completed,
                           count(*) FILTER (WHERE status IN ('scheduled', 'in_progress')) AS scheduled
                    FROM training_sessions t WHERE t.subscription_id = s.id AND $consuming) c
WHERE s.member_id = :member AND s.status = 'active';
END
    my $database = fresh('extension', base($subscriptions, $sessions, aged => 1));
    interleave($size->{repeats}, [sort keys %script], sub {
        my ($peer, $repeat) = @_;
        record($work, $peer, pgbench($database, "\\set member random(1, $subscriptions)\n$script{$peer}",
                seconds => $size->{seconds}, seed => $repeat));
    });
    show($work, 'tps', 'by hand');
    target($work, 'time to a hand-written look-up',
        median_of($work, 'by hand', 'tps') / median_of($work, 'extension', 'tps'), '<=', 1.1);
    return;
}

sub run
{
    run_view(@_);
    run_check(@_);
    return;
}

1;
