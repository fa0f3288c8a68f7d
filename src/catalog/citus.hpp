// What a table is to Citus, where that is installed. Reads Citus' catalogs; nothing of it is needed to build this.
#pragma once

#include "catalog/attachment.hpp"

namespace sc {

// A table that Citus does not know is local, as each is where Citus is not installed.
enum class Placement : uint8_t { local, managed, single, reference, distributed, other, shard };

struct Distribution {
    Placement placement;
    int32 colocation;
    const char *column;        // by which it is distributed; nullptr: by none
};
static_assert(Pod<Distribution>);

Distribution distribution_of(Oid table);

// A shard has the triggers of its table and is no attachment of its own, but can be named as one.
bool is_shard(Oid table);

// "a reference table": what the table is.
const char *describe(Placement placement);

// What is in the way of counting the table's rows here; nullptr where nothing is.
const char *find_distribution_gap(Oid table);

// Refuses a call that reads or writes rows of tables whose rows are elsewhere: 0A000. What each shard is to be asked is
// SQL in which %s stands for the shard.
void require_undistributed(const Pair &pair, const char *function, const char *per_shard);

// 55000 where Citus lets no trigger of a distributed table be made or dropped.
void require_trigger_gate(Oid table, const char *function);

}  // namespace sc
