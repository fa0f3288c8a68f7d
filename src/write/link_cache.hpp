// Remembers, while one command runs, which active subscription a member has: a statement that books many sessions looks
// each member up once. What changes meanwhile is judged at the statement's end, on the newest row.
#pragma once

#include "catalog/binding.hpp"
#include "store/subscription_row.hpp"

namespace sc {

// The link that was remembered for the member in this very command, in the subscriptions' type.
std::optional<Datum> recall_link(const Binding &binding, Datum member, int depth);
void remember_link(const Binding &binding, Datum member, const ActiveSubscription &active, int depth);

// Where this subscription of the member was seen when the last session was linked: a place to look at first. None where
// the table may have been written anew since, or where it is that of another attachment.
std::optional<ItemPointerData> recall_place(const SubscriptionShape &shape, Datum member, Datum id);

// Forgets everything and gives the memory of a large statement back; called when a transaction ends.
void end_link_cache();

}  // namespace sc
