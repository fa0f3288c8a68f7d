// Runs commands on the extension's own tables.
#include "server/own_table.hpp"

namespace sc {

void require_writable(const char *function)
{
    if (RecoveryInProgress())
        ereport(ERROR, errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
                errmsg("cannot execute %s() during recovery", function),
                errhint("Call it on the primary: this server receives what it writes."));
    if (XactReadOnly)
        ereport(ERROR, errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
                errmsg("cannot execute %s() in a read-only transaction", function),
                errhint("Make it READ WRITE, or set default_transaction_read_only to off."));
}

Oid find_own_relation(const char *name)
{
    return get_relname_relid(name, get_namespace_oid("session_consistency", false));
}

OwnTable enter_own_table(const char *name)
{
    OwnTable table{};
    table.relation = table_open(find_own_relation(name), RowExclusiveLock);
    table.caller = enter_owner(table.relation);
    return table;
}

void leave_own_table(const OwnTable &table)
{
    leave_owner(table.caller);
    table_close(table.relation, NoLock);
}

uint64 run_on_own_table(const char *table, const char *command, std::span<Oid> types, std::span<Datum> values,
                        const char *nulls)
{
    const OwnTable entered = enter_own_table(table);
    const int result = SPI_execute_with_args(command, static_cast<int>(types.size()), types.data(), values.data(),
                                             nulls, false, 0);
    if (result < 0)
        elog(ERROR, "\"%s\" failed: %s", command, SPI_result_code_string(result));
    leave_own_table(entered);
    return SPI_processed;
}

int64 next_number(const char *table)
{
    Relation relation = table_open(find_own_relation(table), AccessShareLock);
    Relation key = index_open(find_own_relation(psprintf("%s_pkey", table)), AccessShareLock);
    Snapshot newest = RegisterSnapshot(GetLatestSnapshot());
    SysScanDesc scan = systable_beginscan_ordered(relation, key, newest, 0, nullptr);
    int64 highest = 0;
    if (HeapTuple tuple = systable_getnext_ordered(scan, BackwardScanDirection)) {
        const int column = key->rd_index->indkey.values[0];
        bool is_null;
        const Datum value = heap_getattr(tuple, column, RelationGetDescr(relation), &is_null);
        const bool is_long = TupleDescAttr(RelationGetDescr(relation), column - 1)->atttypid == INT8OID;
        highest = is_long ? DatumGetInt64(value) : DatumGetInt32(value);
    }
    systable_endscan_ordered(scan);
    UnregisterSnapshot(newest);
    index_close(key, AccessShareLock);
    table_close(relation, AccessShareLock);
    return highest + 1;
}

}  // namespace sc
