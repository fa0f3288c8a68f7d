// What of an attachment is there already: the indexes of the user's tables that do what attach() would make, whatever
// their names. Reads catalogs, writes nothing.
#pragma once

#include "catalog/mapping.hpp"
#include "server/relations.hpp"

namespace sc {

// A valid unique index, another than that one, that allows one active subscription for each member.
Oid find_active_index(Relation subscriptions, AttrNumber member, const char *active_condition,
                      Oid except = InvalidOid);

// A valid index that finds every subscription of a member.
Oid find_member_index(Relation subscriptions, AttrNumber member);

// A valid index that finds the sessions of a subscription. member: 0, or where the key is composite the other column.
Oid find_link_index(Relation sessions, AttrNumber link, AttrNumber member, const char *linked_condition);

// A foreign key of the subscriptions that holds a counter; nothing where there is none. The extension writes counters
// past the server's own triggers, which would look at the key.
std::optional<ForeignKey> find_counter_key(Oid subscriptions, const Mapping &mapping);

// What is wrong with a foreign key that joins the link, as the end of a sentence; nullptr where it can be counted by.
// It may cascade, be deferrable, and set the link NULL when a subscription is deleted: R11 holds whatever it says.
const char *key_fault(const ForeignKey &key, AttrNumber link);

// The name of an index of the subscriptions that makes writing a counter conflict with the foreign keys' locks, since a
// key that others may refer to holds it; nullptr where there is none.
const char *find_blocking_index(Relation subscriptions, const Mapping &mapping);

}  // namespace sc
