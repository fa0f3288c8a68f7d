// A call that commits as it goes, for tables whose rows are in shards: each is treated by a call of its own, there.
#pragma once

#include "catalog/arguments.hpp"

namespace sc {

// Calls the procedure with these arguments for each shard, a few at once, and says how far it is. Commits between; what
// is done stays, whatever ends it.
void call_on_shards(const Pair &pair, const Arguments &arguments);

}  // namespace sc
