// The only place that works on the user's tables as their owner: finds, locks and writes rows of the subscriptions,
// and runs the few statements that need it. Decides nothing.
#pragma once

#include "binding.hpp"

namespace sc {

// The role and search path of whoever called, put back by leave_owner(); an abort puts them back as well.
struct Caller {
    Oid role;
    int security_context;
    int guc_level;
};
static_assert(Pod<Caller>);

// Becomes the owner of a relation, with a search path of pg_catalog, the relation's schema and pg_temp.
Caller enter_owner(Relation relation);
void leave_owner(const Caller &caller);

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

// How many active subscriptions a member has, counted up to two; id is that of the first, copied.
struct ActiveSubscription {
    int count;
    Datum id;
};
ActiveSubscription find_active_subscription(Relation subscriptions, const SubscriptionShape &shape, Datum member);

// Looks a subscription up by its key without locking it; false where no row is visible.
bool subscription_has_member(Relation subscriptions, const SubscriptionShape &shape, Datum id, Datum member);
bool subscription_exists(Relation subscriptions, const SubscriptionShape &shape, Datum id);

// Writes counters: opened once for a statement, then for each subscription lock, judge, write. All of it as the owner.
struct CounterWriter;
CounterWriter *open_counter_writer(Relation subscriptions, const SubscriptionShape &shape);
TupleTableSlot *lock_subscription(CounterWriter *writer, Datum id, Datum member);   // nullptr: there is none
TupleTableSlot *lock_next_used(CounterWriter *writer);   // every subscription that is not unused, in turn

// Writes the counter of the row that was locked last. A maintained remaining column follows the change, or, where
// exact is true, becomes total - used whatever it was.
void write_counter(CounterWriter *writer, int64_t used, bool exact);
const Caller &writer_caller(const CounterWriter *writer);
void close_counter_writer(CounterWriter *writer);        // fires the user's AFTER triggers

// Sets the link of one stored session, as the owner of its table: NULL where link is absent.
void set_link(Relation sessions, const SessionShape &shape, ItemPointer row, std::optional<Datum> link);

// True where a session that is linked to the subscription has another member, seen with the newest snapshot.
bool has_sessions_of_others(Oid sessions, const char *link, const char *session_member, Oid link_type,
                            Oid member_type, Datum id, Datum member, bool member_is_null);

}  // namespace sc
