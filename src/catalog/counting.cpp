// The SQL text of every count: conditions, joins and the counts view. Reads catalogs for names, runs no query.
#include "catalog/counting.hpp"

#include "server/operators.hpp"

#include "catalog/expressions.hpp"
#include "catalog/shapes.hpp"

namespace sc {

namespace {

// "column = ANY ('{a,b}')": the literal takes the column's own type, and what the server stores of it is, unlike an IN
// list of varchar, dumped and restored as the same text.
const char *one_of(const char *column, std::span<const Names> lists)
{
    size_t count = 0;
    for (Names names : lists)
        count += names.size();
    auto **values = static_cast<const char **>(palloc(sizeof(char *) * Max(count, size_t{1})));
    count = 0;
    for (Names names : lists)
        for (const char *name : names)
            values[count++] = name;
    if (count == 0)
        return "false";
    if (count == 1)
        return psprintf("%s = %s", column, quote_literal_cstr(values[0]));
    return psprintf("%s = ANY (%s)", column, quote_literal_cstr(format_names(Names(values, count))));
}

AttrNumber require_column(Oid table, const char *column)
{
    const AttrNumber number = get_attnum(table, column);
    if (number == InvalidAttrNumber)
        ereport(ERROR, errcode(ERRCODE_UNDEFINED_COLUMN),
                errmsg("column \"%s\" of attached table \"%s\" does not exist", column, get_rel_name(table)),
                errdetail("The attachment was made with that name."),
                errhint("Rename the column back, or detach and attach with its new name."));
    return number;
}

void require_columns(const Attachment &attachment)
{
    for (const Field &field : mapping_fields)
        if (const char *column = is_column(field) ? attachment.mapping.*field.text : nullptr)
            require_column(field.side == Side::sessions ? attachment.sessions : attachment.subscriptions, column);
}

}  // namespace

Counting counting_of(const Attachment &attachment)
{
    const Mapping &mapping = attachment.mapping;
    const AttrNumber link = require_column(attachment.sessions, mapping.subscription_column);
    const AttrNumber member =
        is_searched(mapping) ? require_column(attachment.sessions, mapping.member_column) : InvalidAttrNumber;
    Relation sessions = table_open(attachment.sessions, AccessShareLock);
    bool several = false;
    const std::optional<LinkKey> key = find_link_key(sessions, link, member, &several);
    table_close(sessions, NoLock);
    if (!key || several)
        ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                errmsg("exactly one foreign key must join column \"%s\" of attached table \"%s\" to its subscriptions",
                       mapping.subscription_column, get_rel_name(attachment.sessions)),
                errdetail(several ? "Several foreign keys hold that column." : "The foreign key is gone."),
                errhint("Put the foreign key right, or detach and attach again."));
    require_columns(attachment);
    require_expressions(attachment.sessions, mapping);
    return Counting{.sessions = attachment.sessions,
                    .subscriptions = key->subscriptions,
                    .subscription_id = get_attname(key->subscriptions, key->subscription_id, false),
                    .by_member = key->columns == 2,
                    .mapping = mapping};
}

const char *consuming_condition(const Mapping &mapping, const char *alias)
{
    if (mapping.type_column == nullptr)
        return "true";
    return one_of(quoted_column(alias, mapping.type_column), std::array{mapping.consuming_types});
}

const char *scheduled_condition(const Mapping &mapping, const char *alias)
{
    if (mapping.status_column == nullptr)
        return "true";
    return one_of(quoted_column(alias, mapping.status_column), std::array{mapping.scheduled_statuses});
}

const char *completed_condition(const Mapping &mapping, const char *alias)
{
    if (mapping.status_column == nullptr)
        return "false";
    return one_of(quoted_column(alias, mapping.status_column), std::array{mapping.completed_statuses});
}

namespace {

const char *listed_condition(const Mapping &mapping, const char *alias)
{
    if (mapping.status_column == nullptr)
        return consuming_condition(mapping, alias);
    const char *held = one_of(quoted_column(alias, mapping.status_column),
                              std::array{mapping.scheduled_statuses, mapping.completed_statuses});
    if (mapping.type_column == nullptr)
        return held;
    return psprintf("%s AND %s", consuming_condition(mapping, alias), held);
}

const char *expression_of(const Mapping &mapping, Node *Expressions::*tree, const char *alias)
{
    if (!has_expressions(mapping))
        return nullptr;
    Assert(mapping.expressions != nullptr);
    Node *expression = mapping.expressions->*tree;
    return expression == nullptr ? nullptr : expression_text(*mapping.expressions, expression, alias, nullptr);
}

}  // namespace

