// What one statement adds to each subscription: a hash table with 72 bytes for each distinct subscription, which
// returns the sums in the order of the keys, too. Knows how to find a sum, not what it means.
#pragma once

#include "rules/credit_rule.hpp"
#include "store/subscription_row.hpp"

namespace sc {

struct Claim;              // statements.hpp

// What one statement adds to one subscription.
struct Sum {
    Datum id;                  // in the subscriptions' types, copied
    Datum member;              // a part of the key if that is composite, else of the first session that was linked
    Credits taken;             // by the sessions as they are stored now
    Credits given;             // given back: held by the sessions as they were before
    Claim *claims;             // the sessions that claim some of taken, newest first; only where they are judged alone
    uint32 hash;
    uint32 changed_keys;       // how many changes of keys id and member have followed, see changed_keys.hpp
    ItemPointerData place;     // where its row was seen last, so that it need not be searched; invalid: not known
    bool linked : 1;           // a session was linked: lock the subscription, and judge its member
    bool verified : 1;         // verify_composite() has found that the member fits
    bool member_is_null : 1;
    bool members_differ : 1;   // sessions of two members were linked: one of them is foreign
    bool candidate : 1;        // it could pay for a session whose place is not decided
    bool own_rows : 1;         // some of given was stored by this transaction, maybe by a statement in progress
};
static_assert(Pod<Sum> && sizeof(Sum) == 72);

// Adds to what a statement takes or gives back; 22003 where no counter can hold it.
void add_credits(Credits *sum, Credits more);

// What the statement adds to the subscription on balance.
constexpr Credits added_by(const Sum &sum)
{
    return sum.taken - sum.given;
}

// More or fewer sessions are scheduled or completed than before.
constexpr bool changes_counts(const Sum &sum)
{
    return added_by(sum).used != 0 || added_by(sum).scheduled != 0;
}

// A sum never moves, so pointers to it stay valid: sums live in chunks, each twice as large as the one before. The
// slots of the hash table hold the numbers of the sums.
struct SumTable {
    MemoryContext context;
    uint32 count;
    uint32 slot_count;         // a power of two; 0 while a linear search is faster
    uint32 *slots;             // number + 1; 0: free
    std::array<Sum *, 27> chunks;
};
static_assert(Pod<SumTable>);

// The hash of a subscription's key.
uint32 hash_key(const SubscriptionShape &shape, Datum id, Datum member);

// The sum of a subscription; nullptr if there is none. member counts only if the key is composite. changed_keys: how
// many changes of keys id and member have followed.
Sum *find_sum(const SumTable &table, const SubscriptionShape &shape, Datum id, Datum member, uint32 changed_keys);

// The same, made if it is new.
Sum &make_sum(SumTable *table, const SubscriptionShape &shape, Datum id, Datum member, uint32 changed_keys);

// Every sum, in the order in which they were made.
Sum &sum_at(const SumTable &table, uint32 number);

// Every sum, in the order of the keys, so that two statements lock the subscriptions in the same order.
std::span<Sum *> ordered_sums(const SumTable &table, const SubscriptionShape &shape);

// Below, at or above 0, in the order of the keys.
int compare_sums(const SubscriptionShape &shape, const Sum &left, const Sum &right);

// True if no sum adds anything any more.
bool is_settled(const SumTable &table);

// Copies a value into the table's memory.
Datum keep_value(const SumTable &table, const KeyType &key, Datum value);

}  // namespace sc
