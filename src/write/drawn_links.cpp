// What the BEFORE triggers have drawn while one statement runs.
#include "write/drawn_links.hpp"

#include "catalog/evaluation.hpp"
#include "write/per_depth.hpp"

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
struct Bucket {
    Item *first;
    Item *last;
};

template <typename Item>
struct Buckets {
    Bucket<Item> *items;
    uint32 count;                      // a power of two; 0: none
    uint32 used;
};

// What one statement has drawn.
struct Drawn : StatementMemory {
    MemoryContext context;
    Buckets<Member> members;
    Buckets<Note> notes;
    Candidate *handed_out;             // of the last row; nullptr: of none
    int64_t cost;
    Note *last;                        // the note of the row that was proposed last
};
static_assert(Pod<Drawn>);

PerDepth<Drawn> drawn_links;

void free_context(Drawn &drawn)
{
    if (drawn.context != nullptr)
        MemoryContextDelete(drawn.context);
}

Drawn &make_drawn(int depth)
{
    Drawn &drawn = drawn_links.make(depth, free_context);
    if (drawn.context == nullptr)
        drawn.context =
            AllocSetContextCreate(TopTransactionContext, "session_consistency drawn links", ALLOCSET_SMALL_SIZES);
    return drawn;
}

// Buckets ------------------------------------------------------------------------------------------------------------

template <typename Item>
void append(Buckets<Item> &buckets, Item *item)
{
    Bucket<Item> &bucket = buckets.items[item->hash & (buckets.count - 1)];
    item->next = nullptr;
    (bucket.first == nullptr ? bucket.first : bucket.last->next) = item;
    bucket.last = item;
}

// Items with equal hashes stay in their order.
template <typename Item>
void add(Buckets<Item> &buckets, MemoryContext context, Item *item)
{
    if (buckets.used++ >= buckets.count) {
        const std::span<const Bucket<Item>> left(buckets.items, buckets.count);
        buckets.count = Max(buckets.count * 4, uint32{8});
        buckets.items = static_cast<Bucket<Item> *>(MemoryContextAllocExtended(
            context, sizeof(Bucket<Item>) * static_cast<Size>(buckets.count), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO));
        for (const Bucket<Item> &bucket : left)
            for (Item *known = bucket.first; known != nullptr;) {
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
    return buckets.count == 0 ? nullptr : buckets.items[hash & (buckets.count - 1)].first;
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
    Bucket<Note> &bucket = drawn.notes.items[note->hash & (drawn.notes.count - 1)];
    Note *before = nullptr;
    for (Note *known = bucket.first; known != note; known = known->next)
        before = known;
    (before == nullptr ? bucket.first : before->next) = note->next;
    if (bucket.last == note)
        bucket.last = before;
    drawn.notes.used--;
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
    Drawn *drawn = drawn_links.find(depth);
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
    const Drawn *drawn = drawn_links.find(depth);
    return drawn != nullptr && find_note(*drawn, hash_place(relation, place)) != nullptr;
}

Proposed take_proposed(const Binding &binding, Datum link, int depth)
{
    Drawn *drawn = drawn_links.find(depth);
    const Note *note = drawn == nullptr ? nullptr : find_note(*drawn, hash_link(binding, link));
    if (note == nullptr)
        return {false, std::nullopt};
    if (note == drawn->last)
        drawn->last = nullptr;
    remove_note(*drawn, note);
    return {note->drawn, note->candidate == nullptr ? std::nullopt : std::optional(note->candidate->place)};
}

void forget_drawn_links()
{
    drawn_links.abort(0, [](Drawn &) {});      // their contexts go with the transaction
}

void abort_drawn_links(int level)
{
    drawn_links.abort(level, free_context);
}

}  // namespace sc
