// Numbers pairs of tables.
#include "store/pairs.hpp"

#include "server/own_table.hpp"
#include "server/spi.hpp"

namespace sc {

namespace {

constexpr const char *pairs_table = "_pairs";

constexpr AttrNumber pair_column = 1;
constexpr AttrNumber sessions_column = 6;
constexpr AttrNumber subscriptions_column = 7;

struct Found {
    int32 pair;
    int count;
};

Found look(Oid sessions, Oid subscriptions, Snapshot snapshot)
{
    Relation pairs = table_open(find_own_relation(pairs_table), AccessShareLock);
    ScanKeyData keys[2];
    ScanKeyInit(&keys[0], sessions_column, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(sessions));
    ScanKeyInit(&keys[1], subscriptions_column, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(subscriptions));
    SysScanDesc scan = systable_beginscan(pairs, find_own_relation("_pairs_tables"), true, snapshot,
                                          OidIsValid(subscriptions) ? 2 : 1, keys);
    Found found{};
    while (HeapTuple tuple = systable_getnext(scan)) {
        bool is_null;
        found.pair = DatumGetInt32(heap_getattr(tuple, pair_column, RelationGetDescr(pairs), &is_null));
        found.count++;
    }
    systable_endscan(scan);
    table_close(pairs, AccessShareLock);
    return found;
}

int32 choose(const Found &found)
{
    return found.count == 1 ? found.pair : 0;
}

void insert(int32 pair, Oid sessions, Oid subscriptions)
{
    Oid types[] = {INT4OID, OIDOID, OIDOID};
    Datum values[] = {Int32GetDatum(pair), ObjectIdGetDatum(sessions), ObjectIdGetDatum(subscriptions)};
    const char nulls[] = {' ', ' ', OidIsValid(subscriptions) ? ' ' : 'n'};
    run_on_own_table(pairs_table,
                     "INSERT INTO session_consistency._pairs (pair, sessions, subscriptions)"
                     " VALUES ($1, $2::regclass::session_consistency.table_ref,"
                     " $3::regclass::session_consistency.table_ref)",
                     types, values, nulls);
}

int32 make_pair(Oid sessions, Oid subscriptions)
{
    // Until the transaction ends: who comes second finds what the first has made.
    LockRelationOid(find_own_relation(pairs_table), ShareUpdateExclusiveLock);
    Snapshot newest = RegisterSnapshot(GetLatestSnapshot());
    int32 pair = choose(look(sessions, subscriptions, newest));
    UnregisterSnapshot(newest);
    if (pair != 0)
        return pair;
    pair = static_cast<int32>(next_number(pairs_table));
    connect_spi();
    insert(pair, sessions, subscriptions);
    SPI_finish();
    return pair;
}

}  // namespace

int32 find_pair(Oid sessions, Oid subscriptions)
{
    // What was committed last, and what this transaction has made itself.
    return choose(look(sessions, subscriptions, SnapshotSelf));
}

int32 require_pair(Oid sessions, Oid subscriptions)
{
    const int32 pair = find_pair(sessions, subscriptions);
    return pair != 0 ? pair : make_pair(sessions, subscriptions);
}

}  // namespace sc
