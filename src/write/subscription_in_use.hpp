// R11: if a subscription is deleted, or gets another member or key, no session is left behind. What a statement does to
// its subscriptions is noted at their row events, and judged once, at the statement's end, when its cascades are
// through.
#pragma once

#include "write/statements.hpp"

namespace sc {

// The bindings of the sessions whose foreign key leads to that table: one for each attachment.
std::span<const Binding *const> find_attached(Relation subscriptions);

// Called at the row event of the subscription that is deleted, or updated.
void note_deleted(Part *part, TupleTableSlot *row);
void note_changed(Part *part, TupleTableSlot *before, TupleTableSlot *after, CommandId command);

// Called when sessions have given credits back; counts if the subscription has been deleted. due is negative.
void note_given_back(Part *part, const Sum &sum, int64_t due);

// False if a session is left behind; raises 23503 if the refusal is final. role: whose statement it is.
bool is_nothing_left_behind(Part *part, Oid role, bool raises);

}  // namespace sc
