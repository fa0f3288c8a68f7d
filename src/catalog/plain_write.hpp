// Decides whether a counter may be written past the server's general way of updating a row. Reads the relation cache.
#pragma once

#include "catalog/shapes.hpp"

namespace sc {

// True where a counter can be written by a plain update of the row: no trigger of the user's sees it, nothing is
// computed from it and no constraint needs a look. Everything else takes the server's own, general way.
bool writes_plainly(const SubscriptionShape &shape, Relation relation);

}  // namespace sc
