// What attach() left NOT VALID or left out, because of rows that were there before it: added and validated as far as
// no row violates it any more.
#pragma once

#include "catalog/attachment.hpp"
#include "catalog/treated.hpp"

namespace sc {

// Each step in a transaction of its own, which next_transaction() ends; what stays is for find_gaps() to name.
void finish_constraints(const Pair &pair, void (*next_transaction)());

// Drops the CHECK on the counters that attach() made, which does not let them show what history holds beyond a total.
// False where there is none.
bool drop_counter_check(const Pair &pair, void (*next_transaction)());

// Writes down what has become of history, in the transaction at hand.
void note_treated(const Pair &pair, const Treated &treated);

}  // namespace sc
