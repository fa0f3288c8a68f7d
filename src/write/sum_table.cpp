// The sums of one statement by subscription.
#include "write/sum_table.hpp"

#include <bit>

#include "write/session_errors.hpp"

namespace sc {

namespace {

constexpr uint32 first_chunk = 8;    // sums in the first chunk, which are searched one after the other

}  // namespace

void add_credits(Credits *sum, Credits more)
{
    if (pg_add_s64_overflow(sum->used, more.used, &sum->used))
        raise_beyond_every_counter();
    sum->scheduled += more.scheduled;
}

uint32 hash_key(const SubscriptionShape &shape, Datum id, Datum member)
{
    const uint32 hash = hash_of(shape.id_key, id);
    return shape.by_member ? hash_combine(hash, hash_of(shape.member_key, member)) : hash;
}

Sum &sum_at(const SumTable &table, uint32 number)
{
    // Chunk n begins with the number first_chunk * (2^n - 1).
    const uint32 chunk = std::bit_width(number / first_chunk + 1) - 1;
    return table.chunks[chunk][number - first_chunk * ((uint32{1} << chunk) - 1)];
}

namespace {

// What is searched. A sum whose key has followed another number of changes may be that of another subscription: what
// was 5 before a change and what is 5 after it are two.
struct Wanted {
    uint32 hash;
    Datum id;
    Datum member;
    uint32 changed_keys;
};

bool is_key(const Sum &sum, const SubscriptionShape &shape, const Wanted &wanted)
{
    const auto &[hash, id, member, changed_keys] = wanted;
    return sum.hash == hash && sum.changed_keys == changed_keys && equal_keys(shape.id_key, sum.id, id) &&
           (!shape.by_member || equal_keys(shape.member_key, sum.member, member));
}

void occupy(const SumTable &table, uint32 hash, uint32 number)
{
    uint32 slot = hash & (table.slot_count - 1);
    while (table.slots[slot] != 0)
        slot = (slot + 1) & (table.slot_count - 1);
    table.slots[slot] = number + 1;
}

// Keeps at least half of the slots free.
void grow_slots(SumTable *table)
{
    if (table->count < first_chunk || (table->count + 1) * uint64{2} <= table->slot_count)
        return;
    if (table->slots != nullptr)
        pfree(table->slots);
    table->slot_count = Max(table->slot_count * 2, first_chunk * 4);
    table->slots = static_cast<uint32 *>(MemoryContextAllocExtended(
        table->context, sizeof(uint32) * static_cast<size_t>(table->slot_count), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO));
    for (uint32 number = 0; number < table->count; number++)
        occupy(*table, sum_at(*table, number).hash, number);
}

Sum *find_hashed(const SumTable &table, const SubscriptionShape &shape, const Wanted &wanted)
{
    if (table.slot_count == 0) {
        for (uint32 number = 0; number < table.count; number++)
            if (Sum &sum = sum_at(table, number); is_key(sum, shape, wanted))
                return &sum;
        return nullptr;
    }
    uint32 slot = wanted.hash & (table.slot_count - 1);
    for (; table.slots[slot] != 0; slot = (slot + 1) & (table.slot_count - 1))
        if (Sum &sum = sum_at(table, table.slots[slot] - 1); is_key(sum, shape, wanted))
            return &sum;
    return nullptr;
}

int compare_order(const void *left, const void *right, void *argument)
{
    return compare_sums(*static_cast<const SubscriptionShape *>(argument), **static_cast<Sum *const *>(left),
                        **static_cast<Sum *const *>(right));
}

}  // namespace

int compare_sums(const SubscriptionShape &shape, const Sum &left, const Sum &right)
{
    const int order = shape.by_member ? compare_keys(shape.member_key, left.member, right.member) : 0;
    return order != 0 ? order : compare_keys(shape.id_key, left.id, right.id);
}

bool is_settled(const SumTable &table)
{
    for (uint32 number = 0; number < table.count; number++)
        if (const Sum &sum = sum_at(table, number); added_by(sum).used != 0 || sum.linked)
            return false;
    return true;
}

Datum keep_value(const SumTable &table, const KeyType &key, Datum value)
{
    MemoryContext caller = MemoryContextSwitchTo(table.context);
    const Datum copy = datumCopy(value, key.by_value, key.length);
    MemoryContextSwitchTo(caller);
    return copy;
}

Sum *find_sum(const SumTable &table, const SubscriptionShape &shape, Datum id, Datum member, uint32 changed_keys)
{
    return find_hashed(table, shape, {hash_key(shape, id, member), id, member, changed_keys});
}

Sum &make_sum(SumTable *table, const SubscriptionShape &shape, Datum id, Datum member, uint32 changed_keys)
{
    const uint32 hash = hash_key(shape, id, member);
    if (Sum *found = find_hashed(*table, shape, {hash, id, member, changed_keys}))
        return *found;
    grow_slots(table);
    const uint32 number = table->count;
    const uint32 chunk = std::bit_width(number / first_chunk + 1) - 1;
    if (table->chunks[chunk] == nullptr)
        table->chunks[chunk] = static_cast<Sum *>(
            MemoryContextAllocHuge(table->context, sizeof(Sum) * (static_cast<size_t>(first_chunk) << chunk)));
    Sum &sum = sum_at(*table, number);
    sum = Sum{};
    sum.id = keep_value(*table, shape.id_key, id);
    sum.member = shape.by_member ? keep_value(*table, shape.member_key, member) : Datum{0};
    sum.hash = hash;
    sum.changed_keys = changed_keys;
    ItemPointerSetInvalid(&sum.place);
    table->count++;
    Assert(table->slot_count == 0 ? table->count <= first_chunk : table->count * uint64{2} <= table->slot_count);
    if (table->slot_count != 0)
        occupy(*table, hash, number);
    return sum;
}

std::span<Sum *> ordered_sums(const SumTable &table, const SubscriptionShape &shape)
{
    auto **sums = static_cast<Sum **>(
        MemoryContextAllocHuge(table.context, sizeof(Sum *) * static_cast<size_t>(table.count)));
    for (uint32 number = 0; number < table.count; number++)
        sums[number] = &sum_at(table, number);
    qsort_arg(sums, table.count, sizeof(Sum *), compare_order, const_cast<SubscriptionShape *>(&shape));
    return std::span<Sum *>(sums, table.count);
}

}  // namespace sc
