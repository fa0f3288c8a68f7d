// Tells by one scan of each table, without the planner, what an audit need not look for: where all is well, that is
// most of it. Names no finding: whatever is in doubt is left to the audit's queries.
#pragma once

#include "check/audit_scope.hpp"

namespace sc {

// Whether there may be a finding about one of the sessions, and about a subscription.
struct Doubts {
    bool sessions;
    bool subscriptions;
};
static_assert(Pod<Doubts>);

constexpr Doubts every_doubt{.sessions = true, .subscriptions = true};

// As the active snapshot sees the tables, for who reads them.
Doubts find_doubts(const AuditScope &scope);

}  // namespace sc
