// The only place that becomes the owner of one of the user's tables, and runs the few statements that need it.
#pragma once

#include "catalog/binding.hpp"

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
void leave_owner(const Caller &caller);

// Sets the link of one stored session, as the owner of its table: NULL where link is absent. False where another
// trigger kept it from being set.
bool set_link(Relation sessions, const SessionShape &shape, ItemPointer row, std::optional<Datum> link);

// True where a session that is linked to the subscription has another member, seen with the newest snapshot.
bool has_sessions_of_others(Oid sessions, const char *link, const char *session_member, Oid link_type,
                            Oid member_type, Datum id, Datum member, bool member_is_null);

}  // namespace sc
