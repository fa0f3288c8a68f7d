// The history of checks: runs, and findings with their first and last time seen. Writes its own tables as their owner,
// no other.
#pragma once

#include "catalog/mapping.hpp"

namespace sc {

struct SeenPartitions {
    int32 pair;
    Oid sessions;
    bool keep_left;                // some have left, and counters are wrong: not forgotten yet
};
static_assert(Pod<SeenPartitions>);

// What one run found, before it is compared with the history: a row for each finding, with the columns that
// found_shape() describes.
struct CheckRun {
    TimestampTz started;
    Pair asked;                    // what the call named
    List *checked;                 // the pairs of tables that were looked at
    List *partitions;              // what was seen of those whose sessions are partitioned, of SeenPartitions *
    List *unread;                  // those of them whose rows could not be read: what was found there before stays open
    int64 subscriptions;           // rows looked at
    int64 session_rows;
    Tuplestorestate *found;
};
static_assert(Pod<CheckRun>);

// The last column, place, tells findings about the same rows apart: the sentence of an enforcement gap, the line of a
// ledger gap.
TupleDesc found_shape();

// One run at a time, until the end of the transaction: an older reading must not be written over a newer one. Nothing
// but another run waits for this lock.
void lock_history();

// Stores the run and its findings, forgets what is older than session_consistency.keep_history, and notifies where
// something is new. Needs an SPI connection. Returns the run's id.
int64 store_run(const CheckRun &run);

// Registers the setting.
void init_check_history();

}  // namespace sc
