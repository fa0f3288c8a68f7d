// Whether two tables can be attached: what kind of relations they are, the columns and values of the mapping, the key
// that joins them. Refuses, or collects what is in the way; changes nothing, and keeps no lock, so that attach() can
// take its strongest locks first.
#pragma once

#include "catalog/attachment.hpp"
#include "catalog/obstacles.hpp"

namespace sc {

struct Tables {
    Relation sessions;
    Relation subscriptions;
};

// How the two tables are joined, or would be.
struct JoinKey {
    const char *column;            // of the subscriptions: what the link refers to; nullptr: no key fits
    bool by_member;                // the key is composite
    bool member_first;             // in the key
    bool has_link;                 // the link column is there
    bool has_key;                  // and a foreign key on it
    bool adoptable_index;          // a partition has an index of its own that the server would take over
    Names adopted_keys;            // foreign keys of partitions that the server will take over: schema.table.name
};
static_assert(Pod<JoinKey>);

// 42P01 where there is none with that oid.
Tables open_tables(const Pair &pair);
void close_tables(const Tables &tables);

// False where one is no table, so that there is nothing more to look at.
bool judge_kinds(Obstacles &obstacles, const Tables &tables);

// Whether they are such tables as the rules can hold for.
void judge_relations(Obstacles &obstacles, const Tables &tables);

// The columns and the values that the mapping names; the mapping then has them as attach() will write them. False where
// one does not fit.
bool judge_columns(Obstacles &obstacles, const Tables &tables, Mapping &mapping);

// The expressions of the mapping, which then has them as trees. As the owner of the sessions: to parse an expression
// may evaluate somebody's code.
bool judge_expressions(Obstacles &obstacles, const Tables &tables, Mapping &mapping);

// The keys, those of partitions too. For columns that fit.
JoinKey judge_key(Obstacles &obstacles, const Tables &tables, const Mapping &mapping);

}  // namespace sc
