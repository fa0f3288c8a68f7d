// Where Citus is installed: whether the two tables are distributed in a way that lets triggers on a shard find their
// subscriptions. Reads Citus' catalogs; sets nothing.
#pragma once

#include "attach/tables.hpp"

namespace sc {

// 0A000 where one of them is a shard of a distributed table.
void refuse_shards(const Request &request);

// 0A000 where the tables are not distributed together; 55000 where citus.enable_unsafe_triggers is off and this is no
// dry run.
void check_distribution(const Request &request, const Facts &facts);

}  // namespace sc
