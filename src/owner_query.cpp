// Works on the user's tables as their owner. Decides nothing: what is judged stands in charge_sessions and
// guard_counter.
#include "owner_query.hpp"

#include "pg_compat.hpp"
#include "violation.hpp"

namespace sc {

Caller enter_owner(Relation relation)
{
    Caller caller;
    GetUserIdAndSecContext(&caller.role, &caller.security_context);
    SetUserIdAndSecContext(relation->rd_rel->relowner, caller.security_context | SECURITY_LOCAL_USERID_CHANGE |
                                                           SECURITY_NOFORCE_RLS);
    caller.guc_level = NewGUCNestLevel();
    // Functions of the user's own triggers and constraints run as the owner: not with a path that the caller chose.
    const char *schema = quote_identifier(get_namespace_name(RelationGetNamespace(relation)));
    set_config_option("search_path", psprintf("pg_catalog, %s, pg_temp", schema), PGC_USERSET, PGC_S_SESSION,
                      GUC_ACTION_SAVE, true, 0, false);
    return caller;
}

void leave_owner(const Caller &caller)
{
    AtEOXact_GUC(true, caller.guc_level);
    SetUserIdAndSecContext(caller.role, caller.security_context);
}

Subscription read_subscription(const SubscriptionShape &shape, TupleTableSlot *row)
{
    Subscription subscription{};
    subscription.member = slot_getattr(row, shape.member, &subscription.member_is_null);
    bool is_null;
    Datum value = slot_getattr(row, shape.status, &is_null);
    subscription.active = !is_null && contains(shape.active, value);
    value = slot_getattr(row, shape.total, &is_null);
    if (!is_null)
        subscription.total = counter_value(value, shape.total_type);
    value = slot_getattr(row, shape.used, &is_null);
    if (!is_null)
        subscription.used = counter_value(value, shape.used_type);
    if (shape.remaining != 0) {
        value = slot_getattr(row, shape.remaining, &is_null);
        if (!is_null)
            subscription.remaining = counter_value(value, shape.remaining_type);
    }
    return subscription;
}

namespace {

// One equality search over the subscriptions, by an index or, without one, by a scan of the table.
struct Search {
    Relation index;
    IndexScanDesc index_scan;
    TableScanDesc table_scan;
    ScanKey keys;
    int count;
    TupleTableSlot *row;
};
static_assert(Pod<Search>);

struct Condition {
    AttrNumber column;
    const KeyType *key;
    Datum value;
};

void index_condition(ScanKey key, Relation index, const Condition &condition)
{
    for (int i = 0; i < IndexRelationGetNumberOfKeyAttributes(index); i++) {
        if (index->rd_index->indkey.values[i] != condition.column)
            continue;
        const Oid input = index->rd_opcintype[i];
        const Oid equal = get_opfamily_member(index->rd_opfamily[i], input, input, BTEqualStrategyNumber);
        ScanKeyEntryInitialize(key, 0, i + 1, BTEqualStrategyNumber, InvalidOid, index->rd_indcollation[i],
                               get_opcode(equal), condition.value);
        return;
    }
    elog(ERROR, "column %d is not in index \"%s\"", condition.column, RelationGetRelationName(index));
}

Search begin_search(Relation relation, Oid index, std::span<const Condition> conditions, TupleTableSlot *row)
{
    Search search{};
    const int count = static_cast<int>(conditions.size());
    auto *keys = static_cast<ScanKey>(palloc0(sizeof(ScanKeyData) * Max(count, 1)));
    search.row = row;
    search.keys = keys;
    search.count = count;
    if (OidIsValid(index)) {
        search.index = index_open(index, AccessShareLock);
        for (int i = 0; i < count; i++)
            index_condition(&keys[i], search.index, conditions[i]);
        search.index_scan = begin_index_scan(relation, search.index, GetActiveSnapshot(), count);
        index_rescan(search.index_scan, keys, count, nullptr, 0);
        return search;
    }
    for (int i = 0; i < count; i++)
        ScanKeyEntryInitialize(&keys[i], 0, conditions[i].column, BTEqualStrategyNumber, InvalidOid,
                               conditions[i].key->collation, conditions[i].key->equal.fn_oid, conditions[i].value);
    search.table_scan = begin_table_scan(relation, GetActiveSnapshot(), count, keys);
    return search;
}

bool next_row(const Search &search)
{
    if (search.index_scan != nullptr)
        return index_getnext_slot(search.index_scan, ForwardScanDirection, search.row);
    return table_scan_getnextslot(search.table_scan, ForwardScanDirection, search.row);
}

void end_search(const Search &search)
{
    if (search.index_scan != nullptr) {
        index_endscan(search.index_scan);
        index_close(search.index, AccessShareLock);
    } else {
        table_endscan(search.table_scan);
    }
}

// The newest committed rows in READ COMMITTED, the transaction's snapshot elsewhere, and in both what this
// transaction has written so far.
void push_newest_snapshot()
{
    CommandCounterIncrement();
    PushCopiedSnapshot(GetTransactionSnapshot());
}

// Begins an index search again with other values for the same columns.
void search_again(const Search &search, std::span<const Condition> conditions)
{
    for (size_t i = 0; i < conditions.size(); i++)
        search.keys[i].sk_argument = conditions[i].value;
    index_rescan(search.index_scan, search.keys, search.count, nullptr, 0);
}

Search begin_key_search(Relation relation, const SubscriptionShape &shape, Datum id, Datum member,
                        TupleTableSlot *row)
{
    const Condition conditions[] = {{shape.id, &shape.id_key, id}, {shape.member, &shape.member_key, member}};
    return begin_search(relation, shape.key_index, std::span(conditions, shape.by_member ? 2 : 1), row);
}

bool equal_keys(const KeyType &key, Datum left, Datum right)
{
    return DatumGetBool(FunctionCall2Coll(const_cast<FmgrInfo *>(&key.equal), key.collation, left, right));
}

}  // namespace

ActiveSubscription find_active_subscription(Relation subscriptions, const SubscriptionShape &shape, Datum member)
{
    ActiveSubscription active{};
    push_newest_snapshot();
    TupleTableSlot *row = table_slot_create(subscriptions, nullptr);
    const Condition conditions[] = {{shape.member, &shape.member_key, member}};
    const Search search = begin_search(subscriptions, shape.member_index, conditions, row);
    while (active.count < 2 && next_row(search)) {
        bool is_null;
        const Datum status = slot_getattr(row, shape.status, &is_null);
        if (is_null || !contains(shape.active, status))
            continue;
        if (active.count++ == 0)
            active.id = datumCopy(slot_getattr(row, shape.id, &is_null), shape.id_key.by_value, shape.id_key.length);
    }
    end_search(search);
    ExecDropSingleTupleTableSlot(row);
    PopActiveSnapshot();
    return active;
}

bool subscription_has_member(Relation subscriptions, const SubscriptionShape &shape, Datum id, Datum member)
{
    push_newest_snapshot();
    TupleTableSlot *row = table_slot_create(subscriptions, nullptr);
    const Search search = begin_key_search(subscriptions, shape, id, member, row);
    bool has = false;
    if (next_row(search)) {
        bool is_null;
        const Datum owner = slot_getattr(row, shape.member, &is_null);
        has = !is_null && equal_keys(shape.member_key, owner, member);
    }
    end_search(search);
    ExecDropSingleTupleTableSlot(row);
    PopActiveSnapshot();
    return has;
}

bool subscription_exists(Relation subscriptions, const SubscriptionShape &shape, Datum id)
{
    push_newest_snapshot();
    TupleTableSlot *row = table_slot_create(subscriptions, nullptr);
    const Condition conditions[] = {{shape.id, &shape.id_key, id}};
    // A composite key's index may begin with the member: only errors come this way, so a scan will do.
    const Oid index = shape.by_member ? InvalidOid : shape.key_index;
    const Search search = begin_search(subscriptions, index, conditions, row);
    const bool exists = next_row(search);
    end_search(search);
    ExecDropSingleTupleTableSlot(row);
    PopActiveSnapshot();
    return exists;
}

// Writing counters ---------------------------------------------------------------------------------------------------

struct CounterWriter {
    Relation relation;
    const SubscriptionShape *shape;
    Caller caller;
    EState *estate;
    ResultRelInfo *target;           // without the extension's own triggers; it has checked what they check
    ResultRelInfo *after;            // the AFTER triggers, where a transition table captures rows; else nullptr
    TransitionCaptureState *capture;
    bool fires_triggers;
    EPQState epq;
    TupleTableSlot *row;             // as locked
    TupleTableSlot *changed;         // as written
    Search by_key;                   // lock_subscription
    Search all;                      // lock_next_used
};
static_assert(Pod<CounterWriter>);

namespace {

bool is_own(const Trigger &trigger)
{
    return trigger.tgfoid == trigger_function(function::keep) || trigger.tgfoid == trigger_function(function::guard);
}

// Removes triggers from a private copy of a relation's description, and sets its summary flags anew.
template <typename Keep>
TriggerDesc *filter_triggers(TriggerDesc *triggers, Keep keep)
{
    int count = 0;
    bool before_row = false;
    bool after_row = false;
    for (int i = 0; i < triggers->numtriggers; i++) {
        const Trigger &trigger = triggers->triggers[i];
        if (!keep(trigger))
            continue;
        const bool row_update = TRIGGER_FOR_ROW(trigger.tgtype) && TRIGGER_FOR_UPDATE(trigger.tgtype);
        before_row |= row_update && TRIGGER_FOR_BEFORE(trigger.tgtype);
        after_row |= row_update && TRIGGER_FOR_AFTER(trigger.tgtype);
        triggers->triggers[count++] = trigger;
    }
    triggers->numtriggers = count;
    triggers->trig_update_before_row = before_row;
    triggers->trig_update_after_row = after_row;
    return triggers;
}

// The server skips its foreign-key triggers where the key stays the same, as it does when a counter is written.
bool is_users(const Trigger &trigger)
{
    return !is_own(trigger) && RI_FKey_trigger_type(trigger.tgfoid) == RI_TRIGGER_NONE &&
           TRIGGER_FOR_UPDATE(trigger.tgtype);
}

void choose_triggers(CounterWriter *writer)
{
    ResultRelInfo *target = writer->target;
    TriggerDesc *triggers = target->ri_TrigDesc;
    if (triggers == nullptr)
        return;
    for (int i = 0; i < triggers->numtriggers && !writer->fires_triggers; i++)
        writer->fires_triggers = is_users(triggers->triggers[i]);
    if (!writer->fires_triggers) {
        target->ri_TrigDesc = nullptr;
        return;
    }
    filter_triggers(triggers, [](const Trigger &trigger) { return !is_own(trigger); });
    AfterTriggerBeginQuery();
    writer->capture = MakeTransitionCaptureState(triggers, RelationGetRelid(writer->relation), CMD_UPDATE);
    if (writer->capture != nullptr) {
        // The server's simple update does not fill transition tables: AFTER triggers are queued apart from it.
        writer->after = make_target(writer->estate, writer->relation);
        filter_triggers(writer->after->ri_TrigDesc,
                        [](const Trigger &trigger) { return !is_own(trigger) && TRIGGER_FOR_AFTER(trigger.tgtype); });
        filter_triggers(triggers, [](const Trigger &trigger) {
            return !TRIGGER_FOR_ROW(trigger.tgtype) || !TRIGGER_FOR_AFTER(trigger.tgtype);
        });
    }
    ExecBSUpdateTriggers(writer->estate, target);
}

// Locks the row at that place against other writers, following it to its newest version where the isolation level
// lets a statement see it.
bool lock_row(CounterWriter *writer, ItemPointer place)
{
    uint8 flags = TUPLE_LOCK_FLAG_LOCK_UPDATE_IN_PROGRESS;
    if (!IsolationUsesXactSnapshot())
        flags |= TUPLE_LOCK_FLAG_FIND_LAST_VERSION;
    TM_FailureData failure;
    ItemPointerData where = *place;
    // NO KEY UPDATE is what the counter's update takes too: a stronger lock later could deadlock, and the key share
    // locks of foreign keys do not wait for it.
    const TM_Result result =
        table_tuple_lock(writer->relation, &where, GetActiveSnapshot(), writer->row, GetCurrentCommandId(false),
                         LockTupleNoKeyExclusive, LockWaitBlock, flags, &failure);
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

}  // namespace

CounterWriter *open_counter_writer(Relation subscriptions, const SubscriptionShape &shape)
{
    auto *writer = static_cast<CounterWriter *>(palloc0(sizeof(CounterWriter)));
    writer->relation = subscriptions;
    writer->shape = &shape;
    writer->caller = enter_owner(subscriptions);
    push_newest_snapshot();
    writer->estate = CreateExecutorState();
    Bitmapset *updated = bms_make_singleton(shape.used - FirstLowInvalidHeapAttributeNumber);
    if (shape.remaining != 0)
        updated = bms_add_member(updated, shape.remaining - FirstLowInvalidHeapAttributeNumber);
    init_range_table(writer->estate, subscriptions, updated);
    writer->target = make_target(writer->estate, subscriptions);
    writer->estate->es_output_cid = GetCurrentCommandId(true);
    writer->estate->es_snapshot = GetActiveSnapshot();
    init_epq(&writer->epq, writer->estate);
    ExecOpenIndices(writer->target, false);
    writer->row = table_slot_create(subscriptions, nullptr);
    writer->changed = MakeSingleTupleTableSlot(RelationGetDescr(subscriptions), &TTSOpsVirtual);
    choose_triggers(writer);
    return writer;
}

const Caller &writer_caller(const CounterWriter *writer)
{
    return writer->caller;
}

TupleTableSlot *lock_subscription(CounterWriter *writer, Datum id, Datum member)
{
    if (writer->fires_triggers) {
        // A trigger of the user's may have written this very row since.
        CommandCounterIncrement();
        UpdateActiveSnapshotCommandId();
    }
    const SubscriptionShape &shape = *writer->shape;
    if (writer->by_key.row == nullptr) {
        writer->by_key = begin_key_search(writer->relation, shape, id, member, writer->row);
    } else {
        const Condition conditions[] = {{shape.id, &shape.id_key, id}, {shape.member, &shape.member_key, member}};
        search_again(writer->by_key, std::span(conditions, shape.by_member ? 2 : 1));
    }
    return next_row(writer->by_key) && lock_row(writer, &writer->row->tts_tid) ? writer->row : nullptr;
}

TupleTableSlot *lock_next_used(CounterWriter *writer)
{
    if (writer->all.row == nullptr)
        writer->all = begin_search(writer->relation, InvalidOid, {}, table_slot_create(writer->relation, nullptr));
    while (next_row(writer->all)) {
        const Subscription subscription = read_subscription(*writer->shape, writer->all.row);
        const bool unused = subscription.used == 0 &&
                            (writer->shape->remaining == 0 || subscription.remaining == subscription.total);
        if (!unused && lock_row(writer, &writer->all.row->tts_tid))
            return writer->row;
    }
    return nullptr;
}

namespace {

// A trigger of the user's may have changed the row that was to be written, or kept it from being written.
void verify_written(const CounterWriter *writer, int64_t used, std::optional<int64_t> remaining)
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
                     psprintf("The counter was to become %lld.", static_cast<long long>(used)),
                     "Let BEFORE UPDATE triggers of the subscriptions leave the counter and the member alone and "
                     "return NEW."});
}

}  // namespace

