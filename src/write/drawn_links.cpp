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
    bool outdated;                     // to be searched again
    std::span<Candidate> candidates;
};
static_assert(Pod<Member>);

// A row that a BEFORE trigger has seen: a proposed one by the hash of its link, an updated one by that of its place.
// The server stores rows and fires AFTER triggers in the order of the BEFORE triggers, apart from rows that are never
// stored. So the first note with that link and that primary key is the row's own, and those before it with that link
// are of rows that were dropped.
struct Note {
    Note *next;                        // in the bucket
    uint32 hash;
    uint32 key;                        // the hash of the row's primary key
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
    uint32 waiting;                    // how many rows for which it was handed out have not been stored so far
    bool passed_over;                  // a candidate had room, and all of that was handed out
    bool changes_keys;                 // a trigger behind this one gives rows other primary keys
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

Note *next_with(Note *note, uint32 hash)
{
    while (note != nullptr && note->hash != hash)
        note = note->next;
    return note;
}

Note *find_note(const Drawn &drawn, uint32 hash)
{
    return next_with(first_of(drawn.notes, hash), hash);
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
    if (drawn.last == note)
        drawn.last = nullptr;
}

Note *add_note(Drawn &drawn, uint32 hash, bool is_drawn)
{
    auto *note = static_cast<Note *>(MemoryContextAllocZero(drawn.context, sizeof(Note)));
    note->hash = hash;
    note->drawn = is_drawn;
    note->candidate = is_drawn ? drawn.handed_out : nullptr;
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

uint32 hash_key(const Binding &binding, TupleTableSlot *row)
{
    uint32 hash = 0;
    for (const NameColumn &column : binding.sessions.name) {
        const Form_pg_attribute attribute = TupleDescAttr(row->tts_tupleDescriptor, column.column - 1);
        bool is_null;
        const Datum value = slot_getattr(row, column.column, &is_null);
        if (!is_null)
            hash = hash_combine(hash, datum_image_hash(value, attribute->attbyval, attribute->attlen));
    }
    return hash;
}

uint32 hash_place(Relation relation, const ItemPointerData &place)
{
    const uint32 row = hash_bytes(reinterpret_cast<const unsigned char *>(&place), sizeof(ItemPointerData));
    return hash_combine(row, RelationGetRelid(relation));
}

// Members ------------------------------------------------------------------------------------------------------------

Member *find_member(const Drawn &drawn, const Binding &binding, Datum member)
{
    const KeyType &key = binding.subscriptions.member_key;
    const uint32 hash = hash_of(key, member);
    for (Member *known = first_of(drawn.members, hash); known != nullptr; known = known->next)
        if (known->hash == hash && known->binding->subscriptions.relation == binding.subscriptions.relation &&
            equal_keys(key, known->id, member))
            return known;
    return nullptr;
}

std::span<Candidate> candidates_of(Drawn &drawn, const Binding &binding, Relation subscriptions, Datum member)
{
    Member *known = find_member(drawn, binding, member);
    if (known != nullptr && !known->outdated)
        return known->candidates;
    const KeyType &key = binding.subscriptions.member_key;
    MemoryContext caller = MemoryContextSwitchTo(drawn.context);
    if (known == nullptr) {
        known = static_cast<Member *>(palloc0(sizeof(Member)));
        known->binding = &binding;
        known->hash = hash_of(key, member);
        known->id = datumCopy(member, key.by_value, key.length);
        add(drawn.members, drawn.context, known);
    }
    known->candidates = find_candidates(subscriptions, binding.subscriptions, member);
    known->outdated = false;
    MemoryContextSwitchTo(caller);
    return known->candidates;
}

bool hand_out(Drawn &drawn, Candidate &candidate, int64_t cost)
{
    if (candidate.room && *candidate.room - candidate.promised < cost) {
        drawn.passed_over |= candidate.promised > 0 && *candidate.room >= cost;
        return false;
    }
    candidate.promised += cost;
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

void forget_candidates(const Binding &binding, Datum member, int depth)
{
    if (Member *known = find_member(make_drawn(depth), binding, member))
        known->outdated = true;
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

void note_proposed(const Binding &binding, Datum link, bool drawn, TupleTableSlot *row, int depth)
{
    Drawn &memory = make_drawn(depth);
    memory.last = add_note(memory, hash_link(binding, link), drawn);
    memory.last->key = hash_key(binding, row);
    memory.waiting += memory.last->candidate == nullptr ? 0 : 1;
}

bool take_back_proposed(const Binding &binding, Datum link, int depth)
{
    Drawn *drawn = drawn_links.find(depth);
    if (drawn == nullptr || drawn->last == nullptr)
        return false;
    Note *last = drawn->last;
    if (last->candidate != nullptr) {
        last->candidate->promised -= last->cost;
        drawn->waiting--;
    }
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

namespace {

// The note of the row that is stored with that link. What was noted before it with the same link is of dropped rows.
Note *find_proposed(Drawn &drawn, const Binding &binding, Datum link, TupleTableSlot *row)
{
    const uint32 hash = hash_link(binding, link);
    Note *first = find_note(drawn, hash);
    if (first == nullptr || drawn.changes_keys)
        return first;
    const uint32 key = hash_key(binding, row);
    Note *own = first;
    while (own != nullptr && own->key != key)
        own = next_with(own->next, hash);
    if (own == nullptr) {
        drawn.changes_keys = true;
        return first;
    }
    while (first != own) {
        Note *next = next_with(first->next, hash);
        remove_note(drawn, first);
        first = next;
    }
    return own;
}

}  // namespace

Proposed take_proposed(const Binding &binding, Datum link, TupleTableSlot *row, int depth)
{
    Drawn *drawn = drawn_links.find(depth);
    const Note *note = drawn == nullptr ? nullptr : find_proposed(*drawn, binding, link, row);
    if (note == nullptr)
        return {false, std::nullopt};
    if (note->candidate != nullptr)
        drawn->waiting--;
    remove_note(*drawn, note);
    return {note->drawn, note->candidate == nullptr ? std::nullopt : std::optional(note->candidate->place)};
}

bool drew_past_dropped(int depth)
{
    const Drawn *drawn = drawn_links.find(depth);
    return drawn != nullptr && drawn->passed_over && drawn->waiting > 0;
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
