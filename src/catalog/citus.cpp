// Reads what Citus says of a table.
#include "catalog/citus.hpp"

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

const char *find_distribution_gap(Oid table)
{
    const Placement placement = distribution_of(table).placement;
    if (placement == Placement::local || placement == Placement::shard)
        return nullptr;
    const char *name = qualified_name(table);
    if (placement == Placement::distributed)
        return psprintf("table %s is distributed: its shards are not looked at, ask each of them", name);
    return psprintf("table %s is %s: counters are kept in the rows of this node alone", name, describe(placement));
}

void require_undistributed(const Pair &pair, const char *function, const char *per_shard)
{
    if (!is_installed())
        return;
    for (const Oid table : {pair.sessions, pair.subscriptions}) {
        const Placement placement = OidIsValid(table) ? distribution_of(table).placement : Placement::local;
        if (placement == Placement::local || placement == Placement::shard)
            continue;
        const bool distributed = placement == Placement::distributed;
        ereport(ERROR, errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                errmsg("%s() does not work on table \"%s\"", function, get_rel_name(table)),
                errdetail("It is %s: its rows are in shards, which the call does not see.",
                          describe(placement)),
                distributed ? errhint("Call it on each shard: SELECT * FROM run_command_on_shards('%s', $$%s$$).",
                                      qualified_name(pair.sessions), per_shard)
                            : errhint("Detach the tables; undistribute_table() makes them local again, or distribute "
                                      "both by the member, then attach again."));
    }
}

void require_trigger_gate(Oid table, const char *function)
{
    if (!is_installed() || distribution_of(table).placement != Placement::distributed)
        return;
    const char *allowed = GetConfigOption("citus.enable_unsafe_triggers", true, false);
    if (allowed == nullptr || strcmp(allowed, "on") != 0)
        ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                errmsg("triggers on distributed tables are not enabled"),
                errdetail("citus.enable_unsafe_triggers is off."),
                errhint("Run SET citus.enable_unsafe_triggers TO on, then %s again.", function));
}

}  // namespace sc
