// What the statements in progress will change, until each of them ends.
#include "pending_charges.hpp"

namespace sc {

Oid uncharged_subscriptions = InvalidOid;
Departure departed_before;
Departure departed_after;

struct Statement {
    Statement *enclosing;          // the next in the list: of a lower depth, or of other subscriptions
    int depth;
    int nest_level;                // of the subtransaction that it runs in
    Oid subscriptions;
    Oid marker_relation;
    ItemPointerData marker;
    MemoryContext context;
    HTAB *sums;
};
static_assert(Pod<Statement>);

namespace {

Statement *statements = nullptr;   // innermost first

// The hash key of a sum: the values with the functions that compare them.
struct SumKey {
    const SubscriptionShape *shape;
    Datum id;
    Datum member;
};

struct SumEntry {
    SumKey key;
    Sum sum;
};
static_assert(Pod<SumEntry>);

uint32 hash_value(const KeyType &key, Datum value)
{
    return DatumGetUInt32(FunctionCall1Coll(const_cast<FmgrInfo *>(&key.hash), key.collation, value));
}

bool equal_values(const KeyType &key, Datum left, Datum right)
{
    return DatumGetBool(FunctionCall2Coll(const_cast<FmgrInfo *>(&key.equal), key.collation, left, right));
}

uint32 hash_sum(const void *key, Size)
{
    const auto *sum = static_cast<const SumKey *>(key);
    const uint32 hash = hash_value(sum->shape->id_key, sum->id);
    return sum->shape->by_member ? hash_combine(hash, hash_value(sum->shape->member_key, sum->member)) : hash;
}

int compare_sums(const void *left, const void *right, Size)
{
    const auto *a = static_cast<const SumKey *>(left);
    const auto *b = static_cast<const SumKey *>(right);
    const bool same = equal_values(b->shape->id_key, a->id, b->id) &&
                      (!b->shape->by_member || equal_values(b->shape->member_key, a->member, b->member));
    return same ? 0 : 1;
}

SumKey key_of(const SubscriptionShape &shape, Datum id, Datum member)
{
    // Zeroed first: the hash table copies the key as bytes.
    SumKey key;
    memset(&key, 0, sizeof(key));
    key.shape = &shape;
    key.id = id;
    key.member = shape.by_member ? member : Datum{0};
    return key;
}

}  // namespace

Statement *find_statement(int depth, Oid subscriptions)
{
    for (Statement *statement = statements; statement != nullptr; statement = statement->enclosing)
        if (statement->depth == depth && statement->subscriptions == subscriptions)
            return statement;
    return nullptr;
}

Statement *open_statement(int depth, const Binding &binding, Oid relation, const ItemPointerData &marker)
{
    // Goes with the subtransaction that the statement runs in, whatever becomes of it.
    MemoryContext context = AllocSetContextCreate(CurTransactionContext, "session_consistency statement",
                                                  ALLOCSET_DEFAULT_SIZES);
    auto *statement = static_cast<Statement *>(MemoryContextAllocZero(context, sizeof(Statement)));
    statement->depth = depth;
    statement->nest_level = GetCurrentTransactionNestLevel();
    statement->subscriptions = binding.subscriptions.relation;
    statement->marker_relation = relation;
    statement->marker = marker;
    statement->context = context;
    HASHCTL control{};
    control.keysize = sizeof(SumKey);
    control.entrysize = sizeof(SumEntry);
    control.hash = hash_sum;
    control.match = compare_sums;
    control.hcxt = context;
    statement->sums = hash_create("session_consistency sums", 16, &control,
                                  HASH_ELEM | HASH_FUNCTION | HASH_COMPARE | HASH_CONTEXT);
    statement->enclosing = statements;
    statements = statement;
    return statement;
}

bool is_marker(const Statement &statement, Oid relation, const ItemPointerData &row)
{
    return statement.marker_relation == relation &&
           ItemPointerEquals(const_cast<ItemPointer>(&statement.marker), const_cast<ItemPointer>(&row));
}

Datum keep_value(Statement *statement, const KeyType &key, Datum value)
{
    MemoryContext caller = MemoryContextSwitchTo(statement->context);
    const Datum copy = datumCopy(value, key.by_value, key.length);
    MemoryContextSwitchTo(caller);
    return copy;
}

Sum &find_sum(Statement *statement, const SubscriptionShape &shape, Datum id, Datum member)
{
    const SumKey key = key_of(shape, id, member);
    bool found;
    auto *entry = static_cast<SumEntry *>(hash_search(statement->sums, &key, HASH_ENTER, &found));
    if (!found) {
        entry->key.id = keep_value(statement, shape.id_key, id);
        entry->key.member = shape.by_member ? keep_value(statement, shape.member_key, member) : Datum{0};
        entry->sum = Sum{};
        entry->sum.id = entry->key.id;
        entry->sum.key_member = entry->key.member;
    }
    return entry->sum;
}

namespace {

int compare_order(const void *left, const void *right, void *argument)
{
    const Sum *a = *static_cast<Sum *const *>(left);
    const Sum *b = *static_cast<Sum *const *>(right);
    const auto *shape = static_cast<const SubscriptionShape *>(argument);
    if (shape->by_member) {
        const int order = DatumGetInt32(FunctionCall2Coll(const_cast<FmgrInfo *>(&shape->member_key.compare),
                                                          shape->member_key.collation, a->key_member, b->key_member));
        if (order != 0)
            return order;
    }
    return DatumGetInt32(FunctionCall2Coll(const_cast<FmgrInfo *>(&shape->id_key.compare), shape->id_key.collation,
                                           a->id, b->id));
}

}  // namespace

std::span<Sum *> ordered_sums(Statement *statement, const SubscriptionShape &shape)
{
    const auto count = static_cast<size_t>(hash_get_num_entries(statement->sums));
    auto **sums = static_cast<Sum **>(
        MemoryContextAllocHuge(statement->context, sizeof(Sum *) * Max(count, size_t{1})));
    HASH_SEQ_STATUS scan;
    hash_seq_init(&scan, statement->sums);
    size_t i = 0;
    while (auto *entry = static_cast<SumEntry *>(hash_seq_search(&scan)))
        sums[i++] = &entry->sum;
    qsort_arg(sums, count, sizeof(Sum *), compare_order, const_cast<SubscriptionShape *>(&shape));
    return std::span<Sum *>(sums, count);
}

void detach_statement(Statement *statement)
{
    for (Statement **link = &statements; *link != nullptr; link = &(*link)->enclosing) {
        if (*link == statement) {
            *link = statement->enclosing;
            return;
        }
    }
}

void close_statement(Statement *statement)
{
    MemoryContextDelete(statement->context);
}

// Carried credits ----------------------------------------------------------------------------------------------------

namespace {

// Rare: only triggers of the user's that write sessions while a statement on sessions is in progress make one. A list
// of changes rather than one figure, so that an aborted subtransaction takes back just its own.
struct Carried {
    Carried *next;
    int nest_level;
    const SubscriptionShape *shape;   // bindings outlive the transaction that used them
    Datum id;
    Datum member;
    int64_t credits;
};
static_assert(Pod<Carried>);

Carried *carried = nullptr;        // newest first, in TopTransactionContext

}  // namespace

int64_t carried_credits(const SubscriptionShape &shape, Datum id, Datum member)
{
    int64_t sum = 0;
    for (const Carried *entry = carried; entry != nullptr; entry = entry->next) {
        if (entry->shape->relation == shape.relation && equal_values(shape.id_key, entry->id, id) &&
            (!shape.by_member || equal_values(shape.member_key, entry->member, member)))
            sum += entry->credits;
    }
    return sum;
}

void carry_credits(const SubscriptionShape &shape, Datum id, Datum member, int64_t credits)
{
    if (credits == 0)
        return;
    MemoryContext caller = MemoryContextSwitchTo(TopTransactionContext);
    auto *entry = static_cast<Carried *>(palloc0(sizeof(Carried)));
    entry->next = carried;
    entry->nest_level = GetCurrentTransactionNestLevel();
    entry->shape = &shape;
    entry->id = datumCopy(id, shape.id_key.by_value, shape.id_key.length);
    if (shape.by_member)
        entry->member = datumCopy(member, shape.member_key.by_value, shape.member_key.length);
    entry->credits = credits;
    carried = entry;
    MemoryContextSwitchTo(caller);
}

int64_t enclosing_credits(int depth, const SubscriptionShape &shape, Datum id, Datum member)
{
    int64_t sum = 0;
    for (Statement *statement = statements; statement != nullptr; statement = statement->enclosing) {
        if (statement->depth >= depth || statement->subscriptions != shape.relation)
            continue;
        const SumKey key = key_of(shape, id, member);
        auto *entry = static_cast<SumEntry *>(hash_search(statement->sums, &key, HASH_FIND, nullptr));
        if (entry != nullptr)
            sum += entry->sum.credits.used;
    }
    return sum;
}

// Transactions -------------------------------------------------------------------------------------------------------

namespace {

void forget_everything()
{
    statements = nullptr;          // their memory goes with the transaction's
    carried = nullptr;
    uncharged_subscriptions = InvalidOid;
    departed_before.armed = false;
    departed_after.armed = false;
    forget_replaced_bindings();
}

// What a user's trigger returned ahead of its enclosing statement must have been settled by it.
void require_settled()
{
    if (statements != nullptr)
        elog(ERROR, "a statement on sessions ended without charging its subscriptions");
    for (const Carried *entry = carried; entry != nullptr; entry = entry->next) {
        if (carried_credits(*entry->shape, entry->id, entry->member) == 0)
            continue;
        ereport(ERROR, errcode(ERRCODE_CHECK_VIOLATION),
                errmsg("a counter of relation \"%s\" would fall below 0", get_rel_name(entry->shape->relation)),
                errdetail("A trigger gave back more credits than the subscription had in use."),
                errhint("Its counter is lower than its sessions: session_consistency.check_counts() shows by how "
                        "much."));
    }
}

void on_transaction(XactEvent event, void *)
{
    switch (event) {
        case XACT_EVENT_PRE_COMMIT:
        case XACT_EVENT_PRE_PREPARE:
            require_settled();
            break;
        case XACT_EVENT_COMMIT:
        case XACT_EVENT_ABORT:
        case XACT_EVENT_PREPARE:
            forget_everything();
            break;
        default:
            break;
    }
}

void on_subtransaction(SubXactEvent event, SubTransactionId, SubTransactionId, void *)
{
    const int level = GetCurrentTransactionNestLevel();
    if (event == SUBXACT_EVENT_COMMIT_SUB) {
        for (Carried *entry = carried; entry != nullptr; entry = entry->next)
            entry->nest_level = Min(entry->nest_level, level - 1);
    } else if (event == SUBXACT_EVENT_ABORT_SUB) {
        while (statements != nullptr && statements->nest_level >= level)
            statements = statements->enclosing;
        while (carried != nullptr && carried->nest_level >= level)
            carried = carried->next;
        uncharged_subscriptions = InvalidOid;
        departed_before.armed = false;
        departed_after.armed = false;
    }
}

}  // namespace

void init_pending_charges()
{
    RegisterXactCallback(on_transaction, nullptr);
    RegisterSubXactCallback(on_subtransaction, nullptr);
}

}  // namespace sc
