# Runs the parts that are asked for and prints what they measured; everything, when none is named.
use strict;
use warnings;
use JSON::PP;
use Bench::Server qw(work sql);
use Bench::Tables;
use Bench::Report qw(show_targets note write_json);
use Bench::Single;
use Bench::Bulk;
use Bench::Check;
use Bench::Instructions;
use Bench::Plot;
use Bench::Page;

$| = 1;
work(shift @ARGV);

# Sizes, each also an argument.
my %size = (
    subscriptions  => 100_000,    # of the big tables
    few            => 3_000,      # of the others
    sessions       => 300_000,    # in bulk statements
    single         => 90_000,     # sessions there before single bookings, three of each subscription
    one            => 20_000,     # of one subscription in one statement, and five times as many
    check          => 5_000_000,  # that check_counts reads
    memory         => 1_000_000,  # subscriptions in one statement
    transactions   => 4_000,      # of each of two clients in a run
    repeats        => 5,          # of single bookings
    bulk_repeats   => 3,
    growth_repeats => 2,
    instructions   => 400,        # bookings under callgrind
    scale          => 'default'); # full: up to 10^7 sessions in the table
my %part = map { $_ => 1 } grep { !/=/ } @ARGV;
for (grep { /=/ } @ARGV) {
    my ($name, $value) = split /=/, $_, 2;
    die "there is no size \"$name\"\n" unless exists $size{$name};
    $size{$name} = $value;
}
$size{tables} = $size{scale} eq 'full' ? [map { 10**$_ } 3 .. 7] : [map { 10**$_ } 3 .. 6];
my $everything = !%part;
my $wants = sub { $everything || $part{ $_[0] } };

my @settings = qw(fsync shared_buffers max_wal_size checkpoint_timeout autovacuum max_parallel_workers_per_gather jit
    work_mem wal_level synchronous_commit full_page_writes);
my $settings = sql('postgres', "SELECT name || ' = ' || current_setting(name) FROM unnest('{@{[join ',', @settings]}}'" .
    '::text[]) name');
my ($processor) = `grep -m1 'model name' /proc/cpuinfo` =~ /: (.*)/;
my $processors = `nproc`;
chomp $processors;
my $machine = "$processors processors, $processor";
my $version = sql('postgres', 'SHOW server_version');
note(server => { version => $version, settings => [split /\n/, $settings] });
note(machine => $machine);
note(sizes => { %size });
print "PostgreSQL $version on $machine\n", join(', ', split /\n/, $settings), "\n";

my $ivm = Bench::Tables::available('pg_ivm');
Bench::Single::run(\%size, $ivm) if $wants->('single');
Bench::Bulk::run(\%size, $ivm) if $wants->('bulk');
Bench::Check::run(\%size) if $wants->('check');
Bench::Bulk::run_memory(\%size) if $wants->('memory');
Bench::Single::run_growth(\%size) if $wants->('growth');
Bench::Instructions::run(\%size) if $wants->('instructions');
show_targets();

if ($everything) {
    my $results = work() . '/results';
    mkdir $results;
    note(seconds => time - $^T);
    write_json("$results/results.json");
    Bench::Plot::draw_all($results, Bench::Tables::peers());
    Bench::Page::write_page('docs/performance.md', $results, Bench::Tables::peers());
}
printf "\n%d s\n", time - $^T;
