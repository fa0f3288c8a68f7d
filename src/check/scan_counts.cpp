// Recounts every subscription by reading each table once.
#include "check/scan_counts.hpp"

#include <new>

#include "catalog/binding.hpp"
#include "server/pg_compat.hpp"
#include "store/session_row.hpp"
#include "store/subscription_row.hpp"
#include "check/tally.hpp"

namespace sc {

namespace {

// A column of the key as words: an integer of any width is one, a uuid two.
struct KeyPart {
    AttrNumber column;
    Oid type;
};

size_t words_of(Oid type)
{
    if (type == INT2OID || type == INT4OID || type == INT8OID)
        return 1;
    return type == UUIDOID ? 2 : 0;
}

// The subscriptions, and the parts of their key: the id, then the member where the key holds it.
struct Subscriptions {
    Relation relation;
    SubscriptionShape shape;
    std::array<KeyPart, 2> key;
    size_t words;
};

constexpr size_t most_words = 4;

// A plain heap that stores every one of those columns (nullptr: none).
bool is_plain_heap(Relation relation, std::span<const char *const> columns)
{
    if (relation->rd_rel->relkind != RELKIND_RELATION || relation->rd_rel->relam != HEAP_TABLE_AM_OID)
        return false;
    for (const char *column : columns) {
        const AttrNumber number = column == nullptr ? AttrNumber{0} : get_attnum(RelationGetRelid(relation), column);
        if (number > 0 && !is_stored(TupleDescAttr(RelationGetDescr(relation), number - 1)))
            return false;
    }
    return true;
}

// The relations that hold the sessions' rows, locked; none where one of them is no plain heap.
List *list_heaps(const Counting &counting)
{
    const Mapping &mapping = counting.mapping;
    const std::array columns{mapping.member_column, mapping.subscription_column, mapping.type_column,
                             mapping.status_column};
    List *heaps = NIL;
    ListCell *cell;
    foreach (cell, find_all_inheritors(counting.sessions, AccessShareLock, nullptr)) {
        Relation relation = table_open(lfirst_oid(cell), NoLock);
        const bool partitioned = relation->rd_rel->relkind == RELKIND_PARTITIONED_TABLE;
        const bool plain = partitioned || is_plain_heap(relation, columns);
        if (plain && !partitioned)
            heaps = lappend_oid(heaps, lfirst_oid(cell));
        table_close(relation, NoLock);
        if (!plain)
            return NIL;
    }
    return heaps;
}

// Where a table may be an empty shell, and where a right for a column may be enough, the planner knows better.
bool may_scan(const Counting &counting)
{
    return !OidIsValid(get_extension_oid("citus", true)) &&
           pg_class_aclcheck(counting.sessions, GetUserId(), ACL_SELECT) == ACLCHECK_OK &&
           pg_class_aclcheck(counting.subscriptions, GetUserId(), ACL_SELECT) == ACLCHECK_OK;
}

std::optional<Subscriptions> open_subscriptions(const Counting &counting)
{
    const Mapping &mapping = counting.mapping;
    Relation relation = table_open(counting.subscriptions, AccessShareLock);
    Subscriptions result{};
    result.relation = relation;
    result.shape = make_subscription_shape(relation, mapping);
    SubscriptionShape &shape = result.shape;
    shape.id = get_attnum(counting.subscriptions, counting.subscription_id);
    shape.id_key = make_key_type(relation, shape.id);
    result.key = {KeyPart{shape.id, shape.id_key.type}, KeyPart{shape.member, shape.member_key.type}};
    result.words = words_of(shape.id_key.type);
    const std::array columns{counting.subscription_id, mapping.subscription_member_column, mapping.total_column,
                             mapping.used_column, mapping.remaining_column, mapping.carried_column};
    bool fits = result.words > 0 && !relation->rd_rel->relhassubclass && is_plain_heap(relation, columns);
    if (counting.by_member) {
        fits &= words_of(shape.member_key.type) > 0;
        result.words += words_of(shape.member_key.type);
    }
    if (fits)
        return result;
    table_close(relation, NoLock);
    return std::nullopt;
}

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

// Counts the sessions of one heap; false where there are too many keys, or the types of its links are of another kind.
template <size_t words>
bool tally_heap(const Counting &counting, const Subscriptions &subscriptions, Oid heap, Tally<words> *tally)
{
    Relation relation = table_open(heap, NoLock);
    const SessionShape shape = make_session_shape(relation, counting.mapping);
    const std::array parts{KeyPart{shape.link, shape.link_type}, KeyPart{shape.member, shape.member_type}};
    const std::span<const KeyPart> key_parts(parts.data(), counting.by_member ? 2 : 1);
    TupleTableSlot *row = table_slot_create(relation, nullptr);
    TableScanDesc scan = begin_table_scan(relation, GetActiveSnapshot(), 0, nullptr);
    bool fits = make_room(tally);
    for (size_t i = 0; i < key_parts.size(); i++)
        fits &= words_of(key_parts[i].type) == words_of(subscriptions.key[i].type);
    TallyKey<words> key{};
    while (fits && table_scan_getnextslot(scan, ForwardScanDirection, row)) {
        const Session session = read_session(shape, row).session;
        const int64 cost = credits_of(session).used;
        if (cost != 0 && read_key<words>(key_parts, row, &key) &&
            tally->add(key, {cost, session.status == Status::scheduled ? cost : 0})) {
            tally->settle();
            fits = make_room(tally);
        }
    }
    tally->settle();
    table_endscan(scan);
    ExecDropSingleTupleTableSlot(row);
    table_close(relation, NoLock);
    return fits;
}

// A wrong subscription, and by what it is sorted.
struct Wrong {
    Datum id;
    Datum member;
    bool id_is_null;
    bool member_is_null;
    Figures figures;
};
static_assert(Pod<Wrong>);

struct WrongList {
    Wrong *first;
    size_t count;
    size_t size;
};

Datum copy_key(TupleTableSlot *row, const KeyType &type, AttrNumber column, bool *is_null)
{
    const Datum value = slot_getattr(row, column, is_null);
    return *is_null ? Datum{0} : datumCopy(value, type.by_value, type.length);
}

const char *print_key(const KeyType &type, Datum value, bool is_null)
{
    if (is_null)
        return nullptr;
    Oid output;
    bool varlena;
    getTypeOutputInfo(type.type, &output, &varlena);
    return OidOutputFunctionCall(output, value);
}

std::optional<int64> read_counter(TupleTableSlot *row, AttrNumber column, Oid type)
{
    bool is_null = true;
    const Datum value = column == 0 ? Datum{0} : slot_getattr(row, column, &is_null);
    return is_null ? std::nullopt : std::optional<int64>(counter_value(value, type));
}

void keep_wrong(const SubscriptionShape &shape, TupleTableSlot *row, const Figures &figures, WrongList *list)
{
    if (list->count == list->size) {
        list->size = Max(list->size * 2, size_t{8});
        const size_t bytes = sizeof(Wrong) * list->size;
        list->first = static_cast<Wrong *>(list->first == nullptr ? palloc(bytes) : repalloc_huge(list->first, bytes));
    }
    Wrong &wrong = list->first[list->count++];
    wrong.figures = figures;
    wrong.id = copy_key(row, shape.id_key, shape.id, &wrong.id_is_null);
    wrong.member_is_null = true;
    if (shape.member != 0)
        wrong.member = copy_key(row, shape.member_key, shape.member, &wrong.member_is_null);
}

template <size_t words>
WrongList compare_subscriptions(const Counting &counting, const Subscriptions &subscriptions,
                                const Tally<words> &tally)
{
    const SubscriptionShape &shape = subscriptions.shape;
    const std::span<const KeyPart> key_parts(subscriptions.key.data(), counting.by_member ? 2 : 1);
    TupleTableSlot *row = table_slot_create(subscriptions.relation, nullptr);
    TableScanDesc scan = begin_table_scan(subscriptions.relation, GetActiveSnapshot(), 0, nullptr);
    WrongList list{};
    TallyKey<words> key{};
    while (table_scan_getnextslot(scan, ForwardScanDirection, row)) {
        const Credits credits = read_key<words>(key_parts, row, &key) ? tally.find(key) : Credits{};
        const Figures figures{.subscription_id = nullptr,
                              .member_id = nullptr,
                              .total = read_counter(row, shape.total, shape.total_type),
                              .used = read_counter(row, shape.used, shape.used_type),
                              .stored_remaining = read_counter(row, shape.remaining, shape.remaining_type),
                              .carried = read_counter(row, shape.carried, shape.carried_type).value_or(0),
                              .completed = credits.used - credits.scheduled,
                              .scheduled = credits.scheduled};
        if (!is_consistent(counting.mapping, figures))
            keep_wrong(shape, row, figures, &list);
    }
    table_endscan(scan);
    ExecDropSingleTupleTableSlot(row);
    return list;
}

// As ORDER BY does: NULL last.
int compare_nullable(const KeyType &type, Datum left, bool left_is_null, Datum right, bool right_is_null)
{
    if (left_is_null || right_is_null)
        return static_cast<int>(left_is_null) - static_cast<int>(right_is_null);
    return compare_keys(type, left, right);
}

int compare_wrong(const void *left, const void *right, void *argument)
{
    const auto *a = static_cast<const Wrong *>(left);
    const auto *b = static_cast<const Wrong *>(right);
    const auto *shape = static_cast<const SubscriptionShape *>(argument);
    const int order = compare_nullable(shape->id_key, a->id, a->id_is_null, b->id, b->id_is_null);
    return order != 0 ? order
                      : compare_nullable(shape->member_key, a->member, a->member_is_null, b->member,
                                         b->member_is_null);
}

void hand_on(const WrongList &list, SubscriptionShape *shape, FiguresSink sink, void *state)
{
    if (list.count == 0)
        return;
    qsort_arg(list.first, list.count, sizeof(Wrong), compare_wrong, shape);
    MemoryContext row_context = AllocSetContextCreate(CurrentMemoryContext, "session_consistency row",
                                                      ALLOCSET_SMALL_SIZES);
    MemoryContext caller = MemoryContextSwitchTo(row_context);
    for (Wrong &wrong : std::span(list.first, list.count)) {
        wrong.figures.subscription_id = print_key(shape->id_key, wrong.id, wrong.id_is_null);
        wrong.figures.member_id = print_key(shape->member_key, wrong.member, wrong.member_is_null);
        sink(wrong.figures, state);
        MemoryContextReset(row_context);
    }
    MemoryContextSwitchTo(caller);
}

template <size_t words>
bool scan_both(const Counting &counting, Subscriptions *subscriptions, List *heaps, FiguresSink sink, void *state)
{
    auto *tally = new (palloc(sizeof(Tally<words>))) Tally<words>{};
    ListCell *cell;
    foreach (cell, heaps)
        if (!tally_heap<words>(counting, *subscriptions, lfirst_oid(cell), tally))
            return false;
    const WrongList list = compare_subscriptions<words>(counting, *subscriptions, *tally);
    hand_on(list, &subscriptions->shape, sink, state);
    return true;
}

using ScanBoth = bool (*)(const Counting &, Subscriptions *, List *, FiguresSink, void *);
constexpr std::array<ScanBoth, most_words + 1> scan_both_of{nullptr, scan_both<1>, scan_both<2>, scan_both<3>,
                                                            scan_both<4>};

}  // namespace

bool scan_wrong_counts(const Counting &counting, FiguresSink sink, void *state)
{
    if (!may_scan(counting))
        return false;
    MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "session_consistency scan",
                                                  ALLOCSET_DEFAULT_SIZES);
    MemoryContext caller = MemoryContextSwitchTo(context);
    bool done = false;
    List *heaps = list_heaps(counting);
    std::optional<Subscriptions> subscriptions = open_subscriptions(counting);
    if (subscriptions && heaps != NIL)
        done = scan_both_of[subscriptions->words](counting, &*subscriptions, heaps, sink, state);
    if (subscriptions)
        table_close(subscriptions->relation, NoLock);
    MemoryContextSwitchTo(caller);
    MemoryContextDelete(context);
    return done;
}

}  // namespace sc
