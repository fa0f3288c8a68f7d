// Locks the subscriptions of a batch's members and counts what is linked to them. Writes nothing.
#pragma once

#include "migrate/sessions.hpp"
#include "store/subscription_row.hpp"

namespace sc {

// The row that kept a member from being treated.
struct Obstacle {
    Grip grip;                     // busy: worth waiting for
    bool is_session;
    size_t number;                 // among the batch's sessions or subscriptions
};
static_assert(Pod<Obstacle>);

// What became of each member of a batch: held as long as nothing is in the way of treating it.
struct Grips {
    std::span<Grip> members;
    Obstacle *first;               // the first that was met
};
static_assert(Pod<Grips>);

void leave_member(Grips &grips, size_t member, const Obstacle &obstacle);

// A subscription of the batch, locked.
struct HeldSubscription {
    Datum id;
    size_t member;
    std::optional<int64_t> total;
    std::optional<int64_t> used;
    std::optional<int64_t> remaining;
    int64_t carried;
    int64_t counted;               // the recount, with what is linked now
    HeapTuple row;                 // if there is an order in which they are drawn, or pays_when asks it
    Pack pack;
};
static_assert(Pod<HeldSubscription>);

// The batch and its tables, and what is locked of them.
struct HeldSubscriptions {
    const Batch *batch;
    const MemberType *type;
    const Mapping *mapping;
    const Binding *binding;
    const Calendar *calendar;
    Relation sessions;
    Relation relation;
    Growing<HeldSubscription> held;    // member by member, those of a member as they are drawn, then by key
    std::span<size_t> first;           // by member, and one more
};
static_assert(Pod<HeldSubscriptions>);

// The member's subscriptions that are locked.
std::span<HeldSubscription> held_of(const HeldSubscriptions &subscriptions, size_t member);

// The member as the subscriptions have it; 0 where it is NULL.
Datum member_value(const HeldSubscriptions &subscriptions, size_t member);

// Locks those of every member that is still held, without waiting.
void hold_subscriptions(HeldSubscriptions &subscriptions, Grips &grips);

// Waits for one of the batch's subscriptions.
void wait_for_subscription(HeldSubscriptions &subscriptions, size_t member, size_t number);

// Counts what is linked to each, in a snapshot that is taken now.
void recount(HeldSubscriptions &subscriptions);

}  // namespace sc
