// Finds rows of the subscriptions by key or by member, straight through their indexes: no plan, no permission and no
// policy is in the way, as with the server's own foreign keys. Locks and writes nothing.
#pragma once

#include "catalog/shapes.hpp"
#include "server/search.hpp"

namespace sc {

// What the rules need of a subscription.
struct Subscription {
    Datum member;
    bool member_is_null;
    bool active;
    std::optional<int64_t> total;    // absent: unlimited
    std::optional<int64_t> used;     // absent: NULL, in a row from before the attachment
    std::optional<int64_t> remaining;
};
static_assert(Pod<Subscription>);

Subscription read_subscription(const SubscriptionShape &shape, TupleTableSlot *row);

Search begin_key_search(Relation relation, const SubscriptionShape &shape, Datum id, Datum member,
                        TupleTableSlot *row);
void search_key_again(const Search &search, const SubscriptionShape &shape, Datum id, Datum member);

// How many active subscriptions a member has, counted up to two; of the first its id, copied, and its place.
struct ActiveSubscription {
    int count;
    Datum id;
    ItemPointerData place;
};
ActiveSubscription find_active_subscription(Relation subscriptions, const SubscriptionShape &shape, Datum member);

// Reads the subscription with that key at the place where it was seen; false where the snapshot sees it there no more.
bool fetch_subscription(Relation subscriptions, const SubscriptionShape &shape, ItemPointerData place, Datum id,
                        Datum member, TupleTableSlot *row);

// Looks a subscription up by its key; false where no row is visible, or its member is another.
bool subscription_has_member(Relation subscriptions, const SubscriptionShape &shape, Datum id, Datum member);
bool subscription_exists(Relation subscriptions, const SubscriptionShape &shape, Datum id);

}  // namespace sc