void write_counter(CounterWriter *writer, int64_t used, bool exact)
{
    const SubscriptionShape &shape = *writer->shape;
    TupleTableSlot *changed = writer->changed;
    const Subscription before = read_subscription(shape, writer->row);
    const int columns = RelationGetDescr(writer->relation)->natts;
    slot_getallattrs(writer->row);
    ExecClearTuple(changed);
    memcpy(changed->tts_values, writer->row->tts_values, sizeof(Datum) * columns);
    memcpy(changed->tts_isnull, writer->row->tts_isnull, sizeof(bool) * columns);
    changed->tts_values[shape.used - 1] = counter_datum(used, shape.used_type);
    changed->tts_isnull[shape.used - 1] = false;
    std::optional<int64_t> remaining;
    if (shape.remaining != 0) {
        remaining = follow_remaining(exact ? std::nullopt : before.remaining, before.total, before.used.value_or(0),
                                     before.total, used);
        changed->tts_isnull[shape.remaining - 1] = !remaining;
        if (remaining)
            changed->tts_values[shape.remaining - 1] = counter_datum(*remaining, shape.remaining_type);
    }
    ExecStoreVirtualTuple(changed);
    ItemPointerSetInvalid(&changed->tts_tid);
    // What the server's own replication uses: indexes, generated columns, constraints and triggers stay right.
    ExecSimpleRelationUpdate(writer->target, writer->estate, &writer->epq, writer->row, changed);
    verify_written(writer, used, remaining);
    if (writer->after != nullptr)
        ExecARUpdateTriggers(writer->estate, writer->after, nullptr, nullptr, &writer->row->tts_tid, nullptr, changed,
                             NIL, writer->capture, false);
    ResetPerTupleExprContext(writer->estate);
}

