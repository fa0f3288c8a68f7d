// Searches a table by equality.
#include "server/search.hpp"

#include "server/pg_compat.hpp"

namespace sc {

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

}  // namespace sc
