# Talks to the throw-away server: statements, databases, pgbench, and what each of them cost.
package Bench::Server;
use strict;
use warnings;
use Exporter 'import';
our @EXPORT_OK = qw(sql exists_database copy_database drop_database statement pgbench work);

my $work;

sub work
{
    $work = shift if @_;
    return $work;
}

# Gives a command to a shell; its output, or the end of everything.
sub output_of
{
    my ($command, $input) = @_;
    my $file = "$work/input.sql";
    open my $out, '>', $file or die "$file: $!";
    print $out $input;
    close $out;
    my $output = `$command <'$file' 2>'$work/errors'`;
    return $output if $? == 0;
    open my $errors, '<', "$work/errors";
    die "$command\n$input\n" . join '', <$errors>;
}

sub psql { return output_of("psql -XqAt -v ON_ERROR_STOP=1 -d '$_[0]'", $_[1]) }

# Runs SQL; returns its output without the last line feed.
sub sql
{
    my ($database, $text) = @_;
    my $output = psql($database, "SET client_min_messages = warning;\n$text\n");
    chomp $output;
    return $output;
}

sub exists_database { return sql('postgres', "SELECT count(*) FROM pg_database WHERE datname = '$_[0]'") }

sub drop_database { sql('postgres', "DROP DATABASE IF EXISTS \"$_[0]\""); return }

# A copy of the files: every run begins with the same pages, whatever ran before.
sub copy_database
{
    my ($from, $to) = @_;
    drop_database($to);
    sql('postgres', "CREATE DATABASE \"$to\" TEMPLATE \"$from\" STRATEGY file_copy");
    return;
}

# The peak of a backend's private memory while psql runs, in kB, by looking every few milliseconds.
sub watch_memory
{
    my ($pid_file, $child) = @_;
    my ($pid, $first, $peak);
    while (waitpid($child, 1) == 0) {
        select undef, undef, undef, 0.005;
        if (!$pid && open my $file, '<', $pid_file) {
            $pid = <$file>;
            chomp $pid if $pid;
        }
        next unless $pid && open my $status, '<', "/proc/$pid/status";
        my ($anonymous) = map { /^RssAnon:\s+(\d+)/ ? $1 : () } <$status>;
        next unless defined $anonymous;
        $first //= $anonymous;
        $peak = $anonymous if !defined $peak || $anonymous > $peak;
    }
    return ($peak // 0) - ($first // 0);
}

# Runs one statement: its time in ms, the processor time of its backend in ms, and with watch its memory in MB.
sub statement
{
    my ($database, $text, %option) = @_;
    my $cpu = q{SELECT 'cpu ' || split_part(pg_read_file('/proc/self/schedstat'), ' ', 1);};
    my $before = $option{before} // '';
    my $pid_file = "$work/backend.pid";
    unlink $pid_file;
    my $input = "SET client_min_messages = warning;\n$before\n" .
        ($option{watch} ? "\\o '$pid_file'\nSELECT pg_backend_pid();\n\\o\nSELECT pg_sleep(0.1);\n" : '') .
        "$cpu\n\\o /dev/null\n\\timing on\n$text;\n\\timing off\n\\o\n$cpu\n";
    my ($output, $memory);
    if ($option{watch}) {
        my $child = fork // die "fork: $!";
        if ($child == 0) {
            open STDOUT, '>', "$work/watched" or die;
            print STDOUT psql($database, $input);
            close STDOUT;
            require POSIX;
            POSIX::_exit(0);
        }
        $memory = watch_memory($pid_file, $child);
        open my $file, '<', "$work/watched" or die;
        $output = join '', <$file>;
    } else {
        $output = psql($database, $input);
    }
    my @cpu = $output =~ /^cpu (\d+)$/mg;
    my ($time) = $output =~ /^Time: ([\d.]+) ms/m;
    die "no time in: $output" unless defined $time && @cpu == 2;
    my %cost = (ms => $time, cpu => ($cpu[1] - $cpu[0]) / 1e6);
    $cost{mb} = $memory / 1024 if defined $memory;
    return \%cost;
}

# Processor time of the server's backends that have ended, in seconds.
sub spent_by_backends
{
    open my $pid_file, '<', "$work/data/postmaster.pid" or die;
    chomp(my $pid = <$pid_file>);
    open my $stat, '<', "/proc/$pid/stat" or die;
    my ($fields) = <$stat> =~ /\) (.*)/;
    my @field = split ' ', $fields;
    return ($field[13] + $field[14]) / 100;
}

# Runs a pgbench script for so many seconds, as that role where one is given: transactions per second, and backend
# processor time for each in microseconds.
sub pgbench
{
    my ($database, $script, %option) = @_;
    my $clients = $option{clients} // 2;
    my $jobs = $clients < 2 ? 1 : 2;
    my $file = "$work/script.sql";
    open my $out, '>', $file or die "$file: $!";
    print $out $script;
    close $out;
    my %variable = (clients => $clients, n => 0, %{ $option{variables} // {} });
    my $variables = join ' ', map { "-D $_=$variable{$_}" } sort keys %variable;
    my $before = spent_by_backends();
    my $role = $option{role} ? "PGOPTIONS='-c role=$option{role}' " : '';
    my $output = output_of("${role}pgbench -n -M prepared -c $clients -j $jobs -T $option{seconds} " .
        "--random-seed=$option{seed} $variables -f '$file' '$database'", '');
    my ($tps) = $output =~ /^tps = ([\d.]+)/m or die $output;
    my ($count) = $output =~ /^number of transactions actually processed: (\d+)/m or die $output;
    die $output if $output =~ /failed transactions: [1-9]/;
    select undef, undef, undef, 0.1;
    my $spent = spent_by_backends() - $before;
    return { tps => $tps, cpu => $spent * 1e6 / $count };
}

1;
