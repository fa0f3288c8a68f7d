# Instructions of one booking, and of one change, counted by callgrind in a single backend: the same on every run,
# however busy the machine. Counting begins where a marked statement runs after the first of them, and ends at another:
# what starting, stopping and warming up cost is left out.
package Bench::Instructions;
use strict;
use warnings;
use Bench::Server qw(work);
use Bench::Tables qw(base fresh);
use Bench::Shapes qw(shapes);
use Bench::Single;
use Bench::Report qw(record show target median_of);

my $subscriptions = 10_000;
my $sessions = 3 * $subscriptions;
my $marker = 'pg_sleep';

sub server
{
    my ($action) = @_;
    my $work = work();
    system("pg_ctl -D '$work/data' -l '$work/server.log' -w -m fast $action >>'$work/initdb.log' 2>&1") == 0
        or die "pg_ctl $action failed\n";
    return;
}

# A pgbench script as prepared statements, run for that many members or sessions; a third as many more come before the
# first mark.
sub statements_of
{
    my ($script, $count, $role) = @_;
    my @statements = grep { /\S/ } split /;\n?/, $script;
    s/:(?:member|id)\b/\$1/g, s/\s*\n\s*/ /g for @statements;
    my $text = $role ? "SET ROLE $role\n" : '';
    $text .= "PREPARE mark AS SELECT $marker(0)\n";
    $text .= join '', map { "PREPARE s$_(bigint) AS $statements[$_]\n" } 0 .. $#statements;
    my $range = $script =~ /:id\b/ ? $sessions : $subscriptions;
    my $before = int($count / 3);
    for my $i (0 .. $before + $count) {
        $text .= "EXECUTE mark\n" if $i == $before || $i == $before + $count;
        $text .= "EXECUTE s$_(" . (1 + ($i * 7919) % $range) . ")\n" for 0 .. $#statements;
    }
    return $text;
}

# Instructions between the marks, for one of that many.
sub count
{
    my ($name, $script, $count, $role) = @_;
    my $work = work();
    open my $input, '>', "$work/single.sql" or die;
    print $input statements_of($script, $count, $role);
    close $input;
    my $file = "$work/callgrind.$name";
    my $log = `valgrind --tool=callgrind --zero-before=$marker --dump-before=$marker \\
        --callgrind-out-file='$file' postgres --single -D '$work/data' run <'$work/single.sql' 2>&1`;
    die $log if $log =~ /ERROR|FATAL/;
    # The first dump is of what came before the first mark.
    open my $dump, '<', "$file.2" or die "$file.2: $!\n$log";
    my ($instructions) = join('', <$dump>) =~ /^(?:summary|totals):\s*(\d+)/m or die "$file.2 has no sum\n";
    return $instructions / $count;
}

# Each peer's instructions of one work, on tables of that shape.
sub count_peers
{
    my ($size, $work, $script_of, $peers, $shape) = @_;
    my $base = base($subscriptions, $sessions, aged => 1, shape => $shape);
    for my $peer (@$peers) {
        fresh($peer, $base, $shape);
        server('stop');
        (my $name = "$peer.$work") =~ s/\W+/_/g;
        record($work, $peer, { count => count($name, $script_of->($peer), $size->{instructions}, $shape->{role}) });
        server('start');
    }
    show($work, 'count', 'floor');
    return;
}

sub run_works
{
    my ($size) = @_;
    for my $done (grep { $_->{work} ne 'booking' } Bench::Single::scripts()) {
        count_peers($size, "instructions of one $done->{work}",
            sub { Bench::Single::script_of($done->{scripts}, $_[0]) }, [qw(floor with extension)]);
    }
    return;
}

sub run_shapes
{
    my ($size) = @_;
    my $name = sub { "instructions of one booking, $_[0]" };
    my $count_of = sub { median_of($name->($_[0]), $_[1], 'count') };
    for my $shape (shapes($size->{shape})) {
        my $work = $name->($shape->{name});
        count_peers($size, $work, sub { Bench::Single::booking_of($shape, $_[0]) },
            [Bench::Shapes::peers_of($shape)], $shape);
        my $ours = $count_of->($shape->{name}, 'extension');
        if (my $limit = $shape->{limit}) {
            my $other = $shape->{of};
            my $base = $other ? $count_of->($other, 'extension') : $count_of->($shape->{name}, 'floor');
            target($work, $other ? "to those with: $other" : 'to (a)', $base && $ours / $base, '<=', $limit);
        }
        my $with = $count_of->($shape->{name}, 'with');
        target($work, 'to (b)', $with && $ours / $with, '<=', 0.9);
    }
    return;
}

sub run
{
    my ($size) = @_;
    if (system('command -v valgrind >/dev/null') != 0) {
        print "\nno instruction counts: valgrind is not installed\n";
        return;
    }
    run_shapes($size);
    run_works($size);
    return;
}

1;
