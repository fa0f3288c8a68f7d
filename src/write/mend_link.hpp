// Puts the link of a stored session right if link_session could not, or another trigger has undone what it did. The row
// is written past the extension's own triggers: the caller charges the change with what the row's event changes.
#pragma once

#include "store/session_row.hpp"

namespace sc {

// A stored session that is looked at.
struct StoredSession {
    Relation relation;
    const Binding *binding;
    ItemPointerData place;
};
static_assert(Pod<StoredSession>);

enum class Mended : uint8_t {
    fine,                      // nothing to do: as it is, or gone
    rewritten,                 // its link has been written: charge the change from before to after
    unplaced,                  // no subscription is there for it so far
    out_of_reach,              // a trigger has moved it to another partition before it could be judged
};

// What became of it: the row as it was found and as it is now, copied.
struct Mending {
    Mended mended;
    bool is_event_row;         // before is the row at that place; else a trigger has changed it since
    CommandId stored;          // the command of this transaction that stored before; InvalidCommandId: none
    SessionRow before;
    SessionRow after;
};
static_assert(Pod<Mending>);

// lost: the link that NULL was written over, in the sessions' type; absent if that is not what happened.
Mending mend_link(const StoredSession &session, std::optional<Datum> lost);

// True if the link does not lead to the session's member.
bool is_left_behind(const Binding &binding, const SessionRow &row);

// Raises why a session is still without the link that it needs: 23SC1, 23SC6, or 23503 if the subscription that it
// held a credit of is gone.
[[noreturn]] void raise_unplaced(const StoredSession &session, const SessionRow &row, std::optional<Datum> lost);

// 27000, or 23SC1 or 23SC6 if it could not have got a link anyway: the session is out of reach.
[[noreturn]] void raise_out_of_reach(const StoredSession &session, const SessionRow &row);

}  // namespace sc
