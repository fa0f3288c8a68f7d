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
            errhint("Distribute both by the member column and colocate them, or neither."));
    pg_unreachable();
}

void refuse_shard(Oid table)
{
    ereport(ERROR, errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
            errmsg("table \"%s\" is a shard", get_rel_name(table)),
            errdetail("Citus makes the triggers of a distributed table on its shards."),
            errhint("Attach the distributed table."));
}

bool same_text(const char *left, const char *right)
{
    return left != nullptr && right != nullptr && strcmp(left, right) == 0;
}

// Colocated, and by columns that let each session find its subscription on its own shard.
void judge_together(const Request &request, const Facts &facts, const Distribution &sessions,
                    const Distribution &subscriptions)
{
    const Mapping &mapping = facts.mapping;
    if (sessions.placement != Placement::distributed || subscriptions.placement != Placement::distributed)
        refuse(request, psprintf("Table \"%s\" is %s, table \"%s\" is %s.", get_rel_name(request.sessions),
                                 describe(sessions.placement), get_rel_name(request.subscriptions),
                                 describe(subscriptions.placement)));
    if (sessions.colocation != subscriptions.colocation)
        refuse(request, "They are not colocated.");
    if (is_searched(mapping)) {
        if (!same_text(sessions.column, mapping.member_column) ||
            !same_text(subscriptions.column, mapping.subscription_member_column))
            refuse(request, "They are not distributed by the member.");
    } else if (!same_text(sessions.column, mapping.subscription_column) ||
               !same_text(subscriptions.column, facts.join.column)) {
        // The foreign key of the link holds the distribution column only where that is the link.
        refuse(request, "They are not distributed by the link and the key that it refers to.");
    }
}

void judge_options(const Facts &facts)
{
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
    const Distribution sessions = distribution_of(request.sessions);
    const Distribution subscriptions = distribution_of(request.subscriptions);
    if (sessions.placement == Placement::local && subscriptions.placement == Placement::local)
        return;
    judge_together(request, facts, sessions, subscriptions);
    judge_options(facts);
    require_trigger_gate(request.sessions, "attach");
}

}  // namespace sc
