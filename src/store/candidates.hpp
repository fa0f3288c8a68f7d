// Finds the subscriptions that may pay for the sessions of a member, in the order in which they are drawn. Reads in the
// newest snapshot; locks and writes nothing.
#pragma once

#include "store/subscription_row.hpp"

namespace sc {

// An active subscription of the member.
struct Candidate {
    Datum id;
    ItemPointerData place;
    Period period;
    std::optional<int64_t> room;       // credits that are left; absent: unlimited
    int64_t promised;                  // of these, to rows of the statement at hand; for its own use
    HeapTuple row;
};
static_assert(Pod<Candidate>);

// All of them, copied into the current memory context: by draw_order, then by key.
std::span<Candidate> find_candidates(Relation subscriptions, const SubscriptionShape &shape, Datum member);

// What is left of a subscription; absent: it is unlimited.
std::optional<int64_t> room_of(const Subscription &subscription);

}  // namespace sc
