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
.line { fill: none; stroke-width: 2; }
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

# Throughput of the extension to the floor's along a logarithmic axis.
sub draw_lines
{
    my ($file, $title, $axis, $points) = @_;
    my ($left, $top, $width, $height) = (50, 40, 480, 200);
    my @x = map { log($_->[0]) } @$points;
    my $span = ($x[-1] - $x[0]) || 1;
    my @at = map { [$left + 20 + ($width - 40) * ($x[$_] - $x[0]) / $span,
        $top + $height * (1 - ($points->[$_][1] > 1.2 ? 1.2 : $points->[$_][1]) / 1.2)] } 0 .. $#x;
    my @body = text(10, 20, $title);
    for my $tick (0, 0.5, 1) {
        my $y = $top + $height * (1 - $tick / 1.2);
        push @body, sprintf(qq{<path class="axis" stroke-dasharray="3 3" d="M%d %.1fH%d"/>\n}, $left, $y,
            $left + $width), text($left - 8, $y + 4, sprintf('%.1f', $tick), anchor => 'end', small => 1);
    }
    push @body, qq{<path class="ours line" style="fill:none" d="M} . join('L', map { sprintf '%.1f %.1f', @$_ } @at) .
        qq{"/>\n};
    for (0 .. $#at) {
        push @body, sprintf(qq{<circle class="ours" cx="%.1f" cy="%.1f" r="4"/>\n}, @{ $at[$_] }),
            text($at[$_][0], $at[$_][1] - 10, sprintf('%.2f', $points->[$_][1]), anchor => 'middle', small => 1),
            text($at[$_][0], $top + $height + 18, count_text($points->[$_][0]), anchor => 'middle', small => 1);
    }
    push @body, text($left + $width / 2, $top + $height + 38, $axis, anchor => 'middle', small => 1);
    write_svg($file, $left + $width + 20, $top + $height + 50, $title, @body);
    return;
}

sub count_text
{
    my ($count) = @_;
    1 while $count =~ s/^(\d+)(\d{3})/$1,$2/;
    return $count;
}

# A comparison from results.json: ratios of medians to the first peer that is named.
sub comparison
{
    my ($measured, $what, $base) = @_;
    my %median = map { ($_ => $measured->{peers}{$_}{$what}{median}) } keys %{ $measured->{peers} };
    return unless $median{$base};
    my %rank = (floor => -2, noop => -1, extension => 99);
    my @peers = sort { ($rank{$a} // 0) <=> ($rank{$b} // 0) || $a cmp $b } grep { defined $median{$_} } keys %median;
    return { work => $measured->{work}, peers => [map { [$_, $median{$_} / $median{$base}] } @peers] };
}

# Every plot, from the results as they were written.
sub draw_all
{
    my ($directory, $names) = @_;
    open my $in, '<', "$directory/results.json" or die;
    my $results = decode_json(join '', <$in>);
    my (@single, @bulk, @check, %growth, @count);
    for my $measured (@{ $results->{measurements} }) {
        my $work = $measured->{work};
        if ($work =~ /^bookings, (sessions .*): (\d+)$/) {
            my %median = map { ($_ => $measured->{peers}{$_}{tps}{median}) } qw(floor extension);
            push @{ $growth{$1} }, [$2, $median{extension} / $median{floor}];
        } elsif ($work =~ /^check/) {
            push @check, comparison($measured, 'ms', 'scan');
        } elsif ($work =~ /^instructions/) {
            push @count, comparison($measured, 'count', 'floor');
        } elsif ($measured->{peers}{extension}{ms} && $work !~ /^memory/) {
            push @bulk, comparison($measured, 'ms', 'floor');
        } elsif ($measured->{peers}{floor}{tps}) {
            push @single, comparison($measured, 'tps', 'floor');
        }
    }
    draw_bars("$directory/single.svg", 'Throughput to the same tables without a counter (longer is better)',
        \@single, $names, 1.2);
    draw_bars("$directory/bulk.svg", 'Time to the same tables without a counter (shorter is better)', \@bulk, $names,
        6);
    draw_bars("$directory/check.svg", 'Time to a bare scan in one process (shorter is better)', \@check, $names, 12);
    draw_bars("$directory/instructions.svg", 'Instructions to the same tables without a counter (shorter is better)',
        \@count, $names, 4) if @count;
    for my $axis (keys %growth) {
        (my $name = $axis) =~ s/ /_/g;
        my @points = sort { $a->[0] <=> $b->[0] } @{ $growth{$axis} };
        draw_lines("$directory/growth_$name.svg", 'Throughput of bookings to the same without a counter', $axis,
            \@points);
    }
    return;
}

1;
