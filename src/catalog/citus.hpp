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

// Why not every session has its subscription on its own shard, as a sentence; nullptr where each has, as where Citus is
// not installed. key_column: what the link refers to.
const char *find_separation(const Pair &pair, const Mapping &mapping, const char *key_column);

// Whether the table's rows are in shards, and it is an empty shell itself.
bool is_sharded(Oid table);

// The same of two tables, for a call that treats them together: 0A000 where they lie apart.
bool require_together(const Pair &pair, const char *function);

// SQL that names the subscriptions' shard beside the sessions' shard %1$s.
const char *subscriptions_beside(const Pair &pair);

// 55000 where Citus lets no trigger of a distributed table be made or dropped.
void require_trigger_gate(Oid table, const char *function);

}  // namespace sc
