// What check_counts() has to say once everybody has been treated: whose counters can still be better, and what stays
// for a person to resolve, by name. Writes nothing.
#pragma once

#include "migrate/list.hpp"
#include "migrate/run.hpp"

namespace sc {

// Subscriptions of one kind: how many there are, and a sentence for each of the first.
struct Naming {
    int64 count;
    List *sentences;               // of const char *
};

struct Rest {
    Growing<ListedMember> wrong;   // members with a counter that can be better; the value alone is set
    Naming opening;                // used beyond what is linked
    Naming excess;                 // used beyond the total
    Naming hidden;                 // linked beyond the total, which a CHECK does not let the counter show
};
static_assert(Pod<Rest>);

// hides: there is such a CHECK, and it stays. The result lives in the context.
Rest look_at_counters(const MigrateRequest &request, const MemberType &member, bool hides, MemoryContext context);

// Says in the summary what stays.
void add_remarks(MigrateRun *run, const Rest &rest);

}  // namespace sc
