# Keeps what was measured; medians, ratios, targets, tables and results.json.
package Bench::Report;
use strict;
use warnings;
use JSON::PP;
use Bench::Tables qw(peers);
use Exporter 'import';
our @EXPORT_OK = qw(record median_of median show target show_targets note write_json measured interleave);

my (@order, %sample, @targets, %notes);

sub median
{
    my @sorted = sort { $a <=> $b } @_;
    my $middle = int(@sorted / 2);
    return @sorted % 2 ? $sorted[$middle] : ($sorted[$middle - 1] + $sorted[$middle]) / 2;
}

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

sub measured { return exists $sample{ $_[0] } && exists $sample{ $_[0] }{ $_[1] } }

# Prints a work: each peer's median, its spread, and its ratio to the floor, by the clock and by processor time.
sub show
{
    my ($work, $what, $floor) = @_;
    my $unit = { tps => 'per second', ms => 'ms', mb => 'MB', count => 'instructions' }->{$what};
    printf "\n%s\n  %-34s %12s  %-15s %8s %12s\n", $work, '', $unit, 'spread', 'ratio', 'ratio of CPU';
    for my $peer (sort { rank($a) <=> rank($b) } keys %{ $sample{$work} }) {
        my @samples = sort { $a <=> $b } @{ $sample{$work}{$peer}{$what} };
        my $median = median(@samples);
        my $base = median_of($work, $floor, $what);
        my $cpu = median_of($work, $peer, 'cpu');
        my $floor_cpu = median_of($work, $floor, 'cpu');
        # Processor time as if it were the clock: per second for throughput, time for time.
        my $cpu_ratio = !$cpu || !$floor_cpu ? '' :
            sprintf '%.2f', $what eq 'tps' ? $floor_cpu / $cpu : $cpu / $floor_cpu;
        printf "  %-34s %12.*f  %-15s %8s %12s\n", peers()->{$peer} // $peer, $median < 100 ? 1 : 0, $median,
            sprintf('%.*f-%.*f', $median < 100 ? 1 : 0, $samples[0], $median < 100 ? 1 : 0, $samples[-1]),
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

# Anything else that belongs beside the figures.
sub note
{
    my ($name, $value) = @_;
    $notes{$name} = $value;
    return;
}

sub write_json
{
    my ($file) = @_;
    my @works = map {
        my $work = $_;
        { work => $work, peers => { map { $_ => rounded($sample{$work}{$_}) } keys %{ $sample{$work} } } }
    } @order;
    my $json = JSON::PP->new->pretty->canonical;
    open my $out, '>', $file or die "$file: $!";
    print $out $json->encode({ %notes, targets => \@targets, measurements => \@works });
    close $out;
    return;
}

sub rounded
{
    my ($values) = @_;
    return { map {
        my $samples = $values->{$_};
        ($_ => { median => digits(median(@$samples)), samples => [map { digits($_) } @$samples] })
    } keys %$values };
}

sub digits { return sprintf('%.4g', $_[0]) + 0 }

1;
