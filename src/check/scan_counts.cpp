// Recounts every subscription by reading each table once.
#include "check/scan_counts.hpp"

#include "check/scan_tables.hpp"
#include "store/session_row.hpp"
#include "store/subscription_row.hpp"

namespace sc {

namespace {

// Counts the sessions of one heap; false where there are too many keys, or the types of its links are of another kind.
template <size_t words>
bool tally_heap(const Counting &counting, const Subscriptions &subscriptions, Oid heap, Tally<words> *tally)
{
    Relation relation = table_open(heap, NoLock);
    const SessionShape shape = make_session_shape(relation, counting.mapping);
    const std::array parts{KeyPart{shape.link, shape.link_type}, KeyPart{shape.member, shape.member_type}};
    const std::span<const KeyPart> key_parts(parts.data(), counting.by_member ? 2 : 1);
    bool fits = make_room(tally);
    for (size_t i = 0; i < key_parts.size(); i++)
        fits &= words_of(key_parts[i].type) == words_of(subscriptions.key[i].type);
    TallyKey<words> key{};
    const auto count = [&](TupleTableSlot *row) {
        const Session session = read_session(shape, row).session;
        const int64 cost = credits_of(session).used;
        if (cost != 0 && read_key<words>(key_parts, row, &key))
            fits = add_to(tally, key, {cost, session.status == Status::scheduled ? cost : 0});
        return fits;
    };
    if (fits)
        scan_rows(relation, count);
    tally->settle();
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
    return is_null ? nullptr : value_text(value, type.type);
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
    WrongList list{};
    TallyKey<words> key{};
    scan_rows(subscriptions.relation, [&](TupleTableSlot *row) {
        const Credits credits = read_key<words>(key_parts, row, &key) ? tally.find(key) : Credits{};
        const Figures figures = read_figures_of(shape, row, credits);
        if (!is_consistent(counting.mapping, figures))
            keep_wrong(shape, row, figures, &list);
        return true;
    });
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
