// The log of repairs: what repair() changed, for undo_repair(). Writes its own table as that table's owner, no other.
#pragma once

#include "server/postgres_api.hpp"

namespace sc {

// One change, to be logged. Texts are values as text; key is a JSON object, before and after are jsonb.
struct Repair {
    const char *code;              // of the finding, as audit() has it
    const char *member_id;
    const char *subscription_id;
    const char *session_id;        // nullptr: a subscription's counter
    const char *key;               // the columns of a session's key; nullptr: a subscription's counter
    const char *action;
    Datum before;
    Datum after;
};
static_assert(Pod<Repair>);

// One repair at a time, until the end of the transaction: they are numbered one after the other.
void lock_repair_log();

// Returns the number of the first; the others' follow. Needs the lock and an SPI connection, which the other two need,
// too. role: who has called.
int64 log_repairs(int32 pair, std::span<const Repair> repairs, Oid role);

// One that was logged, before and after as text. The tables are InvalidOid where they are gone.
struct LoggedRepair {
    Oid sessions;
    Oid subscriptions;
    const char *member_id;
    const char *subscription_id;
    const char *session_id;
    const char *key;
    const char *before;
    const char *after;
};
static_assert(Pod<LoggedRepair>);

// Reads and locks an entry until the transaction ends. 42704 where there is none, 55000 where it was undone.
LoggedRepair find_repair(int64 id);

void mark_undone(int64 id, Oid role);

}  // namespace sc
