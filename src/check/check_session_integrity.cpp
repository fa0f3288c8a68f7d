// check_session_integrity: one member's active subscriptions against their sessions, as a JSON object.
#include "catalog/arguments.hpp"
#include "catalog/draw_order.hpp"
#include "check/read_counts.hpp"
#include "server/operators.hpp"
#include "server/values.hpp"

namespace sc {

namespace {

// The member's active subscriptions, gathered row by row; every text lives in context, which outlives the rows.
struct Answer {
    const Mapping *mapping;
    MemoryContext context;
    int active;
    Figures figures;           // of all in sum, or of the only one
    StringInfoData ids;        // of all, separated by commas
    StringInfoData issues;     // JSON strings, separated by commas
    StringInfoData items;      // a JSON object for each, separated by commas
};
static_assert(Pod<Answer>);

void append_string(StringInfo json, const char *text)
{
    if (json->len > 0)
        appendStringInfoString(json, ", ");
    escape_json(json, text);
}

const char *json_number(std::optional<int64> value)
{
    return value ? psprintf(INT64_FORMAT, *value) : "null";
}

// The figures of a subscription, or of several in sum, which have no name; of none there is nothing to tell.
void append_figures(StringInfo json, const Mapping &mapping, const Figures *figures)
{
    if (figures == nullptr) {
        appendStringInfoString(json, "\"subscription_id\": null, \"expected\": null, \"actual\": null, \"breakdown\": "
                                     "{\"completed\": null, \"scheduled\": null, \"remaining\": null}");
        return;
    }
    appendStringInfoString(json, "\"subscription_id\": ");
    if (figures->subscription_id == nullptr)
        appendStringInfoString(json, "null");
    else
        escape_json(json, figures->subscription_id);
    appendStringInfo(json, ", \"expected\": " INT64_FORMAT ", \"actual\": %s", expected(*figures),
                     json_number(figures->used));
    const char *carried =
        mapping.carried_column == nullptr ? "" : psprintf("\"carried\": " INT64_FORMAT ", ", figures->carried);
    appendStringInfo(json, ", \"breakdown\": {%s\"completed\": " INT64_FORMAT ", \"scheduled\": " INT64_FORMAT
                           ", \"remaining\": %s}",
                     carried, figures->completed, figures->scheduled, json_number(remaining(*figures)));
}

// "6 completed, 2 scheduled, 2 remaining of 10".
const char *counts_of(const Mapping &mapping, const Figures &figures)
{
    const char *carried = mapping.carried_column == nullptr ? "" : psprintf(INT64_FORMAT " carried, ", figures.carried);
    const char *counts = psprintf("%s" INT64_FORMAT " completed, " INT64_FORMAT " scheduled", carried,
                                  figures.completed, figures.scheduled);
    const std::optional<int64> rest = remaining(figures);
    return figures.total && rest
               ? psprintf("%s, " INT64_FORMAT " remaining of " INT64_FORMAT, counts, *rest, *figures.total)
               : psprintf("%s, without a limit", counts);
}

const char *judge(const Mapping &mapping, const Figures &figures, bool valid)
{
    return valid ? psprintf("Subscription %s is right: %s.", figures.subscription_id, counts_of(mapping, figures))
                 : psprintf("The counts of subscription %s are wrong.", figures.subscription_id);
}

void append_item(StringInfo items, const Mapping &mapping, const Figures &figures, const char *issues)
{
    const bool valid = issues[0] == '\0';
    appendStringInfo(items, "%s{\"valid\": %s, ", items->len == 0 ? "" : ", ", valid ? "true" : "false");
    append_figures(items, mapping, &figures);
    appendStringInfoString(items, ", \"message\": ");
    escape_json(items, judge(mapping, figures, valid));
    appendStringInfo(items, ", \"issues\": [%s]}", issues);
}

// Absent where either is, and what is too large for a number of this kind.
std::optional<int64> sum(std::optional<int64> left, std::optional<int64> right)
{
    int64 result;
    return left && right && !pg_add_s64_overflow(*left, *right, &result) ? std::optional(result) : std::nullopt;
}

void add_figures(Answer &answer, const Figures &figures)
{
    Figures &sums = answer.figures;
    if (answer.active == 0) {
        sums = figures;
        return;
    }
    sums.subscription_id = nullptr;
    sums.total = sum(sums.total, figures.total);
    sums.used = sum(sums.used, figures.used);
    sums.carried += figures.carried;
    sums.completed += figures.completed;
    sums.scheduled += figures.scheduled;
}

void gather(const Figures &row, void *state)
{
    auto *answer = static_cast<Answer *>(state);
    MemoryContext context = MemoryContextSwitchTo(answer->context);
    Figures figures = row;
    figures.subscription_id = pstrdup(row.subscription_id);
    add_figures(*answer, figures);
    appendStringInfo(&answer->ids, "%s%s", answer->active++ == 0 ? "" : ", ", figures.subscription_id);
    StringInfoData issues;
    initStringInfo(&issues);
    const Faults faults = find_faults(*answer->mapping, figures);
    for (size_t i = 0; i < faults.count; i++)
        append_string(&issues, psprintf("Subscription %s: %s.", figures.subscription_id, faults.clauses[i]));
    if (issues.len > 0)
        appendStringInfo(&answer->issues, "%s%s", answer->issues.len == 0 ? "" : ", ", issues.data);
    append_item(&answer->items, *answer->mapping, figures, issues.data);
    MemoryContextSwitchTo(context);
}

// Links that the application gives say nothing of a member.
void require_members(const Counting &counting)
{
    if (is_searched(counting.mapping))
        return;
    const char *sessions = get_rel_name(counting.sessions);
    const char *subscriptions = get_rel_name(counting.subscriptions);
    ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
            errmsg("the attachment of table \"%s\" to table \"%s\" knows no member", sessions, subscriptions),
            errdetail("The application names the row of \"%s\" that a session takes: member_column is NULL.",
                      subscriptions),
            errhint("session_consistency.check_counts() checks the counts of its rows. To ask for a member, name an "
                    "attachment that has one in the argument \"subscriptions\"."));
}

// Refuses a text that the type refuses, as the type does, before it stands in a query.
void check_member(const Counting &counting, const char *member)
{
    const AttrNumber column = get_attnum(counting.subscriptions, counting.mapping.subscription_member_column);
    Oid input;
    Oid parameter;
    getTypeInputInfo(getBaseType(get_atttype(counting.subscriptions, column)), &input, &parameter);
    OidInputFunctionCall(input, const_cast<char *>(member), parameter, -1);
}

// As they are drawn, then by key.
const char *drawing_order(const Counting &counting)
{
    StringInfoData order;
    initStringInfo(&order);
    if (counting.mapping.draw_order != nullptr)
        for (const DrawItem &item : parse_draw_order(counting.mapping.draw_order))
            appendStringInfo(&order, "%s%s NULLS %s, ", quoted_column("s", item.column), item.descending ? " DESC" : "",
                             item.nulls_first ? "FIRST" : "LAST");
    appendStringInfoString(&order, quoted_column("s", counting.subscription_id));
    return order.data;
}

const char *active_subscriptions_query(const Counting &counting, const char *member)
{
    const Mapping &mapping = counting.mapping;
    const Operand of_subscription =
        column_operand("s", counting.subscriptions, mapping.subscription_member_column);
    return psprintf("SELECT %s FROM %s AS s CROSS JOIN %s WHERE %s AND %s ORDER BY %s",
                    figures_list(counting, "c.completed", "c.scheduled"), qualified_name(counting.subscriptions),
                    counts_of_subscription(counting),
                    equals(of_subscription, literal_operand(member, of_subscription.type)),
                    active_condition(mapping, "s"), drawing_order(counting));
}

Answer read_active(const Counting &counting, const char *member)
{
    Answer answer{};
    answer.mapping = &counting.mapping;
    answer.context = CurrentMemoryContext;
    initStringInfo(&answer.ids);
    initStringInfo(&answer.issues);
    initStringInfo(&answer.items);
    require_members(counting);
    check_member(counting, member);
    read_figures(active_subscriptions_query(counting, member), gather, &answer);
    return answer;
}

// More than one are wrong where nothing says which of them pays.
bool is_ambiguous(const Answer &answer)
{
    return answer.active > 1 && answer.mapping->draw_order == nullptr;
}

const char *sum_up(const Answer &answer, const char *member)
{
    if (answer.active == 0)
        return psprintf("Member %s has no active subscription.", member);
    if (answer.active == 1)
        return judge(*answer.mapping, answer.figures, answer.issues.len == 0);
    const char *several = psprintf("Member %s has %d active subscriptions", member, answer.active);
    if (is_ambiguous(answer))
        return psprintf("%s.", several);
    if (answer.issues.len > 0)
        return psprintf("%s, and the counts of some are wrong.", several);
    return psprintf("%s, and all are right: %s.", several, counts_of(*answer.mapping, answer.figures));
}

const char *format_answer(Answer &answer, const char *member)
{
    StringInfoData several;
    initStringInfo(&several);
    if (is_ambiguous(answer))
        append_string(&several, psprintf("Member %s has %d active subscriptions (%s); only one is allowed.", member,
                                         answer.active, answer.ids.data));
    StringInfoData json;
    initStringInfo(&json);
    const bool valid = several.len == 0 && answer.issues.len == 0;
    appendStringInfo(&json, "{\"valid\": %s, ", valid ? "true" : "false");
    append_figures(&json, *answer.mapping, answer.active == 0 || is_ambiguous(answer) ? nullptr : &answer.figures);
    appendStringInfoString(&json, ", \"message\": ");
    escape_json(&json, sum_up(answer, member));
    if (answer.mapping->draw_order != nullptr)
        appendStringInfo(&json, ", \"subscriptions\": [%s]", answer.items.data);
    appendStringInfo(&json, ", \"issues\": [%s%s%s]}", several.data,
                     several.len > 0 && answer.issues.len > 0 ? ", " : "", answer.issues.data);
    return json.data;
}

// The member as text, whichever type the called overload takes.
const char *member_argument(FunctionCallInfo fcinfo)
{
    if (PG_ARGISNULL(0))
        ereport(ERROR, errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("argument \"p_member_id\" must not be NULL"));
    Oid *types;
    int count;
    get_func_signature(fcinfo->flinfo->fn_oid, &types, &count);
    return value_text(PG_GETARG_DATUM(0), types[0]);
}

}  // namespace

}  // namespace sc

extern "C" {
PG_FUNCTION_INFO_V1(sc_check_session_integrity);
}

extern "C" Datum sc_check_session_integrity(PG_FUNCTION_ARGS)
{
    const char *member = sc::member_argument(fcinfo);
    sc::Pair pair = sc::pair_arguments(sc::arguments_of(fcinfo));
    if (sc::names_none(pair))
        pair.sessions = sc::require_attachment(pair).sessions;
    for (const sc::Attachment &attachment : sc::find_attachments(pair.sessions, pair.subscriptions))
        if (OidIsValid(attachment.subscriptions))
            sc::require_every_row(attachment.subscriptions,
                                  std::array{attachment.mapping.subscription_status_column});
    const char *json = nullptr;
    sc::read_one(pair, [&](const sc::Counting &counting) {
        sc::Answer answer = sc::read_active(counting, member);
        json = sc::format_answer(answer, member);
    });
    return DirectFunctionCall1(jsonb_in, CStringGetDatum(json));
}
