// The order in which the subscriptions of a member are drawn: "valid_until NULLS LAST, id". Parses it; compares rows.
#pragma once

#include "server/values.hpp"

namespace sc {

// One column of the order as it was written.
struct DrawItem {
    const char *column;
    bool descending;
    bool nulls_first;
};
static_assert(Pod<DrawItem>);

// The columns of the order. Refused, with a detail and a hint: what is no list of columns with ASC, DESC, NULLS FIRST
// and NULLS LAST (42601).
std::span<const DrawItem> parse_draw_order(const char *order);

// The same order is the same text, however it was written.
const char *format_draw_order(std::span<const DrawItem> items);

// One of them in that very relation.
struct DrawColumn {
    AttrNumber column;
    bool descending;
    bool nulls_first;
    KeyType key;
};
static_assert(Pod<DrawColumn>);

std::span<const DrawColumn> make_draw_order(Relation relation, const char *order);

// Below, at or above 0, in that order.
int compare_drawn(std::span<const DrawColumn> order, TupleDesc shape, HeapTuple left, HeapTuple right);

}  // namespace sc
