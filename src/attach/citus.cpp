// Judges the distribution of two tables under Citus.
#include "attach/citus.hpp"
#include "server/spi.hpp"

namespace sc {

namespace {

// One table's row of pg_dist_partition.
struct Distribution {
    bool distributed;        // by hash: neither local nor a reference table
    int32 colocation;
    const char *column;
};

Distribution distribution_of(Oid table)
{
    Oid types[] = {OIDOID};
    Datum values[] = {ObjectIdGetDatum(table)};
    const int result = SPI_execute_with_args(
        "SELECT colocationid::int4, pg_catalog.column_to_column_name(logicalrelid, partkey)"
        " FROM pg_catalog.pg_dist_partition WHERE logicalrelid = $1 AND partmethod = 'h'",
        1, types, values, nullptr, false, 1);
    if (result != SPI_OK_SELECT)
        elog(ERROR, "reading pg_dist_partition failed: %s", SPI_result_code_string(result));
    if (SPI_processed == 0)
        return {};
    HeapTuple row = SPI_tuptable->vals[0];
    bool null;
    const Datum colocation = SPI_getbinval(row, SPI_tuptable->tupdesc, 1, &null);
    const char *column = SPI_getvalue(row, SPI_tuptable->tupdesc, 2);
    return Distribution{true, null ? 0 : DatumGetInt32(colocation), column == nullptr ? "" : column};
}

[[noreturn]] void refuse(const Request &request, const char *detail)
{
    ereport(ERROR, errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
            errmsg("tables \"%s\" and \"%s\" are not distributed together", get_rel_name(request.sessions),
                   get_rel_name(request.subscriptions)),
            errdetail_internal("%s", detail),
            errhint("Distribute both by the member column and colocate them, or neither."));
    pg_unreachable();
}

void judge(const Request &request, const Facts &facts, const Distribution &sessions,
           const Distribution &subscriptions)
{
    if (!sessions.distributed && !subscriptions.distributed)
        return;
    if (!sessions.distributed || !subscriptions.distributed)
        refuse(request, "Only one of them is distributed.");
    if (sessions.colocation != subscriptions.colocation)
        refuse(request, "They are not colocated.");
    if (!is_searched(facts.mapping)) {
        // The foreign key of the link holds the distribution column only where that is the link.
        if (strcmp(sessions.column, facts.mapping.subscription_column) != 0 ||
            strcmp(subscriptions.column, facts.join.column) != 0)
            refuse(request, "They are not distributed by the link and the key that it refers to.");
    } else if (strcmp(sessions.column, facts.mapping.member_column) != 0 ||
        strcmp(subscriptions.column, facts.mapping.subscription_member_column) != 0) {
        refuse(request, "They are not distributed by the member.");
    }
    if (facts.mapping.ledger)
        ereport(ERROR, errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                errmsg("distributed tables have no ledger"),
                errdetail("Each node would write lines of its own, which no other sees."),
                errhint("Attach with ledger => false."));
    if (facts.mapping.notify)
        ereport(ERROR, errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                errmsg("counts of distributed tables are not notified"),
                errdetail("Each node would notify listeners of its own, which no other hears."),
                errhint("Attach with notify => false."));
    const char *allowed = GetConfigOption("citus.enable_unsafe_triggers", true, false);
    if (allowed == nullptr || strcmp(allowed, "on") != 0)
        ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                errmsg("triggers on distributed tables are not enabled"),
                errdetail("citus.enable_unsafe_triggers is off."),
                errhint("Run SET citus.enable_unsafe_triggers TO on, then attach again."));
}

}  // namespace

void check_distribution(const Request &request, const Facts &facts)
{
    if (!OidIsValid(get_extension_oid("citus", true)))
        return;
    connect_spi();
    judge(request, facts, distribution_of(request.sessions), distribution_of(request.subscriptions));
    SPI_finish();
}

}  // namespace sc