void close_counter_writer(CounterWriter *writer)
{
    if (writer->by_key.row != nullptr)
        end_search(writer->by_key);
    if (writer->all.row != nullptr) {
        end_search(writer->all);
        ExecDropSingleTupleTableSlot(writer->all.row);
    }
    if (writer->fires_triggers) {
        ExecASUpdateTriggers(writer->estate, writer->after != nullptr ? writer->after : writer->target,
                             writer->capture);
        AfterTriggerEndQuery(writer->estate);
    }
    ExecDropSingleTupleTableSlot(writer->row);
    ExecDropSingleTupleTableSlot(writer->changed);
    EvalPlanQualEnd(&writer->epq);
    ExecCloseIndices(writer->target);
    ExecResetTupleTable(writer->estate->es_tupleTable, false);
    ExecCloseResultRelations(writer->estate);
    ExecCloseRangeTableRelations(writer->estate);
    FreeExecutorState(writer->estate);
    PopActiveSnapshot();
    leave_owner(writer->caller);
    CommandCounterIncrement();
}

// Statements ---------------------------------------------------------------------------------------------------------

namespace {

const char *qualified(Relation relation)
{
    return quote_qualified_identifier(get_namespace_name(RelationGetNamespace(relation)),
                                      RelationGetRelationName(relation));
}

void connect_spi()
{
    if (SPI_connect() != SPI_OK_CONNECT)
        elog(ERROR, "SPI_connect failed");
}

// "column = $n" with the default equality of the column's type, whatever the search path.
const char *equality(const char *column, Oid type, const char *parameter)
{
    StringInfoData clause;
    initStringInfo(&clause);
    generate_operator_clause(&clause, column, type, lookup_type_cache(type, TYPECACHE_EQ_OPR)->eq_opr, parameter,
                             type);
    return clause.data;
}

}  // namespace

