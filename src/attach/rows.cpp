// Looks at the rows of the tables that attach() is given.
#include "attach/rows.hpp"

#include "catalog/counting.hpp"
#include "server/owner.hpp"
#include "server/pg_compat.hpp"
#include "server/spi.hpp"

namespace sc {

namespace {

// What the rows say that makes attach() refuse; nullptr where they do not.
struct Faults {
    const char *ambiguous_member;
    const char *dangling_link;
    const char *impossible_rest;      // which subscription it is, with its figures
};

// The first column of the first row as text, "" where the query has no column; nullptr where it finds no row.
const char *first_value(MemoryContext context, const char *query)
{
    if (ask(query, {.writes = true}) == 0)
        return nullptr;
    const char *value =
        SPI_tuptable->tupdesc->natts == 0 ? "" : SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
    return MemoryContextStrdup(context, value == nullptr ? "" : value);
}

bool has_row(const char *table, const char *condition)
{
    return first_value(CurrentMemoryContext, psprintf("SELECT FROM %s WHERE %s LIMIT 1", table, condition)) != nullptr;
}

const char *ambiguous_member_query(const Request &request, const Mapping &mapping)
{
    const char *member = quote_identifier(mapping.subscription_member_column);
    return psprintf("SELECT %s FROM %s WHERE %s AND %s IS NOT NULL GROUP BY %s HAVING count(*) > 1 LIMIT 1", member,
                    qualified_name(request.subscriptions), active_condition(mapping, nullptr), member, member);
}

const char *dangling_link_query(const Request &request, const Facts &facts)
{
    const Mapping &mapping = facts.mapping;
    const Counting counting{request.sessions, request.subscriptions, facts.join.column, facts.join.by_member, mapping};
    return psprintf("SELECT %s FROM %s AS t WHERE %s IS NOT NULL AND %s IS NOT NULL"
                    " AND NOT EXISTS (SELECT FROM %s AS s WHERE %s) LIMIT 1",
                    quoted_column("t", mapping.subscription_column), qualified_name(request.sessions),
                    quoted_column("t", mapping.subscription_column),
                    quoted_column("t", facts.join.by_member ? mapping.member_column : mapping.subscription_column),
                    qualified_name(request.subscriptions), join_condition(counting, "t", "s"));
}

// A subscription of which a plain remaining column says that more is left than it has, or less than nothing.
const char *impossible_rest_query(const Request &request, const Facts &facts)
{
    const Mapping &mapping = facts.mapping;
    const char *total = quote_identifier(mapping.total_column);
    const char *remaining = quote_identifier(mapping.remaining_column);
    return psprintf("SELECT format('Subscription %%s has a total of %%s, and %%s remaining.', %s, %s, %s) FROM %s"
                    " WHERE %s IS NOT NULL AND NOT %s BETWEEN 0 AND %s ORDER BY %s LIMIT 1",
                    quote_identifier(facts.join.column), total, remaining, qualified_name(request.subscriptions), total,
                    remaining, total, quote_identifier(facts.join.column));
}

// The rows of a missing column are what ADD COLUMN will make them: a counter of 0 or what is gone, no link.
const char *total_condition(const Facts &facts)
{
    if (facts.missing.total_column) {
        const char *some_left = psprintf("%s >= 0", quote_identifier(facts.mapping.remaining_column));
        return facts.missing.used_column
                   ? some_left
                   : psprintf("%s AND %s >= 0", some_left, quote_identifier(facts.mapping.used_column));
    }
    if (!facts.missing.used_column)
        return counter_condition(facts.mapping);
    return facts.mapping.total_column == nullptr
               ? "true"
               : psprintf("%s >= 0", quote_identifier(facts.mapping.total_column));
}

const char *link_condition(const Facts &facts)
{
    return facts.missing.link_column ? psprintf("NOT (%s)", consuming_condition(facts.mapping, nullptr))
                                     : link_check_condition(facts.mapping);
}

// Some subscription has used a credit, or shows that it has.
const char *used_condition(const Facts &facts)
{
    const Mapping &mapping = facts.mapping;
    const char *used = quote_identifier(mapping.used_column);
    if (facts.missing.used_column)
        return psprintf("%s <> 0", gone_before(facts));
    const char *counted = psprintf("%s IS DISTINCT FROM 0", used);
    if (mapping.remaining_column == nullptr || facts.missing.total_column)
        return counted;
    return psprintf("%s OR %s IS DISTINCT FROM %s", counted, quote_identifier(mapping.remaining_column),
                    quote_identifier(mapping.total_column));
}

// A consuming session may need a link or have one that the counters do not know. Where the application gives the links,
// one without a link needs none.
const char *history_condition(const Facts &facts)
{
    const Mapping &mapping = facts.mapping;
    if (is_searched(mapping))
        return consuming_condition(mapping, nullptr);
    return facts.missing.link_column
               ? "false"
               : psprintf("%s AND %s", linked_condition(mapping), counted_condition(mapping, nullptr));
}

bool has_history(const Request &request, const Facts &facts, const Rows &rows)
{
    return (rows.sessions_filled && has_row(qualified_name(request.sessions), history_condition(facts))) ||
           (rows.subscriptions_filled &&
            has_row(qualified_name(request.subscriptions), used_condition(facts)));
}

// Whether the counters are other than what is counted by the arguments.
bool differs(const Request &request, const Facts &facts)
{
    const Counting counting{request.sessions, request.subscriptions, facts.join.column, facts.join.by_member,
                            facts.mapping};
    return first_value(CurrentMemoryContext,
                       psprintf("SELECT 'differs' FROM %s AS s CROSS JOIN %s WHERE NOT (%s) LIMIT 1",
                                qualified_name(request.subscriptions), counts_of_subscription(counting),
                                consistent_condition(facts.mapping, "s", "(c.completed + c.scheduled)"))) != nullptr;
}

Rows look_at_rows(const Request &request, const Facts &facts, MemoryContext context, Faults &faults)
{
    const Missing &missing = facts.missing;
    const char *sessions = qualified_name(request.sessions);
    const char *subscriptions = qualified_name(request.subscriptions);
    Rows rows{};
    rows.sessions_filled = has_row(sessions, "true");
    rows.subscriptions_filled = has_row(subscriptions, "true");
    rows.total_violated = missing.total_check && rows.subscriptions_filled &&
                          has_row(subscriptions, psprintf("NOT (%s)", total_condition(facts)));
    rows.link_violated = missing.link_check && rows.sessions_filled &&
                         has_row(sessions, psprintf("NOT (%s)", link_condition(facts)));
    rows.history = has_history(request, facts, rows);
    rows.differs = facts.changes.recount && differs(request, facts);
    if (missing.active_index)
        faults.ambiguous_member = first_value(context, ambiguous_member_query(request, facts.mapping));
    if (missing.used_column && !missing.total_column && facts.mapping.remaining_column != nullptr &&
        facts.join.column != nullptr)
        faults.impossible_rest = first_value(context, impossible_rest_query(request, facts));
    const bool validated_at_once =
        facts.partitioned && !partitioned_key_may_be_not_valid && missing.link_key && !missing.link_column &&
        facts.join.column != nullptr;
    if (validated_at_once && rows.sessions_filled)
        faults.dangling_link = first_value(context, dangling_link_query(request, facts));
    return rows;
}

Rows look_as_owner(const Request &request, const Facts &facts, MemoryContext context, Faults &faults)
{
    const Caller caller = enter_restricted(owner_of(request.sessions));
    connect_spi();
    const Rows rows = look_at_rows(request, facts, context, faults);
    SPI_finish();
    leave_owner(caller);
    return rows;
}

// In a subtransaction that is rolled back: that is how a query's locks are given up before the transaction ends.
Rows look_without_trace(const Request &request, const Facts &facts, Faults &faults)
{
    MemoryContext context = CurrentMemoryContext;
    ResourceOwner owner = CurrentResourceOwner;
    Rows rows{};
    BeginInternalSubTransaction(nullptr);
    PG_TRY();
    {
        MemoryContextSwitchTo(context);
        rows = look_as_owner(request, facts, context, faults);
    }
    PG_CATCH();
    {
        MemoryContextSwitchTo(context);
        ErrorData *error = CopyErrorData();
        FlushErrorState();
        RollbackAndReleaseCurrentSubTransaction();
        CurrentResourceOwner = owner;
        ReThrowError(error);
    }
    PG_END_TRY();
    RollbackAndReleaseCurrentSubTransaction();
    MemoryContextSwitchTo(context);
    CurrentResourceOwner = owner;
    return rows;
}

void refuse_ambiguous(const Request &request, const Facts &facts, const char *member)
{
    ereport(ERROR, errcode(ERRCODE_UNIQUE_VIOLATION),
            errmsg("a member has more than one active subscription in table \"%s\"",
                   get_rel_name(request.subscriptions)),
            facts.mapping.subscription_status_column == nullptr
                ? errdetail("Key (%s)=(%s) has several, and without a status all of them are active.",
                            facts.mapping.subscription_member_column, member)
                : errdetail("Key (%s)=(%s) has several where %s.", facts.mapping.subscription_member_column, member,
                            active_condition(facts.mapping, nullptr)),
            errhint("session_consistency.audit() lists them. Decide which one stays active, then attach again."));
}

void refuse_impossible_rest(const Request &request, const Facts &facts, const char *figures)
{
    ereport(ERROR, errcode(ERRCODE_CHECK_VIOLATION),
            errmsg("column \"%s\" of table \"%s\" says that more is left than there is, or less than nothing",
                   facts.mapping.remaining_column, get_rel_name(request.subscriptions)),
            errdetail_internal("%s", figures),
            errhint("The column \"%s\" that attach() adds starts at total minus remaining. Put such rows right first.",
                    facts.mapping.used_column));
}

void refuse_dangling(const Request &request, const Facts &facts, const char *link)
{
    ereport(ERROR, errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
            errmsg("a session of table \"%s\" is linked to a subscription that does not exist",
                   get_rel_name(request.sessions)),
            errdetail("Key (%s)=(%s) is not present in table \"%s\".", facts.mapping.subscription_column, link,
                      get_rel_name(request.subscriptions)),
            errhint("session_consistency.audit() lists such sessions. Clear their links, then attach again."));
}

}  // namespace

Rows inspect_rows(Obstacles &obstacles, const Request &request, const Facts &facts)
{
    Faults faults{};
    const Rows rows = look_without_trace(request, facts, faults);
    const auto refuse = [&](const char *fault, auto raise) {
        if (fault != nullptr)
            passes(obstacles, [&] { raise(request, facts, fault); });
    };
    refuse(faults.ambiguous_member, refuse_ambiguous);
    refuse(faults.impossible_rest, refuse_impossible_rest);
    refuse(faults.dangling_link, refuse_dangling);
    return rows;
}

}  // namespace sc
