// Updates rows as the server's own replication does.
#include "server/row_writer.hpp"

#include <algorithm>

#include "server/triggers.hpp"

namespace sc {

struct RowTarget {
    Relation relation;
    ResultRelInfo *before;             // row triggers that fire BEFORE; nullptr: there are none
    ResultRelInfo *rows;               // those that fire AFTER, where nothing captures
    ResultRelInfo *after;              // those that fire AFTER, where transition tables capture rows; else nullptr
};
static_assert(Pod<RowTarget>);

struct RowWriter {
    Relation table;
    Oids passed;
    EState *estate;
    EPQState epq;
    ResultRelInfo *statement;          // the table that a statement would name: its statement triggers
    TriggerDesc *triggers;             // of the table; nullptr where it has none
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
    return writer->triggers != nullptr &&
           (writer->triggers->trig_update_old_table || writer->triggers->trig_update_new_table);
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
        return timed && TRIGGER_FOR_ROW(trigger.tgtype) && !is_passed(trigger, writer->passed) &&
               (!OidIsValid(constraint) || trigger.tgconstraint != constraint);
    });
}

ResultRelInfo *make_row_target(const RowWriter *writer, Relation relation)
{
    if (relation == writer->table)
        return make_target(writer->estate, relation);
    ResultRelInfo *target = makeNode(ResultRelInfo);
    InitResultRelInfo(target, relation, 0, writer->statement, 0);
    return target;
}

}  // namespace

bool is_users_trigger(const Trigger &trigger, Oids passed)
{
    return TRIGGER_FOR_UPDATE(trigger.tgtype) && RI_FKey_trigger_type(trigger.tgfoid) == RI_TRIGGER_NONE &&
           !is_passed(trigger, passed);
}

RowWriter *open_row_writer(Relation table, std::span<const AttrNumber> columns, Oids passed)
{
    auto *writer = static_cast<RowWriter *>(palloc0(sizeof(RowWriter)));
    writer->table = table;
    writer->passed = passed;
    writer->estate = CreateExecutorState();
    Bitmapset *updated = nullptr;
    for (const AttrNumber column : columns)
        updated = bms_add_member(updated, column - FirstLowInvalidHeapAttributeNumber);
    init_range_table(writer->estate, table, updated);
    init_epq(&writer->epq, writer->estate);
    writer->statement = make_target(writer->estate, table);
    writer->triggers = writer->statement->ri_TrigDesc;
    writer->fires_triggers = has_users_trigger(writer->triggers, passed);
    choose_triggers(writer->statement, [passed](const Trigger &trigger) {
        return !TRIGGER_FOR_ROW(trigger.tgtype) && !is_passed(trigger, passed);
    });
    return writer;
}

RowTarget *open_row_target(RowWriter *writer, Relation relation, Oid constraint)
{
    auto *target = static_cast<RowTarget *>(palloc0(sizeof(RowTarget)));
    target->relation = relation;
    target->rows = make_row_target(writer, relation);
    if (!has_users_trigger(target->rows->ri_TrigDesc, writer->passed)) {
        target->rows->ri_TrigDesc = nullptr;
    } else {
        target->before = make_row_target(writer, relation);
        choose_row_triggers(writer, target->before, constraint, true, false);
        if (target->before->ri_TrigDesc == nullptr)
            target->before = nullptr;
        // The server's simple update does not fill transition tables: AFTER triggers are queued apart from it.
        choose_row_triggers(writer, target->rows, constraint, false, !captures(writer));
        writer->fires_triggers = true;
    }
    if (captures(writer)) {
        target->after = make_row_target(writer, relation);
        choose_row_triggers(writer, target->after, constraint, false, true);
    }
    ExecOpenIndices(target->rows, false);
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
    if (captures(writer))
        writer->capture = MakeTransitionCaptureState(writer->triggers, RelationGetRelid(writer->table), CMD_UPDATE);
    ExecBSUpdateTriggers(writer->estate, writer->statement);
}

bool end_writing(RowWriter *writer)
{
    if (writer->fires_triggers) {
        ExecASUpdateTriggers(writer->estate, writer->statement, writer->capture);
        AfterTriggerEndQuery(writer->estate);
        writer->capture = nullptr;
    }
    return writer->fires_triggers;
}

void close_row_writer(RowWriter *writer)
{
    EvalPlanQualEnd(&writer->epq);
    ListCell *cell;
    foreach (cell, writer->targets)
        ExecCloseIndices(static_cast<RowTarget *>(lfirst(cell))->rows);
    ExecResetTupleTable(writer->estate->es_tupleTable, false);
    ExecCloseResultRelations(writer->estate);
    ExecCloseRangeTableRelations(writer->estate);
    FreeExecutorState(writer->estate);
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

void write_row(RowWriter *writer, RowTarget *target, TupleTableSlot *row, TupleTableSlot *changed)
{
    ResetPerTupleExprContext(writer->estate);
    if (target->before != nullptr) {
        if (!fire_before_update(writer->estate, &writer->epq, target->before, &row->tts_tid, changed))
            return;
        require_unwritten(target, row);
    }
    ExecSimpleRelationUpdate(target->rows, writer->estate, &writer->epq, row, changed);
    if (writer->capture != nullptr && ItemPointerIsValid(&changed->tts_tid))
        ExecARUpdateTriggers(writer->estate, target->after, nullptr, nullptr, &row->tts_tid, nullptr, changed, NIL,
                             writer->capture, false);
}

void enter_row(RowWriter *writer, RowTarget *target, TupleTableSlot *changed, IndexesToEnter indexes)
{
    ResetPerTupleExprContext(writer->estate);
    enter_indexes(target->rows, writer->estate, changed, indexes);
}

}  // namespace sc
