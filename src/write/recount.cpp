// Counts again what a statement has settled.
#include "write/recount.hpp"

#include "catalog/counting.hpp"
#include "server/owner.hpp"
#include "server/search.hpp"
#include "server/spi.hpp"

namespace sc {

namespace {

bool recounts = false;

// The counter and the recount of the subscription with the key $1, or $1 and $2.
const char *recount_query(const Counting &counting, const SubscriptionShape &shape)
{
    const Mapping &mapping = counting.mapping;
    return psprintf("SELECT coalesce(s.%s, 0)::bigint, (%s + c.completed + c.scheduled)::bigint %s",
                    quote_identifier(mapping.used_column), carried_expression(mapping, "s"),
                    from_one_subscription(counting, shape.id_key.type, shape.member_key.type));
}

int64_t figure(int column)
{
    bool is_null;
    return DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column, &is_null));
}

void recount_sum(SPIPlanPtr plan, const SubscriptionShape &shape, const Sum &sum)
{
    Datum values[] = {sum.id, sum.member};
    SPI_execute_plan(plan, values, nullptr, true, 1);
    if (SPI_processed == 0 || figure(1) == figure(2))
        return;
    ereport(ERROR, errcode(ERRCODE_DATA_CORRUPTED),
            errmsg("the counter of subscription %s of relation \"%s\" is %lld, and its sessions hold %lld",
                   value_text(sum.id, shape.id_key.type), get_rel_name(shape.relation),
                   static_cast<long long>(figure(1)), static_cast<long long>(figure(2))),
            errdetail("session_consistency.recount counts the subscriptions of each statement again."),
            errhint("Turn it off for subscriptions whose counters were wrong before."));
}

Oid root_of(Oid relation)
{
    Relation sessions = table_open(relation, AccessShareLock);
    const Oid root = root_table(sessions);
    table_close(sessions, NoLock);
    return root;
}

}  // namespace

void recount_part(const Statement &statement, const Part &part)
{
    // A serializable transaction would take what is read here for a dependency on others.
    if (!recounts || statement.depth > 1 || part.sums.count == 0 || is_anything_owed() || IsolationIsSerializable())
        return;
    const SubscriptionShape &shape = part.binding->subscriptions;
    const Oid root = root_of(part.binding->sessions.relation);
    const Counting counting = counting_of(require_attachment({root, shape.relation}));
    Relation subscriptions = table_open(shape.relation, AccessShareLock);
    if (!may_read(root, subscriptions->rd_rel->relowner)) {
        table_close(subscriptions, NoLock);
        return;
    }
    const Caller caller = enter_owner(subscriptions);
    push_newest_snapshot();
    connect_spi();
    Oid types[] = {shape.id_key.type, shape.member_key.type};
    SPIPlanPtr plan = SPI_prepare(recount_query(counting, shape), shape.by_member ? 2 : 1, types);
    if (plan == nullptr)
        elog(ERROR, "SPI_prepare failed: %s", SPI_result_code_string(SPI_result));
    for (uint32 number = 0; number < part.sums.count; number++)
        recount_sum(plan, shape, sum_at(part.sums, number));
    SPI_finish();
    PopActiveSnapshot();
    leave_owner(caller);
    table_close(subscriptions, NoLock);
}

void init_recount()
{
    DefineCustomBoolVariable("session_consistency.recount",
                             "Counts the subscriptions that a statement has touched again when it ends.",
                             "For tests: a difference is an error.", &recounts, false, PGC_SUSET, 0, nullptr, nullptr,
                             nullptr);
}

}  // namespace sc
