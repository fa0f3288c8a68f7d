// The end of a statement that wrote sessions: by key, each subscription is locked, judged and written once.
#pragma once

#include "write/statements.hpp"

namespace sc {

// Settles and closes the statement. Raises 23SC2, 23SC3, 23SC4, 23503, 23514 or 40001, which undoes it as a whole.
void settle_statement(const Binding &binding, Relation sessions, Statement *statement, int depth);

// Settles and closes a statement of one row before its end, where nothing speaks against it. False, and nothing is
// written, where something does: what the row's other triggers do may still change that.
bool settle_early(const Binding &binding, Relation sessions, Statement *statement);

}  // namespace sc
