// R11: a subscription that goes, changes its member or its key leaves no session behind. What a statement does to it is
// noted at its events and judged once, at the statement's end with its cascades.
#pragma once

#include "write/statements.hpp"

namespace sc {

// The bindings of the sessions whose foreign key leads to that table: one for each attachment.
std::span<const Binding *const> find_attached(Relation subscriptions);

// The subscription's row is deleted, or changed, at this event of its own trigger.
void note_deleted(Part *part, TupleTableSlot *row);
void note_changed(Part *part, TupleTableSlot *before, TupleTableSlot *after, CommandId command);

// Sessions of a deleted subscription have given back that much: due is negative.
void note_given_back(Part *part, const Sum &sum, int64_t due);

// False if a session is left behind; raises 23503 if the refusal is final.
bool is_nothing_left_behind(Part *part, bool raises);

}  // namespace sc
