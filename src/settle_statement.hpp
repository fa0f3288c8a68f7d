// The end of a statement that wrote sessions: by key, each subscription is locked, judged and written once.
#pragma once

#include "pending_charges.hpp"

namespace sc {

// Settles and closes the statement. Raises 23SC2, 23SC3, 23SC4, 23503, 23514 or 40001, which undoes it as a whole.
void settle_statement(const Binding &binding, Relation sessions, Statement *statement, int depth);

}  // namespace sc
