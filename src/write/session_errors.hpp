// The errors of a write to the sessions: their texts, and who gets to see the figures.
#pragma once

#include "catalog/binding.hpp"
#include "store/subscription_row.hpp"
#include "server/violation.hpp"

namespace sc {

// The table to which the session was written, and the role that reads the error.
struct Reader {
    Relation sessions;
    const Binding *binding;
    Oid role;
};
static_assert(Pod<Reader>);

// R1: the member has no active subscription, or more than one.
[[noreturn]] void raise_unlinked(const Reader &reader, const std::optional<Datum> &member, int active);

// R2: the link leads to a subscription of somebody else.
[[noreturn]] void raise_foreign(const Reader &reader, Datum id, const std::optional<Datum> &member);

// R3 and R4. asked: the credits that the statement adds in sum.
[[noreturn]] void raise_inactive(const Reader &reader, Datum id, const Subscription &subscription, int64_t asked);
[[noreturn]] void raise_no_credit(const Reader &reader, Datum id, const Subscription &subscription, int64_t asked);

// R3 and R7: pays_when is false.
[[noreturn]] void raise_does_not_pay(const Reader &reader, Datum id);

// 22004 or 22003: the cost of a session that counts is NULL or negative.
[[noreturn]] void raise_cost(const Reader &reader, bool is_null);

// 22003: the sessions cost more in sum than any counter can hold.
[[noreturn]] void raise_beyond_every_counter();

// R3, 23SC4: the subscription's period does not cover the session's start. row is the subscription.
[[noreturn]] void raise_outside_period(const Reader &reader, Datum id, TupleTableSlot *row,
                                       std::optional<int64_t> start);

// An active subscription that could not pay for a session.
struct RefusedPack {
    Datum id;
    HeapTuple row;
    bool covers;                       // the session's start
    bool pays;                         // pays_when is not false
    std::optional<int64_t> room;       // what is left of it; absent: it is unlimited
};
static_assert(Pod<RefusedPack>);

// What the session needs.
struct Wanted {
    std::optional<int64_t> start;
    int64_t cost;
};

// R1, R3 and R4 of a drawn session: none of the member's subscriptions is active (23SC1), none covers its start or pays
// for it (23SC4), or none has room (23SC2). ambiguous: more than one is active, and there is no order to draw them in
// (23SC6).
[[noreturn]] void raise_undrawn(const Reader &reader, const std::optional<Datum> &member, const Wanted &wanted,
                                std::span<const RefusedPack> packs, bool ambiguous);

// R11, 23503: the subscription cannot be deleted, or get another key or member, while sessions are left on it.
[[noreturn]] void raise_in_use(const Reader &reader, std::optional<Datum> id);
[[noreturn]] void raise_member_in_use(const Reader &reader, Datum id);

// 23503: the session takes a credit of a subscription that has been deleted.
[[noreturn]] void raise_gone(const Reader &reader, Datum id);

// 23514: more is given back than the counter holds: it has drifted.
[[noreturn]] void raise_below_zero(const Reader &reader, Datum id, int64_t used, int64_t given_back);

// 27000: another trigger keeps the link from being set.
[[noreturn]] void raise_not_set(const Reader &reader);

// 27000: another trigger makes another session of it when its link is written again, behind all that is judged.
[[noreturn]] void raise_changed_meanwhile(const Reader &reader);

}  // namespace sc