const char *chargeable_condition(const Mapping &mapping, const char *alias)
{
    const char *consuming = consuming_condition(mapping, alias);
    const char *when = expression_of(mapping, &Expressions::counts_when, alias);
    return when == nullptr ? consuming : psprintf("%s AND %s", consuming, when);
}

// A cost is evaluated only where the other conditions hold, in whatever order the planner takes conditions.
const char *counted_condition(const Mapping &mapping, const char *alias)
{
    const char *counted = listed_condition(mapping, alias);
    if (const char *when = expression_of(mapping, &Expressions::counts_when, alias))
        counted = psprintf("%s AND %s", counted, when);
    if (const char *cost = expression_of(mapping, &Expressions::cost, alias))
        counted = psprintf("%s AND CASE WHEN %s THEN %s > 0 ELSE false END", counted, counted, cost);
    return counted;
}

const char *credits_expression(const Mapping &mapping, const char *alias, const char *filter)
{
    const char *cost = expression_of(mapping, &Expressions::cost, alias);
    const char *filtered = filter == nullptr ? "" : psprintf(" FILTER (WHERE %s)", filter);
    return cost == nullptr ? psprintf("count(*)%s", filtered)
                           : psprintf("coalesce(sum(%s)%s, 0)::bigint", cost, filtered);
}

const char *member_of_session(const Mapping &mapping, const char *alias)
{
    return is_searched(mapping) ? quoted_column(alias, mapping.member_column) : "NULL::text";
}

const char *member_of_subscription(const Mapping &mapping, const char *alias)
{
    return is_searched(mapping) ? quoted_column(alias, mapping.subscription_member_column) : "NULL::text";
}

const char *active_condition(const Mapping &mapping, const char *alias)
{
    if (mapping.subscription_status_column == nullptr)
        return "true";
    return one_of(quoted_column(alias, mapping.subscription_status_column), std::array{mapping.active_statuses});
}

const char *total_expression(const Mapping &mapping, const char *alias)
{
    return mapping.total_column == nullptr ? "NULL::bigint" : quoted_column(alias, mapping.total_column);
}

const char *active_key(const Mapping &mapping)
{
    const char *member = quote_identifier(mapping.subscription_member_column);
    return mapping.subscription_status_column == nullptr
               ? psprintf("(%s)", member)
               : psprintf("(%s) WHERE %s", member, active_condition(mapping, nullptr));
}

const char *counter_condition(const Mapping &mapping)
{
    const char *used = quote_identifier(mapping.used_column);
    if (mapping.total_column == nullptr)
        return psprintf("%s >= 0", used);
    return psprintf("%s >= 0 AND %s <= %s", used, used, quote_identifier(mapping.total_column));
}

const char *linked_condition(const Mapping &mapping)
{
    return psprintf("%s IS NOT NULL", quote_identifier(mapping.subscription_column));
}

const char *link_check_condition(const Mapping &mapping)
{
    return psprintf("%s OR NOT (%s)", linked_condition(mapping), counted_condition(mapping, nullptr));
}

const char *same_member(const Counting &counting, const char *session_alias, const char *subscription_alias)
{
    const Mapping &mapping = counting.mapping;
    return equals(column_operand(session_alias, counting.sessions, mapping.member_column),
                  column_operand(subscription_alias, counting.subscriptions, mapping.subscription_member_column));
}

const char *join_condition(const Counting &counting, const char *session_alias, const char *subscription_alias)
{
    const Mapping &mapping = counting.mapping;
    const char *by_link =
        equals(column_operand(session_alias, counting.sessions, mapping.subscription_column),
               column_operand(subscription_alias, counting.subscriptions, counting.subscription_id));
    return counting.by_member ? psprintf("%s AND %s", by_link, same_member(counting, session_alias, subscription_alias))
                              : by_link;
}

