// Puts the link of a stored session right where link_session could not.
#include "write/mend_link.hpp"

#include "server/owner.hpp"
#include "server/spi.hpp"
#include "write/session_errors.hpp"

namespace sc {

namespace {

// The link that a session without one, or with one that its member has left, gets: R1.
Datum require_active(const RowCall &call, const SessionRow &row)
{
    const Binding &binding = *call.binding;
    const SubscriptionShape &shape = binding.subscriptions;
    const std::optional<Datum> member = member_key(binding, row);
    Relation subscriptions = table_open(shape.relation, AccessShareLock);
    const ActiveSubscription active =
        member ? find_active_subscription(subscriptions, shape, *member) : ActiveSubscription{};
    table_close(subscriptions, AccessShareLock);
    if (active.count != 1)
        raise_unlinked({call.data->tg_relation, &binding, GetUserId()}, member, active.count);
    return convert_key(active.id, shape.id_key.type, binding.sessions.link_type).value_or(Datum{0});
}

// True where the link does not lead to the session's member, who has changed: link_session found no other, or another
// trigger changed the member after it.
bool left_behind(const RowCall &call, const SessionRow &row)
{
    const SubscriptionShape &shape = call.binding->subscriptions;
    const std::optional<Datum> id = link_key(*call.binding, row);
    const std::optional<Datum> member = member_key(*call.binding, row);
    if (!id || !member)
        return true;
    Relation subscriptions = table_open(shape.relation, AccessShareLock);
    const bool fits = subscription_has_member(subscriptions, shape, *id, *member);
    table_close(subscriptions, AccessShareLock);
    return !fits;
}

// The row of the event as it is by now: a trigger of the user's may have written it again. False: it is gone.
bool fetch_newest(Relation relation, ItemPointer place, TupleTableSlot *row)
{
    push_newest_snapshot();
    TableScanDesc scan = table_beginscan_tid(relation, GetActiveSnapshot());
    table_tuple_get_latest_tid(scan, place);
    const bool found = table_tuple_fetch_row_version(relation, place, GetActiveSnapshot(), row);
    table_endscan(scan);
    PopActiveSnapshot();
    return found;
}

// Sets the link of one stored session, as the owner of its table: NULL where link is absent. False where another
// trigger kept it from being set.
bool set_link(Relation sessions, const SessionShape &shape, ItemPointer row, std::optional<Datum> link)
{
    const Caller caller = enter_owner(sessions);
    connect_spi();
    const char *table = qualified_name(RelationGetRelid(sessions));
    const char *column = quote_identifier(get_attname(shape.relation, shape.link, false));
    Oid types[] = {shape.link_type, TIDOID};
    Datum values[] = {link.value_or(Datum{0}), PointerGetDatum(row)};
    const char nulls[] = {link ? ' ' : 'n', ' '};
    const char *is_set = link ? equality(column, shape.link_type, "$1") : psprintf("%s IS NULL", column);
    const char *command = psprintf("UPDATE ONLY %s SET %s = $1 WHERE ctid OPERATOR(pg_catalog.=) $2 RETURNING (%s)",
                                   table, column, is_set);
    const int result = SPI_execute_with_args(command, 2, types, values, nulls, false, 0);
    if (result != SPI_OK_UPDATE_RETURNING)
        ereport(ERROR, errcode(ERRCODE_INTERNAL_ERROR),
                errmsg("updating the link of relation \"%s\" gave an unexpected result",
                       RelationGetRelationName(sessions)),
                errhint("This is most likely due to a rule having rewritten the query."));
    bool is_null = true;
    Datum stored{0};
    if (SPI_processed == 1)
        stored = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &is_null);
    const bool done = !is_null && DatumGetBool(stored);
    SPI_finish();
    leave_owner(caller);
    return done;
}

// Puts the link of a stored row right, by an UPDATE of its own that is judged and charged like any other.
void mend_row(const RowCall &call, TupleTableSlot *row)
{
    Relation relation = call.data->tg_relation;
    const SessionShape &shape = call.binding->sessions;
    const SessionRow now = read_session(shape, row);
    std::optional<Datum> link;
    if (now.session.consuming ? now.session.linked && !left_behind(call, now) : !now.session.linked)
        return;
    if (now.session.consuming)
        link = require_active(call, now);
    if (!set_link(relation, shape, &row->tts_tid, link))
        raise_not_set({relation, call.binding, GetUserId()});
}

}  // namespace

bool mend_link(const RowCall &call, const SessionRow &row, const Judgement &judgement)
{
    if (!judgement.missing_link && !judgement.needless_link &&
        !(judgement.moved_member && left_behind(call, row)))
        return false;
    TriggerData *data = call.data;
    HeapTuple stored = TRIGGER_FIRED_BY_UPDATE(data->tg_event) ? data->tg_newtuple : data->tg_trigtuple;
    ItemPointerData place = stored->t_self;
    TupleTableSlot *newest = table_slot_create(data->tg_relation, nullptr);
    if (fetch_newest(data->tg_relation, &place, newest)) {
        mend_row(call, newest);
    } else if (HeapTupleHeaderIndicatesMovedPartitions(stored->t_data) && !judgement.needless_link) {
        // A trigger of the user's has moved the row to another partition before it could be judged: out of reach.
        require_active(call, row);
        raise_not_set({data->tg_relation, call.binding, GetUserId()});
    }
    ExecDropSingleTupleTableSlot(newest);
    return true;
}

}  // namespace sc
