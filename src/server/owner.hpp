// The only place that becomes somebody else. In two ways: to write, as the server's cascades do, and to look, in a
// security-restricted operation, as ANALYZE and REINDEX do. docs/rights.md says which function does what.
#pragma once

#include "server/postgres_api.hpp"

namespace sc {

// Whoever called, put back by leave_owner(); an abort puts it back as well.
struct Acting;
struct Caller {
    Oid role;
    int security_context;
    int guc_level;
    bool restricted;
    Acting *acting;
};
static_assert(Pod<Caller>);

// To write: the owner of a relation, with a search path of pg_catalog, the relation's schema and pg_temp. An error of
// the user's own constraints leaves values out where the caller may not read the relation.
Caller enter_owner(Relation relation);

// To look, and to write what people did not ask for themselves: that role in a security-restricted operation, with a
// search path of pg_catalog and pg_temp. Whatever code of somebody's the server comes across, be it while planning, can
// neither act as the caller nor leave a setting, a temporary table or a deferred trigger behind.
Caller enter_restricted(Oid role);

void leave_owner(const Caller &caller);

// Runs the action as the owner of a relation, restricted.
template <typename Action>
void run_restricted(Oid owner, Action action)
{
    const Caller caller = enter_restricted(owner);
    action();
    leave_owner(caller);
}

// True, while an error is caught, for one that may be of somebody's code: raised in a restricted operation, and no
// interrupt.
bool is_users_error(const ErrorData &error);

}  // namespace sc
