// Writes counters of the subscriptions, opened once for a statement.
#include "store/counter_writer.hpp"

#include "rules/credit_rule.hpp"
#include "store/ledger.hpp"
#include "server/owner.hpp"
#include "server/pg_compat.hpp"
#include "catalog/plain_write.hpp"
#include "server/violation.hpp"

namespace sc {

struct CounterWriter {
    Relation relation;
    const SubscriptionShape *shape;
    TupleTableSlot *row;             // the current subscription
    TupleTableSlot *changed;         // as written
    Search by_key;
    Search all;
    EState *estate;                  // from here on: nullptr until prepare_target()
    Caller caller;
    ResultRelInfo *target;           // without the extension's own triggers; it has checked what they check
    ResultRelInfo *after;            // the AFTER triggers, where a transition table captures rows; else nullptr
    TransitionCaptureState *capture;
    bool fires_triggers;
    EPQState epq;
    std::optional<Cause> exact;     // how the ledger calls an exact write
};
static_assert(Pod<CounterWriter>);

namespace {

bool is_own_trigger(const Trigger &trigger)
{
    return trigger.tgfoid == trigger_function(function::keep) || trigger.tgfoid == trigger_function(function::guard);
}

void choose_triggers(CounterWriter *writer)
{
    ResultRelInfo *target = writer->target;
    TriggerDesc *triggers = target->ri_TrigDesc;
    if (triggers == nullptr)
        return;
    for (int i = 0; i < triggers->numtriggers && !writer->fires_triggers; i++)
        writer->fires_triggers = is_users_trigger(triggers->triggers[i]);
    if (!writer->fires_triggers) {
        target->ri_TrigDesc = nullptr;
        return;
    }
    filter_triggers(triggers, [](const Trigger &trigger) { return !is_own_trigger(trigger); });
    AfterTriggerBeginQuery();
    writer->capture = MakeTransitionCaptureState(triggers, RelationGetRelid(writer->relation), CMD_UPDATE);
    if (writer->capture != nullptr) {
        // The server's simple update does not fill transition tables: AFTER triggers are queued apart from it.
        writer->after = make_target(writer->estate, writer->relation);
        filter_triggers(writer->after->ri_TrigDesc, [](const Trigger &trigger) {
            return !is_own_trigger(trigger) && TRIGGER_FOR_AFTER(trigger.tgtype);
        });
        filter_triggers(triggers, [](const Trigger &trigger) {
            return !TRIGGER_FOR_ROW(trigger.tgtype) || !TRIGGER_FOR_AFTER(trigger.tgtype);
        });
    }
    ExecBSUpdateTriggers(writer->estate, target);
}

// Locks the row at that place against other writers, following it to its newest version where the isolation level
// lets a statement see it.
bool lock_row(CounterWriter *writer, ItemPointer place, LockTupleMode mode)
{
    uint8 flags = TUPLE_LOCK_FLAG_LOCK_UPDATE_IN_PROGRESS;
    if (!IsolationUsesXactSnapshot())
        flags |= TUPLE_LOCK_FLAG_FIND_LAST_VERSION;
    TM_FailureData failure;
    ItemPointerData where = *place;
    const TM_Result result =
        table_tuple_lock(writer->relation, &where, GetActiveSnapshot(), writer->row, GetCurrentCommandId(false),
                         mode, LockWaitBlock, flags, &failure);
    switch (result) {
        case TM_Ok:
            return true;
        case TM_Updated:
        case TM_Deleted:
            if (IsolationUsesXactSnapshot())
                ereport(ERROR, errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
                        errmsg("could not serialize access due to concurrent update"));
            if (result == TM_Deleted)
                return false;
            [[fallthrough]];
        default:
            elog(ERROR, "unexpected result of locking a subscription: %d", static_cast<int>(result));
    }
}

// What the server's general way of updating a row needs. From here on the writer is the owner of the table.
void prepare_target(CounterWriter *writer)
{
    if (writer->estate != nullptr)
        return;
    Relation relation = writer->relation;
    const SubscriptionShape &shape = *writer->shape;
    writer->caller = enter_owner(relation);
    writer->estate = CreateExecutorState();
    Bitmapset *updated = bms_make_singleton(shape.used - FirstLowInvalidHeapAttributeNumber);
    if (shape.remaining != 0)
        updated = bms_add_member(updated, shape.remaining - FirstLowInvalidHeapAttributeNumber);
    init_range_table(writer->estate, relation, updated);
    writer->target = make_target(writer->estate, relation);
    writer->estate->es_output_cid = GetCurrentCommandId(true);
    writer->estate->es_snapshot = GetActiveSnapshot();
    init_epq(&writer->epq, writer->estate);
    ExecOpenIndices(writer->target, false);
    choose_triggers(writer);
}

void close_target(CounterWriter *writer)
{
    if (writer->fires_triggers) {
        ExecASUpdateTriggers(writer->estate, writer->after != nullptr ? writer->after : writer->target,
                             writer->capture);
        AfterTriggerEndQuery(writer->estate);
    }
    EvalPlanQualEnd(&writer->epq);
    ExecCloseIndices(writer->target);
    ExecResetTupleTable(writer->estate->es_tupleTable, false);
    ExecCloseResultRelations(writer->estate);
    ExecCloseRangeTableRelations(writer->estate);
    FreeExecutorState(writer->estate);
    leave_owner(writer->caller);
}

}  // namespace

CounterWriter *open_counter_writer(Relation subscriptions, const SubscriptionShape &shape, bool newest)
{
    auto *writer = static_cast<CounterWriter *>(palloc0(sizeof(CounterWriter)));
    writer->relation = subscriptions;
    writer->shape = &shape;
    writer->exact = Cause::repaired;
    CheckCmdReplicaIdentity(subscriptions, CMD_UPDATE);
    if (newest)
        PushCopiedSnapshot(GetLatestSnapshot());
    else
        push_newest_snapshot();
    writer->row = table_slot_create(subscriptions, nullptr);
    writer->changed = MakeSingleTupleTableSlot(RelationGetDescr(subscriptions), &TTSOpsVirtual);
    return writer;
}

TupleTableSlot *find_subscription(CounterWriter *writer, Datum id, Datum member, std::optional<ItemPointerData> place)
{
    if (writer->fires_triggers) {
        // A trigger of the user's may have written this very row since.
        CommandCounterIncrement();
        UpdateActiveSnapshotCommandId();
        writer->estate->es_output_cid = GetCurrentCommandId(true);
    }
    if (place && fetch_subscription(writer->relation, *writer->shape, *place, id, member, writer->row))
        return writer->row;
    if (writer->by_key.row == nullptr)
        writer->by_key = begin_key_search(writer->relation, *writer->shape, id, member, writer->row);
    else
        search_key_again(writer->by_key, *writer->shape, id, member);
    return next_row(writer->by_key) ? writer->row : nullptr;
}

TupleTableSlot *lock_found(CounterWriter *writer, LockTupleMode mode)
{
    return lock_row(writer, &writer->row->tts_tid, mode) ? writer->row : nullptr;
}

TupleTableSlot *lock_subscription(CounterWriter *writer, Datum id, Datum member)
{
    return find_subscription(writer, id, member) == nullptr ? nullptr : lock_found(writer);
}

TupleTableSlot *lock_next_used(CounterWriter *writer)
{
    if (writer->all.row == nullptr)
        writer->all = begin_search(writer->relation, InvalidOid, {}, table_slot_create(writer->relation, nullptr));
    while (next_row(writer->all)) {
        const Subscription subscription = read_subscription(*writer->shape, writer->all.row);
        const bool unused = subscription.used == 0 &&
                            (writer->shape->remaining == 0 || subscription.remaining == subscription.total);
        if (!unused && lock_row(writer, &writer->all.row->tts_tid, LockTupleNoKeyExclusive))
            return writer->row;
    }
    return nullptr;
}

namespace {

// A trigger of the user's may have changed the row that was to be written, or kept it from being written.
void verify_written(const CounterWriter *writer, std::optional<int64_t> used, std::optional<int64_t> remaining)
{
    const SubscriptionShape &shape = *writer->shape;
    bool intact = ItemPointerIsValid(&writer->changed->tts_tid);
    if (intact) {
        const Subscription before = read_subscription(shape, writer->row);
        const Subscription after = read_subscription(shape, writer->changed);
        intact = after.used == used && after.remaining == remaining &&
                 before.member_is_null == after.member_is_null &&
                 (before.member_is_null || equal_keys(shape.member_key, before.member, after.member));
    }
    if (intact)
        return;
    raise_violation(Violation::guarded_counter, writer->relation, shape.used,
                    {psprintf("a trigger of relation \"%s\" changed or suppressed the writing of a counter",
                              RelationGetRelationName(writer->relation)),
                     psprintf("The counter was to become %s.",
                              used ? psprintf("%lld", static_cast<long long>(*used)) : "NULL"),
                     "Let BEFORE UPDATE triggers of the subscriptions leave the counter and the member alone and "
                     "return NEW."});
}

// Fills in the changed row from the current one; the remaining that it shows is returned.
std::optional<int64_t> change_row(CounterWriter *writer, const Subscription &before, int64_t used, bool exact)
{
    const SubscriptionShape &shape = *writer->shape;
    TupleTableSlot *changed = writer->changed;
    const int columns = RelationGetDescr(writer->relation)->natts;
    slot_getallattrs(writer->row);
    ExecClearTuple(changed);
    memcpy(changed->tts_values, writer->row->tts_values, sizeof(Datum) * columns);
    memcpy(changed->tts_isnull, writer->row->tts_isnull, sizeof(bool) * columns);
    changed->tts_values[shape.used - 1] = counter_datum(used, shape.used_type, writer->relation, shape.used);
    changed->tts_isnull[shape.used - 1] = false;
    std::optional<int64_t> remaining;
    if (shape.remaining != 0) {
        remaining = follow_remaining(exact ? std::nullopt : before.remaining, before.total, before.used.value_or(0),
                                     before.total, used);
        changed->tts_isnull[shape.remaining - 1] = !remaining;
        if (remaining)
            changed->tts_values[shape.remaining - 1] =
                counter_datum(*remaining, shape.remaining_type, writer->relation, shape.remaining);
    }
    ExecStoreVirtualTuple(changed);
    ItemPointerSetInvalid(&changed->tts_tid);
    return remaining;
}

}  // namespace

void explain_exact(CounterWriter *writer, std::optional<Cause> cause)
{
    writer->exact = cause;
}

namespace {

// An exact write is no sum of what sessions did: it gets a line of its own.
void explain_write(const CounterWriter *writer, int64_t used, std::optional<Cause> cause)
{
    const SubscriptionShape &shape = *writer->shape;
    if (!cause || !OidIsValid(shape.ledger))
        return;
    bool is_null;
    const Account account = account_of(shape, slot_getattr(writer->changed, shape.id, &is_null),
                                       slot_getattr(writer->changed, shape.member, &is_null));
    Ledger *ledger = open_ledger(shape.ledger);
    restate(ledger, account, used, *cause);
    close_ledger(ledger);
}

// Stores the changed row in the place of the current one.
void write_row(CounterWriter *writer, std::optional<int64_t> used, std::optional<int64_t> remaining)
{
    // What the server's own replication uses: indexes, generated columns, constraints and triggers stay right.
    ExecSimpleRelationUpdate(writer->target, writer->estate, &writer->epq, writer->row, writer->changed);
    verify_written(writer, used, remaining);
    if (writer->after != nullptr)
        ExecARUpdateTriggers(writer->estate, writer->after, nullptr, nullptr, &writer->row->tts_tid, nullptr,
                             writer->changed, NIL, writer->capture, false);
    ResetPerTupleExprContext(writer->estate);
}

}  // namespace

void write_counter(CounterWriter *writer, int64_t used, bool exact)
{
    prepare_target(writer);
    write_row(writer, used, change_row(writer, read_subscription(*writer->shape, writer->row), used, exact));
    if (exact)
        explain_write(writer, used, writer->exact);
}

void restore_counter(CounterWriter *writer, std::optional<int64_t> used, std::optional<int64_t> remaining)
{
    const SubscriptionShape &shape = *writer->shape;
    prepare_target(writer);
    change_row(writer, read_subscription(shape, writer->row), used.value_or(0), true);
    TupleTableSlot *changed = writer->changed;
    changed->tts_isnull[shape.used - 1] = !used;
    if (shape.remaining != 0) {
        changed->tts_isnull[shape.remaining - 1] = !remaining;
        if (remaining)
            changed->tts_values[shape.remaining - 1] =
                counter_datum(*remaining, shape.remaining_type, writer->relation, shape.remaining);
    }
    write_row(writer, used, shape.remaining != 0 ? remaining : std::nullopt);
    explain_write(writer, used.value_or(0), Cause::repair_undone);
}

bool try_write_counter(CounterWriter *writer, int64_t used)
{
    const Subscription before = read_subscription(*writer->shape, writer->row);
    const SubscriptionShape &shape = *writer->shape;
    if (!shape.plain || excess(used, before.total) > 0)
        return false;
    // Unlimited, a maintained remaining column becomes NULL, which a NOT NULL may forbid.
    if (!change_row(writer, before, used, false) && shape.remaining != 0)
        return false;
    TM_FailureData failure;
    IndexesToEnter indexes;
    const TM_Result result = update_row(writer->relation, &writer->row->tts_tid, writer->changed,
                                        GetCurrentCommandId(true), GetActiveSnapshot(), &failure, &indexes);
    if (result != TM_Ok)
        return false;
    if (indexes != no_indexes) {
        prepare_target(writer);
        enter_indexes(writer->target, writer->estate, writer->changed, indexes);
        ResetPerTupleExprContext(writer->estate);
    }
    return true;
}

void close_counter_writer(CounterWriter *writer)
{
    if (writer->by_key.row != nullptr)
        end_search(writer->by_key);
    if (writer->all.row != nullptr) {
        end_search(writer->all);
        ExecDropSingleTupleTableSlot(writer->all.row);
    }
    ExecDropSingleTupleTableSlot(writer->row);
    ExecDropSingleTupleTableSlot(writer->changed);
    if (writer->estate != nullptr)
        close_target(writer);
    PopActiveSnapshot();
    CommandCounterIncrement();
}

}  // namespace sc
