// The commands of attach() and detach(): collected as a plan, run in order, returned as rows. Knows nothing of what the
// commands are for.
#pragma once

#include "catalog/obstacles.hpp"

namespace sc {

struct Step {
    const char *action;
    const char *command;
    Oid reads;     // a table whose rows are looked at for it; InvalidOid: none
    bool writes;   // rows, so that triggers of the user's fire
    bool refused;
};
static_assert(Pod<Step>);

struct Steps {
    List *list;    // of Step *
};

void add_step(Steps &steps, const char *action, const char *command, Oid reads = InvalidOid,
              bool writes = false);

// What a dry run returns where attach() would refuse: a row without a number for each obstacle. The command is a
// remark, so that whoever runs what is returned runs nothing.
Steps refusals(const Obstacles &obstacles);

// Runs the commands as the caller; one that reads rows as the owner of their table, restricted.
void run_steps(const Steps &steps);

// The rows (step, action, command) of a set-returning function.
void return_steps(FunctionCallInfo fcinfo, const Steps &steps);

}  // namespace sc
