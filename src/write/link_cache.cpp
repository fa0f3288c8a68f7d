// Remembers, while one command runs, which active subscription a member has.
#include "write/link_cache.hpp"

namespace sc {

namespace {

constexpr size_t key_size = 16;              // uuid; longer and variable keys are looked up each time
constexpr uint32 least_entries = 256;
constexpr uint32 most_entries = 256 * 1024;  // 12 MB

struct Key {
    alignas(Datum) unsigned char bytes[key_size];
};

struct Entry {
    uint32 generation;                       // of the command that wrote it; 0: never
    ItemPointerData place;                   // of the subscription
    Key member;
    Key link;
};
static_assert(Pod<Entry>);

// What is remembered is valid for one command. If this transaction writes anything meanwhile, in a user's trigger, too,
// the command counter moves: that is another command.
struct Command {
    const Binding *binding;
    int depth;
    CommandId command;
    SubTransactionId subtransaction;
    TimestampTz statement;

    bool operator==(const Command &) const = default;
};
static_assert(Pod<Command>);

struct Cache {
    Command command;
    uint32 generation;
    uint32 entry_count;
    uint32 misses;                           // in this generation
    Entry *entries;
};
Cache cache;

bool fits(const KeyType &key)
{
    return key.by_value || (key.length > 0 && static_cast<size_t>(key.length) <= key_size);
}

Key key_bytes(const KeyType &key, Datum value)
{
    Key bytes{};
    if (key.by_value)
        memcpy(bytes.bytes, &value, sizeof(Datum));
    else
        memcpy(bytes.bytes, DatumGetPointer(value), key.length);
    return bytes;
}

Datum key_datum(const KeyType &key, const Key &bytes)
{
    if (!key.by_value)
        return PointerGetDatum(bytes.bytes);
    Datum value;
    memcpy(&value, bytes.bytes, sizeof(Datum));
    return value;
}

void resize(uint32 count)
{
    if (cache.entries != nullptr)
        pfree(cache.entries);
    cache.entries = nullptr;
    cache.entry_count = 0;
    cache.entries =
        static_cast<Entry *>(MemoryContextAllocZero(TopMemoryContext, sizeof(Entry) * static_cast<size_t>(count)));
    cache.entry_count = count;
    cache.misses = 0;
}

Entry &entry_for(const KeyType &key, Datum member)
{
    return cache.entries[hash_of(key, member) & (cache.entry_count - 1)];
}

// Makes room for four times as many, and keeps what this command has remembered.
void grow(const KeyType &member_key)
{
    Entry *const left = cache.entries;
    const uint32 left_count = cache.entry_count;
    cache.entries = nullptr;
    resize(left_count * 4);
    for (const Entry &entry : std::span(left, left_count))
        if (entry.generation == cache.generation)
            entry_for(member_key, key_datum(member_key, entry.member)) = entry;
    pfree(left);
}

// Forgets what another command has remembered.
void begin_command(const Binding &binding, int depth)
{
    const Command command{&binding, depth, GetCurrentCommandId(false), GetCurrentSubTransactionId(),
                          GetCurrentStatementStartTimestamp()};
    if (cache.entries != nullptr && command == cache.command)
        return;
    cache.command = command;
    cache.misses = 0;
    if (cache.entries == nullptr || ++cache.generation == 0) {
        resize(least_entries);
        cache.generation = 1;
    }
}

}  // namespace

std::optional<Datum> recall_link(const Binding &binding, Datum member, int depth)
{
    const SubscriptionShape &shape = binding.subscriptions;
    if (!fits(shape.member_key) || !fits(shape.id_key))
        return std::nullopt;
    begin_command(binding, depth);
    const Entry &entry = entry_for(shape.member_key, member);
    const Key key = key_bytes(shape.member_key, member);
    if (entry.generation != cache.generation || memcmp(entry.member.bytes, key.bytes, key_size) != 0)
        return std::nullopt;
    return key_datum(shape.id_key, entry.link);
}

void remember_link(const Binding &binding, Datum member, const ActiveSubscription &active, int depth)
{
    const SubscriptionShape &shape = binding.subscriptions;
    if (!fits(shape.member_key) || !fits(shape.id_key))
        return;
    begin_command(binding, depth);
    // A member has one possible slot, and a newcomer overwrites who is there: so only a quarter of the slots is filled.
    if (++cache.misses > cache.entry_count / 4 && cache.entry_count < most_entries)
        grow(shape.member_key);
    Assert(cache.entry_count >= least_entries && (cache.entry_count & (cache.entry_count - 1)) == 0);
    entry_for(shape.member_key, member) = {cache.generation, active.place, key_bytes(shape.member_key, member),
                                           key_bytes(shape.id_key, active.id)};
}

std::optional<ItemPointerData> recall_place(const SubscriptionShape &shape, Datum member, Datum id)
{
    const Binding *binding = cache.command.binding;
    if (binding == nullptr || !binding->valid || binding->subscriptions.relation != shape.relation ||
        !fits(shape.member_key) || !fits(shape.id_key))
        return std::nullopt;
    const Entry &entry = entry_for(shape.member_key, member);
    const Key member_bytes = key_bytes(shape.member_key, member);
    const Key id_bytes = key_bytes(shape.id_key, id);
    if (entry.generation != cache.generation || memcmp(entry.member.bytes, member_bytes.bytes, key_size) != 0 ||
        memcmp(entry.link.bytes, id_bytes.bytes, key_size) != 0)
        return std::nullopt;
    return entry.place;
}

void end_link_cache()
{
    cache.command = Command{};
    if (cache.entry_count > least_entries)
        resize(least_entries);
}

}  // namespace sc
