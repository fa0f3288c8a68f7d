// What the BEFORE triggers have drawn while one statement runs.
#include "write/drawn_links.hpp"

#include "catalog/evaluation.hpp"
#include "write/moved_row.hpp"

namespace sc {

namespace {

// A member with his candidates, of which room is what the statement has not handed out.
struct Member {
    Member *next;                      // in the bucket
    const Binding *binding;
    uint32 hash;
    Datum id;
    std::span<Candidate> candidates;
};
static_assert(Pod<Member>);

// A row that a BEFORE trigger has seen: a proposed one by the hash of its link, an updated one by that of its place.
// The server stores rows and fires AFTER triggers in the order of the BEFORE triggers, apart from rows that are never
// stored. So the first note with that hash is the row's own, or that of a row that looks the same.
struct Note {
    Note *next;                        // in the bucket
    uint32 hash;
    bool drawn;
    Candidate *candidate;              // of which the cost was handed out; nullptr: of none
    int64_t cost;
};
static_assert(Pod<Note>);

template <typename Item>
struct Buckets {
    Item **first;
    Item **last;
    uint32 count;                      // a power of two; 0: none
    uint32 items;
};

// What one statement has drawn. A nested statement has a depth of its own, and so a memory of its own.
struct Drawn {
    CommandId command;                 // InvalidCommandId: nothing is remembered
    int nest_level;
    MemoryContext context;
    Buckets<Member> members;
    Buckets<Note> notes;
    Candidate *handed_out;             // of the last row; nullptr: of none
    int64_t cost;
    Note *last;                        // the note of the row that was proposed last
};
static_assert(Pod<Drawn>);

Drawn *by_depth = nullptr;             // in TopMemoryContext
int depths = 0;

void forget(Drawn &drawn)
{
    if (drawn.context != nullptr)
        MemoryContextDelete(drawn.context);
    drawn = Drawn{};
    drawn.command = InvalidCommandId;
}

Drawn *find_drawn(int depth)
{
    return depth < depths && by_depth[depth].command == statement_command() ? &by_depth[depth] : nullptr;
}

// A statement forgets what an earlier one of its depth has left behind.
Drawn &make_drawn(int depth)
{
    if (depth >= depths) {
        const int count = Max(depth + 1, 8);
        const Size size = sizeof(Drawn) * count;
        by_depth = static_cast<Drawn *>(by_depth == nullptr ? MemoryContextAlloc(TopMemoryContext, size)
                                                            : repalloc(by_depth, size));
        for (; depths < count; depths++) {
            by_depth[depths] = Drawn{};
            by_depth[depths].command = InvalidCommandId;
        }
    }
    Drawn &drawn = by_depth[depth];
    if (drawn.command != statement_command()) {
        forget(drawn);
        drawn.command = statement_command();
        drawn.nest_level = GetCurrentTransactionNestLevel();
        drawn.context =
            AllocSetContextCreate(TopTransactionContext, "session_consistency drawn links", ALLOCSET_SMALL_SIZES);
    }
    return drawn;
}

// Buckets ------------------------------------------------------------------------------------------------------------

template <typename Item>
void append(Buckets<Item> &buckets, Item *item)
{
    const uint32 bucket = item->hash & (buckets.count - 1);
    item->next = nullptr;
    if (buckets.first[bucket] == nullptr)
        buckets.first[bucket] = item;
    else
        buckets.last[bucket]->next = item;
    buckets.last[bucket] = item;
}

template <typename Item>
Item **make_buckets(MemoryContext context, uint32 count)
{
    return static_cast<Item **>(MemoryContextAllocExtended(context, sizeof(Item *) * static_cast<Size>(count),
                                                           MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO));
}

// Items with equal hashes stay in their order.
template <typename Item>
void add(Buckets<Item> &buckets, MemoryContext context, Item *item)
{
    if (buckets.items++ >= buckets.count) {
        const Buckets<Item> left = buckets;
        buckets.count = Max(left.count * 4, uint32{8});
        buckets.first = make_buckets<Item>(context, buckets.count);
        buckets.last = make_buckets<Item>(context, buckets.count);
        for (uint32 bucket = 0; bucket < left.count; bucket++)
            for (Item *known = left.first[bucket]; known != nullptr;) {
                Item *next = known->next;
                append(buckets, known);
                known = next;
            }
    }
    append(buckets, item);
}

template <typename Item>
Item *first_of(const Buckets<Item> &buckets, uint32 hash)
{
    return buckets.count == 0 ? nullptr : buckets.first[hash & (buckets.count - 1)];
}

Note *find_note(const Drawn &drawn, uint32 hash)
{
    Note *note = first_of(drawn.notes, hash);
    while (note != nullptr && note->hash != hash)
        note = note->next;
    return note;
}

void remove_note(Drawn &drawn, const Note *note)
{
    Buckets<Note> &notes = drawn.notes;
    const uint32 bucket = note->hash & (notes.count - 1);
    Note *before = nullptr;
    for (Note *known = notes.first[bucket]; known != note; known = known->next)
        before = known;
    (before == nullptr ? notes.first[bucket] : before->next) = note->next;
    if (notes.last[bucket] == note)
        notes.last[bucket] = before;
    notes.items--;
}

Note *add_note(Drawn &drawn, uint32 hash, bool is_drawn)
{
    auto *note = static_cast<Note *>(MemoryContextAllocZero(drawn.context, sizeof(Note)));
    note->hash = hash;
    note->drawn = is_drawn;
    note->candidate = drawn.handed_out;
    note->cost = drawn.cost;
    drawn.handed_out = nullptr;
    add(drawn.notes, drawn.context, note);
    return note;
}

// A link that no subscription can have has a hash of its own.
uint32 hash_link(const Binding &binding, Datum link)
{
    const std::optional<Datum> id = key_of_link(binding, link);
    return hash_combine(id ? hash_of(binding.subscriptions.id_key, *id) : 0, binding.subscriptions.relation);
}

uint32 hash_place(Relation relation, const ItemPointerData &place)
{
    const uint32 row = hash_bytes(reinterpret_cast<const unsigned char *>(&place), sizeof(ItemPointerData));
    return hash_combine(row, RelationGetRelid(relation));
}

// Members ------------------------------------------------------------------------------------------------------------

std::span<Candidate> candidates_of(Drawn &drawn, const Binding &binding, Relation subscriptions, Datum member)
{
    const KeyType &key = binding.subscriptions.member_key;
    const uint32 hash = hash_of(key, member);
    for (Member *known = first_of(drawn.members, hash); known != nullptr; known = known->next)
        if (known->hash == hash && known->binding->subscriptions.relation == binding.subscriptions.relation &&
            equal_keys(key, known->id, member))
            return known->candidates;
    MemoryContext caller = MemoryContextSwitchTo(drawn.context);
    auto *added = static_cast<Member *>(palloc0(sizeof(Member)));
    added->binding = &binding;
    added->hash = hash;
    added->id = datumCopy(member, key.by_value, key.length);
    added->candidates = find_candidates(subscriptions, binding.subscriptions, member);
    add(drawn.members, drawn.context, added);
    MemoryContextSwitchTo(caller);
    return added->candidates;
}

bool hand_out(Drawn &drawn, Candidate &candidate, int64_t cost)
{
    if (candidate.room && *candidate.room < cost)
        return false;
    if (candidate.room)
        candidate.room = *candidate.room - cost;
    drawn.handed_out = &candidate;
    drawn.cost = cost;
    return true;
}

// Whether the candidate covers the session's start, and pays for it.
bool could_pay(const Binding &binding, Relation subscriptions, const Candidate &candidate, const Need &need)
{
    if (!covers_start(candidate.period, need.start))
        return false;
    if (!has_pays_when(binding.sessions))
        return true;
    TupleTableSlot *row = MakeSingleTupleTableSlot(RelationGetDescr(subscriptions), &TTSOpsHeapTuple);
    ExecStoreHeapTuple(candidate.row, row, false);
    const bool pays = pays_when(binding.sessions, need.session, row);
    ExecDropSingleTupleTableSlot(row);
    return pays;
}

}  // namespace

const Candidate *draw_candidate(const Binding &binding, Relation subscriptions, Datum member, const Need &need,
                                int depth)
{
    Drawn &drawn = make_drawn(depth);
    drawn.handed_out = nullptr;
    const std::span<Candidate> candidates = candidates_of(drawn, binding, subscriptions, member);
    const Candidate *full = nullptr;
    if (binding.subscriptions.draw_order.empty() && candidates.size() > 1)
        return nullptr;                // ambiguous, as the statement's end will say
    for (Candidate &candidate : candidates) {
        if (!could_pay(binding, subscriptions, candidate, need))
            continue;
        if (hand_out(drawn, candidate, need.cost))
            return &candidate;
        if (full == nullptr)
            full = &candidate;
    }
    return full;
}

bool may_keep(const Binding &binding, Relation subscriptions, Datum member, Datum id, const Need &need, int depth)
{
    Drawn &drawn = make_drawn(depth);
    drawn.handed_out = nullptr;
    for (Candidate &candidate : candidates_of(drawn, binding, subscriptions, member))
        if (equal_keys(binding.subscriptions.id_key, candidate.id, id))
            return could_pay(binding, subscriptions, candidate, need) && hand_out(drawn, candidate, need.cost);
    return false;
}

void note_proposed(const Binding &binding, Datum link, bool drawn, int depth)
{
    Drawn &memory = make_drawn(depth);
    memory.last = add_note(memory, hash_link(binding, link), drawn);
}

bool take_back_proposed(const Binding &binding, Datum link, int depth)
{
    Drawn *drawn = find_drawn(depth);
    if (drawn == nullptr || drawn->last == nullptr)
        return false;
    Note *last = drawn->last;
    drawn->last = nullptr;
    if (last->candidate != nullptr && last->candidate->room)
        last->candidate->room = *last->candidate->room + last->cost;
    remove_note(*drawn, last);
    return last->drawn && last->hash == hash_link(binding, link);
}

void note_redrawn(Relation relation, const ItemPointerData &place, int depth)
{
    Drawn &memory = make_drawn(depth);
    add_note(memory, hash_place(relation, place), true);
}

bool was_redrawn(Relation relation, const ItemPointerData &place, int depth)
{
    const Drawn *drawn = find_drawn(depth);
    return drawn != nullptr && find_note(*drawn, hash_place(relation, place)) != nullptr;
}

bool take_proposed(const Binding &binding, Datum link, int depth)
{
    Drawn *drawn = find_drawn(depth);
    const Note *note = drawn == nullptr ? nullptr : find_note(*drawn, hash_link(binding, link));
    if (note == nullptr)
        return false;
    if (note == drawn->last)
        drawn->last = nullptr;
    remove_note(*drawn, note);
    return note->drawn;
}

void forget_drawn_links()
{
    // Their contexts went with the transaction.
    for (int depth = 0; depth < depths; depth++) {
        by_depth[depth] = Drawn{};
        by_depth[depth].command = InvalidCommandId;
    }
}

void abort_drawn_links(int level)
{
    for (int depth = 0; depth < depths; depth++)
        if (by_depth[depth].command != InvalidCommandId && by_depth[depth].nest_level >= level)
            forget(by_depth[depth]);
}

}  // namespace sc
