// Writes the link of a stored session again.
#include "write/mend_link.hpp"

#include "server/owner.hpp"
#include "server/row_writer.hpp"
#include "write/changed_keys.hpp"
#include "write/session_errors.hpp"

namespace sc {

namespace {

ActiveSubscription find_active_of(const Binding &binding, const SessionRow &row)
{
    const std::optional<Datum> member = member_key(binding, row);
    if (!member)
        return ActiveSubscription{};
    Relation subscriptions = table_open(binding.subscriptions.relation, AccessShareLock);
    const ActiveSubscription active = find_active_subscription(subscriptions, binding.subscriptions, *member);
    table_close(subscriptions, AccessShareLock);
    return active;
}

bool is_there(const Binding &binding, const SessionRow &row, Datum lost)
{
    const std::optional<Datum> id = key_of_link(binding, lost);
    if (!id)
        return false;
    Relation subscriptions = table_open(binding.subscriptions.relation, AccessShareLock);
    const bool there = subscription_exists(subscriptions, binding.subscriptions, *id);
    table_close(subscriptions, AccessShareLock);
    return there;
}

// True if the row that was stored at that place, or a later version of it, has moved to another partition.
bool has_left(Relation relation, ItemPointerData place)
{
    TupleTableSlot *row = table_slot_create(relation, nullptr);
    bool left = false;
    while (!left && table_tuple_fetch_row_version(relation, &place, SnapshotAny, row)) {
        bool owned;
        HeapTuple tuple = ExecFetchSlotHeapTuple(row, false, &owned);
        left = HeapTupleHeaderIndicatesMovedPartitions(tuple->t_data);
        const ItemPointerData next = tuple->t_data->t_ctid;
        if (owned)
            heap_freetuple(tuple);
        if (ItemPointerEquals(&place, const_cast<ItemPointer>(&next)))
            break;
        place = next;
    }
    ExecDropSingleTupleTableSlot(row);
    return left;
}

// Stores the row with that link, as the owner of its table; changed is the row as stored. False if one of the user's
// triggers has suppressed the write or changed the link.
bool write_link(const StoredSession &session, TupleTableSlot *row, TupleTableSlot *changed, std::optional<Datum> link)
{
    const SessionShape &shape = session.binding->sessions;
    const AttrNumber columns[] = {shape.link};
    const Caller caller = enter_owner(session.relation);
    push_newest_snapshot();
    RowWriter *writer = open_row_writer(session.relation, columns, own_trigger_functions);
    RowTarget *target = open_row_target(writer, session.relation, InvalidOid);
    begin_writing(writer);
    begin_change(changed, row);
    changed->tts_values[shape.link - 1] = link.value_or(Datum{0});
    changed->tts_isnull[shape.link - 1] = !link;
    end_change(changed);
    write_row(writer, target, row, changed);
    bool is_null = true;
    const bool stored = ItemPointerIsValid(&changed->tts_tid);
    const Datum value = stored ? slot_getattr(changed, shape.link, &is_null) : Datum{0};
    const bool written = stored && is_null == !link &&
                         (is_null || datum_image_eq(value, *link, shape.link_by_value, shape.link_length));
    ExecMaterializeSlot(changed);
    end_writing(writer);
    close_row_writer(writer);
    PopActiveSnapshot();
    CommandCounterIncrement();
    leave_owner(caller);
    return written;
}

// What to do with the link: nothing (fine), write another one or none (rewritten), or look again later (unplaced).
struct Decision {
    Mended mended;
    std::optional<Datum> link;
};

Decision decide(const Binding &binding, const SessionRow &row, std::optional<Datum> lost)
{
    const Decision unchanged{Mended::fine, std::nullopt};
    if (!binding.searched) {
        // The application may unlink a session, but its subscription may not go while it holds a credit.
        const bool bereft = lost && !row.session.linked && counted(row.session) && !is_there(binding, row, *lost);
        return bereft ? Decision{Mended::unplaced, std::nullopt} : unchanged;
    }
    if (!row.session.consuming)
        return row.session.linked ? Decision{Mended::rewritten, std::nullopt} : unchanged;
    if (row.session.linked && !is_left_behind(binding, row))
        return unchanged;
    if (lost && !row.session.linked) {
        SessionRow linked = row;
        linked.link = *lost;
        linked.session.linked = true;
        if (!is_left_behind(binding, linked))
            return {Mended::rewritten, lost};
    }
    if (!counted(row.session))
        return row.session.linked ? Decision{Mended::rewritten, std::nullopt} : unchanged;
    if (lost && !is_there(binding, row, *lost))
        return {Mended::unplaced, std::nullopt};
    const ActiveSubscription active = find_active_of(binding, row);
    if (active.count != 1)
        return {Mended::unplaced, std::nullopt};
    return {Mended::rewritten, link_to(binding, active.id)};
}

}  // namespace

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

bool is_left_behind(const Binding &binding, const SessionRow &row)
{
    const SubscriptionShape &shape = binding.subscriptions;
    const std::optional<Datum> id = link_key(binding, row);
    const std::optional<Datum> member = member_key(binding, row);
    if (!id || !member)
        return true;
    Relation subscriptions = table_open(shape.relation, AccessShareLock);
    const bool fits = subscription_has_member(subscriptions, shape, *id, *member);
    table_close(subscriptions, AccessShareLock);
    return !fits;
}

bool follows_key(const Binding &binding, const SessionRow &before, CommandId stored, const SessionRow &after)
{
    if (count_changed_keys() == 0)
        return false;
    const SubscriptionShape &shape = binding.subscriptions;
    const std::optional<Datum> was = link_key(binding, before);
    const std::optional<Datum> is = link_key(binding, after);
    const std::optional<Datum> member = member_key(binding, before);
    if (!was || !is || (shape.by_member && !member) || equal_keys(shape.id_key, *was, *is))
        return false;
    return equal_keys(shape.id_key, follow_key(shape, {*was, member.value_or(Datum{0})}, stored).id, *is);
}

namespace {

SessionRow read_copy(const SessionShape &shape, TupleTableSlot *slot)
{
    SessionRow row = read_session(shape, slot);
    if (!row.member_is_null)
        row.member = datumCopy(row.member, shape.member_by_value, shape.member_length);
    if (row.session.linked)
        row.link = datumCopy(row.link, shape.link_by_value, shape.link_length);
    return row;
}

CommandId slot_stored_by(TupleTableSlot *slot)
{
    bool owned;
    HeapTuple tuple = ExecFetchSlotHeapTuple(slot, false, &owned);
    const CommandId command = stored_by(tuple);
    if (owned)
        heap_freetuple(tuple);
    return command;
}

// Stores the row with that link, and returns it as stored; 27000 if another trigger does not let it.
TupleTableSlot *require_link_written(const StoredSession &session, TupleTableSlot *row, std::optional<Datum> link)
{
    TupleTableSlot *changed = MakeSingleTupleTableSlot(RelationGetDescr(session.relation), &TTSOpsVirtual);
    if (!write_link(session, row, changed, link))
        raise_not_set({session.relation, session.binding, GetUserId()});
    return changed;
}

void mend_row(const StoredSession &session, TupleTableSlot *row, std::optional<Datum> lost, Mending *mending)
{
    const SessionShape &shape = session.binding->sessions;
    mending->before = read_copy(shape, row);
    mending->after = mending->before;
    mending->stored = slot_stored_by(row);
    const Decision decision = decide(*session.binding, mending->before, lost);
    mending->mended = decision.mended;
    if (decision.mended != Mended::rewritten)
        return;
    TupleTableSlot *changed = require_link_written(session, row, decision.link);
    mending->after = read_copy(shape, changed);
    ExecDropSingleTupleTableSlot(changed);
}

}  // namespace

Mending mend_link(const StoredSession &session, std::optional<Datum> lost)
{
    Mending mending{};
    ItemPointerData place = session.place;
    TupleTableSlot *row = table_slot_create(session.relation, nullptr);
    if (fetch_newest(session.relation, &place, row)) {
        mending.is_event_row = ItemPointerEquals(&place, const_cast<ItemPointer>(&session.place));
        mend_row(session, row, lost, &mending);
    } else if (has_left(session.relation, session.place)) {
        mending.mended = Mended::out_of_reach;
    }
    ExecDropSingleTupleTableSlot(row);
    return mending;
}

namespace {

// True if the session as stored takes something else than the settlement has judged, apart from the link.
bool takes_otherwise(const StoredSession &session, TupleTableSlot *judged, TupleTableSlot *stored)
{
    const SessionShape &shape = session.binding->sessions;
    const SessionRow before = read_session(shape, judged);
    const SessionRow after = read_session(shape, stored);
    if (!after.session.linked)
        return false;
    const Change change = change_between(shape, &before, &after);
    return counted(before.session) != counted(after.session) || before.session.cost != after.session.cost ||
           needs_active(before.session) != needs_active(after.session) || !change.same_member ||
           !change.same_need || touches_payment(shape, judged, stored);
}

}  // namespace

ItemPointerData rewrite_link(const StoredSession &session, std::optional<Datum> link)
{
    TupleTableSlot *row = table_slot_create(session.relation, nullptr);
    ItemPointerData place = session.place;
    // The trigger of another session, whose link has just been written, may have changed this one.
    bool judged = fetch_newest(session.relation, &place, row) &&
                  ItemPointerEquals(&place, const_cast<ItemPointer>(&session.place));
    if (judged) {
        TupleTableSlot *changed = require_link_written(session, row, link);
        judged = !takes_otherwise(session, row, changed);
        place = changed->tts_tid;
        ExecDropSingleTupleTableSlot(changed);
    }
    ExecDropSingleTupleTableSlot(row);
    if (!judged)
        raise_changed_meanwhile({session.relation, session.binding, GetUserId()});
    return place;
}

void raise_unplaced(const StoredSession &session, const SessionRow &row, std::optional<Datum> lost)
{
    const Binding &binding = *session.binding;
    const Reader reader{session.relation, &binding, GetUserId()};
    if (lost && !is_there(binding, row, *lost))
        raise_in_use(reader, key_of_link(binding, *lost));
    raise_unlinked(reader, member_key(binding, row), find_active_of(binding, row).count);
}

void raise_out_of_reach(const StoredSession &session, const SessionRow &row)
{
    if (find_active_of(*session.binding, row).count != 1)
        raise_unplaced(session, row, std::nullopt);
    raise_not_set({session.relation, session.binding, GetUserId()});
}

}  // namespace sc
