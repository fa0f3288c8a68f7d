package Bench::Plot;
sub draw_all { }
1;
