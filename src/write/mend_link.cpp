// Puts the link of a stored session right where link_session could not.
#include "write/mend_link.hpp"

#include "server/owner.hpp"
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
