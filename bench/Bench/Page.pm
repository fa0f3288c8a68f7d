# Puts the figures of results.json between the marks of docs/performance.md, so that the page cannot drift from them.
package Bench::Page;
use strict;
use warnings;
use JSON::PP;

sub table
{
    my ($head, @rows) = @_;
    my $align = join '|', map { /^(?:target|measured|bare \(a\).*|session_consistency|.*\((?:b|d)\).*)$/ ? '---:' : '---' } @$head;
    return join "\n", map { "| $_ |" } join(' | ', @$head), $align =~ s/\|/ | /gr, map { join ' | ', @$_ } @rows;
}

# How each part was measured: a figure without that says nothing.
sub parts
{
    my ($results) = @_;
    return table(['part', 'taken', 'how', 'load of the machine'], map {
        my $taken = $results->{parts}{$_}{taken};
        my $size = $taken->{sizes};
        ["`$_`", "$taken->{date}, PostgreSQL " . ($taken->{server}{version} =~ s/ .*//r), $taken->{method},
            $taken->{load}]
    } sort keys %{ $results->{parts} });
}

sub machine
{
    my ($results) = @_;
    my %said;
    for (values %{ $results->{parts} }) {
        my $taken = $_->{taken};
        $said{"$taken->{machine}. Server: `" . join('`, `', @{ $taken->{server}{settings} }) . '`.'} = 1;
    }
    return join "\n", sort(keys %said), '', parts($results);
}

sub targets
{
    my ($results) = @_;
    my %sign = ('>=' => 'at least', '<=' => 'at most');
    my @targets = map { @{ $results->{parts}{$_}{targets} } } grep { $_ ne 'instructions' && $_ ne 'shapes' }
        sort keys %{ $results->{parts} };
    return table(['work', 'figure', 'target', 'measured', 'met'], map {
        my ($sign, $limit) = split ' ', $_->{target};
        [$_->{work}, $_->{figure}, "$sign{$sign} $limit", $_->{measured}, $_->{met} ? 'yes' : '**no**']
    } @targets);
}

# Medians of one part by work and peer.
sub medians
{
    my ($results, $part, $what) = @_;
    return map {
        my $peers = $_->{peers};
        ($_->{work} => { map { ($_ => $peers->{$_}{$what}{median}) } grep { $peers->{$_}{$what} } keys %$peers })
    } @{ $results->{parts}{$part}{measurements} // [] };
}

sub to_base { return defined $_[0] && $_[1] ? sprintf('%.2f', $_[0] / $_[1]) : '' }

# A row for each work: instructions of the bare tables, and ratios to them.
sub counted
{
    my ($results, $wanted) = @_;
    my %count = medians($results, 'instructions', 'count');
    my %limit;
    for (grep { $_->{figure} ne 'to (b)' } @{ $results->{parts}{instructions}{targets} }) {
        my $to = $_->{figure} =~ /^to those with: (.*)/ ? " of \"$1\", here $_->{measured}" : '';
        $limit{ $_->{work} } = '≤ ' . ($_->{target} =~ s/^<= //r) . $to . ($_->{met} ? '' : ', **missed**');
    }
    return table(['instructions of', 'bare (a)', 'session_consistency', 'one WITH (b)', 'PL/pgSQL row triggers (d)',
            'session_consistency to (b)', 'target'],
        map {
            my $one = $count{$_};
            [s/^instructions of (?:one booking, )?//r, sprintf('%.0f', $one->{floor}),
                map({ to_base($one->{$_}, $one->{floor}) } qw(extension with row_triggers)),
                to_base($one->{extension}, $one->{with}), $limit{$_} // '']
        } grep { /$wanted/ } map { $_->{work} } @{ $results->{parts}{instructions}{measurements} // [] });
}

# A row for each work: transactions per second of the bare tables, and ratios to the peers.
sub throughput
{
    my ($results, $part) = @_;
    my %tps = medians($results, $part, 'tps');
    return 'Not measured yet.' unless %tps;
    return table(['work', 'bare (a), per second', map { "session_consistency to ($_)" } qw(a b d)], map {
        my $one = $tps{$_};
        [s/^bookings of 2 clients, //r, sprintf('%.0f', $one->{floor}),
            map { to_base($one->{extension}, $one->{$_}) } qw(floor with row_triggers)]
    } map { $_->{work} } @{ $results->{parts}{$part}{measurements} });
}

sub write_page
{
    my ($page, $directory, $names) = @_;
    open my $in, '<', "$directory/results.json" or die;
    my $results = decode_json(join '', <$in>);
    open my $old, '<', $page or die "$page: $!";
    my $text = join '', <$old>;
    my %block = (machine => machine($results), targets => targets($results),
        shapes => counted($results, qr/^instructions of one booking/),
        changes => counted($results, qr/^instructions of one (?!booking)/),
        throughput => throughput($results, 'shapes'), durable => throughput($results, 'durable'));
    for my $name (keys %block) {
        next if $block{$name} eq '';
        $text =~ s/(<!-- $name -->\n).*?(<!-- end of $name -->)/$1$block{$name}\n$2/s or die "$page has no $name\n";
    }
    open my $new, '>', "$directory/performance.md" or die;
    print $new $text;
    close $new;
    return;
}

1;
