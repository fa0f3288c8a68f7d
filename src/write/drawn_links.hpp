// What the BEFORE triggers have drawn while one statement runs: how much of each subscription they have handed out, and
// which links of its rows were not named by the application. Nothing relies on what was handed out being true: the
// statement's end judges each link on the newest row of the subscription.
#pragma once

#include "store/candidates.hpp"
#include "store/session_row.hpp"

namespace sc {

// What a session needs of the subscription that pays for it.
struct Need {
    std::optional<int64_t> start;
    int64_t cost;
    TupleTableSlot *session;           // the row as it would be stored
};

// The first candidate of the member that covers the start and has room after what this statement has handed out, and
// hands the cost out. If none has room, the first that covers the start: the statement's end judges it. nullptr: none.
const Candidate *draw_candidate(const Binding &binding, Relation subscriptions, Datum member, const Need &need,
                                int depth);

// Forgets what was found for the member: the next draw searches again.
void forget_candidates(const Binding &binding, Datum member, int depth);

// True if that subscription, which the session is linked to already, is a candidate that covers the start and has room
// for the cost, which is then handed out. cost: what the session needs more of it than it holds.
bool may_keep(const Binding &binding, Relation subscriptions, Datum member, Datum id, const Need &need, int depth);

// Notes at BEFORE INSERT whether the extension has drawn the link of the proposed row (of the sessions' type).
void note_proposed(const Binding &binding, Datum link, bool drawn, TupleTableSlot *row, int depth);

// At BEFORE UPDATE of an upsert: true if the link was drawn for the row that was proposed last. Takes that note back.
bool take_back_proposed(const Binding &binding, Datum link, int depth);

// Notes at BEFORE UPDATE that the extension has drawn the link of the row that is at that place now.
void note_redrawn(Relation relation, const ItemPointerData &place, int depth);
bool was_redrawn(Relation relation, const ItemPointerData &place, int depth);

// At AFTER INSERT, of the row that is stored with that link.
struct Proposed {
    bool drawn;                                // the extension has drawn the link
    std::optional<ItemPointerData> place;      // where the subscription's row was seen
};
Proposed take_proposed(const Binding &binding, Datum link, TupleTableSlot *row, int depth);

// True if rows that ON CONFLICT has dropped were handed what later ones could have had: what these have drawn is not
// what the order says.
bool drew_past_dropped(int depth);

// Called at the end of the transaction, and when a subtransaction aborts.
void forget_drawn_links();
void abort_drawn_links(int level);

}  // namespace sc
