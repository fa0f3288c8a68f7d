// Follows subscriptions whose keys change.
#include "write/changed_keys.hpp"

namespace sc {

namespace {

struct ChangedKey {
    ChangedKey *previous;          // of all
    ChangedKey *chain;             // the next older one in its bucket
    uint32 number;                 // from 0
    uint32 hash;                   // of the old key
    int nest_level;
    Oid relation;
    CommandId command;
    Key before;
    Key after;
};
static_assert(Pod<ChangedKey>);

// Lives in TopTransactionContext. The list of all changes and each chain of a bucket begin with the newest.
struct ChangedKeys {
    ChangedKey *last;
    ChangedKey **buckets;
    uint32 bucket_count;           // a power of two; 0: nothing has changed yet
};
ChangedKeys changed_keys;

bool same_key(const SubscriptionShape &shape, const Key &left, const Key &right)
{
    return equal_keys(shape.id_key, left.id, right.id) &&
           (!shape.by_member || equal_keys(shape.member_key, left.member, right.member));
}

Key copy_key(const SubscriptionShape &shape, const Key &key)
{
    return {datumCopy(key.id, shape.id_key.by_value, shape.id_key.length),
            shape.by_member ? datumCopy(key.member, shape.member_key.by_value, shape.member_key.length) : Datum{0}};
}

ChangedKey *&bucket_of(uint32 hash)
{
    return changed_keys.buckets[hash & (changed_keys.bucket_count - 1)];
}

void grow_buckets()
{
    if (count_changed_keys() < changed_keys.bucket_count)
        return;
    changed_keys.bucket_count = Max(changed_keys.bucket_count * 2, uint32{64});
    changed_keys.buckets = static_cast<ChangedKey **>(
        MemoryContextAllocExtended(TopTransactionContext, sizeof(ChangedKey *) * changed_keys.bucket_count,
                                   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO));
    // The oldest is put into its chain first, so that each chain begins with the newest again.
    ChangedKey *oldest_first = nullptr;
    for (ChangedKey *changed = changed_keys.last; changed != nullptr; changed = changed->previous) {
        changed->chain = oldest_first;
        oldest_first = changed;
    }
    while (oldest_first != nullptr) {
        ChangedKey *changed = oldest_first;
        oldest_first = changed->chain;
        changed->chain = bucket_of(changed->hash);
        bucket_of(changed->hash) = changed;
    }
}

// The first change of that key by a command after the given one; nullptr if there is none.
const ChangedKey *find_change(const SubscriptionShape &shape, const Key &key, CommandId stored, uint32 first)
{
    const ChangedKey *oldest = nullptr;
    for (const ChangedKey *changed = bucket_of(hash_key(shape, key.id, key.member));
         changed != nullptr && changed->number >= first; changed = changed->chain)
        if (changed->relation == shape.relation &&
            (stored == InvalidCommandId || changed->command > stored) && same_key(shape, changed->before, key))
            oldest = changed;
    return oldest;
}

}  // namespace

uint32 count_changed_keys()
{
    return changed_keys.last == nullptr ? 0 : changed_keys.last->number + 1;
}

void note_changed_key(const SubscriptionShape &shape, CommandId command, const Key &before, const Key &after)
{
    grow_buckets();
    MemoryContext caller = MemoryContextSwitchTo(TopTransactionContext);
    auto *changed = static_cast<ChangedKey *>(palloc0(sizeof(ChangedKey)));
    changed->previous = changed_keys.last;
    changed->number = count_changed_keys();
    Assert(changed->number < changed_keys.bucket_count);
    changed->hash = hash_key(shape, before.id, before.member);
    changed->nest_level = GetCurrentTransactionNestLevel();
    changed->relation = shape.relation;
    changed->command = command;
    changed->before = copy_key(shape, before);
    changed->after = copy_key(shape, after);
    changed->chain = bucket_of(changed->hash);
    bucket_of(changed->hash) = changed;
    changed_keys.last = changed;
    MemoryContextSwitchTo(caller);
}

Key follow_key(const SubscriptionShape &shape, Key key, CommandId stored, uint32 first)
{
    if (first >= count_changed_keys())
        return key;
    while (const ChangedKey *changed = find_change(shape, key, stored, first)) {
        key = changed->after;
        stored = changed->command;
        first = changed->number + 1;
    }
    return key;
}

void forget_changed_keys()
{
    changed_keys = ChangedKeys{};  // their memory goes with the transaction's
}

void commit_changed_keys(int level)
{
    for (ChangedKey *changed = changed_keys.last; changed != nullptr && changed->nest_level >= level;
         changed = changed->previous)
        changed->nest_level = level - 1;
}

void abort_changed_keys(int level)
{
    while (changed_keys.last != nullptr && changed_keys.last->nest_level >= level) {
        bucket_of(changed_keys.last->hash) = changed_keys.last->chain;
        changed_keys.last = changed_keys.last->previous;
    }
}

}  // namespace sc