void set_link(Relation sessions, const SessionShape &shape, ItemPointer row, std::optional<Datum> link)
{
    const Caller caller = enter_owner(sessions);
    connect_spi();
    const char *column = quote_identifier(get_attname(shape.relation, shape.link, false));
    const char *command = psprintf("UPDATE ONLY %s SET %s = $1 WHERE ctid OPERATOR(pg_catalog.=) $2",
                                   qualified(sessions), column);
    Oid types[] = {shape.link_type, TIDOID};
    Datum values[] = {link.value_or(Datum{0}), PointerGetDatum(row)};
    const char nulls[] = {link ? ' ' : 'n', ' '};
    const int result = SPI_execute_with_args(command, 2, types, values, nulls, false, 0);
    if (result != SPI_OK_UPDATE)
        ereport(ERROR, errcode(ERRCODE_INTERNAL_ERROR),
                errmsg("updating the link of relation \"%s\" gave an unexpected result",
                       RelationGetRelationName(sessions)),
                errhint("This is most likely due to a rule having rewritten the query."));
    SPI_finish();
    leave_owner(caller);
}

bool has_sessions_of_others(Oid sessions, const char *link, const char *session_member, Oid link_type,
                            Oid member_type, Datum id, Datum member, bool member_is_null)
{
    Relation relation = table_open(sessions, AccessShareLock);
    const Caller caller = enter_owner(relation);
    connect_spi();
    const char *link_clause = equality(psprintf("s.%s", quote_identifier(link)), link_type, "$1");
    const char *member_clause = equality(psprintf("s.%s", quote_identifier(session_member)), member_type, "$2");
    const char *command = psprintf("SELECT FROM %s s WHERE %s AND (%s) IS NOT TRUE LIMIT 1", qualified(relation),
                                   link_clause, member_clause);
    Oid types[] = {link_type, member_type};
    SPIPlanPtr plan = SPI_prepare(command, 2, types);
    if (plan == nullptr)
        elog(ERROR, "SPI_prepare failed: %s", SPI_result_code_string(SPI_result));
    Datum values[] = {id, member};
    const char nulls[] = {' ', member_is_null ? 'n' : ' '};
    // The newest snapshot also in REPEATABLE READ: a session that was linked since would be missed otherwise.
    SPI_execute_snapshot(plan, values, nulls, GetLatestSnapshot(), InvalidSnapshot, false, true, 1);
    const bool found = SPI_processed > 0;
    SPI_finish();
    leave_owner(caller);
    table_close(relation, AccessShareLock);
    return found;
}

}  // namespace sc