const char *session_name(Names key, const char *member_column, Names expressions)
{
    StringInfoData row;
    initStringInfo(&row);
    int count = 0;
    for (size_t i = 0; i < key.size(); i++)
        if (is_in_name(key.size(), member_column != nullptr && strcmp(key[i], member_column) == 0))
            appendStringInfo(&row, "%s%s", count++ == 0 ? "" : ", ", expressions[i]);
    return count == 1 ? psprintf("%s::text", row.data) : psprintf("ROW(%s)::text", row.data);
}

const char *carried_expression(const Mapping &mapping, const char *alias)
{
    if (mapping.carried_column == nullptr)
        return "0";
    return psprintf("coalesce(%s, 0)", quoted_column(alias, mapping.carried_column));
}

const char *gone_expression(const Mapping &mapping)
{
    const char *carried = carried_expression(mapping, nullptr);
    if (mapping.remaining_column == nullptr)
        return carried;
    return psprintf("coalesce(%s - %s, %s)", quote_identifier(mapping.total_column),
                    quote_identifier(mapping.remaining_column), carried);
}

const char *consistent_condition(const Mapping &mapping, const char *subscription_alias, const char *recount)
{
    const char *used = quoted_column(subscription_alias, mapping.used_column);
    const char *total = total_expression(mapping, subscription_alias);
    StringInfoData text;
    initStringInfo(&text);
    if (mapping.carried_column != nullptr)
        recount = psprintf("%s + %s", carried_expression(mapping, subscription_alias), recount);
    appendStringInfo(&text, "%s IS NOT DISTINCT FROM %s", used, recount);
    if (mapping.total_column != nullptr)
        appendStringInfo(&text, " AND (%s IS NULL OR %s <= %s)", total, used, total);
    if (mapping.remaining_column != nullptr)
        appendStringInfo(&text, " AND %s IS NOT DISTINCT FROM %s - %s",
                         quoted_column(subscription_alias, mapping.remaining_column), total, used);
    return text.data;
}

// Joined from the side, so that one subscription's row costs one look-up of its sessions by the index on the link.
const char *counts_of_subscription(const Counting &counting)
{
    const Mapping &mapping = counting.mapping;
    return psprintf("LATERAL (SELECT %s AS completed, %s AS scheduled FROM %s AS t WHERE %s AND %s) AS c",
                    credits_expression(mapping, "t", completed_condition(mapping, "t")),
                    credits_expression(mapping, "t", scheduled_condition(mapping, "t")),
                    qualified_name(counting.sessions), join_condition(counting, "t", "s"),
                    counted_condition(mapping, "t"));
}

const char *from_one_subscription(const Counting &counting, Oid id_type, Oid member_type)
{
    const auto is = [&](const char *column, const Operand &parameter) {
        return equals(column_operand("s", counting.subscriptions, column), parameter);
    };
    const char *key = is(counting.subscription_id, {"$1", id_type});
    if (counting.by_member)
        key = psprintf("%s AND %s", key, is(counting.mapping.subscription_member_column, {"$2", member_type}));
    return psprintf("FROM %s AS s CROSS JOIN %s WHERE %s", qualified_name(counting.subscriptions),
                    counts_of_subscription(counting), key);
}

const char *local_moment(const Mapping &mapping, const char *moment, Oid type)
{
    return type == TIMESTAMPTZOID && mapping.time_zone != nullptr
               ? psprintf("(%s AT TIME ZONE %s)", moment, quote_literal_cstr(mapping.time_zone))
               : moment;
}

const char *covers_condition(const Counting &counting, const char *start, const char *from, const char *until)
{
    const Mapping &mapping = counting.mapping;
    if (mapping.start_column == nullptr)
        return nullptr;
    const Oid start_type = find_column(counting.sessions, mapping.start_column)->base;
    const char *starts = local_moment(mapping, start, start_type);
    StringInfoData text;
    initStringInfo(&text);
    appendStringInfo(&text, "(%s IS NULL OR (true", start);
    const auto append = [&](const char *column, const char *end, const char *first, const char *second) {
        if (column == nullptr)
            return true;
        const Oid type = find_column(counting.subscriptions, column)->base;
        appendStringInfo(&text, " AND (%s IS NULL OR %s%s %s %s)", end, starts, type == DATEOID ? "::date" : "",
                         type == DATEOID ? second : first, local_moment(mapping, end, type));
        return mapping.time_zone != nullptr || (type == TIMESTAMPTZOID) == (start_type == TIMESTAMPTZOID);
    };
    // Both days of a period count, and so does its first moment; its last does not.
    const bool comparable = append(mapping.valid_from_column, from, ">=", ">=") &&
                            append(mapping.valid_until_column, until, "<", "<=");
    appendStringInfoString(&text, "))");
    return has_period(mapping) && comparable ? text.data : nullptr;
}

