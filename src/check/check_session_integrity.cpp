// check_session_integrity: one member's active subscription against its sessions, as a JSON object.
#include "catalog/arguments.hpp"
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
    Figures figures;           // of the last one; all there is where there is one
    StringInfoData ids;        // of all, separated by commas
    StringInfoData issues;     // JSON strings, separated by commas
};
static_assert(Pod<Answer>);

void append_string(StringInfo json, const char *text)
{
    if (json->len > 0)
        appendStringInfoString(json, ", ");
    escape_json(json, text);
}

void gather(const Figures &figures, void *state)
{
    auto *answer = static_cast<Answer *>(state);
    MemoryContext row = MemoryContextSwitchTo(answer->context);
    answer->figures = figures;
    answer->figures.subscription_id = pstrdup(figures.subscription_id);
    appendStringInfo(&answer->ids, "%s%s", answer->active++ == 0 ? "" : ", ", figures.subscription_id);
    const Faults faults = find_faults(*answer->mapping, figures);
    for (size_t i = 0; i < faults.count; i++)
        append_string(&answer->issues, psprintf("Subscription %s: %s.", figures.subscription_id, faults.clauses[i]));
    MemoryContextSwitchTo(row);
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

const char *active_subscriptions_query(const Counting &counting, const char *member)
{
    const Mapping &mapping = counting.mapping;
    const Operand of_subscription =
        column_operand("s", counting.subscriptions, mapping.subscription_member_column);
    return psprintf("SELECT %s FROM %s AS s CROSS JOIN %s WHERE %s AND %s ORDER BY %s",
                    figures_list(counting, "c.completed", "c.scheduled"), qualified_name(counting.subscriptions),
                    counts_of_subscription(counting),
                    equals(of_subscription, literal_operand(member, of_subscription.type)),
                    active_condition(mapping, "s"),
                    quoted_column("s", counting.subscription_id));
}

Answer read_active(const Counting &counting, const char *member)
{
    Answer answer{};
    answer.mapping = &counting.mapping;
    answer.context = CurrentMemoryContext;
    initStringInfo(&answer.ids);
    initStringInfo(&answer.issues);
    require_members(counting);
    check_member(counting, member);
    read_figures(active_subscriptions_query(counting, member), gather, &answer);
    return answer;
}

const char *json_number(std::optional<int64> value)
{
    return value ? psprintf(INT64_FORMAT, *value) : "null";
}

// The figures of the one active subscription; of none and of several there is nothing to tell.
void append_figures(StringInfo json, const Mapping &mapping, const Figures *figures)
{
    if (figures == nullptr) {
        appendStringInfoString(json, "\"subscription_id\": null, \"expected\": null, \"actual\": null, \"breakdown\": "
                                     "{\"completed\": null, \"scheduled\": null, \"remaining\": null}");
        return;
    }
    appendStringInfoString(json, "\"subscription_id\": ");
    escape_json(json, figures->subscription_id);
    appendStringInfo(json, ", \"expected\": " INT64_FORMAT ", \"actual\": %s", expected(*figures),
                     json_number(figures->used));
    const char *carried =
        mapping.carried_column == nullptr ? "" : psprintf("\"carried\": " INT64_FORMAT ", ", figures->carried);
    appendStringInfo(json, ", \"breakdown\": {%s\"completed\": " INT64_FORMAT ", \"scheduled\": " INT64_FORMAT
                           ", \"remaining\": %s}",
                     carried, figures->completed, figures->scheduled, json_number(remaining(*figures)));
}

const char *sum_up(const Answer &answer, const char *member)
{
    if (answer.active == 0)
        return psprintf("Member %s has no active subscription.", member);
    if (answer.active > 1)
        return psprintf("Member %s has %d active subscriptions.", member, answer.active);
    const Figures &figures = answer.figures;
    if (answer.issues.len > 0)
        return psprintf("The counts of subscription %s are wrong.", figures.subscription_id);
    const char *carried =
        answer.mapping->carried_column == nullptr ? "" : psprintf(INT64_FORMAT " carried, ", figures.carried);
    if (!figures.total)
        return psprintf("Subscription %s is right: %s" INT64_FORMAT " completed, " INT64_FORMAT
                        " scheduled, without a limit.",
                        figures.subscription_id, carried, figures.completed, figures.scheduled);
    return psprintf("Subscription %s is right: %s" INT64_FORMAT " completed, " INT64_FORMAT " scheduled, " INT64_FORMAT
                    " remaining of " INT64_FORMAT ".",
                    figures.subscription_id, carried, figures.completed, figures.scheduled, *remaining(figures),
                    *figures.total);
}

const char *format_answer(Answer &answer, const char *member)
{
    StringInfoData several;
    initStringInfo(&several);
    if (answer.active > 1)
        append_string(&several, psprintf("Member %s has %d active subscriptions (%s); only one is allowed.", member,
                                         answer.active, answer.ids.data));
    StringInfoData json;
    initStringInfo(&json);
    const bool valid = several.len == 0 && answer.issues.len == 0;
    appendStringInfo(&json, "{\"valid\": %s, ", valid ? "true" : "false");
    append_figures(&json, *answer.mapping, answer.active == 1 ? &answer.figures : nullptr);
    appendStringInfoString(&json, ", \"message\": ");
    escape_json(&json, sum_up(answer, member));
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
