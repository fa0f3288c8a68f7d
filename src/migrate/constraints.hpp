// What attach() left NOT VALID or left out, because of rows that were there before it: added and validated as far as
// no row violates it any more.
#pragma once

#include "catalog/attachment.hpp"

namespace sc {

// Each step in a transaction of its own, which next_transaction() ends; what stays is for find_gaps() to name.
void finish_constraints(Oid sessions, void (*next_transaction)());

}  // namespace sc
