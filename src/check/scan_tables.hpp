// What scans of whole tables share, that read heaps without the planner: which tables can be read so, and their keys as
// words for a tally. Every table that is opened here is locked as a reader does.
#pragma once

#include <new>

#include "catalog/counting.hpp"
#include "catalog/shapes.hpp"
#include "check/read_counts.hpp"
#include "check/tally.hpp"
#include "server/pg_compat.hpp"

namespace sc {

// A column of the key as words: an integer of any width is one, a uuid two.
struct KeyPart {
    AttrNumber column;
    Oid type;
};

// 0: a type whose values are no words.
size_t words_of(Oid type);

// The subscriptions, and the parts of their key: the id, then the member where one is known.
struct Subscriptions {
    Relation relation;
    SubscriptionShape shape;
    std::array<KeyPart, 2> key;
    size_t words;                  // of what a link refers to
};
static_assert(Pod<Subscriptions>);

constexpr size_t most_words = 4;

// A plain heap that stores every one of those columns (nullptr: none).
bool is_plain_heap(Relation relation, std::span<const char *const> columns);

// False where a table may be an empty shell, and where a right for a column may be enough: the planner knows better.
bool may_scan(const Counting &counting);

// The relations that hold the sessions' rows, locked; none where one of them is no plain heap.
List *list_heaps(const Counting &counting);

// Opened; absent where they cannot be read so.
std::optional<Subscriptions> open_subscriptions(const Counting &counting);

// The figures of their row, with a recount; without the texts of its key.
Figures read_figures_of(const SubscriptionShape &shape, TupleTableSlot *row, const Credits &credits);

// The words of a key; false where a part of it is NULL, which is no key.
template <size_t words>
bool read_key(std::span<const KeyPart> parts, TupleTableSlot *row, TallyKey<words> *key)
{
    size_t word = 0;
    for (const KeyPart &part : parts) {
        bool is_null;
        const Datum value = slot_getattr(row, part.column, &is_null);
        if (is_null)
            return false;
        if (part.type == UUIDOID) {
            memcpy(&(*key)[word], DatumGetPointer(value), 2 * sizeof(uint64));
            word += 2;
        } else {
            (*key)[word++] = static_cast<uint64>(counter_value(value, part.type));
        }
    }
    return true;
}

// Room for another bunch; false where it would be more than a hash table may take.
template <size_t words>
bool make_room(Tally<words> *tally)
{
    const size_t bytes = tally->wanted();
    if (bytes == 0)
        return true;
    if (bytes > get_hash_memory_limit())
        return false;
    void *memory = MemoryContextAllocExtended(CurrentMemoryContext, bytes, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
    if (void *left = tally->resize(memory, bytes))
        pfree(left);
    return true;
}

// Adds, and settles a bunch that is full; false where there is no room for another.
template <size_t words>
bool add_to(Tally<words> *tally, const TallyKey<words> &key, Credits credits)
{
    if (!tally->add(key, credits))
        return true;
    tally->settle();
    return make_room(tally);
}

// Every row of a relation, as the active snapshot sees it: visit(row), until that returns false.
template <typename Visit>
void scan_rows(Relation relation, Visit visit)
{
    TupleTableSlot *row = table_slot_create(relation, nullptr);
    TableScanDesc scan = begin_table_scan(relation, GetActiveSnapshot(), 0, nullptr);
    bool more = true;
    while (more && table_scan_getnextslot(scan, ForwardScanDirection, row))
        more = visit(row);
    table_endscan(scan);
    ExecDropSingleTupleTableSlot(row);
}

}  // namespace sc
