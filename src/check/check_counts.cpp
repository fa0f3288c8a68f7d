// check_counts: recounts every subscription and returns the ones that are wrong. Finds faults by sets, not by row.
#include "catalog/arguments.hpp"
#include "check/scan_counts.hpp"
#include "server/operators.hpp"

namespace sc {

namespace {

constexpr size_t width = 13;

// Where the wrong subscriptions of one attachment go.
struct Findings {
    Tuplestorestate *rows;
    TupleDesc shape;
    const Counting *counting;
};
static_assert(Pod<Findings>);

Datum integer_datum(std::optional<int64> value, bool *is_null)
{
    *is_null = !value;
    return value ? Int64GetDatum(*value) : Datum{0};
}

Datum text_datum(const char *value, bool *is_null)
{
    *is_null = value == nullptr;
    return value == nullptr ? Datum{0} : CStringGetTextDatum(value);
}

// One sentence with everything that is wrong.
const char *describe(const Mapping &mapping, const Figures &figures)
{
    const Faults faults = find_faults(mapping, figures);
    StringInfoData text;
    initStringInfo(&text);
    appendStringInfo(&text, "Subscription %s: ", figures.subscription_id);
    for (size_t i = 0; i < faults.count; i++)
        appendStringInfo(&text, "%s%s", i == 0 ? "" : "; ", faults.clauses[i]);
    appendStringInfoChar(&text, '.');
    return text.data;
}

void store_finding(const Figures &figures, void *state)
{
    const auto *findings = static_cast<const Findings *>(state);
    std::array<bool, width> nulls{};
    std::array<Datum, width> values{ObjectIdGetDatum(findings->counting->sessions),
                                 ObjectIdGetDatum(findings->counting->subscriptions),
                                 text_datum(figures.subscription_id, &nulls[2]),
                                 text_datum(figures.member_id, &nulls[3]),
                                 integer_datum(figures.total, &nulls[4]),
                                 Int64GetDatum(figures.carried),
                                 Int64GetDatum(figures.completed),
                                 Int64GetDatum(figures.scheduled),
                                 integer_datum(remaining(figures), &nulls[8]),
                                 integer_datum(figures.used, &nulls[9]),
                                 Int64GetDatum(expected(figures)),
                                 integer_datum(difference(figures.used, expected(figures)), &nulls[11]),
                                 CStringGetTextDatum(describe(findings->counting->mapping, figures))};
    tuplestore_putvalues(findings->rows, findings->shape, values.data(), nulls.data());
}

// The row of an attachment that cannot be counted: it has no figures.
void store_failure(const Attachment &attachment, const char *why, Tuplestorestate *rows, TupleDesc shape)
{
    std::array<Datum, width> values{ObjectIdGetDatum(attachment.sessions), ObjectIdGetDatum(attachment.subscriptions)};
    std::array<bool, width> nulls;
    nulls.fill(true);
    nulls[0] = nulls[width - 1] = false;
    Assert(shape->natts == static_cast<int>(values.size()));
    nulls[1] = !OidIsValid(attachment.subscriptions);
    values[width - 1] = CStringGetTextDatum(psprintf("Cannot be checked: %s.", why));
    tuplestore_putvalues(rows, shape, values.data(), nulls.data());
}

// Sums up the counted sessions once, for all subscriptions together; a status stands in one list only.
const char *wrong_counts_query(const Counting &counting)
{
    const Mapping &mapping = counting.mapping;
    const char *link = quoted_column("t", mapping.subscription_column);
    const char *member = member_of_session(mapping, "t");
    const char *id = quoted_column("s", counting.subscription_id);
    StringInfoData query;
    initStringInfo(&query);
    appendStringInfo(&query, "SELECT %s FROM %s AS s LEFT JOIN",
                     figures_list(counting, "coalesce(c.completed, 0)", "coalesce(c.counted - c.completed, 0)"),
                     qualified_name(counting.subscriptions));
    appendStringInfo(&query, " (SELECT %s, %s, %s, %s FROM %s AS t", link,
                     counting.by_member ? member : "NULL", credits_expression(mapping, "t", nullptr),
                     credits_expression(mapping, "t", completed_condition(mapping, "t")),
                     qualified_name(counting.sessions));
    appendStringInfo(&query, " WHERE %s IS NOT NULL AND %s GROUP BY %s%s%s) AS c(link, member, counted, completed)",
                     link, counted_condition(mapping, "t"), link, counting.by_member ? ", " : "",
                     counting.by_member ? member : "");
    appendStringInfo(&query, " ON %s",
                     equals(operand_of_type("c.link", counting.sessions, mapping.subscription_column),
                            operand_of_type(id, counting.subscriptions, counting.subscription_id)));
    if (counting.by_member)
        appendStringInfo(&query, " AND %s",
                         equals(operand_of_type("c.member", counting.sessions, mapping.member_column),
                                column_operand("s", counting.subscriptions, mapping.subscription_member_column)));
    appendStringInfo(&query, " WHERE NOT (%s) ORDER BY %s, %s",
                     consistent_condition(mapping, "s", "coalesce(c.counted, 0)"), id,
                     member_of_subscription(mapping, "s"));
    return query.data;
}

}  // namespace

}  // namespace sc

extern "C" {
PG_FUNCTION_INFO_V1(sc_check_counts);
}

extern "C" Datum sc_check_counts(PG_FUNCTION_ARGS)
{
    using namespace sc;
    InitMaterializedSRF(fcinfo, 0);
    const auto *result = reinterpret_cast<const ReturnSetInfo *>(fcinfo->resultinfo);
    const auto count = [result](const Counting &counting, Tuplestorestate *rows) {
        Findings findings{rows, result->setDesc, &counting};
        if (!scan_wrong_counts(counting, store_finding, &findings))
            read_figures(wrong_counts_query(counting), store_finding, &findings);
    };
    const auto fail = [result](const Attachment &attachment, const char *why, Tuplestorestate *rows) {
        store_failure(attachment, why, rows, result->setDesc);
    };
    read_each(pair_arguments(arguments_of(fcinfo)), result, count, fail);
    return Datum{0};
}
