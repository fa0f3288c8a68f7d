# Draws what was measured as SVG: bars for each comparison, lines for growth. Readable on a light and on a dark page.
package Bench::Plot;
use strict;
use warnings;
use JSON::PP;

my %colour = (floor => 'base', extension => 'ours');

my $style = <<'END';
<style>
text { font: 13px sans-serif; fill: #24292f; } .small { font-size: 11px; fill: #57606a; }
.base { fill: #8c959f; stroke: #8c959f; } .ours { fill: #1a7f37; stroke: #1a7f37; }
.peer { fill: #54aeff; stroke: #54aeff; } .axis { stroke: #8c959f; fill: none; }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3; } .small { fill: #9198a1; } .base { fill: #6e7681; stroke: #6e7681; }
.ours { fill: #3fb950; stroke: #3fb950; } .peer { fill: #388bfd; stroke: #388bfd; } .axis { stroke: #6e7681; } }
</style>
END

sub escape
{
    my ($text) = @_;
    $text =~ s/&/&amp;/g;
    $text =~ s/</&lt;/g;
    return $text;
}

sub write_svg
{
    my ($file, $width, $height, $title, @body) = @_;
    open my $out, '>', $file or die "$file: $!";
    print $out qq{<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 $width $height" width="$width" },
        qq{height="$height" role="img">\n<title>}, escape($title), "</title>\n$style", @body, "</svg>\n";
    close $out;
    return;
}

sub text
{
    my ($x, $y, $text, %option) = @_;
    my $class = $option{small} ? ' class="small"' : '';
    my $anchor = $option{anchor} ? qq{ text-anchor="$option{anchor}"} : '';
    return sprintf qq{<text x="%.0f" y="%.0f"%s%s>%s</text>\n}, $x, $y, $class, $anchor, escape($text);
}

# Each peer's ratio to the floor: one group of bars for each work. Bars longer than the limit are cut.
sub draw_bars
{
    my ($file, $title, $groups, $names, $limit) = @_;
    my ($left, $width, $row) = (230, 420, 20);
    my $y = 46;
    my @body = text(10, 20, $title);
    for my $group (@$groups) {
        push @body, text(10, $y, $group->{work});
        $y += 8;
        for my $peer (@{ $group->{peers} }) {
            my ($name, $ratio) = @$peer;
            my $class = $colour{$name} // 'peer';
            my $length = $width * ($ratio > $limit ? $limit : $ratio) / $limit;
            push @body, text($left - 8, $y + 13, $names->{$name} // $name, anchor => 'end', small => 1),
                sprintf(qq{<rect class="%s" x="%d" y="%d" width="%.1f" height="14"/>\n}, $class, $left, $y + 2,
                $length),
                text($left + $length + 6, $y + 13, sprintf('%.2f%s', $ratio, $ratio > $limit ? ' (cut)' : ''),
                small => 1);
            $y += $row;
        }
        $y += 22;
    }
    my $one = $left + $width / $limit;
    push @body, sprintf qq{<path class="axis" stroke-dasharray="3 3" d="M%.1f 40V%d"/>\n}, $one, $y - 22;
    write_svg($file, $left + $width + 90, $y - 6, $title, @body);
    return;
}

# Time of one booking along a logarithmic axis: the floor's line and the extension's. Points are [where, floor, ours].
sub draw_lines
{
    my ($file, $title, $axis, $points) = @_;
    my ($left, $top, $width, $height) = (60, 50, 480, 220);
    my @x = map { log($_->[0]) } @$points;
    my $span = ($x[-1] - $x[0]) || 1;
    my ($most) = sort { $b <=> $a } map { @{$_}[1, 2] } @$points;
    my $step = step_for($most);
    my $limit = $step * int(1 + $most / $step);
    my $at = sub {
        my ($i, $value) = @_;
        return ($left + 20 + ($width - 40) * ($x[$i] - $x[0]) / $span, $top + $height * (1 - $value / $limit));
    };
    my @body = (text(10, 20, $title), text(10, 40, 'microseconds of one of two clients', small => 1));
    for (my $tick = 0; $tick <= $limit; $tick += $step) {
        my (undef, $y) = $at->(0, $tick);
        push @body, sprintf(qq{<path class="axis" stroke-dasharray="3 3" d="M%d %.1fH%d"/>\n}, $left, $y,
            $left + $width), text($left - 8, $y + 4, $tick, anchor => 'end', small => 1);
    }
    for (['base', 1, 'no counter (a)', 20], ['ours', 2, 'session_consistency', -12]) {
        my ($class, $column, $name, $below) = @$_;
        my @line = map { [$at->($_, $points->[$_][$column])] } 0 .. $#$points;
        push @body, qq{<path class="$class" style="fill:none;stroke-width:2" d="M} .
            join('L', map { sprintf '%.1f %.1f', @$_ } @line) . qq{"/>\n},
            map({ sprintf qq{<circle class="$class" cx="%.1f" cy="%.1f" r="4"/>\n}, @$_ } @line),
            text($line[0][0] - 10, $line[0][1] + $below, $name, small => 1);
    }
    push @body, map { text(($at->($_, 0))[0], $top + $height + 18, count_text($points->[$_][0]), anchor => 'middle',
            small => 1) } 0 .. $#$points;
    push @body, text($left + $width / 2, $top + $height + 38, $axis, anchor => 'middle', small => 1);
    write_svg($file, $left + $width + 20, $top + $height + 50, $title, @body);
    return;
}

# A round distance of marks, of which a handful reach that far.
sub step_for
{
    my ($most) = @_;
    my $power = 10 ** int(log($most) / log(10));
    return $most / $power < 2 ? $power / 4 : $most / $power < 5 ? $power / 2 : $power;
}

sub count_text
{
    my ($count) = @_;
    1 while $count =~ s/^(\d+)(\d{3})/$1,$2/;
    return $count;
}

# A comparison from results.json: ratios of medians to a peer.
sub comparison
{
    my ($measured, $what, $base) = @_;
    my %median = map { ($_ => $measured->{peers}{$_}{$what}{median}) } keys %{ $measured->{peers} };
    my %rank = (floor => -2, noop => -1, scan => -1, extension => 99);
    my @peers = sort { ($rank{$a} // 0) <=> ($rank{$b} // 0) || $a cmp $b } keys %median;
    return { work => $measured->{work}, peers => [map { [$_, $median{$_} / $median{$base}] } @peers] };
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
    return ('single', 'tps', $peer{floor} ? 'floor' : $peer{with} ? 'with' : 'by hand');
}

my %plot = (
    single       => ['Throughput, the first of each as 1: longer is better', 1.6],
    bulk         => ['Time to the same tables without a counter: shorter is better', 6],
    check        => ['Time to a bare scan in one process: shorter is better', 12],
    memory       => ['Private memory of the backend to that without a counter: shorter is better', 6],
    instructions => ['Instructions to the same tables without a counter: shorter is better', 4]);

# Every plot, from the results as they were written.
sub draw_all
{
    my ($directory, $names) = @_;
    open my $in, '<', "$directory/results.json" or die;
    my $results = decode_json(join '', <$in>);
    my (%groups, %growth);
    for my $measured (map { @{ $results->{parts}{$_}{measurements} } } grep { $_ ne 'shapes' } sort keys %{ $results->{parts} }) {
        if ($measured->{work} =~ /^bookings, (sessions .*): (\d+)$/) {
            push @{ $growth{$1} }, [$2, map { 2e6 / $measured->{peers}{$_}{tps}{median} } qw(floor extension)];
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
