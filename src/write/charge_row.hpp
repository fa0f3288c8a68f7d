// Charges a stored row to its statement: adds what it gives back and what it takes to the sums of the subscriptions,
// and notes the lines for the ledger. If another trigger has undone the row's link, has it written again first. Writes
// no counter.
#pragma once

#include "write/statements.hpp"

namespace sc {

// A version of a session, and the command of this transaction that stored it; InvalidCommandId: an earlier transaction.
struct Version {
    SessionRow row;
    CommandId stored;
};
static_assert(Pod<Version>);

// One event: a session as it was and as it is. Absent for INSERT and DELETE.
struct SessionChange {
    Relation relation;             // that holds the row, or held it
    const Binding *binding;
    const Version *before;
    const Version *after;
    ItemPointerData place;         // of the stored row, if after is there
    TupleTableSlot *row;           // by which the ledger calls it
    const char *session;           // what the ledger calls it, if it is known already
    bool pays_differently;         // a value that pays_when reads has changed
    bool drawn;                    // the link was drawn: the application has not named it
    std::optional<ItemPointerData> drawn_from;     // where the subscription's row was seen then
};
static_assert(Pod<SessionChange>);

// False if the change concerns no subscription: nothing is held before or after, and no link has to be judged.
bool matters(const Binding &binding, const Change &rule);

void charge_change(Statement *statement, const SessionChange &change);

// Charges the row that has left its partition and not arrived in another one as deleted.
void charge_departed(Statement *statement, Part *part);

// Looks again for the links that could not be found at the row's own event, and charges them. Returns the first session
// that is still without one, nullptr if there is none; raise_still_unplaced() says why it is.
const Unplaced *place_again(Statement *statement, Part *part);
[[noreturn]] void raise_still_unplaced(Part *part, const Unplaced &unplaced);

}  // namespace sc
