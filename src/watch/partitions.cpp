// Remembers partitions.
#include "watch/partitions.hpp"

#include "server/own_table.hpp"
#include "server/relations.hpp"
#include "server/spi.hpp"

namespace sc {

namespace {

constexpr const char *pairs_table = "_pairs";

// Those that hold rows; none of a table that is not partitioned.
Datum leaves_of(Oid sessions)
{
    const Oids tree = partition_tree(sessions, AccessShareLock);
    auto *items = static_cast<Datum *>(palloc(sizeof(Datum) * tree.size()));
    int count = 0;
    for (const Oid relation : tree)
        if (relation != sessions && get_rel_relkind(relation) == RELKIND_RELATION)
            items[count++] = ObjectIdGetDatum(relation);
    return PointerGetDatum(construct_array(items, count, OIDOID, sizeof(Oid), true, TYPALIGN_INT));
}

}  // namespace

LeftPartitions find_left_partitions(int32 pair, Oid sessions)
{
    Oid types[] = {INT4OID, OIDARRAYOID};
    Datum values[] = {Int32GetDatum(pair), leaves_of(sessions)};
    const uint64 count =
        run_on_own_table(pairs_table,
                         "SELECT regexp_replace(u.partition::text, '^gone: ', ''),"
                         " CASE WHEN u.partition::regclass IS NULL THEN 'was dropped' ELSE 'was detached' END,"
                         " p.partitions_seen FROM session_consistency._pairs AS p,"
                         " unnest(p.partitions) WITH ORDINALITY AS u (partition, place)"
                         " WHERE p.pair = $1 AND coalesce(session_consistency._oid(u.partition), 0) <> ALL ($2)"
                         " ORDER BY u.place",
                         types, values);
    auto **names = static_cast<const char **>(palloc(sizeof(char *) * Max(count, uint64{1})));
    auto **fates = static_cast<const char **>(palloc(sizeof(char *) * Max(count, uint64{1})));
    LeftPartitions left{Names(names, count), Names(fates, count), 0};
    for (uint64 i = 0; i < count; i++) {
        names[i] = cell_text(i, 1);
        fates[i] = cell_text(i, 2);
        bool is_null;
        left.seen = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 3, &is_null));
    }
    return left;
}

void remember_partitions(int32 pair, Oid sessions, int64 run, bool keep_left)
{
    Oid types[] = {INT4OID, OIDARRAYOID, INT8OID, BOOLOID};
    Datum values[] = {Int32GetDatum(pair), leaves_of(sessions), Int64GetDatum(run), BoolGetDatum(keep_left)};
    run_on_own_table(pairs_table,
                     "UPDATE session_consistency._pairs AS p SET partitions ="
                     " ARRAY(SELECT l.partition::regclass::session_consistency.table_ref"
                     " FROM unnest($2) WITH ORDINALITY AS l (partition, place) ORDER BY l.place)"
                     " || CASE WHEN $4 THEN ARRAY(SELECT u.partition"
                     " FROM unnest(p.partitions) WITH ORDINALITY AS u (partition, place)"
                     " WHERE coalesce(session_consistency._oid(u.partition), 0) <> ALL ($2) ORDER BY u.place)"
                     " ELSE '{}' END,"
                     " partitions_seen = CASE WHEN $4 THEN p.partitions_seen ELSE $3 END"
                     " WHERE p.pair = $1 AND ($2 <> '{}' OR p.partitions IS NOT NULL)",
                     types, values);
}

}  // namespace sc
