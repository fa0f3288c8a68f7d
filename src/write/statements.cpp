// What the statements in progress will change, until each of them ends.
#include "write/statements.hpp"

#include "write/link_cache.hpp"
#include "store/subscription_row.hpp"

namespace sc {

Departure departed_before;
Departure departed_after;

struct Statement {
    Statement *enclosing;          // the next in the list: of a lower depth, or of other subscriptions
    int depth;
    int nest_level;                // of the subtransaction that it runs in
    Oid subscriptions;
    Oid marker_relation;
    ItemPointerData marker;
    SumTable sums;
    LineList lines;
};
static_assert(Pod<Statement>);

namespace {

Statement *statements = nullptr;   // innermost first

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
    statement->sums.context = context;
    statement->enclosing = statements;
    statements = statement;
    return statement;
}

bool is_marker(const Statement &statement, Oid relation, const ItemPointerData &row)
{
    return statement.marker_relation == relation &&
           ItemPointerEquals(const_cast<ItemPointer>(&statement.marker), const_cast<ItemPointer>(&row));
}

SumTable *sums_of(Statement *statement)
{
    return &statement->sums;
}

LineList *lines_of(Statement *statement)
{
    return &statement->lines;
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
    MemoryContextDelete(statement->sums.context);
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
        if (entry->shape->relation == shape.relation && equal_keys(shape.id_key, entry->id, id) &&
            (!shape.by_member || equal_keys(shape.member_key, entry->member, member)))
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
        if (const Sum *known = find_sum(statement->sums, shape, id, member))
            sum += known->credits.used;
    }
    return sum;
}

// Departures ---------------------------------------------------------------------------------------------------------

namespace {

CommandId statement_command()
{
    return ActiveSnapshotSet() ? GetActiveSnapshot()->curcid : InvalidCommandId;
}

}  // namespace

void arm(Departure *departure, int depth, const SubscriptionShape &shape)
{
    *departure = Departure{};
    departure->armed = true;
    departure->depth = depth;
    departure->nest_level = GetCurrentTransactionNestLevel();
    departure->command = statement_command();
    departure->subscriptions = shape.relation;
}

void disarm(Departure *departure, int depth)
{
    if (departure->depth >= depth)
        departure->armed = false;
}

bool is_armed(const Departure &departure, int depth, const SubscriptionShape &shape)
{
    return departure.armed && departure.depth == depth && departure.command == statement_command() &&
           departure.subscriptions == shape.relation;
}

// Transactions -------------------------------------------------------------------------------------------------------

namespace {

void forget_everything()
{
    statements = nullptr;          // their memory goes with the transaction's
    carried = nullptr;
    forget_carried_lines();
    departed_before.armed = false;
    departed_after.armed = false;
    forget_replaced_bindings();
    end_link_cache();
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
        commit_carried_lines(level);
    } else if (event == SUBXACT_EVENT_ABORT_SUB) {
        while (statements != nullptr && statements->nest_level >= level)
            statements = statements->enclosing;
        while (carried != nullptr && carried->nest_level >= level)
            carried = carried->next;
        abort_carried_lines(level);
        for (Departure *departure : {&departed_before, &departed_after})
            departure->armed = departure->armed && departure->nest_level < level;
    }
}

}  // namespace

void init_pending_charges()
{
    RegisterXactCallback(on_transaction, nullptr);
    RegisterSubXactCallback(on_subtransaction, nullptr);
}

}  // namespace sc
