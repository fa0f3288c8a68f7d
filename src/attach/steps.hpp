// The commands of attach() and detach(): collected as a plan, run in order, returned as rows. The only place that
// runs DDL; knows nothing of what the commands are for.
#pragma once

#include "server/postgres_api.hpp"

namespace sc {

struct Step {
    const char *action;
    const char *command;
};
static_assert(Pod<Step>);

struct Steps {
    List *list;    // of Step *
};

void add_step(Steps &steps, const char *action, const char *command);

// A search path of pg_catalog alone, so that the commands mean the same for every caller; until the matching leave.
int enter_pinned_path();
void leave_pinned_path(int level);

// For whole tables that are joined and of whose rows no statistics know: a nested loop that the planner takes for a
// short one would take hours. Until the level of settings that is open is left.
void join_by_hash();

// Runs the commands as the caller.
void run_steps(const Steps &steps);

// The rows (step, action, command) of a set-returning function.
void return_steps(FunctionCallInfo fcinfo, const Steps &steps);

}  // namespace sc
