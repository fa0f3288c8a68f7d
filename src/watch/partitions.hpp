// The partitions of the sessions, as checks have seen them: one that was detached or dropped since took its sessions
// along without a row event. Writes session_consistency._pairs, no other table.
#pragma once

#include "server/names.hpp"

namespace sc {

// Partitions that a check has seen, and that are none of the sessions' any more.
struct LeftPartitions {
    Names names;
    Names fates;                   // what became of each: was detached, was dropped
    int64 seen;                    // the run of the check that saw them last
};
static_assert(Pod<LeftPartitions>);

// Needs an SPI connection, as the others do. pair may be 0.
LeftPartitions find_left_partitions(int32 pair, Oid sessions);

// Remembers the partitions that there are; with keep_left those that left, too, until nothing is wrong any more.
void remember_partitions(int32 pair, Oid sessions, int64 run, bool keep_left);

}  // namespace sc
