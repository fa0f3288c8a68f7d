// The sums of one statement by subscription: a hash table that grows with the distinct subscriptions, 64 bytes each,
// and gives them in the order of their keys. Knows how to find a sum, not what it means.
#pragma once

#include "rules/credit_rule.hpp"
#include "store/subscription_row.hpp"

namespace sc {

// What one statement adds to one subscription.
struct Sum {
    Datum id;                  // in the subscriptions' types, copied
    Datum member;              // of the key if it holds the member, else of a session that was linked
    Credits taken;             // by sessions as they are stored now
    Credits given;             // back, by sessions as they were
    uint32 hash;
    uint32 changed_keys;       // the changes of keys that the key has followed, see changed_keys.hpp
    bool linked : 1;           // some session was linked: lock, and judge the member
    bool verified : 1;         // the member was seen to fit (composite keys)
    bool member_is_null : 1;
    bool members_differ : 1;   // sessions of two members were linked: one of them is foreign
    bool own_rows : 1;         // takes back what this transaction wrote, maybe in a statement that has not ended
};
static_assert(Pod<Sum> && sizeof(Sum) == 64);

// What it adds in sum.
constexpr Credits added_by(const Sum &sum)
{
    return sum.taken - sum.given;
}

// Sums stay where they are once made: they live in chunks that double in size, found through slots that hold their
// numbers.
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

// The sum of a subscription; nullptr if there is none. member is looked at only if the key holds it. changed_keys: how
// many changes of keys the key has followed.
Sum *find_sum(const SumTable &table, const SubscriptionShape &shape, Datum id, Datum member, uint32 changed_keys);

// The same, made if it is new.
Sum &make_sum(SumTable *table, const SubscriptionShape &shape, Datum id, Datum member, uint32 changed_keys);

// Every sum, in the order in which they were made.
Sum &sum_at(const SumTable &table, uint32 number);

// Every sum, in the order of the keys, so that two statements lock the subscriptions in the same order.
std::span<Sum *> ordered_sums(const SumTable &table, const SubscriptionShape &shape);

// Copies a value into the table's memory.
Datum keep_value(const SumTable &table, const KeyType &key, Datum value);

}  // namespace sc
