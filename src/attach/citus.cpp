// Judges the distribution of two tables under Citus.
#include "attach/citus.hpp"

#include "catalog/citus.hpp"

namespace sc {

namespace {

[[noreturn]] void refuse(const Request &request, const char *detail)
{
    ereport(ERROR, errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
            errmsg("tables \"%s\" and \"%s\" are not distributed together", get_rel_name(request.sessions),
                   get_rel_name(request.subscriptions)),
            errdetail_internal("%s", detail),
            errhint("Distribute both by the member column and colocate them; or have both in one distributed schema, "
                    "both as reference tables, or both local."));
    pg_unreachable();
}

void refuse_shard(Oid table)
{
    ereport(ERROR, errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
            errmsg("table \"%s\" is a shard", get_rel_name(table)),
            errdetail("Citus makes the triggers of a distributed table on its shards."),
            errhint("Attach the distributed table."));
}

void judge_options(const Facts &facts, Placement placement)
{
    if (facts.mapping.ledger)
        ereport(ERROR, errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                errmsg("tables of Citus have no ledger"),
                errdetail("Each node would write lines of its own, which no other sees."),
                errhint("Attach with ledger => false."));
    if (facts.mapping.notify)
        ereport(ERROR, errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                errmsg("counts of tables of Citus are not notified"),
                errdetail("Each node would notify listeners of its own, which no other hears."),
                errhint("Attach with notify => false."));
    if (facts.mapping.draw_order != nullptr && placement == Placement::reference)
        ereport(ERROR, errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                errmsg("reference tables have no draw_order"),
                errdetail("Each node would draw for its own copy, and could draw differently."),
                errhint("Distribute both tables by the member column and colocate them."));
}

}  // namespace

void refuse_shards(const Request &request)
{
    for (const Oid table : {request.sessions, request.subscriptions})
        if (is_shard(table))
            refuse_shard(table);
}

void check_distribution(const Request &request, const Facts &facts)
{
    if (const char *separation = find_separation(pair_of(request), facts.mapping, facts.join.column))
        refuse(request, separation);
    if (!is_sharded(request.sessions))
        return;
    judge_options(facts, distribution_of(request.sessions).placement);
    if (!request.dry_run)
        require_trigger_gate(request.sessions, "attach");
}

}  // namespace sc
