# Puts the figures of results.json between the marks of docs/performance.md, so that the page cannot drift from them.
package Bench::Page;
use strict;
use warnings;
use JSON::PP;

sub table
{
    my ($head, @rows) = @_;
    my $align = join '|', map { /^(?:target|measured|median|ratio)$/ ? '---:' : '---' } @$head;
    return join "\n", map { "| $_ |" } join(' | ', @$head), $align =~ s/\|/ | /gr, map { join ' | ', @$_ } @rows;
}

sub machine
{
    my ($results) = @_;
    my %size = %{ $results->{sizes} };
    return "PostgreSQL $results->{server}{version} on $results->{machine}. Server: `" .
        join('`, `', @{ $results->{server}{settings} }) . "`. Medians of $size{repeats} runs of what is short " .
        "(single bookings, $size{transactions} transactions of each client; statements over one subscription), of " .
        "$size{growth_repeats} of each point of the growth, of $size{bulk_repeats} of everything else; the slowest " .
        'peers run once.';
}

sub targets
{
    my ($results) = @_;
    my %sign = ('>=' => 'at least', '<=' => 'at most');
    return table(['work', 'figure', 'target', 'measured', 'met'], map {
        my ($sign, $limit) = split ' ', $_->{target};
        [$_->{work}, $_->{figure}, "$sign{$sign} $limit", $_->{measured}, $_->{met} ? 'yes' : '**no**']
    } @{ $results->{targets} });
}

sub instructions
{
    my ($results, $names) = @_;
    my @rows;
    for my $counted (grep { $_->{work} =~ /^instructions/ } @{ $results->{measurements} }) {
        my %count = map { ($_ => $counted->{peers}{$_}{count}{median}) } keys %{ $counted->{peers} };
        push @rows, map {
            [$counted->{work} =~ s/^instructions of //r, $names->{$_}, sprintf('%.0f', $count{$_}),
                sprintf('%.2f', $count{$_} / $count{floor})]
        } sort { $count{$a} <=> $count{$b} } keys %count;
    }
    return @rows ? table(['instructions of', 'peer', 'median', 'ratio'], @rows)
        : 'Not counted in this run: valgrind was not installed.';
}

sub write_page
{
    my ($page, $directory, $names) = @_;
    open my $in, '<', "$directory/results.json" or die;
    my $results = decode_json(join '', <$in>);
    open my $old, '<', $page or die "$page: $!";
    my $text = join '', <$old>;
    my %block = (machine => machine($results), targets => targets($results),
        instructions => instructions($results, $names));
    for my $name (keys %block) {
        $text =~ s/(<!-- $name -->\n).*?(<!-- end of $name -->)/$1$block{$name}\n$2/s or die "$page has no $name\n";
    }
    open my $new, '>', "$directory/performance.md" or die;
    print $new $text;
    close $new;
    return;
}

1;
