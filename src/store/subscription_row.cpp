// Finds rows of the subscriptions by key or by member, straight through their indexes.
#include "store/subscription_row.hpp"

namespace sc {

namespace {

bool is_active(const SubscriptionShape &shape, TupleTableSlot *row)
{
    if (shape.status == 0)
        return true;
    bool is_null;
    const Datum status = slot_getattr(row, shape.status, &is_null);
    return !is_null && contains(shape.active, status);
}

}  // namespace

Subscription read_subscription(const SubscriptionShape &shape, TupleTableSlot *row)
{
    Subscription subscription{};
    subscription.member_is_null = true;
    if (shape.member != 0)
        subscription.member = slot_getattr(row, shape.member, &subscription.member_is_null);
    subscription.active = is_active(shape, row);
    bool is_null;
    if (shape.total != 0) {
        const Datum total = slot_getattr(row, shape.total, &is_null);
        if (!is_null)
            subscription.total = counter_value(total, shape.total_type);
    }
    Datum value = slot_getattr(row, shape.used, &is_null);
    if (!is_null)
        subscription.used = counter_value(value, shape.used_type);
    if (shape.remaining != 0) {
        value = slot_getattr(row, shape.remaining, &is_null);
        if (!is_null)
            subscription.remaining = counter_value(value, shape.remaining_type);
    }
    if (shape.carried != 0) {
        value = slot_getattr(row, shape.carried, &is_null);
        if (!is_null)
            subscription.carried = counter_value(value, shape.carried_type);
    }
    return subscription;
}

Search begin_key_search(Relation relation, const SubscriptionShape &shape, Datum id, Datum member,
                        TupleTableSlot *row)
{
    const Condition conditions[] = {{shape.id, &shape.id_key, id}, {shape.member, &shape.member_key, member}};
    return begin_search(relation, shape.key_index, std::span(conditions, shape.by_member ? 2 : 1), row);
}

void search_key_again(const Search &search, const SubscriptionShape &shape, Datum id, Datum member)
{
    for (int i = 0; i < search.count; i++) {
        const AttrNumber column = search.index->rd_index->indkey.values[search.keys[i].sk_attno - 1];
        search.keys[i].sk_argument = column == shape.id ? id : member;
    }
    index_rescan(search.index_scan, search.keys, search.count, nullptr, 0);
}

ActiveSubscription find_active_subscription(Relation subscriptions, const SubscriptionShape &shape, Datum member)
{
    ActiveSubscription active{};
    push_newest_snapshot();
    TupleTableSlot *row = table_slot_create(subscriptions, nullptr);
    const Condition conditions[] = {{shape.member, &shape.member_key, member}};
    const Search search = begin_search(subscriptions, shape.member_index, conditions, row);
    const int enough = shape.one_active ? 1 : 2;
    while (active.count < enough && next_row(search)) {
        if (!is_active(shape, row) || active.count++ > 0)
            continue;
        bool is_null;
        active.id = datumCopy(slot_getattr(row, shape.id, &is_null), shape.id_key.by_value, shape.id_key.length);
        active.place = row->tts_tid;
    }
    end_search(search);
    ExecDropSingleTupleTableSlot(row);
    PopActiveSnapshot();
    return active;
}

bool has_key(const SubscriptionShape &shape, TupleTableSlot *row, Datum id, Datum member)
{
    bool is_null;
    const Datum found = slot_getattr(row, shape.id, &is_null);
    if (is_null || !equal_keys(shape.id_key, found, id))
        return false;
    if (!shape.by_member)
        return true;
    const Datum owner = slot_getattr(row, shape.member, &is_null);
    return !is_null && equal_keys(shape.member_key, owner, member);
}

bool fetch_subscription(Relation subscriptions, const SubscriptionShape &shape, ItemPointerData place, Datum id,
                        Datum member, TupleTableSlot *row)
{
    return table_tuple_fetch_row_version(subscriptions, &place, GetActiveSnapshot(), row) &&
           has_key(shape, row, id, member);
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

// The current subscription -------------------------------------------------------------------------------------------

Cursor open_cursor(Relation subscriptions, const SubscriptionShape &shape)
{
    return {subscriptions, &shape, table_slot_create(subscriptions, nullptr), {}};
}

void close_cursor(const Cursor &cursor)
{
    if (cursor.by_key.row != nullptr)
        end_search(cursor.by_key);
    ExecDropSingleTupleTableSlot(cursor.row);
}

void restart_cursor(Cursor &cursor)
{
    if (cursor.by_key.row != nullptr)
        end_search(cursor.by_key);
    cursor.by_key = Search{};
}

TupleTableSlot *find_subscription(Cursor &cursor, Datum id, Datum member, std::optional<ItemPointerData> place)
{
    if (place && fetch_subscription(cursor.relation, *cursor.shape, *place, id, member, cursor.row))
        return cursor.row;
    if (cursor.by_key.row == nullptr)
        cursor.by_key = begin_key_search(cursor.relation, *cursor.shape, id, member, cursor.row);
    else
        search_key_again(cursor.by_key, *cursor.shape, id, member);
    return next_row(cursor.by_key) ? cursor.row : nullptr;
}

bool lock_row(const Cursor &cursor, ItemPointer place, LockTupleMode mode)
{
    uint8 flags = TUPLE_LOCK_FLAG_LOCK_UPDATE_IN_PROGRESS;
    if (!IsolationUsesXactSnapshot())
        flags |= TUPLE_LOCK_FLAG_FIND_LAST_VERSION;
    TM_FailureData failure;
    ItemPointerData where = *place;
    const TM_Result result =
        table_tuple_lock(cursor.relation, &where, GetActiveSnapshot(), cursor.row, GetCurrentCommandId(false), mode,
                         LockWaitBlock, flags, &failure);
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

bool try_lock_found(const Cursor &cursor)
{
    TM_FailureData failure;
    ItemPointerData where = cursor.row->tts_tid;
    return table_tuple_lock(cursor.relation, &where, GetActiveSnapshot(), cursor.row, GetCurrentCommandId(false),
                            LockTupleNoKeyExclusive, LockWaitSkip, 0, &failure) == TM_Ok;
}

TupleTableSlot *lock_found(const Cursor &cursor, LockTupleMode mode)
{
    return lock_row(cursor, &cursor.row->tts_tid, mode) ? cursor.row : nullptr;
}

TupleTableSlot *lock_subscription(Cursor &cursor, Datum id, Datum member)
{
    return find_subscription(cursor, id, member) == nullptr ? nullptr : lock_found(cursor);
}

}  // namespace sc
