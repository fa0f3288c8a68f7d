// Evaluates the expressions of an attachment on stored rows, or on rows that are about to be stored: compiled once for
// a relation, and as whoever the backend is at that moment, as a CHECK is. Judges nothing.
#pragma once

#include "catalog/shapes.hpp"

namespace sc {

struct Expressions;

// The expressions of one relation of the sessions, as a shape points to them.
struct Evaluation;

// In the current memory context, which must live as long as the evaluation is used.
Evaluation *make_evaluation(Relation sessions, const Expressions &expressions);

// A copy for somebody who lives longer, in the current memory context.
Evaluation *copy_evaluation(const Evaluation &evaluation);

// The transaction ends: no evaluation is in progress any more, be it that an error has ended it.
void end_evaluations();

// True if the session counts, as far as counts_when says.
bool counts_when(const SessionShape &shape, TupleTableSlot *session);

// What a session costs that counts otherwise. One that is invalid holds nothing, and may not begin to hold something.
struct Cost {
    int64 credits;
    bool is_null;              // then, and if it is negative, it is invalid
};
static_assert(Pod<Cost>);
Cost cost_of(const SessionShape &shape, TupleTableSlot *session);

constexpr bool is_valid(const Cost &cost)
{
    return !cost.is_null && cost.credits >= 0;
}

// True unless pays_when is false. The subscription has the columns of its table.
bool pays_when(const SessionShape &shape, TupleTableSlot *session, TupleTableSlot *subscription);

bool has_pays_when(const SessionShape &shape);

// The table of the subscriptions whose columns the expressions name; InvalidOid: they name none.
Oid named_subscriptions(const SessionShape &shape);

// The columns of the session that the expressions read, and those that pays_when reads: each once, in the order in
// which they are named, which is the same for every partition. A generated column stands for what it is made of.
std::span<const AttrNumber> read_columns(const SessionShape &shape);
std::span<const AttrNumber> payment_columns(const SessionShape &shape);

// Registers the invalidation callbacks.
void init_evaluation();

}  // namespace sc
