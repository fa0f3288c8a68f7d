# Runs the parts that are asked for and prints what they measured; every one, when none is named.
use strict;
use warnings;
use POSIX qw(strftime);
use Bench::Server qw(work sql);
use Bench::Tables;
use Bench::Report qw(begin_part end_part show_targets write_json);
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
    single         => 300_000,    # sessions there before single bookings, three of each subscription
    one            => 20_000,     # of one subscription in one statement, and five times as many
    check          => 5_000_000,  # that check_counts reads
    memory         => 1_000_000,  # subscriptions in one statement
    seconds        => 2,          # that a sample of single bookings takes
    repeats        => 7,          # of single bookings
    shape_repeats  => 3,          # of those on each shape of the tables
    bulk_repeats   => 3,
    growth_repeats => 3,
    instructions   => 300,        # bookings under callgrind
    shape          => undef,      # a word in the names of those that are to be measured
    write          => 'no',       # yes: what the named parts measure takes the place of what is written of them
    scale          => 'default'); # full: up to 10^7 sessions in the table
my %named = map { $_ => 1 } grep { !/=/ } @ARGV;
for (grep { /=/ } @ARGV) {
    my ($name, $value) = split /=/, $_, 2;
    die "there is no size \"$name\"\n" unless exists $size{$name};
    $size{$name} = $value;
}
$size{tables} = $size{scale} eq 'full' ? [map { 10**$_ } 3 .. 7] : [map { 10**$_ } 3 .. 6];

my $ivm = Bench::Tables::available('pg_ivm');
my $interleaved = "$size{repeats} interleaved samples of $size{seconds} s";

# In this order; alone: only where it is named; settings: the server's, for this part.
my @parts = (
    { name => 'instructions', run => sub { Bench::Instructions::run(\%size) },
        method => "the sum over $size{instructions} in one backend, after a third as many" },
    { name => 'single', run => sub { Bench::Single::run(\%size, $ivm) }, method => $interleaved },
    { name => 'shapes', run => sub { Bench::Single::run_shapes(\%size) }, alone => 1,
        method => "$size{shape_repeats} interleaved samples of $size{seconds} s" },
    { name => 'durable', run => sub { Bench::Single::run_durable(\%size) }, method => $interleaved,
        settings => { fsync => 'on', full_page_writes => 'on' } },
    { name => 'bulk', run => sub { Bench::Bulk::run(\%size, $ivm) },
        method => "$size{bulk_repeats} interleaved samples, $size{repeats} of one subscription; the slowest peers once" },
    { name => 'check', run => sub { Bench::Check::run(\%size) },
        method => "$size{bulk_repeats} interleaved samples, the slowest variants once or twice; one member's row: " .
            $interleaved },
    { name => 'memory', run => sub { Bench::Bulk::run_memory(\%size) }, method => 'one sample' },
    { name => 'growth', run => sub { Bench::Single::run_growth(\%size) },
        method => "$size{growth_repeats} interleaved samples of $size{seconds} s" });

my @settings = qw(fsync shared_buffers max_wal_size checkpoint_timeout autovacuum max_parallel_workers_per_gather jit
    work_mem wal_level synchronous_commit full_page_writes);
sub settings
{
    my $list = join ',', @settings;
    return split /\n/, sql('postgres', "SELECT name || ' = ' || current_setting(name) FROM unnest('{$list}'::text[]) name");
}

sub set_server
{
    my (%value) = @_;
    sql('postgres', "ALTER SYSTEM SET $_ = '$value{$_}'") for keys %value;
    sql('postgres', 'ALTER SYSTEM RESET ALL') unless %value;
    sql('postgres', 'SELECT pg_reload_conf()');
    return;
}

my ($processor) = `grep -m1 'model name' /proc/cpuinfo` =~ /: (.*)/;
my $processors = `nproc`;
chomp $processors;
my %taken = (
    machine => "$processors processors, $processor",
    date    => strftime('%Y-%m-%d', gmtime),
    sizes   => { map { $_ => $size{$_} } grep { defined $size{$_} && $_ ne 'write' } keys %size });
my $version = sql('postgres', 'SHOW server_version');
print "PostgreSQL $version on $taken{machine}\n", join(', ', settings()), "\n";

for my $part (@parts) {
    next unless %named ? $named{ $part->{name} } : !$part->{alone};
    my $start = time;
    set_server(%{ $part->{settings} // {} });
    begin_part($part->{name}, { %taken, method => $part->{method},
        server => { version => $version, settings => [settings()] } });
    $part->{run}->();
    show_targets();
    end_part($part->{name}, time - $start);
}

if (!%named || $size{write} eq 'yes') {
    my $results = work() . '/results';
    mkdir $results;
    write_json('bench/results.json', "$results/results.json");
    Bench::Plot::draw_all($results, Bench::Tables::peers());
    Bench::Page::write_page('docs/performance.md', $results, Bench::Tables::peers());
}
printf "\n%d s\n", time - $^T;
