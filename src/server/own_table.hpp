// The extension's own tables: everybody may read some of them through views, and nobody but their owner may write them.
#pragma once

#include "server/owner.hpp"

namespace sc {

// 25006 on a standby and in a read-only transaction, for a function that writes.
void require_writable(const char *function);

// A relation of the extension's own schema.
Oid find_own_relation(const char *name);

// One that is open, its owner being who runs what follows.
struct OwnTable {
    Relation relation;
    Caller caller;
};
static_assert(Pod<OwnTable>);

OwnTable enter_own_table(const char *name);
void leave_own_table(const OwnTable &table);     // keeps the lock

// Runs a command, which may write, as the owner of that table, and returns how many rows it is about. Needs an SPI
// connection.
uint64 run_on_own_table(const char *table, const char *command, std::span<Oid> types, std::span<Datum> values,
                        const char *nulls = nullptr);

// One more than the highest number in the primary key of that table, which is one column. Not from a sequence, since
// sequences are not replicated. Whoever takes it keeps others from it by a lock on the table, to the end of the
// transaction.
int64 next_number(const char *table);

}  // namespace sc
