// Finds rows of the subscriptions by key or by member, straight through their indexes: no plan, no permission and no
// policy is in the way, as with the server's own foreign keys. Locks them as it is told, and writes nothing.
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

// One search after the other, and the subscription that is current.
struct Cursor {
    Relation relation;
    const SubscriptionShape *shape;
    TupleTableSlot *row;
    Search by_key;                   // its row is nullptr as long as nothing was searched
};
static_assert(Pod<Cursor>);

Cursor open_cursor(Relation subscriptions, const SubscriptionShape &shape);
void close_cursor(const Cursor &cursor);

// The usual lock is NO KEY UPDATE, which the counter's update takes too: a stronger one later could deadlock, and the
// key share locks of foreign keys do not wait for it.
//
// Makes a subscription current: as the active snapshot sees it, or locked against other writers and in its newest
// version (40001 where the isolation level forbids to see that one). nullptr: there is none.
// place, where it is known, is where it was seen last.
TupleTableSlot *find_subscription(Cursor &cursor, Datum id, Datum member,
                                  std::optional<ItemPointerData> place = std::nullopt);
TupleTableSlot *lock_found(const Cursor &cursor, LockTupleMode mode = LockTupleNoKeyExclusive);
TupleTableSlot *lock_subscription(Cursor &cursor, Datum id, Datum member);

// Locks the row at that place, following it to its newest version where the isolation level lets a statement see it;
// false where it is gone.
bool lock_row(const Cursor &cursor, ItemPointer place, LockTupleMode mode);

}  // namespace sc
