// What the catalogs say of a relation: its columns, keys, CHECKs, indexes, partitions and owner. Whether two conditions
// say the same is left to the planner's own prover. Reads catalogs, writes nothing.
#pragma once

#include "server/postgres_api.hpp"

namespace sc {

using Oids = std::span<const Oid>;
using Columns = std::span<const int16>;

struct Column {
    AttrNumber number;
    Oid type;
    Oid base;            // below any domain
    int32 typmod;
    Oid collation;
    bool generated;      // GENERATED ALWAYS AS, or an identity column
    bool stored;         // there is a value of it in each row
    bool nullable;
};
static_assert(Pod<Column>);

// std::nullopt where the relation has no such column.
std::optional<Column> find_column(Oid relation, const char *name);

// The number of a column that may have no name: 0 then, and where the relation has none of that name.
AttrNumber column_number(Oid relation, const char *name);
// The number of a column that the arguments of a trigger name, in that very relation; 42703 if it is gone.
AttrNumber bound_column(Relation relation, const char *name);

Oid owner_of(Oid relation);

// 42501 where the caller does not own the relation.
void require_owner(Oid relation);

// True where that role may read the whole relation: SELECT on it, and no row-level security that applies to the role.
bool may_read(Oid relation, Oid role);

// True where that role may UPDATE the column.
bool may_update(Oid relation, AttrNumber column, Oid role);

// Of a partition the table at the root of its tree, else the relation itself.
Oid root_table(Relation relation);

// Whether the view selects what the query does. Both are compared as the server writes them.
bool is_view_of(Oid view, const char *query);

// True where the relation has got another file than the snapshot knows: it was truncated or rewritten since, and looks
// empty, or as somebody else has left it.
bool is_rewritten_since(Oid relation, Snapshot snapshot);

// The relation and everything below it, parents first.
Oids partition_tree(Oid relation, LOCKMODE lock);

// A foreign key as its catalog row has it.
struct ForeignKey {
    Oid constraint;
    const char *name;
    Oid references;
    Columns columns;
    Columns referenced;
    Columns set_on_delete;    // of a key that sets columns when a referenced row is deleted; none: all of them
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

// A stored condition in the form that predicate_implied_by() compares; NIL for an index that is not partial. Calls no
// function but the server's own.
List *prepare_clauses(Node *expression, bool is_check);
List *index_predicate(Relation index);

// A condition on the relation's columns as the planner's list of clauses.
List *parse_condition(Relation relation, const char *condition, bool is_check);

// True where the relation's enforced CHECKs (with validated_only: those that hold for every row) imply the condition.
bool is_checked(Relation relation, const char *condition, bool validated_only);

// A valid btree index; one whose predicate, where it is partial, holds wherever the condition does.
bool is_usable_btree(Relation index);
bool covers(Relation index, List *condition);

// Opens the relation's indexes one after the other and returns the first that the test accepts.
template <typename Test>
Oid find_index(Relation relation, Test accepts)
{
    ListCell *cell;
    foreach (cell, RelationGetIndexList(relation)) {
        Relation index = index_open(lfirst_oid(cell), AccessShareLock);
        const bool accepted = accepts(index);
        index_close(index, AccessShareLock);
        if (accepted)
            return lfirst_oid(cell);
    }
    return InvalidOid;
}

// Whether the relation has an index on exactly that column which no partitioned index holds, so that the server would
// take it for its own when the parent gets one.
bool has_adoptable_index(Relation relation, AttrNumber column);

}  // namespace sc
