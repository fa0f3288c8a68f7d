// Updates rows as the server's own replication does.
#include "server/row_writer.hpp"

#include <algorithm>

#include "server/row_plan.hpp"
#include "server/triggers.hpp"

namespace sc {

struct RowWriter {
    Relation table;
    RowPlan *plan;
    EState *estate;
    EPQState epq;
    List *targets;
    bool fires_triggers;               // of the user's
    TransitionCaptureState *capture;   // while a statement is in progress whose triggers read transition tables
};
static_assert(Pod<RowWriter>);

namespace {

bool is_passed(const Trigger &trigger, Oids passed)
{
    return std::find(passed.begin(), passed.end(), trigger.tgfoid) != passed.end();
}

bool has_users_trigger(const TriggerDesc *triggers, Oids passed)
{
    return triggers != nullptr &&
           std::any_of(triggers->triggers, triggers->triggers + triggers->numtriggers,
                       [passed](const Trigger &trigger) { return is_users_trigger(trigger, passed); });
}

bool captures(const RowWriter *writer)
{
    const TriggerDesc *triggers = writer->plan->triggers;
    return triggers != nullptr && (triggers->trig_update_old_table || triggers->trig_update_new_table);
}

// Leaves the chosen triggers in a target's own copy of them.
template <typename Choose>
void choose_triggers(ResultRelInfo *target, Choose choose)
{
    if (target->ri_TrigDesc == nullptr)
        return;
    filter_triggers(target->ri_TrigDesc, choose);
    if (target->ri_TrigDesc->numtriggers == 0)
        target->ri_TrigDesc = nullptr;
}

// The row triggers of a target: those that fire AFTER, BEFORE or both.
void choose_row_triggers(const RowWriter *writer, ResultRelInfo *target, Oid constraint, bool before, bool after)
{
    choose_triggers(target, [=](const Trigger &trigger) {
        const bool timed = TRIGGER_FOR_AFTER(trigger.tgtype) ? after : before;
        return timed && TRIGGER_FOR_ROW(trigger.tgtype) && !is_passed(trigger, writer->plan->passed) &&
               (!OidIsValid(constraint) || trigger.tgconstraint != constraint);
    });
}

ResultRelInfo *make_result_target(const RowWriter *writer, Relation relation)
{
    if (relation == writer->table)
        return make_target(relation);
    ResultRelInfo *target = makeNode(ResultRelInfo);
    InitResultRelInfo(target, relation, 0, writer->plan->statement, 0);
    return target;
}

// What the server compiles while it writes rows of a target goes to the memory of that, where it stays. Returns whose
// memory it was.
MemoryContext enter_memory(EState *estate, MemoryContext context)
{
    MemoryContext before = estate->es_query_cxt;
    estate->es_query_cxt = context;
    GetPerTupleExprContext(estate)->ecxt_per_query_memory = context;
    return before;
}

}  // namespace

bool is_users_trigger(const Trigger &trigger, Oids passed)
{
    return TRIGGER_FOR_UPDATE(trigger.tgtype) && RI_FKey_trigger_type(trigger.tgfoid) == RI_TRIGGER_NONE &&
           !is_passed(trigger, passed);
}

namespace {

// The columns that are written, as the server wants them.
Bitmapset *updated_columns(std::span<const AttrNumber> columns)
{
    Bitmapset *updated = nullptr;
    for (const AttrNumber column : columns)
        updated = bms_add_member(updated, column - FirstLowInvalidHeapAttributeNumber);
    return updated;
}

std::span<const Oid> copy_oids(Oids oids)
{
    auto *copy = static_cast<Oid *>(palloc(sizeof(Oid) * oids.size()));
    std::copy(oids.begin(), oids.end(), copy);
    return Oids(copy, oids.size());
}

void fill_plan(RowPlan *plan, Relation table, Oids passed)
{
    ereport(DEBUG1, errmsg_internal("reading how rows of relation \"%s\" are updated", RelationGetRelationName(table)));
    MemoryContext caller = MemoryContextSwitchTo(plan->context);
    plan->passed = copy_oids(passed);
    plan->statement = make_target(table);
    plan->triggers = plan->statement->ri_TrigDesc;
    plan->fires_triggers = has_users_trigger(plan->triggers, passed);
    choose_triggers(plan->statement, [passed](const Trigger &trigger) {
        return !TRIGGER_FOR_ROW(trigger.tgtype) && !is_passed(trigger, passed);
    });
    keep_functions(plan->statement, plan->context);
    MemoryContextSwitchTo(caller);
}

// Slots are made here, lest they are made in the memory of the plan.
void renew_target(const RowWriter *writer, RowTarget *target, Relation relation)
{
    target->relation = relation;
    for (ResultRelInfo *info : {target->before, target->rows, target->after}) {
        if (info == nullptr)
            continue;
        info->ri_RelationDesc = relation;
        if (info->ri_TrigDesc != nullptr)
            ExecGetTriggerOldSlot(writer->estate, info);
    }
}

}  // namespace

RowWriter *open_row_writer(Relation table, std::span<const AttrNumber> columns, Oids (*passed)())
{
    auto *writer = static_cast<RowWriter *>(palloc0(sizeof(RowWriter)));
    writer->table = table;
    writer->estate = CreateExecutorState();
    init_range_table(writer->estate, table, updated_columns(columns));
    init_epq(&writer->epq, writer->estate);
    MakePerTupleExprContext(writer->estate);
    RowPlan *plan = begin_row_plan(table, columns, writer->estate);
    if (plan->statement == nullptr)
        fill_plan(plan, table, passed());
    plan->statement->ri_RelationDesc = table;
    kept_apart(writer->estate) = plan->extra;
    writer->plan = plan;
    writer->fires_triggers = plan->fires_triggers;
    return writer;
}

namespace {

// In the current memory context.
RowTarget *make_row_target(RowWriter *writer, Relation relation, Oid constraint)
{
    auto *target = static_cast<RowTarget *>(palloc0(sizeof(RowTarget)));
    target->context = CurrentMemoryContext;
    target->rows = make_result_target(writer, relation);
    if (!has_users_trigger(target->rows->ri_TrigDesc, writer->plan->passed)) {
        target->rows->ri_TrigDesc = nullptr;
    } else {
        target->fires_triggers = true;
        target->before = make_result_target(writer, relation);
        choose_row_triggers(writer, target->before, constraint, true, false);
        if (target->before->ri_TrigDesc == nullptr)
            target->before = nullptr;
        // The server's simple update does not fill transition tables: AFTER triggers are queued apart from it.
        choose_row_triggers(writer, target->rows, constraint, false, !captures(writer));
    }
    if (captures(writer)) {
        target->after = make_result_target(writer, relation);
        choose_row_triggers(writer, target->after, constraint, false, true);
    }
    keep_functions(target->before, target->context);
    return target;
}

RowTarget *find_row_target(RowWriter *writer, Relation relation, Oid constraint)
{
    RowPlan *plan = writer->plan;
    const bool kept = relation == writer->table && (plan->target == nullptr || plan->constraint == constraint);
    if (kept && plan->target != nullptr)
        return plan->target;
    MemoryContext caller = MemoryContextSwitchTo(kept ? plan->context : writer->estate->es_query_cxt);
    RowTarget *target = make_row_target(writer, relation, constraint);
    MemoryContextSwitchTo(caller);
    if (!kept) {
        plan->valid = false;    // made for other relations, too
        return target;
    }
    plan->target = target;
    plan->constraint = constraint;
    return target;
}

}  // namespace

RowTarget *open_row_target(RowWriter *writer, Relation relation, Oid constraint)
{
    RowTarget *target = find_row_target(writer, relation, constraint);
    renew_target(writer, target, relation);
    writer->fires_triggers |= target->fires_triggers;
    writer->targets = lappend(writer->targets, target);
    return target;
}

void begin_writing(RowWriter *writer)
{
    writer->estate->es_output_cid = GetCurrentCommandId(true);
    writer->estate->es_snapshot = GetActiveSnapshot();
    if (!writer->fires_triggers)
        return;
    AfterTriggerBeginQuery();
    RowPlan *plan = writer->plan;
    if (captures(writer))
        writer->capture = MakeTransitionCaptureState(plan->triggers, RelationGetRelid(writer->table), CMD_UPDATE);
    if (plan->statement->ri_TrigDesc == nullptr)
        return;
    MemoryContext own = enter_memory(writer->estate, plan->context);
    ExecBSUpdateTriggers(writer->estate, plan->statement);
    enter_memory(writer->estate, own);
}

bool end_writing(RowWriter *writer)
{
    if (!writer->fires_triggers)
        return false;
    MemoryContext own = enter_memory(writer->estate, writer->plan->context);
    ExecASUpdateTriggers(writer->estate, writer->plan->statement, writer->capture);
    enter_memory(writer->estate, own);
    AfterTriggerEndQuery(writer->estate);
    writer->capture = nullptr;
    return true;
}

namespace {

void open_indexes(RowWriter *writer, RowTarget *target)
{
    ResultRelInfo *rows = target->rows;
    if (target->indexes.data() == nullptr) {
        MemoryContext caller = MemoryContextSwitchTo(target->context);
        ExecOpenIndices(rows, false);
        auto *indexes = static_cast<Oid *>(palloc(sizeof(Oid) * Max(rows->ri_NumIndices, 1)));
        for (int i = 0; i < rows->ri_NumIndices; i++)
            indexes[i] = RelationGetRelid(rows->ri_IndexRelationDescs[i]);
        target->indexes = std::span<const Oid>(indexes, rows->ri_NumIndices);
        MemoryContextSwitchTo(caller);
    } else {
        for (int i = 0; i < rows->ri_NumIndices; i++)
            rows->ri_IndexRelationDescs[i] = index_open(target->indexes[i], RowExclusiveLock);
    }
    // What an access method remembers of rows that it enters, it remembers of this statement's.
    for (int i = 0; i < rows->ri_NumIndices; i++) {
        rows->ri_IndexRelationInfo[i]->ii_AmCache = nullptr;
        rows->ri_IndexRelationInfo[i]->ii_Context = writer->estate->es_query_cxt;
    }
    target->indexes_open = true;
}

List *enter_all(RowWriter *writer, RowTarget *target, TupleTableSlot *changed, IndexesToEnter indexes)
{
    if (!target->indexes_open)
        open_indexes(writer, target);
    return target->rows->ri_NumIndices == 0 ? NIL : enter_indexes(target->rows, writer->estate, changed, indexes);
}

void close_target(RowTarget *target)
{
    if (target->indexes_open)
        ExecCloseIndices(target->rows);
    target->indexes_open = false;
    for (ResultRelInfo *info : {target->before, target->rows, target->after}) {
        if (info == nullptr)
            continue;
        info->ri_RelationDesc = nullptr;
        info->ri_TrigOldSlot = nullptr;
        forget_functions(info, target->context);
    }
    target->relation = nullptr;
}

}  // namespace

void close_row_writer(RowWriter *writer)
{
    EvalPlanQualEnd(&writer->epq);
    ListCell *cell;
    foreach (cell, writer->targets)
        close_target(static_cast<RowTarget *>(lfirst(cell)));
    writer->plan->statement->ri_RelationDesc = nullptr;
    forget_functions(writer->plan->statement, writer->plan->context);
    writer->plan->extra = kept_apart(writer->estate);
    ExecResetTupleTable(writer->estate->es_tupleTable, false);
    ExecCloseResultRelations(writer->estate);
    ExecCloseRangeTableRelations(writer->estate);
    end_row_plan(writer->plan, writer->estate);
}

void see_own_writes(RowWriter *writer)
{
    if (!writer->fires_triggers)
        return;
    CommandCounterIncrement();
    UpdateActiveSnapshotCommandId();
    writer->estate->es_output_cid = GetCurrentCommandId(true);
}

void begin_change(TupleTableSlot *changed, TupleTableSlot *row)
{
    const int columns = row->tts_tupleDescriptor->natts;
    slot_getallattrs(row);
    ExecClearTuple(changed);
    memcpy(changed->tts_values, row->tts_values, sizeof(Datum) * columns);
    memcpy(changed->tts_isnull, row->tts_isnull, sizeof(bool) * columns);
}

void end_change(TupleTableSlot *changed)
{
    ExecStoreVirtualTuple(changed);
    ItemPointerSetInvalid(&changed->tts_tid);
}

namespace {

// A trigger that updates the row at hand makes another version of it, which the update at hand would not see.
void require_unwritten(const RowTarget *target, TupleTableSlot *row)
{
    TupleTableSlot *present = table_slot_create(target->relation, nullptr);
    const bool found = table_tuple_fetch_row_version(target->relation, &row->tts_tid, SnapshotSelf, present);
    ExecDropSingleTupleTableSlot(present);
    if (!found)
        ereport(ERROR, errcode(ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION),
                errmsg("a BEFORE UPDATE trigger of relation \"%s\" has written the row that is being updated",
                       RelationGetRelationName(target->relation)),
                errhint("Let the trigger change NEW and return it, or fire AFTER the update."),
                errtable(target->relation));
}

}  // namespace

namespace {

// What ExecSimpleRelationUpdate() does after the BEFORE triggers, except that indexes are opened only for a row that is
// entered into them.
void store_row(RowWriter *writer, RowTarget *target, TupleTableSlot *row, TupleTableSlot *changed)
{
    EState *estate = writer->estate;
    const TupleConstr *constraints = RelationGetDescr(target->relation)->constr;
    if (constraints != nullptr && constraints->has_generated_stored)
        ExecComputeStoredGenerated(target->rows, estate, changed, CMD_UPDATE);
    if (constraints != nullptr)
        ExecConstraints(target->rows, changed, estate);
    if (target->relation->rd_rel->relispartition)
        ExecPartitionCheck(target->rows, changed, estate, true);
    TM_FailureData failure;
    IndexesToEnter indexes;
    const TM_Result result = update_row(target->relation, &row->tts_tid, changed, GetCurrentCommandId(true),
                                        estate->es_snapshot, &failure, &indexes);
    if (result != TM_Ok)
        elog(ERROR, "unexpected result of updating a locked row: %d", static_cast<int>(result));
    List *recheck = indexes == no_indexes ? NIL : enter_all(writer, target, changed, indexes);
    ExecARUpdateTriggers(estate, target->rows, nullptr, nullptr, &row->tts_tid, nullptr, changed, recheck, nullptr,
                         false);
}

}  // namespace

void write_row(RowWriter *writer, RowTarget *target, TupleTableSlot *row, TupleTableSlot *changed)
{
    EState *estate = writer->estate;
    ResetPerTupleExprContext(estate);
    MemoryContext own = enter_memory(estate, target->context);
    bool written = true;
    if (target->before != nullptr) {
        written = fire_before_update(estate, &writer->epq, target->before, &row->tts_tid, changed);
        if (written)
            require_unwritten(target, row);
    }
    if (written)
        store_row(writer, target, row, changed);
    if (writer->capture != nullptr && written && ItemPointerIsValid(&changed->tts_tid))
        ExecARUpdateTriggers(estate, target->after, nullptr, nullptr, &row->tts_tid, nullptr, changed, NIL,
                             writer->capture, false);
    enter_memory(estate, own);
}

void enter_row(RowWriter *writer, RowTarget *target, TupleTableSlot *changed, IndexesToEnter indexes)
{
    ResetPerTupleExprContext(writer->estate);
    MemoryContext own = enter_memory(writer->estate, target->context);
    enter_all(writer, target, changed, indexes);
    enter_memory(writer->estate, own);
}

}  // namespace sc
