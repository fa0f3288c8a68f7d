// Remembers, while one command runs, which active subscription a member has: a statement that books many sessions of
// one member looks him up once. Measured: 5 to 12 % of such a statement. Nothing relies on what is remembered being
// true: the statement's end judges each link on the newest row of the subscription.
#pragma once

#include "catalog/binding.hpp"
#include "store/subscription_row.hpp"

namespace sc {

// The link that was remembered for the member in this very command, in the subscriptions' type; absent if there is
// none.
std::optional<Datum> recall_link(const Binding &binding, Datum member, int depth);
void remember_link(const Binding &binding, Datum member, const ActiveSubscription &active, int depth);

// The place where the member's subscription was when it was remembered: a place to look at first. Absent if the table
// may have been rewritten since (VACUUM FULL), or if the last session that was linked belongs to another attachment.
std::optional<ItemPointerData> recall_place(const SubscriptionShape &shape, Datum member, Datum id);

// Called when a transaction ends: forgets everything, and frees what a large statement has taken.
void end_link_cache();

}  // namespace sc
