// BEFORE ROW trigger of the sessions: fills in a missing link, clears a needless one. Never refuses a row: another
// trigger may still change it, and ON CONFLICT may drop it.
#include "write/link_cache.hpp"
#include "write/statements.hpp"
#include "store/session_row.hpp"
#include "store/subscription_row.hpp"
#include "server/triggers.hpp"

extern "C" {
PG_FUNCTION_INFO_V1(sc_link_session);
}

namespace sc {

namespace {

// True where the row at that place has been moved to another partition.
bool has_moved(Oid partition, ItemPointer place)
{
    Relation relation = table_open(partition, NoLock);
    TupleTableSlot *row = table_slot_create(relation, nullptr);
    bool moved = false;
    if (table_tuple_fetch_row_version(relation, place, SnapshotAny, row)) {
        bool owned;
        HeapTuple tuple = ExecFetchSlotHeapTuple(row, false, &owned);
        moved = HeapTupleHeaderIndicatesMovedPartitions(tuple->t_data);
        if (owned)
            heap_freetuple(tuple);
    }
    ExecDropSingleTupleTableSlot(row);
    table_close(relation, NoLock);
    return moved;
}

// A row without a link that comes from another partition was left as it is there, by the UPDATE that moves it.
bool comes_from_partition(const Binding &binding, Relation relation, int depth)
{
    Departure &left = departed_before;
    return relation->rd_rel->relispartition && is_armed(left, depth, binding.subscriptions) &&
           has_moved(left.partition, &left.place);
}

void remember_update(const Binding &binding, TriggerData *data, const SessionRow &row, Fill fill, int depth)
{
    disarm(&departed_before, depth);
    if (!data->tg_relation->rd_rel->relispartition || fill != Fill::keep || row.session.linked)
        return;
    arm(&departed_before, depth, binding.subscriptions);
    departed_before.partition = RelationGetRelid(data->tg_relation);
    departed_before.place = data->tg_trigtuple->t_self;
}

HeapTuple with_link(TriggerData *data, HeapTuple row, const SessionShape &shape, std::optional<Datum> link)
{
    int column = shape.link;
    Datum value = link.value_or(Datum{0});
    bool is_null = !link;
    return heap_modify_tuple_by_cols(row, RelationGetDescr(data->tg_relation), 1, &column, &value, &is_null);
}

// The one active subscription of a member; none or several are judged later.
std::optional<Datum> look_up_active(const Binding &binding, Relation subscriptions, Datum member, int depth)
{
    if (const std::optional<Datum> known = recall_link(binding, member, depth))
        return known;
    const ActiveSubscription active = find_active_subscription(subscriptions, binding.subscriptions, member);
    if (active.count != 1)
        return std::nullopt;
    remember_link(binding, member, active, depth);
    return active.id;
}

// The link that the row gets, or std::nullopt to leave it as it is.
std::optional<Datum> look_up_link(const Binding &binding, const SessionRow &row, int depth)
{
    const std::optional<Datum> member = member_key(binding, row);
    if (!member)
        return std::nullopt;
    const SubscriptionShape &shape = binding.subscriptions;
    Relation subscriptions = table_open(shape.relation, AccessShareLock);
    std::optional<Datum> id;
    const std::optional<Datum> present = link_key(binding, row);
    // The subscription may have changed its member first: a cascade from the members' key.
    if (!present || !subscription_has_member(subscriptions, shape, *present, *member))
        id = look_up_active(binding, subscriptions, *member, depth);
    table_close(subscriptions, AccessShareLock);
    return id ? convert_key(*id, shape.id_key.type, binding.sessions.link_type) : std::nullopt;
}

}  // namespace

}  // namespace sc

extern "C" PGDLLEXPORT Datum sc_link_session(PG_FUNCTION_ARGS)
{
    using namespace sc;
    TriggerData *data = row_trigger_call(fcinfo, "link_session", Timing::before, false);
    const Binding &binding = bind_sessions(data->tg_relation, data->tg_trigger);
    const SessionShape &shape = binding.sessions;
    const bool update = TRIGGER_FIRED_BY_UPDATE(data->tg_event);
    HeapTuple row = update ? data->tg_newtuple : data->tg_trigtuple;
    if (update && !touches_rules(shape, data->tg_trigslot, data->tg_newslot)) {
        if (data->tg_relation->rd_rel->relispartition)
            remember_update(binding, data, read_session(shape, data->tg_newslot), Fill::keep, trigger_depth());
        return PointerGetDatum(row);
    }
    const SessionRow after = read_session(shape, update ? data->tg_newslot : data->tg_trigslot);
    SessionRow before{};
    if (update)
        before = read_session(shape, data->tg_trigslot);
    const Fill fill = fill_link(change_between(shape, update ? &before : nullptr, &after));
    const int depth = trigger_depth();
    const bool moved =
        !update && fill == Fill::look_up && comes_from_partition(binding, data->tg_relation, depth);
    if (update)
        remember_update(binding, data, after, fill, depth);
    else
        disarm(&departed_before, depth);
    if (moved || fill == Fill::keep)
        return PointerGetDatum(row);
    if (fill == Fill::clear)
        return PointerGetDatum(with_link(data, row, shape, std::nullopt));
    const std::optional<Datum> link = look_up_link(binding, after, depth);
    return PointerGetDatum(link ? with_link(data, row, shape, link) : row);
}
