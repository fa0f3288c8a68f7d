// Reads what Citus says of a table.
#include "catalog/citus.hpp"

#include "server/shards.hpp"
#include "server/spi.hpp"

namespace sc {

namespace {

bool is_installed()
{
    return OidIsValid(get_extension_oid("citus", true));
}

Oid citus_function(const char *name, Oids arguments)
{
    return GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid, CStringGetDatum(name),
                           PointerGetDatum(buildoidvector(arguments.data(), static_cast<int>(arguments.size()))),
                           ObjectIdGetDatum(PG_CATALOG_NAMESPACE));
}

// The row of pg_dist_partition; std::nullopt where the table has none.
struct PartitionRow {
    char method;
    char replication;
    int32 colocation;
    const char *key;           // as Citus writes it; nullptr: none
};

PartitionRow read_partition_row(HeapTuple tuple, TupleDesc columns)
{
    const auto value = [&](const char *name, bool *is_null) {
        const int number = SPI_fnumber(columns, name);
        *is_null = true;
        return number <= 0 ? Datum{0} : heap_getattr(tuple, number, columns, is_null);
    };
    PartitionRow row{};
    bool is_null;
    Datum read = value("partmethod", &is_null);
    row.method = is_null ? '\0' : DatumGetChar(read);
    read = value("repmodel", &is_null);
    row.replication = is_null ? '\0' : DatumGetChar(read);
    read = value("colocationid", &is_null);
    row.colocation = is_null ? 0 : DatumGetInt32(read);
    read = value("partkey", &is_null);
    row.key = is_null ? nullptr : TextDatumGetCString(read);
    return row;
}

std::optional<PartitionRow> find_partition_row(Oid table)
{
    const Oid catalog = get_relname_relid("pg_dist_partition", PG_CATALOG_NAMESPACE);
    const AttrNumber number = OidIsValid(catalog) ? get_attnum(catalog, "logicalrelid") : InvalidAttrNumber;
    if (number == InvalidAttrNumber)
        return std::nullopt;
    ScanKeyData key;
    ScanKeyInit(&key, number, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(table));
    Relation relation = table_open(catalog, AccessShareLock);
    SysScanDesc scan = systable_beginscan(relation, InvalidOid, false, nullptr, 1, &key);
    std::optional<PartitionRow> row;
    if (HeapTuple tuple = systable_getnext(scan); HeapTupleIsValid(tuple))
        row = read_partition_row(tuple, RelationGetDescr(relation));
    systable_endscan(scan);
    table_close(relation, AccessShareLock);
    return row;
}

const char *column_of(Oid table, const char *key)
{
    const Oid function = citus_function("column_to_column_name", std::array{Oid{REGCLASSOID}, Oid{TEXTOID}});
    if (key == nullptr || !OidIsValid(function))
        return nullptr;
    return TextDatumGetCString(OidFunctionCall2(function, ObjectIdGetDatum(table), CStringGetTextDatum(key)));
}

// Of the tables without a distribution column the replication model tells those that are on every node, and a group of
// colocated tables those that are in one shard somewhere.
Placement placement_of(const PartitionRow &row)
{
    if (row.method == 'h')
        return Placement::distributed;
    if (row.method != 'n')
        return Placement::other;
    if (row.replication == 't')
        return Placement::reference;
    return row.colocation == 0 ? Placement::managed : Placement::single;
}

}  // namespace

bool is_shard(Oid table)
{
    if (!is_installed())
        return false;
    const Oid function = citus_function("relation_is_a_known_shard", std::array{Oid{REGCLASSOID}});
    return OidIsValid(function) && DatumGetBool(OidFunctionCall1(function, ObjectIdGetDatum(table)));
}

Distribution distribution_of(Oid table)
{
    if (!is_installed())
        return {};
    if (is_shard(table))
        return {.placement = Placement::shard, .colocation = 0, .column = nullptr};
    const std::optional<PartitionRow> row = find_partition_row(table);
    if (!row)
        return {};
    return {placement_of(*row), row->colocation, column_of(table, row->key)};
}

const char *describe(Placement placement)
{
    switch (placement) {
        case Placement::local:
            return "a local table";
        case Placement::managed:
            return "a local table that Citus manages";
        case Placement::single:
            return "a table of one shard";
        case Placement::reference:
            return "a reference table";
        case Placement::distributed:
            return "a distributed table";
        case Placement::shard:
            return "a shard";
        case Placement::other:
            break;
    }
    return "a table that is distributed by append or range";
}

