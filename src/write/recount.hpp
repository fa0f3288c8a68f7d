// A mode for tests: at the end of each statement the subscriptions that it touched are counted again from the sessions,
// by SQL that shares no code with the rules. Slow, and false for counters that were wrong before: off by default.
#pragma once

#include "write/statements.hpp"

namespace sc {

// Raises XX001 if a counter that the statement has settled is not the number of credits that its sessions hold. Nested
// statements are passed over: the enclosing one may not have been charged yet. So is what the subscriptions' owner, as
// whom it looks, may not read.
void recount_part(const Statement &statement, const Part &part);

// Defines the setting session_consistency.recount, which only a superuser may set.
void init_recount();

}  // namespace sc
