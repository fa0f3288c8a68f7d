// Writes counters of the subscriptions.
#include "store/counter_writer.hpp"

#include "catalog/attachment.hpp"
#include "catalog/plain_write.hpp"
#include "rules/credit_rule.hpp"
#include "store/ledger.hpp"
#include "server/owner.hpp"
#include "server/row_writer.hpp"
#include "server/violation.hpp"

namespace sc {

struct CounterWriter {
    Cursor cursor;
    TupleTableSlot *changed;         // the current subscription as written
    Search all;                      // of lock_next_used()
    bool outdated;                   // a row that was found is locked in a newer version
    ExprContext *computing;          // of generated columns; nullptr until one is computed
    std::optional<Cause> cause;      // the cause of an exact write in the ledger
    RowWriter *rows;                 // this and what follows is opened by prepare_rows()
    RowTarget *target;
    Caller caller;
};
static_assert(Pod<CounterWriter>);

namespace {

// Opens the server's general way of updating a row. The extension's own triggers are left out: the caller has checked
// what they check. From here on, until close_rows(), this backend acts as the owner of the table.
void prepare_rows(CounterWriter *writer, bool restates = false)
{
    if (writer->rows != nullptr)
        return;
    const SubscriptionShape &shape = *writer->cursor.shape;
    std::array<AttrNumber, 4> columns{};
    size_t count = 0;
    for (const AttrNumber column : {shape.used, shape.remaining, restates ? shape.carried : AttrNumber{0},
                                    restates && shape.total_added ? shape.total : AttrNumber{0}})
        if (column != 0)
            columns[count++] = column;
    writer->caller = enter_owner(writer->cursor.relation);
    writer->rows = open_row_writer(writer->cursor.relation, std::span<const AttrNumber>(columns.data(), count),
                                   own_trigger_functions);
    writer->target = open_row_target(writer->rows, writer->cursor.relation, InvalidOid);
    begin_writing(writer->rows);
}

void close_rows(CounterWriter *writer)
{
    end_writing(writer->rows);
    close_row_writer(writer->rows);
    leave_owner(writer->caller);
}

}  // namespace

void pause_writing(CounterWriter *writer)
{
    if (writer->rows != nullptr)
        leave_owner(writer->caller);
}

void resume_writing(CounterWriter *writer)
{
    if (writer->rows != nullptr)
        writer->caller = enter_owner(writer->cursor.relation);
}

CounterWriter *open_counter_writer(Relation subscriptions, const SubscriptionShape &shape, bool newest)
{
    auto *writer = static_cast<CounterWriter *>(palloc0(sizeof(CounterWriter)));
    writer->cursor = open_cursor(subscriptions, shape);
    writer->cause = Cause::repaired;
    CheckCmdReplicaIdentity(subscriptions, CMD_UPDATE);
    if (newest)
        PushCopiedSnapshot(GetLatestSnapshot());
    else
        push_newest_snapshot();
    writer->changed = MakeSingleTupleTableSlot(RelationGetDescr(subscriptions), &TTSOpsVirtual);
    return writer;
}

TupleTableSlot *find_subscription(CounterWriter *writer, Datum id, Datum member, std::optional<ItemPointerData> place)
{
    if (writer->rows != nullptr)
        see_own_writes(writer->rows);    // one of the user's triggers may have written this very row since
    return find_subscription(writer->cursor, id, member, place);
}

TupleTableSlot *lock_found(CounterWriter *writer)
{
    const ItemPointerData found = writer->cursor.row->tts_tid;
    TupleTableSlot *row = lock_found(writer->cursor);
    writer->outdated |= row != nullptr && !ItemPointerEquals(&row->tts_tid, const_cast<ItemPointer>(&found));
    return row;
}

void see_locked(CounterWriter *writer)
{
    Assert(writer->rows == nullptr);
    if (!writer->outdated)
        return;
    writer->outdated = false;
    restart_cursor(writer->cursor);
    PopActiveSnapshot();
    push_newest_snapshot();
}

bool try_lock_found(CounterWriter *writer)
{
    return try_lock_found(writer->cursor);
}

TupleTableSlot *current_subscription(const CounterWriter *writer)
{
    return writer->cursor.row;
}

TupleTableSlot *lock_subscription(CounterWriter *writer, Datum id, Datum member)
{
    return find_subscription(writer, id, member) == nullptr ? nullptr : lock_found(writer);
}

TupleTableSlot *lock_next_used(CounterWriter *writer)
{
    if (writer->all.row == nullptr)
        writer->all = begin_search(writer->cursor.relation, InvalidOid, {},
                                   table_slot_create(writer->cursor.relation, nullptr));
    while (next_row(writer->all)) {
        const Subscription subscription = read_subscription(*writer->cursor.shape, writer->all.row);
        const bool unused = subscription.used == 0 &&
                            (writer->cursor.shape->remaining == 0 || subscription.remaining == subscription.total);
        if (!unused && lock_row(writer->cursor, &writer->all.row->tts_tid, LockTupleNoKeyExclusive))
            return writer->cursor.row;
    }
    return nullptr;
}

namespace {

// Raises 23SC5 if one of the user's triggers has changed the counters or the member of the row, or has suppressed its
// update.
void verify_written(const CounterWriter *writer, std::optional<int64_t> used, std::optional<int64_t> remaining,
                    std::optional<int64_t> carried = std::nullopt)
{
    const SubscriptionShape &shape = *writer->cursor.shape;
    bool intact = ItemPointerIsValid(&writer->changed->tts_tid);
    if (intact) {
        const Subscription before = read_subscription(shape, writer->cursor.row);
        const Subscription after = read_subscription(shape, writer->changed);
        intact = after.used == used && after.remaining == remaining &&
                 after.carried == carried.value_or(before.carried) &&
                 before.member_is_null == after.member_is_null &&
                 (before.member_is_null || equal_keys(shape.member_key, before.member, after.member));
    }
    if (intact)
        return;
    raise_violation(Violation::guarded_counter, writer->cursor.relation, shape.used,
                    {psprintf("a trigger of relation \"%s\" changed or suppressed the writing of a counter",
                              RelationGetRelationName(writer->cursor.relation)),
                     psprintf("The counter was to become %s.",
                              used ? psprintf("%lld", static_cast<long long>(*used)) : "NULL"),
                     "Let BEFORE UPDATE triggers of the subscriptions leave the counter and the member alone and "
                     "return NEW."});
}

// Makes the changed row of the current one. Returns its remaining, absent if there is no such column or it is NULL.
std::optional<int64_t> change_row(CounterWriter *writer, const Subscription &before, int64_t used, bool exact)
{
    const SubscriptionShape &shape = *writer->cursor.shape;
    TupleTableSlot *changed = writer->changed;
    begin_change(changed, writer->cursor.row);
    changed->tts_values[shape.used - 1] = counter_datum(used, shape.used_type, writer->cursor.relation, shape.used);
    changed->tts_isnull[shape.used - 1] = false;
    std::optional<int64_t> remaining;
    if (shape.remaining != 0) {
        remaining = follow_remaining(exact ? std::nullopt : before.remaining, before.total, before.used.value_or(0),
                                     before.total, used);
        changed->tts_isnull[shape.remaining - 1] = !remaining;
        if (remaining)
            changed->tts_values[shape.remaining - 1] =
                counter_datum(*remaining, shape.remaining_type, writer->cursor.relation, shape.remaining);
    }
    end_change(changed);
    return remaining;
}

}  // namespace

void set_cause(CounterWriter *writer, std::optional<Cause> cause)
{
    writer->cause = cause;
}

namespace {

// Writes the ledger's line of an exact write.
void enter_restatement(const CounterWriter *writer, int64_t used, std::optional<Cause> cause)
{
    const SubscriptionShape &shape = *writer->cursor.shape;
    if (!cause || !OidIsValid(shape.ledger))
        return;
    const Account account = account_of(shape, writer->changed);
    LedgerWriter *ledger = open_ledger_writer(shape);
    restate(ledger, account, used, *cause);
    close_ledger_writer(ledger);
}

}  // namespace

void write_counter(CounterWriter *writer, int64_t used, bool exact)
{
    prepare_rows(writer);
    const std::optional<int64_t> remaining =
        change_row(writer, read_subscription(*writer->cursor.shape, writer->cursor.row), used, exact);
    write_row(writer->rows, writer->target, writer->cursor.row, writer->changed);
    verify_written(writer, used, remaining);
    if (exact)
        enter_restatement(writer, used, writer->cause);
}

void write_restated(CounterWriter *writer, const Restated &restated, bool exact)
{
    const SubscriptionShape &shape = *writer->cursor.shape;
    prepare_rows(writer, true);
    Subscription before = read_subscription(shape, writer->cursor.row);
    before.total = restated.total;
    const std::optional<int64_t> remaining = change_row(writer, before, restated.used, exact);
    const auto set = [writer](AttrNumber column, Oid type, int64_t value) {
        writer->changed->tts_values[column - 1] = counter_datum(value, type, writer->cursor.relation, column);
        writer->changed->tts_isnull[column - 1] = false;
    };
    if (shape.carried != 0)
        set(shape.carried, shape.carried_type, restated.carried);
    if (shape.total_added && restated.total)
        set(shape.total, shape.total_type, *restated.total);
    write_row(writer->rows, writer->target, writer->cursor.row, writer->changed);
    verify_written(writer, restated.used, remaining, restated.carried);
    if (exact)
        enter_restatement(writer, restated.used, writer->cause);
}

void restore_counter(CounterWriter *writer, std::optional<int64_t> used, std::optional<int64_t> remaining)
{
    const SubscriptionShape &shape = *writer->cursor.shape;
    prepare_rows(writer);
    change_row(writer, read_subscription(shape, writer->cursor.row), used.value_or(0), true);
    TupleTableSlot *changed = writer->changed;
    changed->tts_isnull[shape.used - 1] = !used;
    if (shape.remaining != 0) {
        changed->tts_isnull[shape.remaining - 1] = !remaining;
        if (remaining)
            changed->tts_values[shape.remaining - 1] =
                counter_datum(*remaining, shape.remaining_type, writer->cursor.relation, shape.remaining);
    }
    write_row(writer->rows, writer->target, writer->cursor.row, changed);
    verify_written(writer, used, shape.remaining != 0 ? remaining : std::nullopt);
    enter_restatement(writer, used.value_or(0), Cause::repair_undone);
}

namespace {

bool compute_generated(CounterWriter *writer)
{
    if (writer->computing == nullptr)
        writer->computing = CreateStandaloneExprContext();
    ResetExprContext(writer->computing);
    return compute_generated(writer->cursor.shape->computed, writer->cursor.relation, writer->computing,
                             writer->changed);
}

}  // namespace

bool try_write_counter(CounterWriter *writer, int64_t used)
{
    const Subscription before = read_subscription(*writer->cursor.shape, writer->cursor.row);
    const SubscriptionShape &shape = *writer->cursor.shape;
    if (!shape.plain || excess(used, before.total) > 0)
        return false;
    Assert(used >= 0);
    // If the subscription is unlimited, its remaining becomes NULL. A NOT NULL may forbid that, and the executor checks
    // it.
    if (!change_row(writer, before, used, false) && shape.remaining != 0)
        return false;
    if (shape.computed != nullptr && !compute_generated(writer))
        return false;
    TM_FailureData failure;
    IndexesToEnter indexes;
    const TM_Result result = update_row(writer->cursor.relation, &writer->cursor.row->tts_tid, writer->changed,
                                        GetCurrentCommandId(true), GetActiveSnapshot(), &failure, &indexes);
    if (result != TM_Ok)
        return false;
    if (indexes != no_indexes) {
        prepare_rows(writer);
        enter_row(writer->rows, writer->target, writer->changed, indexes);
    }
    return true;
}

void close_counter_writer(CounterWriter *writer)
{
    if (writer->all.row != nullptr) {
        end_search(writer->all);
        ExecDropSingleTupleTableSlot(writer->all.row);
    }
    close_cursor(writer->cursor);
    ExecDropSingleTupleTableSlot(writer->changed);
    if (writer->computing != nullptr)
        FreeExprContext(writer->computing, true);
    if (writer->rows != nullptr)
        close_rows(writer);
    PopActiveSnapshot();
    CommandCounterIncrement();
}

}  // namespace sc
