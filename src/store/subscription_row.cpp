// Finds rows of the subscriptions by key or by member, straight through their indexes.
#include "store/subscription_row.hpp"

#include "server/pg_compat.hpp"

namespace sc {

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

// The conditions as keys of the index, in the order of its columns, as a btree wants them.
void index_keys(ScanKey keys, Relation index, std::span<const Condition> conditions)
{
    size_t count = 0;
    for (int i = 0; i < IndexRelationGetNumberOfKeyAttributes(index); i++) {
        for (const Condition &condition : conditions) {
            if (index->rd_index->indkey.values[i] != condition.column)
                continue;
            const Oid input = index->rd_opcintype[i];
            const Oid equal = get_opfamily_member(index->rd_opfamily[i], input, input, BTEqualStrategyNumber);
            ScanKeyEntryInitialize(&keys[count++], 0, i + 1, BTEqualStrategyNumber, InvalidOid,
                                   index->rd_indcollation[i], get_opcode(equal), condition.value);
        }
    }
    if (count != conditions.size())
        elog(ERROR, "index \"%s\" does not hold the columns of the search", RelationGetRelationName(index));
}

}  // namespace

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
        index_keys(keys, search.index, conditions);
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

void push_newest_snapshot()
{
    CommandCounterIncrement();
    PushCopiedSnapshot(GetTransactionSnapshot());
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

bool equal_keys(const KeyType &key, Datum left, Datum right)
{
    return DatumGetBool(FunctionCall2Coll(const_cast<FmgrInfo *>(&key.equal), key.collation, left, right));
}

int compare_keys(const KeyType &key, Datum left, Datum right)
{
    return DatumGetInt32(FunctionCall2Coll(const_cast<FmgrInfo *>(&key.compare), key.collation, left, right));
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
        bool is_null;
        const Datum status = slot_getattr(row, shape.status, &is_null);
        if (is_null || !contains(shape.active, status))
            continue;
        if (active.count++ > 0)
            continue;
        active.id = datumCopy(slot_getattr(row, shape.id, &is_null), shape.id_key.by_value, shape.id_key.length);
        active.place = row->tts_tid;
    }
    end_search(search);
    ExecDropSingleTupleTableSlot(row);
    PopActiveSnapshot();
    return active;
}

bool fetch_subscription(Relation subscriptions, const SubscriptionShape &shape, ItemPointerData place, Datum id,
                        Datum member, TupleTableSlot *row)
{
    if (!table_tuple_fetch_row_version(subscriptions, &place, GetActiveSnapshot(), row))
        return false;
    bool is_null;
    const Datum found = slot_getattr(row, shape.id, &is_null);
    if (is_null || !equal_keys(shape.id_key, found, id))
        return false;
    if (!shape.by_member)
        return true;
    const Datum owner = slot_getattr(row, shape.member, &is_null);
    return !is_null && equal_keys(shape.member_key, owner, member);
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

}  // namespace sc
