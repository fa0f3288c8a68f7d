# Instructions of one booking, and of one change, counted by callgrind in a single backend: the same on every run,
# however busy the machine. What starting and stopping costs falls out of the difference between many and few.
package Bench::Instructions;
use strict;
use warnings;
use Bench::Server qw(work);
use Bench::Tables qw(base fresh);
use Bench::Single;
use Bench::Report qw(record show);

my $subscriptions = 10_000;
my $sessions = 3 * $subscriptions;

sub server
{
    my ($action) = @_;
    my $work = work();
    system("pg_ctl -D '$work/data' -l '$work/server.log' -w -m fast $action >>'$work/initdb.log' 2>&1") == 0
        or die "pg_ctl $action failed\n";
    return;
}

# A pgbench script as prepared statements, run for that many members or sessions from the first on.
sub statements_of
{
    my ($script, $first, $count) = @_;
    my @statements = grep { /\S/ } split /;\n?/, $script;
    s/:(?:member|id)\b/\$1/g, s/\s*\n\s*/ /g for @statements;
    my $text = join '', map { "PREPARE s$_(bigint) AS $statements[$_]\n" } 0 .. $#statements;
    my $range = $script =~ /:id\b/ ? $sessions : $subscriptions;
    for my $i ($first .. $first + $count - 1) {
        $text .= "EXECUTE s$_(" . (1 + ($i * 7919) % $range) . ")\n" for 0 .. $#statements;
    }
    return $text;
}

# Instructions of a backend that does that much.
sub count
{
    my ($name, $script, $first, $count) = @_;
    my $work = work();
    open my $input, '>', "$work/single.sql" or die;
    print $input statements_of($script, $first, $count);
    close $input;
    my $log = `valgrind --tool=callgrind --callgrind-out-file='$work/callgrind.$name' \\
        postgres --single -D '$work/data' run <'$work/single.sql' 2>&1`;
    die $log if $log =~ /ERROR|FATAL/;
    my ($instructions) = $log =~ /Collected\s*:\s*(\d+)/ or die $log;
    return $instructions;
}

sub run
{
    my ($size) = @_;
    if (system('command -v valgrind >/dev/null') != 0) {
        print "\nno instruction counts: valgrind is not installed\n";
        return;
    }
    my $base = base($subscriptions, $sessions, aged => 1);
    my ($few, $many) = ($size->{instructions} / 4, $size->{instructions});
    for my $done (Bench::Single::scripts()) {
        my $work = "instructions of one $done->{work}";
        my @triggers = $done->{work} eq 'booking' ? qw(row_triggers) : ();
        for my $peer (qw(floor with), @triggers, 'extension', 'expressions') {
            my $script = Bench::Single::script_of($done->{scripts}, $peer);
            my $name = join '.', $peer, split / .*/, $done->{work};
            fresh($peer, $base);
            server('stop');
            my $start = count($name, $script, 0, $few);
            record($work, $peer, { count => (count($name, $script, $few, $many) - $start) / ($many - $few) });
            server('start');
        }
        show($work, 'count', 'floor');
    }
    return;
}

1;
