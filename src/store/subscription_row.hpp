// Finds rows of the subscriptions by key or by member, straight through their indexes. As for the server's own foreign
// keys, there is no plan, no permission is checked and no policy hides a row. Locks rows if the caller says so; writes
// nothing.
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
    int64_t carried;                 // of sessions that are not there; 0: none, or no such column
};
static_assert(Pod<Subscription>);

Subscription read_subscription(const SubscriptionShape &shape, TupleTableSlot *row);

Search begin_key_search(Relation relation, const SubscriptionShape &shape, Datum id, Datum member,
                        TupleTableSlot *row);
void search_key_again(const Search &search, const SubscriptionShape &shape, Datum id, Datum member);

// How many active subscriptions a member has, at most 2 are counted; and the copied id and the place of the first one.
struct ActiveSubscription {
    int count;
    Datum id;
    ItemPointerData place;
};
ActiveSubscription find_active_subscription(Relation subscriptions, const SubscriptionShape &shape, Datum member);

// True if that is the row's key; member counts only if the key is composite.
bool has_key(const SubscriptionShape &shape, TupleTableSlot *row, Datum id, Datum member);

// Reads the subscription with that key at the place where it was once; false if the snapshot does not see it there any
// more.
bool fetch_subscription(Relation subscriptions, const SubscriptionShape &shape, ItemPointerData place, Datum id,
                        Datum member, TupleTableSlot *row);

// Look a subscription up by its key: false if there is none, or if it has another member.
bool subscription_has_member(Relation subscriptions, const SubscriptionShape &shape, Datum id, Datum member);
bool subscription_exists(Relation subscriptions, const SubscriptionShape &shape, Datum id);

// One search after the other, and the subscription that is current.
struct Cursor {
    Relation relation;
    const SubscriptionShape *shape;
    TupleTableSlot *row;
    Search by_key;                   // its row is nullptr until the first search
};
static_assert(Pod<Cursor>);

Cursor open_cursor(Relation subscriptions, const SubscriptionShape &shape);
void close_cursor(const Cursor &cursor);

// The next search is in the snapshot that is active then.
void restart_cursor(Cursor &cursor);

// These make a subscription current, and return nullptr if there is none. find_subscription() returns it as the active
// snapshot sees it; place is where it was seen last, if that is known. The lock functions return its newest version,
// locked against other writers; 40001 if the isolation level does not allow to see that version.
//
// The usual lock is NO KEY UPDATE, the one that the counter's update takes. A weaker one first could deadlock when the
// update comes, and the KEY SHARE locks of foreign keys do not wait for it.
TupleTableSlot *find_subscription(Cursor &cursor, Datum id, Datum member,
                                  std::optional<ItemPointerData> place = std::nullopt);
TupleTableSlot *lock_found(const Cursor &cursor, LockTupleMode mode = LockTupleNoKeyExclusive);
TupleTableSlot *lock_subscription(Cursor &cursor, Datum id, Datum member);

// Locks the current row if that is its newest version and nobody has to be waited for; else nothing is locked.
bool try_lock_found(const Cursor &cursor);

// Locks the newest version of the row at that place, if the isolation level lets a statement see it (else 40001); false
// if the row is gone.
bool lock_row(const Cursor &cursor, ItemPointer place, LockTupleMode mode);

}  // namespace sc