namespace {

// The subscription called s is over at the moment of reading; nullptr if none ever is. Local times are those of the
// attachment, or if it names no zone, the reader's.
const char *over_condition(const Counting &counting)
{
    const Mapping &mapping = counting.mapping;
    if (mapping.valid_until_column == nullptr)
        return nullptr;
    const char *until = quoted_column("s", mapping.valid_until_column);
    const Oid type = find_column(counting.subscriptions, mapping.valid_until_column)->base;
    const char *now = type == TIMESTAMPTZOID          ? "statement_timestamp()"
                      : mapping.time_zone == nullptr ? "statement_timestamp()::timestamp"
                                                     : psprintf("(statement_timestamp() AT TIME ZONE %s)",
                                                                quote_literal_cstr(mapping.time_zone));
    return type == DATEOID ? psprintf("%s < %s::date", until, now) : psprintf("%s <= %s", until, now);
}

// The columns of a period, for the end of the list: what has none may get them in place.
void append_period(StringInfo text, const Counting &counting)
{
    const Mapping &mapping = counting.mapping;
    if (!has_period(mapping))
        return;
    const char *given = mapping.valid_from_column != nullptr ? mapping.valid_from_column : mapping.valid_until_column;
    const char *open = psprintf("NULL::%s", cast_name(find_column(counting.subscriptions, given)->base));
    const auto end = [=](const char *column) { return column == nullptr ? open : quoted_column("s", column); };
    appendStringInfo(text, ", %s AS valid_from, %s AS valid_until,", end(mapping.valid_from_column),
                     end(mapping.valid_until_column));
    const char *over = over_condition(counting);
    const char *total = total_expression(mapping, "s");
    appendStringInfo(text, " CASE WHEN %s THEN %s - %s ELSE 0 END AS forfeited", over == nullptr ? "false" : over,
                     total, quoted_column("s", mapping.used_column));
}

}  // namespace

const char *counts_view_query(const Counting &counting)
{
    const Mapping &mapping = counting.mapping;
    const char *total = total_expression(mapping, "s");
    const char *used = quoted_column("s", mapping.used_column);
    StringInfoData text;
    initStringInfo(&text);
    appendStringInfo(&text, "SELECT %s AS subscription_id,", quoted_column("s", counting.subscription_id));
    if (is_searched(mapping))
        appendStringInfo(&text, " %s AS member_id,", member_of_subscription(mapping, "s"));
    appendStringInfo(&text, " %s AS status,",
                     mapping.subscription_status_column == nullptr
                         ? "NULL::text"
                         : quoted_column("s", mapping.subscription_status_column));
    appendStringInfo(&text, " %s AS total, %s AS carried, c.completed, c.scheduled, %s AS remaining, %s AS used,",
                     total, carried_expression(mapping, "s"),
                     mapping.total_column == nullptr ? total : psprintf("%s - %s", total, used), used);
    // A reader who may not see every session gets NULL: a partial view accuses nobody.
    appendStringInfo(&text, " CASE WHEN NOT row_security_active(%s::regclass) THEN %s END AS is_consistent",
                     quote_literal_cstr(qualified_name(counting.sessions)),
                     consistent_condition(mapping, "s", "(c.completed + c.scheduled)"));
    append_period(&text, counting);
    appendStringInfo(&text, " FROM %s AS s CROSS JOIN %s", qualified_name(counting.subscriptions),
                     counts_of_subscription(counting));
    return text.data;
}

const char *counts_view_command(const Counting &counting, const char *view_name, bool replaces)
{
    const char *schema = get_namespace_name(get_rel_namespace(counting.subscriptions));
    return psprintf("CREATE %sVIEW %s WITH (security_invoker = true) AS %s", replaces ? "OR REPLACE " : "",
                    quote_qualified_identifier(schema, view_name), counts_view_query(counting));
}

}  // namespace sc
