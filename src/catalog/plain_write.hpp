// Decides whether a counter may be written past the server's general way of updating a row. Reads the relation cache.
#pragma once

#include "catalog/shapes.hpp"

namespace sc {

// Sets plain where a counter can be written by a plain update of the row: no trigger of the user's sees it, no function
// of the user's computes anything from it and no constraint needs a look. Everything else takes the server's own,
// general way. Sets computed where generated columns are made of the counter by the server's own immutable functions.
void choose_plain_write(SubscriptionShape *shape, Relation relation);

// In the current memory context, not compiled.
Computed *copy_computed(const Computed &computed);

// Computes the generated columns of a changed row. Their values are in the memory of the context, which was reset
// before. False if one would be NULL that must not be: the general way says so.
bool compute_generated(Computed *computed, Relation relation, ExprContext *context, TupleTableSlot *changed);

}  // namespace sc
