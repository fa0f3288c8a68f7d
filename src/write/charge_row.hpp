// What one stored row changes: adds what it gives back and what it takes to the sums of its statement, has its link put
// right where something has undone it, and notes the ledger's lines.
#pragma once

#include "write/statements.hpp"

namespace sc {

// A version of a session and by which command of this transaction it was stored; InvalidCommandId: before it.
struct Version {
    SessionRow row;
    CommandId stored;
};
static_assert(Pod<Version>);

// One event: a session as it was and as it is. Absent for INSERT and DELETE.
struct SessionChange {
    Relation relation;             // where the row is, or was
    const Binding *binding;
    const Version *before;
    const Version *after;
    ItemPointerData place;         // of the stored row, if there is one after
    TupleTableSlot *row;           // by which the ledger calls it
    const char *session;           // what the ledger calls it, if it is known already
};
static_assert(Pod<SessionChange>);

// False if the change concerns no subscription.
bool matters(const Change &rule);

void charge_change(Statement *statement, const SessionChange &change);

// The row that has departed to another partition did not arrive: it was deleted.
void charge_departed(Statement *statement, Part *part);

// Puts the links right that could not be put right at the row's own event. The session that is still without one,
// nullptr if there is none; judged by raise_unplaced().
const Unplaced *place_again(Statement *statement, Part *part);
[[noreturn]] void raise_still_unplaced(Part *part, const Unplaced &unplaced);

}  // namespace sc
