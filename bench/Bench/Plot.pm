# Draws what was measured with gnuplot: bars for each comparison, lines for growth, quartiles as error bars. Names and
# numbers stand in the margins, where nothing crosses them.
package Bench::Plot;
use strict;
use warnings;
use JSON::PP;

my %colour = (floor => '0x8c959f', extension => '0x1a7f37');
my $colour_of_peers = '0x54aeff';

sub gnuplot
{
    my ($file, $width, $height, @commands) = @_;
    open my $gnuplot, '|-', 'gnuplot' or die "gnuplot: $!";
    print $gnuplot qq{set terminal svg size $width,$height font "sans-serif,12" background "white"\n},
        qq{set output "$file"\n}, map { "$_\n" } @commands;
    close $gnuplot or die "gnuplot failed to draw $file\n";
    return;
}

# As a string of gnuplot's: what stands between backticks it would give to a shell.
sub quoted
{
    my ($text) = @_;
    $text =~ tr/`"\\//d;
    return qq{"$text"};
}

# Each peer's ratio to the floor: one group of bars for each work. Bars longer than the limit are cut; their number, at
# the right, is not.
sub draw_bars
{
    my ($file, $title, $groups, $names, $limit) = @_;
    my (@data, @names, @values);
    my $y = 0;
    for my $group (@$groups) {
        push @names, quoted("$group->{work}:") . " $y";
        $y++;
        for my $peer (@{ $group->{peers} }) {
            my ($name, $ratio, $low, $high) = @$peer;
            push @names, quoted($names->{$name} // $name) . " $y";
            push @values, quoted(sprintf '%.2f', $ratio) . " $y";
            push @data, "$ratio $y $low $high " . ($colour{$name} // $colour_of_peers);
            $y++;
        }
    }
    my $bottom = $y - 0.4;
    gnuplot($file, 900, 90 + 17 * $y, '$data << end', @data, 'end', 'set title ' . quoted($title) . ' noenhanced',
        'unset key', 'set lmargin 62', 'set rmargin 8', "set xrange [0:$limit]", "set yrange [$bottom:-0.6]",
        'set border 1', 'set xtics nomirror out', 'set ytics scale 0 noenhanced (' . join(', ', @names) . ')',
        "set link y2", 'set y2tics scale 0 (' . join(', ', @values) . ')',
        "set arrow 1 from 1,-0.6 to 1,$bottom nohead dashtype 2 linecolor rgb \"#57606a\" back",
        'plot $data using (0.5*$1):2:(0):1:($2-0.38):($2+0.38):5 with boxxyerror linecolor rgb variable ' .
        'fillstyle solid noborder, $data using 1:2:3:4 with xerrorbars linecolor rgb "black" pointtype 0');
    return;
}

# Time of one booking along a logarithmic axis: the floor's line and the extension's. Points are [where, floor, its
# quartiles, ours, its quartiles].
sub draw_lines
{
    my ($file, $title, $axis, $points) = @_;
    my $line = sub {
        my ($column, $peer, $name) = @_;
        return "\$data using 1:$column:@{[$column + 1]}:@{[$column + 2]} with yerrorlines linewidth 2 pointtype 7 " .
            qq{pointsize 0.5 linecolor rgb "#@{[substr $colour{$peer}, 2]}" title "$name"};
    };
    gnuplot($file, 620, 340, '$data << end', map({ join ' ', @$_ } @$points), 'end',
        'set title ' . quoted($title) . ' noenhanced', 'set xlabel ' . quoted($axis),
        'set ylabel "microseconds of one of two clients"', 'set logscale x 10', 'set yrange [0:*]', 'set grid ytics',
        'set border 3', 'set tics nomirror', q{set format x "%.0f"}, 'set offsets graph 0.05, graph 0.05, graph 0.1, 0',
        'set key outside top right horizontal noenhanced',
        'plot ' . join ', ', $line->(2, 'floor', 'no counter (a)'), $line->(5, 'extension', 'session_consistency'));
    return;
}

# A comparison from results.json: ratios of medians to a peer's, and of quartiles.
sub comparison
{
    my ($measured, $what, $base) = @_;
    my %figure = map { ($_ => $measured->{peers}{$_}{$what}) } keys %{ $measured->{peers} };
    my %rank = (floor => -2, noop => -1, scan => -1, extension => 99);
    my @peers = sort { ($rank{$a} // 0) <=> ($rank{$b} // 0) || $a cmp $b } keys %figure;
    my $one = $figure{$base}{median};
    return { work => $measured->{work} =~ s/^instructions of one //r, peers => [map {
        [$_, map { $_ / $one } $figure{$_}{median}, @{ $figure{$_}{quartiles} }]
    } @peers] };
}

# Which plot a work belongs to, what is compared there, and with whom.
sub place_of
{
    my ($measured) = @_;
    my %peer = %{ $measured->{peers} };
    return ('check', 'ms', 'scan') if $peer{scan};
    return ('instructions', 'count', 'floor') if $peer{extension}{count};
    return ('memory', 'mb', 'floor') if $peer{floor} && $peer{floor}{mb};
    return ('bulk', 'ms', 'floor') if $peer{extension}{ms};
    return ('shapes', 'tps', 'floor') if $measured->{work} =~ /^bookings of 2 clients/;
    return ('durable', 'tps', 'floor') if $measured->{work} =~ /^durable/;
    return ('single', 'tps', $peer{floor} ? 'floor' : $peer{with} ? 'with' : 'by hand');
}

my %plot = (
    single       => ['Throughput, the first of each as 1: longer is better', 1.6],
    shapes       => ['Throughput to the same tables without a counter: longer is better', 1.2],
    durable      => ['Throughput to the same tables without a counter, each commit on the disk: longer is better', 1.4],
    bulk         => ['Time to the same tables without a counter: shorter is better', 6],
    check        => ['Time to a bare scan in one process: shorter is better', 12],
    memory       => ['Private memory of the backend to that without a counter: shorter is better', 6],
    instructions => ['Instructions to the same tables without a counter: shorter is better', 3]);

# Every plot, from the results as they were written.
sub draw_all
{
    my ($directory, $names) = @_;
    open my $in, '<', "$directory/results.json" or die;
    my $parts = decode_json(join '', <$in>)->{parts};
    my (%groups, %growth);
    for my $measured (map { @{ $parts->{$_}{measurements} } } sort keys %$parts) {
        if ($measured->{work} =~ /^bookings, (sessions .*): (\d+)$/) {
            # The quartiles of the time are those of the throughput, turned round.
            push @{ $growth{$1} }, [$2, map {
                my $tps = $measured->{peers}{$_}{tps};
                map { 2e6 / $_ } $tps->{median}, reverse @{ $tps->{quartiles} }
            } qw(floor extension)];
        } else {
            my ($plot, $what, $base) = place_of($measured);
            push @{ $groups{$plot} }, comparison($measured, $what, $base);
        }
    }
    draw_bars("$directory/$_.svg", $plot{$_}[0], $groups{$_}, $names, $plot{$_}[1]) for keys %groups;
    for my $axis (keys %growth) {
        (my $name = $axis) =~ s/ /_/g;
        my @points = sort { $a->[0] <=> $b->[0] } @{ $growth{$axis} };
        draw_lines("$directory/growth_$name.svg", 'Time of a booking', $axis, \@points);
    }
    return;
}

1;
