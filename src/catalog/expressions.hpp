// The expressions of an attachment as trees: parses what attach() is told, reads what a trigger that never fires
// carries in its WHEN clause, writes them as SQL. Evaluates nothing; catalog/evaluation does.
#pragma once

#include "catalog/attachment.hpp"

namespace sc {

// In each tree a Var of relation 1 is a column of the session, one of relation 2 a column of the subscription.
struct Expressions {
    Oid sessions;              // the table, or the partition of it, whose column numbers the trees have
    Oid subscriptions;         // InvalidOid: no tree names a column of it
    Node *counts_when;         // nullptr: not given, as the others
    Node *cost;                // of an integer type, or a domain over one
    Node *pays_when;
};
static_assert(Pod<Expressions>);

constexpr int session_variables = 1;
constexpr int subscription_variables = 2;

// Parses what the mapping says, as whoever the caller has become: names are looked up in his search_path. Refused, each
// with a detail and a hint: what is no single expression (42601), columns that are not there (42703), those of the
// server and whole rows (42P10), another type (42804), what is not immutable (42P17), and subqueries, aggregates,
// window and set-returning functions. nullptr where the mapping has none.
const Expressions *parse_expressions(const Pair &pair, const Mapping &mapping);

// Those that the relation's trigger carries; why there are none in fault, a clause about the relation. nullptr without
// a fault where the mapping has none.
const Expressions *find_expressions(Oid relation, const Mapping &mapping, const char **fault);

// The same for somebody who needs them: 55000 where the trigger is missing or altered.
const Expressions *require_expressions(Oid relation, const Mapping &mapping);

// Whether they say the same.
bool is_same(const Expressions *left, const Expressions *right);

// One of them as SQL, for rows called by those aliases; nullptr: columns without one, where only a session is named.
const char *expression_text(const Expressions &expressions, Node *tree, const char *session, const char *subscription);

// The same as attach() is told it: a column of the session alone, or where both are named session.x and subscription.y.
const char *expression_text(const Expressions &expressions, Node *tree);

// The columns of the session that say whether it counts and what it costs.
Names counting_columns(const Mapping &mapping);

// The tree that belongs to a field of the mapping.
Node *tree_of(const Expressions &expressions, const Field &field);

// What the trigger's WHEN clause says.
const char *carried_condition(const Expressions &expressions);

}  // namespace sc
