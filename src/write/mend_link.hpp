// Writes the link of a stored session again, if link_session could not find it yet or if another trigger has undone
// what link_session did. The extension's own triggers do not see that write: the caller charges it.
#pragma once

#include "store/session_row.hpp"

namespace sc {

// The stored session in question.
struct StoredSession {
    Relation relation;
    const Binding *binding;
    ItemPointerData place;
};
static_assert(Pod<StoredSession>);

enum class Mended : uint8_t {
    fine,                      // nothing was written: the link is right, or the row is gone
    rewritten,                 // the link has been written: charge the change from before to after
    unplaced,                  // the row needs a link, and there is no subscription for it so far
    out_of_reach,              // a trigger has moved the row to another partition before it could be judged
};

// What became of the row: copies of it as it was found and as it is now.
struct Mending {
    Mended mended;
    bool is_event_row;         // before is the row of the event; else a trigger has updated it since
    CommandId stored;          // the command that stored before; InvalidCommandId: of an earlier transaction
    SessionRow before;
    SessionRow after;
};
static_assert(Pod<Mending>);

// The newest version of the row at that place, which becomes its own: one of the user's triggers may have updated it.
// False if it is gone.
bool fetch_newest(Relation relation, ItemPointer place, TupleTableSlot *row);

// lost: the link over which NULL was written, in the sessions' type; absent if that did not happen.
Mending mend_link(const StoredSession &session, std::optional<Datum> lost);

// Stores the newest version of the row with that link; 27000 if another trigger does not let it, or
// makes it a session that would be judged otherwise. Returns its place.
ItemPointerData rewrite_link(const StoredSession &session, std::optional<Datum> link);

// True if the link does not lead to the session's member.
bool is_left_behind(const Binding &binding, const SessionRow &row);

// True if the link of a session, which that command had stored, has only followed its subscription to another key: this
// transaction has changed that key, and the foreign key's cascade has written the link.
bool follows_key(const Binding &binding, const SessionRow &before, CommandId stored, const SessionRow &after);

// Raises why a session is still without the link that it needs: 23SC1, 23SC6, or 23503 if the subscription that it
// held a credit of is gone.
[[noreturn]] void raise_unplaced(const StoredSession &session, const SessionRow &row, std::optional<Datum> lost);

// Raises why a session that is out of reach has no link: 23SC1 or 23SC6 if there is none for it, else 27000.
[[noreturn]] void raise_out_of_reach(const StoredSession &session, const SessionRow &row);

}  // namespace sc
