// What of an attachment is there already: the foreign keys, CHECKs and indexes of the user's tables that do what
// attach() would make, whatever their names. Reads catalogs, writes nothing.
#pragma once

#include "catalog/attachment.hpp"

namespace sc {

using Columns = std::span<const int16>;

// A foreign key as its catalog row has it.
struct ForeignKey {
    Oid constraint;
    const char *name;
    Oid references;
    Columns columns;
    Columns referenced;
    char on_update;
    char on_delete;
    char match;
    bool deferrable;
    bool validated;
    bool enforced;
    bool inherited;      // a partition's part of the root's key
};
static_assert(Pod<ForeignKey>);

// Every foreign key of the relation, and those that hold the column.
std::span<const ForeignKey> foreign_keys_of(Oid relation);
std::span<const ForeignKey> foreign_keys_on(Oid relation, AttrNumber column);

// The columns of a relation's primary key in the key's order, none where there is no primary key.
Columns primary_key_of(Relation relation, bool *deferrable);

// A condition on the relation's columns as the planner's list of clauses.
List *parse_condition(Relation relation, const char *condition, bool is_check);

// True where the relation's enforced CHECKs (with validated_only: those that hold for every row) imply the condition.
bool is_checked(Relation relation, const char *condition, bool validated_only);

// A valid unique index that allows one active subscription for each member.
Oid find_active_index(Relation subscriptions, AttrNumber member, const char *active_condition);

// A valid index that finds every subscription of a member.
Oid find_member_index(Relation subscriptions, AttrNumber member);

// A valid index that finds the sessions of a subscription. member: 0, or where the key is composite the other column.
Oid find_link_index(Relation sessions, AttrNumber link, AttrNumber member, const char *linked_condition);

// Whether the relation has an index on exactly that column which no partitioned index holds, so that the server would
// take it for its own when the parent gets one.
bool has_adoptable_index(Relation relation, AttrNumber column);

// The relation and everything below it, parents first.
Oids partition_tree(Oid relation, LOCKMODE lock);

// The conditions that attach() enforces, as text.
const char *counter_condition(const Mapping &mapping);       // 0 <= used <= total
const char *linked_condition(const Mapping &mapping);        // link IS NOT NULL
const char *link_check_condition(const Mapping &mapping);    // consuming => linked

}  // namespace sc
