// The numbers under which history is kept of a pair of tables: what they were attached as outlives both. Writes
// session_consistency._pairs, no other table.
#pragma once

#include "server/postgres_api.hpp"

namespace sc {

// The number of a pair; 0: it has none. Without subscriptions, where nothing tells which they are, the sessions' only
// pair.
int32 find_pair(Oid sessions, Oid subscriptions);

// The same, made where there is none.
int32 require_pair(Oid sessions, Oid subscriptions);

}  // namespace sc
