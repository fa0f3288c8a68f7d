// Settings of the server that hold while something runs: a level of them is opened, and left again; an abort leaves it,
// too.
#pragma once

#include "server/postgres_api.hpp"

namespace sc {

// Sets a setting until the level that is open is left.
void set_locally(const char *setting, const char *value);

// A search path of pg_catalog alone, so that the commands mean the same for every caller; until the matching leave.
int enter_pinned_path();
void leave_pinned_path(int level);

// For whole tables that are joined and of whose rows no statistics know: a nested loop that the planner takes for a
// short one would take hours. Until the level of settings that is open is left.
void join_by_hash();

}  // namespace sc
