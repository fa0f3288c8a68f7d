// attach(): looks, plans, locks, looks again, runs the plan. Every change is a command that the caller is shown.
#include <algorithm>

#include "attach/citus.hpp"
#include "attach/plan.hpp"
#include "server/settings.hpp"

extern "C" {
PG_FUNCTION_INFO_V1(sc_attach);
}

namespace sc {

namespace {

// A CHECK that rows violate stays left out, as it was.
bool has_work(const Facts &facts, const Rows &rows)
{
    if (facts.attached == nullptr)
        return true;
    Missing missing = facts.missing;
    const Names made = facts.attached->mapping.made;
    missing.total_check &= !rows.total_violated || find_made(made, "total_check") == nullptr;
    missing.link_check &= !rows.link_violated || find_made(made, "link_check") == nullptr;
    return missing != Missing{} || facts.changes != Changes{};
}

bool drops_trigger(const TriggerActs &acts)
{
    return std::find(acts.begin(), acts.end(), Act::drop) != acts.end();
}

// The strongest lock first, the sessions' before the subscriptions': a column, a CHECK and what is dropped need the
// table alone, everything else only keeps writers out.
void lock_tables(const Request &request, const Facts &facts, const Rows &rows)
{
    const Missing &missing = facts.missing;
    const Changes &changes = facts.changes;
    const bool sessions_alone = missing.link_column || (missing.link_check && !rows.link_violated) ||
                                changes.link_check || changes.surplus || drops_trigger(missing.triggers);
    const bool subscriptions_alone = missing.used_column || missing.carried_column || missing.total_column ||
                                     (missing.total_check && !rows.total_violated) || changes.active_index ||
                                     changes.surplus;
    const LOCKMODE sessions_lock = sessions_alone ? AccessExclusiveLock : ShareRowExclusiveLock;
    LockRelationOid(request.sessions, sessions_lock);
    partition_tree(request.sessions, sessions_lock);
    LockRelationOid(request.subscriptions, subscriptions_alone ? AccessExclusiveLock : ShareRowExclusiveLock);
}

Facts lock_and_look_again(const Request &request, const Facts &before, const Rows &rows)
{
    lock_tables(request, before, rows);
    Obstacles obstacles{};
    const Facts facts = *inspect_tables(obstacles, request);
    if (has_work(facts, rows) && (facts.missing != before.missing || facts.changes != before.changes))
        ereport(ERROR, errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
                errmsg("table \"%s\" or \"%s\" changed while attach() waited for its locks",
                       get_rel_name(request.sessions), get_rel_name(request.subscriptions)),
                errdetail("Something that was there is gone, or something that was missing is there."),
                errhint("Call attach() again."));
    return facts;
}

// What the tables and their rows say; a dry run collects what is in the way.
struct Look {
    std::optional<Facts> facts;    // nothing where something is in the way of looking further
    Rows rows;
    Obstacles obstacles;
};
static_assert(Pod<Look>);

Look look_at_tables(const Request &request)
{
    Look look{};
    look.obstacles.collects = request.dry_run;
    if (passes(look.obstacles, [&] { refuse_shards(request); }))
        look.facts = inspect_tables(look.obstacles, request);
    if (!look.facts)
        return look;
    const Facts &facts = *look.facts;
    passes(look.obstacles, [&] { check_distribution(request, facts); });
    if (facts.attached == nullptr || facts.missing != Missing{} || facts.changes != Changes{})
        look.rows = inspect_rows(look.obstacles, request, facts);
    return look;
}

// None where the attachment is already what the arguments say: then no lock is kept either.
Steps make_attachment(const Request &request)
{
    const Look look = look_at_tables(request);
    if (look.obstacles.found != NIL)
        return refusals(look.obstacles);
    Facts facts = *look.facts;
    if (!has_work(facts, look.rows))
        return {};
    if (!request.dry_run)
        facts = lock_and_look_again(request, facts, look.rows);
    if (!has_work(facts, look.rows))
        return {};
    const Steps steps = plan_steps(request, facts, look.rows);
    if (!request.dry_run)
        run_steps(steps);
    return steps;
}

}  // namespace

}  // namespace sc

extern "C" Datum sc_attach(PG_FUNCTION_ARGS)
{
    InitMaterializedSRF(fcinfo, 0);
    const int level = sc::enter_pinned_path();
    const sc::Request request = sc::read_request(fcinfo);
    const sc::Steps steps = sc::make_attachment(request);
    sc::leave_pinned_path(level);
    sc::return_steps(fcinfo, steps);
    PG_RETURN_NULL();
}