namespace {

bool is_whole(Placement placement)
{
    return placement == Placement::local || placement == Placement::shard;
}

// Tables that Citus manages have one shard each, on the coordinator.
const char *find_separation(const Pair &pair, const Distribution &sessions, const Distribution &subscriptions)
{
    if (sessions.placement != subscriptions.placement || sessions.placement == Placement::other)
        return psprintf("Table \"%s\" is %s, table \"%s\" is %s.", get_rel_name(pair.sessions),
                        describe(sessions.placement), get_rel_name(pair.subscriptions),
                        describe(subscriptions.placement));
    if (!is_whole(sessions.placement) && sessions.placement != Placement::managed &&
        sessions.colocation != subscriptions.colocation)
        return "They are not colocated.";
    return nullptr;
}

}  // namespace

const char *find_separation(const Pair &pair, const Mapping &mapping, const char *key_column)
{
    if (!is_installed())
        return nullptr;
    const Distribution sessions = distribution_of(pair.sessions);
    const Distribution subscriptions = distribution_of(pair.subscriptions);
    if (const char *separation = find_separation(pair, sessions, subscriptions))
        return separation;
    if (sessions.placement != Placement::distributed)
        return nullptr;
    if (is_searched(mapping)) {
        if (!same_text(sessions.column, mapping.member_column) ||
            !same_text(subscriptions.column, mapping.subscription_member_column))
            return "They are not distributed by the member.";
    } else if (!same_text(sessions.column, mapping.subscription_column) ||
               !same_text(subscriptions.column, key_column)) {
        // The foreign key of the link holds the distribution column only where that is the link.
        return "They are not distributed by the link and the key that it refers to.";
    }
    return nullptr;
}

bool is_sharded(Oid table)
{
    return is_installed() && !is_whole(distribution_of(table).placement);
}

bool require_together(const Pair &pair, const char *function)
{
    if (!is_installed())
        return false;
    const Distribution sessions = distribution_of(pair.sessions);
    if (!OidIsValid(pair.subscriptions))
        return !is_whole(sessions.placement);
    if (const char *separation = find_separation(pair, sessions, distribution_of(pair.subscriptions)))
        ereport(ERROR, errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                errmsg("%s() does not work on tables \"%s\" and \"%s\"", function, get_rel_name(pair.sessions),
                       get_rel_name(pair.subscriptions)),
                errdetail("%s", separation),
                errhint("Detach them, bring them together, attach again, and call migrate()."));
    return !is_whole(sessions.placement);
}

// A shard refers to the one beside it by its foreign key, which is enough where there is but one.
const char *subscriptions_beside(const Pair &pair)
{
    if (!OidIsValid(pair.subscriptions) || find_attachments(pair.sessions).size() == 1)
        return "NULL";
    MemoryContext caller = CurrentMemoryContext;
    connect_spi();
    Oid types[] = {REGCLASSOID, REGCLASSOID};
    Datum values[] = {ObjectIdGetDatum(pair.sessions), ObjectIdGetDatum(pair.subscriptions)};
    const int result = SPI_execute_with_args(
        "SELECT pg_catalog.jsonb_object_agg(pg_catalog.shard_name(a.logicalrelid, a.shardid),"
        " pg_catalog.shard_name(b.logicalrelid, b.shardid))::text FROM pg_catalog.pg_dist_shard AS a"
        " JOIN pg_catalog.pg_dist_shard AS b ON b.shardminvalue IS NOT DISTINCT FROM a.shardminvalue"
        " WHERE a.logicalrelid = $1 AND b.logicalrelid = $2", 2, types, values, nullptr, true, 1);
    if (result != SPI_OK_SELECT || SPI_processed != 1)
        elog(ERROR, "the shards of table \"%s\" are not known", get_rel_name(pair.sessions));
    MemoryContext inner = MemoryContextSwitchTo(caller);
    const char *names = pstrdup(cell_text(0, 1));
    MemoryContextSwitchTo(inner);
    SPI_finish();
    return psprintf("(%s::jsonb ->> '%%1$s')::regclass", doubled_percents(quote_literal_cstr(names)));
}

void require_trigger_gate(Oid table, const char *function)
{
    if (!is_installed())
        return;
    const Placement placement = distribution_of(table).placement;
    if (is_whole(placement) || placement == Placement::managed)
        return;
    const char *allowed = GetConfigOption("citus.enable_unsafe_triggers", true, false);
    // A Citus that does not know the setting asks for none.
    if (allowed != nullptr && strcmp(allowed, "on") != 0)
        ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                errmsg("triggers on distributed tables are not enabled"),
                errdetail("citus.enable_unsafe_triggers is off."),
                errhint("Run SET citus.enable_unsafe_triggers TO on, then %s again.", function));
}

}  // namespace sc
