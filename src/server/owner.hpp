// The only place that becomes somebody else: the owner of a table, for the few statements that need it.
#pragma once

#include "server/postgres_api.hpp"

namespace sc {

// The role and search path of whoever called, put back by leave_owner(); an abort puts them back as well.
struct Caller {
    Oid role;
    int security_context;
    int guc_level;
};
static_assert(Pod<Caller>);

// Becomes the owner of a relation, with a search path of pg_catalog, the relation's schema and pg_temp.
Caller enter_owner(Relation relation);

// Stays who it is, past the policies that FORCE ROW LEVEL SECURITY puts on an owner.
Caller pass_policies();

void leave_owner(const Caller &caller);

}  // namespace sc
