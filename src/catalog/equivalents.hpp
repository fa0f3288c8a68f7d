// What of an attachment is there already: the indexes of the user's tables that do what attach() would make, whatever
// their names, and the conditions of its CHECKs. Reads catalogs, writes nothing.
#pragma once

#include "catalog/attachment.hpp"

namespace sc {

// A valid unique index that allows one active subscription for each member.
Oid find_active_index(Relation subscriptions, AttrNumber member, const char *active_condition);

// A valid index that finds every subscription of a member.
Oid find_member_index(Relation subscriptions, AttrNumber member);

// A valid index that finds the sessions of a subscription. member: 0, or where the key is composite the other column.
Oid find_link_index(Relation sessions, AttrNumber link, AttrNumber member, const char *linked_condition);

// The conditions that attach() enforces, as text.
const char *counter_condition(const Mapping &mapping);       // 0 <= used <= total
const char *linked_condition(const Mapping &mapping);        // link IS NOT NULL
const char *link_check_condition(const Mapping &mapping);    // consuming => linked

}  // namespace sc
