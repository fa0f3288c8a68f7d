// The sessions of a statement that need a subscription to allow them, each by itself: those that start to hold a credit
// of it, move in time, cost more, or changed in what is judged. Noted while the rows go by, judged at the settlement.
#pragma once

#include "write/charge_row.hpp"

namespace sc {

// Notes the session as it is stored now, if the change means that its subscription has to be asked; nullptr: it does
// not. taken: of the subscription that it is linked to; nullptr: it has no link so far. given: of what it held before.
Claim *note_claim(Part *part, const Sum *given, Sum *taken, const SessionChange &change, const Change &rule);

// Why a subscription does not allow a session; whose room is judged in sum.
enum class Fit : uint8_t {
    fine,
    foreign,                   // of another member; only of links that may become others
    inactive,                  // the same
    outside,                   // its period does not cover the start
    unpaid,                    // pays_when is false
};

// row is any version of the subscription, and subscription what was read of it.
Fit judge_fit(const SubscriptionShape &shape, const Claim &claim, const Subscription &subscription,
              TupleTableSlot *row);

// The first claim, in the order of the rows, that stays with its link and is not allowed; nullptr: none.
struct Misfit {
    const Claim *claim;
    bool outside;              // else it is not paid
};
Misfit find_misfit(const SubscriptionShape &shape, const Sum &sum, const Subscription &subscription,
                   TupleTableSlot *row);

}  // namespace sc
