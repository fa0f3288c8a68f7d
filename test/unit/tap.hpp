// What the unit tests share: each case is a line of TAP.
#pragma once

#include <cstdio>

inline int cases = 0;
inline int failures = 0;

inline void ok(bool holds, const char *promise)
{
    std::printf("%sok %d - %s\n", holds ? "" : "not ", ++cases, promise);
    failures += !holds;
}

// The plan at the end, and the program's status.
inline int finish()
{
    std::printf("1..%d\n", cases);
    return failures == 0 ? 0 : 1;
}
