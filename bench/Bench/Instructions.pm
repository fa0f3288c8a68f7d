package Bench::Instructions;
sub run { }
1;
