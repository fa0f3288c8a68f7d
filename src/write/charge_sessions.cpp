// AFTER ROW trigger of the sessions: adds up what a statement changes, for settle_statement to judge and write.
//
// The end of a statement is an event of its own. The first row event that matters queues one more event for the same
// row, behind all that are queued by then. When the server fires it, this trigger has seen every row of the statement.
// A statement trigger would not do: that of a partitioned table does not fire if the statement names a partition.
//
// If the client's statement is an INSERT of one row, it ends with that row's last trigger; see settle_statement.cpp.
#include "catalog/evaluation.hpp"
#include "server/triggers.hpp"
#include "store/ledger_names.hpp"
#include "write/charge_row.hpp"
#include "write/drawn_links.hpp"
#include "write/session_errors.hpp"
#include "write/settle_statement.hpp"

extern "C" {
PG_FUNCTION_INFO_V1(sc_charge_sessions);
}

namespace sc {

namespace {

struct RowEvent {
    TriggerData *data;
    const Binding *binding;
    int depth;
    Statement *statement;      // opened by the first row that matters
};
static_assert(Pod<RowEvent>);

// True if the client's statement is an INSERT of one row into this table, and nothing else. If a function among its
// values inserts several sessions itself, this is true for each of them, too, and they are settled row by row.
bool inserts_one_row(TriggerData *data)
{
    if (!TRIGGER_FIRED_BY_INSERT(data->tg_event) || ActivePortal == nullptr || list_length(ActivePortal->stmts) != 1)
        return false;
    const auto *statement = linitial_node(PlannedStmt, ActivePortal->stmts);
    if (statement->commandType != CMD_INSERT || statement->hasModifyingCTE ||
        !IsA(statement->planTree, ModifyTable))
        return false;
    const List *targets = reinterpret_cast<const ModifyTable *>(statement->planTree)->resultRelations;
    if (list_length(targets) != 1)
        return false;
    const Plan *source = outerPlan(statement->planTree);
    if (source == nullptr || !IsA(source, Result) || outerPlan(source) != nullptr)
        return false;
    const RangeTblEntry *target = rt_fetch(linitial_int(targets), statement->rtable);
    return target->relid == RelationGetRelid(data->tg_relation) ||
           (target->relkind == RELKIND_PARTITIONED_TABLE && data->tg_relation->rd_rel->relispartition);
}

Statement *statement_of(RowEvent &event)
{
    if (event.statement == nullptr)
        event.statement = open_statement(event.depth, event.data, event.depth == 1 && inserts_one_row(event.data));
    return event.statement;
}

// Keeps the row that leaves its partition for another one until the next event, which is its arrival there.
void hold_departed(RowEvent &event, const Version &version)
{
    const SessionShape &shape = event.binding->sessions;
    Part *part = make_part(statement_of(event), *event.binding);
    MemoryContext caller = MemoryContextSwitchTo(part->sums.context);
    DepartedRow &departed = part->departed;
    departed = {event.data->tg_relation, event.binding, version.row, version.stored, nullptr, nullptr};
    if (!version.row.member_is_null)
        departed.row.member = datumCopy(version.row.member, shape.member_by_value, shape.member_length);
    if (version.row.session.linked)
        departed.row.link = datumCopy(version.row.link, shape.link_by_value, shape.link_length);
    if (has_pays_when(shape))
        departed.tuple = ExecCopySlotHeapTuple(event.data->tg_trigslot);
    if (OidIsValid(event.binding->subscriptions.ledger))
        departed.session = name_session(shape, event.data->tg_trigslot, part->sums.context);
    MemoryContextSwitchTo(caller);
}

// If this INSERT event is the arrival of the row that has departed, version becomes that row as it was. False if no row
// has departed. If the departure is followed by any other event, the row did not arrive (a BEFORE INSERT trigger has
// returned NULL), and is charged as deleted.
bool take_departed(const RowEvent &event, Version *version, DepartedRow *departed)
{
    Part *part = event.statement == nullptr
                     ? nullptr
                     : find_part(*event.statement, event.binding->subscriptions.relation);
    if (part == nullptr || part->departed.relation == nullptr)
        return false;
    if (!TRIGGER_FIRED_BY_INSERT(event.data->tg_event)) {
        charge_departed(event.statement, part);
        return false;
    }
    *version = {part->departed.row, part->departed.stored};
    *departed = part->departed;
    part->departed.relation = nullptr;
    return true;
}

// True if this DELETE event is the first half of an UPDATE that moves the row to another partition.
bool departs(const TriggerData *data)
{
    return TRIGGER_FIRED_BY_DELETE(data->tg_event) && data->tg_relation->rd_rel->relispartition &&
           HeapTupleHeaderIndicatesMovedPartitions(data->tg_trigtuple->t_data);
}

// True if one of these columns has another value; the row that has departed had its own numbers for them.
bool differs(const DepartedRow &departed, const SessionShape &shape, TupleTableSlot *row)
{
    const std::span<const AttrNumber> before = payment_columns(departed.binding->sessions);
    const std::span<const AttrNumber> after = payment_columns(shape);
    if (departed.tuple == nullptr || before.size() != after.size())
        return true;
    for (size_t i = 0; i < after.size(); i++) {
        bool was_null;
        bool is_null;
        const Datum was = heap_getattr(departed.tuple, before[i], RelationGetDescr(departed.relation), &was_null);
        const Datum is = slot_getattr(row, after[i], &is_null);
        const Form_pg_attribute column = TupleDescAttr(row->tts_tupleDescriptor, after[i] - 1);
        if (was_null != is_null || (!is_null && !datum_image_eq(was, is, column->attbyval, column->attlen)))
            return true;
    }
    return false;
}

void require_cost(const SessionChange &change)
{
    const CostFault fault = change.after == nullptr ? CostFault::none : change.after->row.cost_fault;
    if (fault != CostFault::none)
        raise_cost({change.relation, change.binding, GetUserId()}, fault == CostFault::missing);
}

// Notes whether the BEFORE trigger has drawn the link of the stored row. Each event asks once.
void note_drawn(const RowEvent &event, SessionChange *change)
{
    const TriggerData *data = event.data;
    if (TRIGGER_FIRED_BY_UPDATE(data->tg_event)) {
        change->drawn = was_redrawn(data->tg_relation, data->tg_trigtuple->t_self, event.depth);
        return;
    }
    if (change->after == nullptr || !change->after->row.session.linked)
        return;
    const Proposed proposed = take_proposed(*event.binding, change->after->row.link, change->row, event.depth);
    change->drawn = proposed.drawn;
    change->drawn_from = proposed.place;
}

void charge_event(RowEvent &event)
{
    TriggerData *data = event.data;
    const SessionShape &shape = event.binding->sessions;
    const bool update = TRIGGER_FIRED_BY_UPDATE(data->tg_event);
    const bool insert = TRIGGER_FIRED_BY_INSERT(data->tg_event);
    Version before{};
    DepartedRow departed{};
    const bool arrives = take_departed(event, &before, &departed);
    if (update && !touches_rules(shape, data->tg_trigslot, data->tg_newslot))
        return;
    const Version first{read_session(shape, data->tg_trigslot), stored_by(data->tg_trigtuple)};
    Version second{};
    if (update)
        second = {read_session(shape, data->tg_newslot), stored_by(data->tg_newtuple)};
    if (departs(data)) {
        hold_departed(event, first);
        return;
    }
    SessionChange change{data->tg_relation,  event.binding, nullptr, nullptr, {},
                         data->tg_trigslot, nullptr,       false,   false,   std::nullopt};
    if (!insert || arrives)
        change.before = insert ? &before : &first;
    if (insert || update) {
        change.after = insert ? &first : &second;
        change.row = insert ? data->tg_trigslot : data->tg_newslot;
        change.place = (insert ? data->tg_trigtuple : data->tg_newtuple)->t_self;
    }
    require_cost(change);
    if (has_pays_when(shape) && (update || arrives))
        change.pays_differently = arrives ? differs(departed, shape, data->tg_trigslot)
                                          : touches_payment(shape, data->tg_trigslot, data->tg_newslot);
    if (!matters(*event.binding,
                 change_between(shape, change.before == nullptr ? nullptr : &change.before->row,
                                change.after == nullptr ? nullptr : &change.after->row)))
        return;
    if (event.binding->subscriptions.draws)
        note_drawn(event, &change);
    statement_of(event)->inserts_only &= insert && !arrives;
    charge_change(event.statement, change);
}

}  // namespace

}  // namespace sc

extern "C" PGDLLEXPORT Datum sc_charge_sessions(PG_FUNCTION_ARGS)
{
    using namespace sc;
    TriggerData *data = row_trigger_call(fcinfo, "charge_sessions", Timing::after, true);
    const Binding &binding = bind_sessions(data->tg_relation, data->tg_trigger);
    const int depth = trigger_depth();
    Statement *statement = find_statement(depth);
    if (statement != nullptr && is_end(*statement, data)) {
        settle_statement(statement, data);
        return Datum{0};
    }
    RowEvent event{data, &binding, depth, statement};
    charge_event(event);
    if (event.statement != nullptr && event.statement->single)
        settle_early(event.statement, binding, data);
    return Datum{0};
}
