# Keeps what was measured, part by part, and how each part was measured; medians, quartiles, ratios, targets, tables and
# results.json.
package Bench::Report;
use strict;
use warnings;
use JSON::PP;
use Bench::Tables qw(peers);
use Exporter 'import';
our @EXPORT_OK = qw(begin_part end_part record median_of median quartile show target show_targets write_json
    interleave);

my (@order, %sample, @targets, %part);

# What is recorded from now on belongs to that part.
sub begin_part
{
    my ($name, $taken) = @_;
    $part{$name} = { taken => { %$taken, load => load() } };
    (@order, @targets) = ();
    return;
}

# With what else the machine was busy: processes that ran or waited for a processor, in the last minutes.
sub load
{
    open my $file, '<', '/proc/loadavg' or return 'unknown';
    return join ', ', (split ' ', <$file>)[0 .. 2];
}

sub end_part
{
    my ($name, $seconds) = @_;
    my $one = $part{$name};
    $one->{taken}{load} .= ' before, ' . load() . ' after';
    $one->{taken}{seconds} = $seconds;
    $one->{targets} = [@targets];
    $one->{measurements} = [map {
        my $work = $_;
        { work => $work, peers => { map { $_ => rounded($sample{$work}{$_}) } keys %{ $sample{$work} } } }
    } @order];
    return;
}

# Of the sorted samples what stands that far from the first, between two of them in proportion.
sub quartile
{
    my ($which, @samples) = @_;
    my @sorted = sort { $a <=> $b } @samples;
    my $place = $#sorted * $which / 4;
    my $below = int $place;
    return $sorted[$below] + ($place - $below) * (($sorted[$below + 1] // $sorted[$below]) - $sorted[$below]);
}

sub median { return quartile(2, @_) }

# One run of a peer at a work; what was measured of it by name: tps, ms, cpu, mb, count.
sub record
{
    my ($work, $peer, $values) = @_;
    push @order, $work unless $sample{$work};
    push @{ $sample{$work}{$peer}{$_} }, $values->{$_} for keys %$values;
    return;
}

# Every peer once, then every peer again, in turned order: a machine whose speed drifts favours nobody.
# A peer written as "name:2" has enough with two runs.
sub interleave
{
    my ($repeats, $peers, $run) = @_;
    for my $repeat (1 .. $repeats) {
        my @turn = map { $peers->[($_ + $repeat) % @$peers] } 0 .. $#$peers;
        for (@turn) {
            my ($peer, $enough) = split /:/;
            $run->($peer, $repeat) unless defined $enough && $repeat > $enough;
        }
    }
    return;
}

sub median_of
{
    my ($work, $peer, $what) = @_;
    my $samples = $sample{$work}{$peer}{$what} or return;
    return median(@$samples);
}

# Prints a work: each peer's median, its quartiles, and its ratio to the floor, by the clock and by processor time.
sub show
{
    my ($work, $what, $floor) = @_;
    my $unit = { tps => 'per second', ms => 'ms', mb => 'MB', count => 'instructions' }->{$what};
    printf "\n%s\n  %-34s %12s  %-15s %8s %12s\n", $work, '', $unit, 'quartiles', 'ratio', 'ratio of CPU';
    for my $peer (sort { rank($a) <=> rank($b) } keys %{ $sample{$work} }) {
        my @samples = @{ $sample{$work}{$peer}{$what} };
        my $median = median(@samples);
        my $base = median_of($work, $floor, $what);
        my $cpu = median_of($work, $peer, 'cpu');
        my $floor_cpu = median_of($work, $floor, 'cpu');
        # Processor time as if it were the clock: per second for throughput, time for time.
        my $cpu_ratio = !$cpu || !$floor_cpu ? '' :
            sprintf '%.2f', $what eq 'tps' ? $floor_cpu / $cpu : $cpu / $floor_cpu;
        printf "  %-34s %12.*f  %-15s %8s %12s\n", peers()->{$peer} // $peer, $median < 100 ? 1 : 0, $median,
            sprintf('%.*f-%.*f', $median < 100 ? 1 : 0, quartile(1, @samples), $median < 100 ? 1 : 0,
                quartile(3, @samples)),
            $base ? sprintf('%.2f', $median / $base) : '', $cpu_ratio;
    }
    return;
}

my @ranks = qw(floor noop update with transaction row_triggers statement_triggers ivm extension);

sub rank
{
    my ($peer) = @_;
    my %rank = map { $ranks[$_] => $_ } 0 .. $#ranks;
    return $rank{$peer} // 50;
}

# A target: its work, the figure with its name, the limit, and whether more or less is better. Undefined figures
# are of parts that did not run.
sub target
{
    my ($work, $figure, $value, $direction, $limit) = @_;
    return unless defined $value;
    my $met = $direction eq '>=' ? $value >= $limit : $value <= $limit;
    push @targets, { work => $work, figure => $figure, target => "$direction $limit",
        measured => sprintf('%.2f', $value) + 0, met => $met ? JSON::PP::true : JSON::PP::false };
    return;
}

sub show_targets
{
    return unless @targets;
    printf "\n%-62s %-38s %10s %9s  %s\n", 'target', '', '', 'measured', 'met';
    printf "%-62s %-38s %10s %9.2f  %s\n", $_->{work}, $_->{figure}, $_->{target}, $_->{measured},
        $_->{met} ? 'yes' : 'NO'
        for @targets;
    return;
}

# What was measured now takes the place of the same part in the file; the others stay as they were measured.
sub write_json
{
    my ($before, $file) = @_;
    my $results = {};
    if (open my $in, '<', $before) {
        $results = JSON::PP->new->decode(join '', <$in>);
    }
    $results->{parts}{$_} = $part{$_} for keys %part;
    open my $out, '>', $file or die "$file: $!";
    print $out JSON::PP->new->pretty->canonical->encode($results);
    close $out;
    return;
}

sub rounded
{
    my ($values) = @_;
    return { map {
        my $samples = $values->{$_};
        ($_ => { median => digits(median(@$samples)), quartiles => [map { digits(quartile($_, @$samples)) } 1, 3],
                samples => [map { digits($_) } @$samples] })
    } keys %$values };
}

sub digits { return sprintf('%.4g', $_[0]) + 0 }

1;
