// What a migration has done so far: kept for every session in migration_runs, told to the caller as NOTICEs, summed up
// at the end. Looks at no table of the user's.
#pragma once

#include "migrate/request.hpp"

namespace sc {

struct MigrateTotals {
    std::array<int64, rule_words.size()> linked;      // sessions, by Rule
    std::array<int64, reason_words.size()> left;      // sessions, by Reason
    int64 members;
    int64 subscriptions;                              // counted again
    int64 counters;                                   // set to another value
    int64 refused;                                    // ... that a CHECK did not let show more than the total
};
static_assert(Pod<MigrateTotals>);

struct MigrateRun {
    Oid sessions;
    int32 pair;
    TimestampTz started;
    TimestampTz linking;           // when the list was ready
    TimestampTz told;              // the last NOTICE
    const char *phase;
    int64 rows_done;               // entries of the list
    int64 rows_total;
    MigrateTotals totals;
    MemoryContext context;
    List *remarks;                 // what stays as it is, of const char *
};
static_assert(Pod<MigrateRun>);

// Adds the run to migration_runs, in the transaction at hand.
MigrateRun *start_run(Oid sessions, Oid subscriptions);
void save_run(const MigrateRun &run);      // in the transaction that did what it says
void add_remark(MigrateRun *run, const char *remark);
void tell_progress(MigrateRun *run);       // at most once a second
void finish_run(MigrateRun *run);          // the last row, and the summary

}  // namespace sc
