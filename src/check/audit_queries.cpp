// Builds the SQL of an audit from the categories and what is there in a scope.
#include "check/audit_queries.hpp"

#include "catalog/gaps.hpp"
#include "server/operators.hpp"
#include "server/shards.hpp"

namespace sc {

namespace {

// One family's rows, as SQL: the relation of its findings, and what names and repairs one of them.
struct Found {
    const char *relation;     // with the columns category, member, subscription and those of the family
    const char *session_id;
    const char *order;
    const char *repair;
};

const char *choose(Family family, const char *Category::*text, bool quoted)
{
    StringInfoData choice;
    initStringInfo(&choice);
    appendStringInfoString(&choice, "CASE category");
    for (size_t i = 0; i < categories.size(); i++)
        if (categories[i].family == family)
            appendStringInfo(&choice, " WHEN %zu THEN %s", i + 1,
                             quoted ? quote_literal_cstr(categories[i].*text) : categories[i].*text);
    appendStringInfoString(&choice, " END");
    return choice.data;
}

// The number of a family's only, or first, category.
size_t first_of(Family family)
{
    size_t category = 0;
    while (categories[category].family != family)
        category++;
    return category + 1;
}

}  // namespace

const char *call_of_repair(const AuditScope &scope)
{
    if (!scope.own_mapping)
        return "NULL";
    const Attachment &attachment = *scope.attachment;
    const char *tables = quote_literal_cstr(qualified_name(attachment.sessions));
    if (find_attachments(attachment.sessions).size() > 1)
        tables = psprintf("%s, %s", tables, quote_literal_cstr(qualified_name(scope.counting.subscriptions)));
    return quote_literal_cstr(psprintf("SELECT * FROM session_consistency.repair(%s, dry_run => false)", tables));
}

namespace {

// The key and the member of a subscription, under whatever name.
Operand id_operand(const AuditScope &scope, const char *text)
{
    return operand_of_type(text, scope.counting.subscriptions, scope.counting.subscription_id);
}

// Where links are given, no member is known: NULL::text stands for each.
Operand owner_operand(const AuditScope &scope, const char *text)
{
    if (!is_searched(scope.counting.mapping))
        return {text, TEXTOID};
    return operand_of_type(text, scope.counting.subscriptions, scope.counting.mapping.subscription_member_column);
}

// The same of a session. Without a link column every session has none.
Operand link_operand(const AuditScope &scope, const char *text)
{
    const Counting &counting = scope.counting;
    return scope.has_link ? operand_of_type(text, counting.sessions, counting.mapping.subscription_column)
                          : id_operand(scope, text);
}

Operand member_operand(const AuditScope &scope, const char *text)
{
    if (!is_searched(scope.counting.mapping))
        return {text, TEXTOID};
    return operand_of_type(text, scope.counting.sessions, scope.counting.mapping.member_column);
}

const char *link_of(const AuditScope &scope)
{
    return scope.has_link ? quoted_column("t", scope.counting.mapping.subscription_column)
                          : psprintf("NULL::%s", scope.id_type);
}

const char *key_alias(size_t position)
{
    return psprintf("key_%zu", position + 1);
}

Names key_aliases(const AuditScope &scope)
{
    auto **aliases = static_cast<const char **>(palloc(sizeof(char *) * scope.session_key.size()));
    for (size_t i = 0; i < scope.session_key.size(); i++)
        aliases[i] = key_alias(i);
    return Names(aliases, scope.session_key.size());
}

const char *key_list(const AuditScope &scope)
{
    StringInfoData list;
    initStringInfo(&list);
    for (size_t i = 0; i < scope.session_key.size(); i++)
        appendStringInfo(&list, "%s%s", i == 0 ? "" : ", ", key_alias(i));
    return list.data;
}

// UPDATE sessions SET link = NULL for one session, as long as it has that link.
const char *clear_link(const AuditScope &scope)
{
    if (scope.attachment != nullptr)
        return call_of_repair(scope);
    if (!scope.can_clear_link)
        return "NULL";
    const char *link = doubled_percents(quote_identifier(scope.counting.mapping.subscription_column));
    StringInfoData command;
    StringInfoData values;
    initStringInfo(&command);
    initStringInfo(&values);
    appendStringInfo(&command, "UPDATE %s SET %s = NULL WHERE ",
                     doubled_percents(qualified_name(scope.counting.sessions)), link);
    for (size_t i = 0; i < scope.session_key.size(); i++) {
        appendStringInfo(&command, "%s = %%L AND ", doubled_percents(quote_identifier(scope.session_key[i])));
        appendStringInfo(&values, "%s::text, ", key_alias(i));
    }
    appendStringInfo(&command, "%s = %%L", link);
    return psprintf("format(%s, %ssubscription::text)", quote_literal_cstr(command.data), values.data);
}

// UPDATE subscriptions SET used = the recount for one subscription, as long as it has the counter that was found.
const char *set_counter(const AuditScope &scope)
{
    if (scope.attachment != nullptr)
        return call_of_repair(scope);
    if (!scope.has_used && !scope.plain_remaining)
        return "NULL";
    const Mapping &mapping = scope.counting.mapping;
    const char *remaining =
        scope.plain_remaining ? doubled_percents(quote_identifier(mapping.remaining_column)) : nullptr;
    const char *guarded = scope.has_used ? doubled_percents(quote_identifier(mapping.used_column)) : remaining;
    StringInfoData command;
    initStringInfo(&command);
    appendStringInfo(&command, "UPDATE %s SET ", doubled_percents(qualified_name(scope.counting.subscriptions)));
    if (scope.has_used)
        appendStringInfo(&command, "%s = %%1$s%s", guarded, remaining == nullptr ? "" : ", ");
    if (remaining != nullptr)
        appendStringInfo(&command, "%s = %s - %%1$s", remaining,
                         doubled_percents(quote_identifier(mapping.total_column)));
    appendStringInfo(&command, " WHERE %s = %%3$L AND ",
                     doubled_percents(quote_identifier(scope.counting.subscription_id)));
    if (scope.counting.by_member)
        appendStringInfo(&command, "%s = %%4$L AND ",
                         doubled_percents(quote_identifier(mapping.subscription_member_column)));
    appendStringInfo(&command, "%s IS NOT DISTINCT FROM %%2$s", guarded);
    return psprintf("format(%s, counted, coalesce(%s::text, 'NULL'), subscription::text, member::text)",
                    quote_literal_cstr(command.data), scope.has_used ? "used" : "remaining");
}

// NULL where there is no such column.
const char *moment_of(const char *column, const char *alias)
{
    return column == nullptr ? "NULL::date" : quoted_column(alias, column);
}

// The subscriptions by what a link says. Of a key (member, id) the id alone may stand at several members: the first.
const char *subscriptions_by_id(const AuditScope &scope)
{
    const Counting &counting = scope.counting;
    const char *id = quoted_column("p", counting.subscription_id);
    const char *owner = member_of_subscription(counting.mapping, "p");
    const char *table = qualified_name(counting.subscriptions);
    if (!counting.by_member)
        return psprintf("(SELECT %s AS id, %s AS owner, %s AS valid_from, %s AS valid_until FROM %s AS p)", id, owner,
                        moment_of(counting.mapping.valid_from_column, "p"),
                        moment_of(counting.mapping.valid_until_column, "p"), table);
    return psprintf("(SELECT DISTINCT ON (%s) %s AS id, %s AS owner FROM %s AS p ORDER BY %s, %s)", id, id, owner,
                    table, id, owner);
}

// What a session's link leads to: the flags of it, then its joins.
void append_link_flags(StringInfo text, const AuditScope &scope)
{
    const Mapping &mapping = scope.counting.mapping;
    if (!scope.has_link) {
        appendStringInfoString(text, " NULL::text AS owner, false AS linked, false AS found, false AS own,"
                                     " NULL::date AS start, NULL::date AS valid_from, NULL::date AS valid_until,"
                                     " false AS outside,");
        return;
    }
    const char *start = moment_of(mapping.start_column, "t");
    const char *from = scope.counting.by_member ? moment_of(mapping.valid_from_column, "e") : "s.valid_from";
    const char *until = scope.counting.by_member ? moment_of(mapping.valid_until_column, "e") : "s.valid_until";
    const char *covers = covers_condition(scope.counting, start, from, until);
    appendStringInfo(text, " %s AS start, %s AS valid_from, %s AS valid_until, %s AS outside,", start, from, until,
                     covers == nullptr ? "false" : psprintf("NOT %s", covers));
    appendStringInfo(text, " s.owner, %s IS NOT NULL AS linked, s.id IS NOT NULL AS found, %s AS own,",
                     link_of(scope),
                     scope.counting.by_member
                         ? psprintf("%s IS NOT NULL", quoted_column("e", scope.counting.subscription_id))
                         : psprintf("(%s) IS TRUE",
                                    equals(owner_operand(scope, "s.owner"),
                                           member_operand(scope, member_of_session(scope.counting.mapping, "t")))));
}

void append_link_joins(StringInfo text, const AuditScope &scope)
{
    const Counting &counting = scope.counting;
    if (!scope.has_link)
        return;
    appendStringInfo(text, " LEFT JOIN %s AS s ON %s", subscriptions_by_id(scope),
                     equals(id_operand(scope, "s.id"), link_operand(scope, link_of(scope))));
    if (counting.by_member)
        appendStringInfo(text, " LEFT JOIN %s AS e ON %s", qualified_name(counting.subscriptions),
                         join_condition(counting, "t", "e"));
}

// Every session with its flags. Whether its member has any subscription matters to a session without a link: for the
// others the look-up is spared.
const char *session_rows(const AuditScope &scope)
{
    const Counting &counting = scope.counting;
    const char *member = member_of_session(counting.mapping, "t");
    StringInfoData text;
    initStringInfo(&text);
    appendStringInfo(&text, "SELECT %s AS searched, %s AS member, %s AS subscription,",
                     is_searched(counting.mapping) ? "true" : "false", member, link_of(scope));
    append_link_flags(&text, scope);
    for (size_t i = 0; i < scope.session_key.size(); i++)
        appendStringInfo(&text, " %s AS %s,", quoted_column("t", scope.session_key[i]), key_alias(i));
    if (OidIsValid(scope.members))
        appendStringInfo(&text, " %s IS NOT NULL AND %s IS NULL AS member_gone,", member,
                         quoted_column("g", scope.members_key));
    else
        appendStringInfoString(&text, " false AS member_gone,");
    const char *counted = counted_condition(counting.mapping, "t");
    const bool leaves_out = counting.mapping.counts_when != nullptr;
    appendStringInfo(&text, " (%s) IS TRUE AS consuming, %s AS wanting, (%s) IS TRUE AS counted, %s AS unpaid,"
                     " h.owner IS NOT NULL AS has_subscription FROM %s AS t",
                     consuming_condition(counting.mapping, "t"),
                     leaves_out ? psprintf("(%s) IS TRUE", chargeable_condition(counting.mapping, "t")) : "true",
                     counted,
                     scope.leaves_unpaid ? psprintf("(%s) IS TRUE AND %s IS NULL", counted, link_of(scope)) : "false",
                     qualified_name(counting.sessions));
    append_link_joins(&text, scope);
    appendStringInfo(&text,
                     " LEFT JOIN (SELECT DISTINCT %s AS owner FROM %s AS p) AS h"
                     " ON %s",
                     member_of_subscription(counting.mapping, "p"), qualified_name(counting.subscriptions),
                     equals(owner_operand(scope, "h.owner"),
                            member_operand(scope, psprintf("CASE WHEN %s IS NULL THEN %s END", link_of(scope),
                                                           member))));
    if (OidIsValid(scope.members))
        appendStringInfo(&text, " LEFT JOIN %s AS g ON %s", scope.members_name,
                         equals(column_operand("g", scope.members, scope.members_key),
                                member_operand(scope, member)));
    return text.data;
}

// IN, where IS NOT NULL would do: so the planner takes findings for rare, as they are, and scans with its workers.
Found find_sessions(const AuditScope &scope)
{
    StringInfoData first;
    StringInfoData numbers;
    initStringInfo(&first);
    initStringInfo(&numbers);
    for (size_t i = 0; i < categories.size(); i++)
        if (categories[i].family == Family::session && applies(scope, categories[i])) {
            appendStringInfo(&first, " WHEN %s THEN %zu", categories[i].applies, i + 1);
            appendStringInfo(&numbers, "%s%zu", numbers.len == 0 ? "" : ", ", i + 1);
        }
    return Found{.relation = psprintf("SELECT * FROM (SELECT CASE%s END AS category, x.* FROM (%s) AS x) AS y"
                                      " WHERE category IN (%s)",
                                      first.data, session_rows(scope), numbers.data),
                 .session_id = session_name(scope.session_key, scope.counting.mapping.member_column,
                                            key_aliases(scope)),
                 .order = key_list(scope),
                 .repair = clear_link(scope)};
}

Found find_members_of_several(const AuditScope &scope)
{
    const char *member = quoted_column("s", scope.counting.mapping.subscription_member_column);
    return Found{.relation = psprintf("SELECT %zu AS category, %s AS member, NULL::text AS subscription,"
                                      " count(*) AS active FROM %s AS s WHERE %s AND %s IS NOT NULL"
                                      " GROUP BY %s HAVING count(*) > 1",
                                      first_of(Family::member), member, qualified_name(scope.counting.subscriptions),
                                      active_condition(scope.counting.mapping, "s"), member, member),
                 .session_id = "NULL::text",
                 .order = "member",
                 .repair = "NULL"};
}

// The counted sessions, summed once by member and link: tally. What of it is linked, by link. And all of a member's,
// for those members who have one without a link: loose.
void append_tally(StringInfo text, const AuditScope &scope)
{
    const Counting &counting = scope.counting;
    appendStringInfo(text,
                     "WITH tally AS MATERIALIZED (SELECT %s AS member, %s AS link, %s AS sessions FROM %s AS t"
                     " WHERE %s GROUP BY 1, 2),",
                     member_of_session(counting.mapping, "t"), link_of(scope),
                     credits_expression(counting.mapping, "t", nullptr),
                     qualified_name(counting.sessions), counted_condition(counting.mapping, "t"));
    appendStringInfo(text,
                     " linked AS (SELECT link, %s AS member, sum(sessions) AS sessions FROM tally"
                     " WHERE link IS NOT NULL GROUP BY 1, 2),",
                     counting.by_member ? "member" : "NULL::text");
    appendStringInfo(text,
                           " loose AS (SELECT member, sum(sessions) AS sessions FROM tally WHERE member IS NOT NULL"
                           " GROUP BY 1 HAVING bool_or(%s)),",
                     scope.leaves_unpaid ? "false" : "link IS NULL");
}

// Each subscription with its recount, and with its member's where that one is compared in sum. Figures are numeric,
// so that no difference of them overflows.
void append_packs(StringInfo text, const AuditScope &scope)
{
    const Counting &counting = scope.counting;
    const Mapping &mapping = counting.mapping;
    const char *member = member_of_subscription(mapping, "s");
    const char *total = psprintf("%s::numeric", total_expression(mapping, "s"));
    const char *remaining =
        scope.has_remaining ? psprintf("%s::numeric", quoted_column("s", mapping.remaining_column)) : "NULL::numeric";
    const char *used = scope.has_used       ? psprintf("%s::numeric", quoted_column("s", mapping.used_column))
                       : scope.has_remaining ? psprintf("%s - %s", total, remaining)
                                             : "NULL::numeric";
    const char *known = scope.has_used ? "true" : scope.has_remaining ? psprintf("%s IS NOT NULL", total) : "false";
    appendStringInfo(text,
                     " pack AS (SELECT %s AS member, %s AS subscription, %s AS total, %s AS used, %s AS remaining,"
                     " %s AS known, %s AS carried, coalesce(linked.sessions, 0) + %s AS counted,"
                     " loose.sessions AS of_member, (%s) IS TRUE AS active, %s AS valid_from FROM %s AS s",
                     member, quoted_column("s", counting.subscription_id), total, used, remaining, known,
                     carried_expression(mapping, "s"), carried_expression(mapping, "s"),
                     active_condition(scope.counting.mapping, "s"),
                     mapping.start_column != nullptr ? "NULL::date" : moment_of(mapping.valid_from_column, "s"),
                     qualified_name(counting.subscriptions));
    appendStringInfo(text, " LEFT JOIN linked ON %s",
                     equals(link_operand(scope, "linked.link"),
                            id_operand(scope, quoted_column("s", counting.subscription_id))));
    if (counting.by_member)
        appendStringInfo(text, " AND %s",
                         equals(member_operand(scope, "linked.member"), owner_operand(scope, member)));
    appendStringInfo(text, " LEFT JOIN loose ON %s),",
                     equals(member_operand(scope, "loose.member"), owner_operand(scope, member)));
}

// What is judged: each subscription, and the sums of the members that are compared in sum. An unlimited subscription
// makes its member unlimited, and has no remaining that could be summed.
void append_judged(StringInfo text, const AuditScope &scope)
{
    const bool two_counters = scope.has_used && scope.plain_remaining;
    appendStringInfo(text,
                     " judged AS (SELECT member, subscription, total, used, remaining, total - used AS owed, %s AS"
                     " remaining_off, counted, known, active, valid_from, false AS by_member, of_member IS NOT NULL AS"
                     " mixed FROM pack",
                     two_counters ? "remaining IS DISTINCT FROM total - used" : "false");
    appendStringInfo(text,
                     " UNION ALL SELECT member, NULL, total, used, remaining, owed, %s, counted, known, false, NULL,"
                     " true, false FROM (SELECT member, CASE WHEN bool_and(total IS NOT NULL) THEN sum(total) END AS"
                     " total, coalesce(sum(used), 0) AS used, sum(remaining) FILTER (WHERE total IS NOT NULL) AS"
                     " remaining, sum(total - coalesce(used, 0)) AS owed, max(of_member) + sum(carried) AS counted,"
                     " bool_and(known) AS known FROM pack WHERE of_member IS NOT NULL GROUP BY member) AS sums)",
                     two_counters ? "remaining IS DISTINCT FROM owed" : "false");
}

Found find_subscriptions(const AuditScope &scope)
{
    StringInfoData text;
    initStringInfo(&text);
    append_tally(&text, scope);
    append_packs(&text, scope);
    append_judged(&text, scope);
    StringInfoData any;
    StringInfoData each;
    initStringInfo(&any);
    initStringInfo(&each);
    for (size_t i = 0; i < categories.size(); i++)
        if (categories[i].family == Family::subscription) {
            appendStringInfo(&any, "%s%s", any.len == 0 ? "" : " OR ", categories[i].applies);
            appendStringInfo(&each, "%sCASE WHEN %s THEN %zu END", each.len == 0 ? "" : ", ", categories[i].applies,
                             i + 1);
        }
    appendStringInfo(&text,
                     " SELECT category, wrong.* FROM (SELECT * FROM judged WHERE %s) AS wrong"
                     " CROSS JOIN LATERAL unnest(ARRAY[%s]) AS category WHERE category IS NOT NULL",
                     any.data, each.data);
    return Found{.relation = text.data,
                 .session_id = "NULL::text",
                 .order = "member, subscription NULLS FIRST",
                 .repair = set_counter(scope)};
}

// Timestamps that were made of dates. An end that is open or infinite says nothing.
std::optional<Found> find_midnight_ends(const AuditScope &scope)
{
    const Counting &counting = scope.counting;
    const char *column = counting.mapping.valid_until_column;
    if (column == nullptr || find_column(counting.subscriptions, column)->base == DATEOID)
        return std::nullopt;
    const char *until = local_moment(counting.mapping, quoted_column("s", column),
                                     find_column(counting.subscriptions, column)->base);
    return Found{.relation = psprintf("SELECT %zu AS category, NULL::text AS member, NULL::text AS subscription, ends,"
                                      " midnights FROM (SELECT count(*) AS ends, count(*) FILTER (WHERE"
                                      " %s::time = '00:00') AS midnights FROM %s AS s WHERE isfinite(%s)) AS e"
                                      " WHERE ends > 0 AND midnights >= 0.9 * ends",
                                      first_of(Family::period), until, qualified_name(counting.subscriptions), until),
                 .session_id = "NULL::text",
                 .order = "ends",
                 .repair = "NULL"};
}

std::optional<Found> find_several_active(const AuditScope &scope)
{
    const Mapping &mapping = scope.counting.mapping;
    return is_searched(mapping) && mapping.draw_order == nullptr ? std::optional(find_members_of_several(scope))
                                                                : std::nullopt;
}

// What the catalogs say.
std::optional<Found> find_things(Family family, Names things)
{
    if (things.empty())
        return std::nullopt;
    StringInfoData text;
    initStringInfo(&text);
    appendStringInfo(&text, "SELECT %zu AS category, NULL::text AS member, NULL::text AS subscription, place, thing"
                            " FROM", first_of(family));
    for (size_t i = 0; i < things.size(); i++)
        appendStringInfo(&text, "%s (%zu, %s)", i == 0 ? " (VALUES" : ",", i, quote_literal_cstr(things[i]));
    appendStringInfoString(&text, ") AS things(place, thing)");
    return Found{.relation = text.data, .session_id = "NULL::text", .order = "place", .repair = "NULL"};
}

// Of those that fire when a counter is written.
Names find_unpinned_triggers_of(const AuditScope &scope)
{
    const Mapping &mapping = scope.counting.mapping;
    std::array<AttrNumber, 2> columns{};
    size_t count = 0;
    if (const std::optional<Column> used = find_column(scope.counting.subscriptions, mapping.used_column))
        columns[count++] = used->number;
    if (scope.plain_remaining)
        columns[count++] = find_column(scope.counting.subscriptions, mapping.remaining_column)->number;
    Relation subscriptions = table_open(scope.counting.subscriptions, NoLock);
    const Names triggers = find_unpinned_triggers(subscriptions, std::span(columns).first(count));
    table_close(subscriptions, NoLock);
    return triggers;
}

// Each with its category: a foreign key's is the first of the family.
std::optional<Found> find_refusals(const Obstacles &obstacles)
{
    if (obstacles.found == NIL)
        return std::nullopt;
    StringInfoData text;
    initStringInfo(&text);
    appendStringInfo(&text, "SELECT CASE WHEN is_key THEN %zu ELSE %zu END AS category, NULL::text AS member,"
                            " NULL::text AS subscription, place, is_key, thing, advice FROM (VALUES",
                     first_of(Family::refusal), first_of(Family::refusal) + 1);
    int place = 0;
    ListCell *cell;
    foreach (cell, obstacles.found) {
        const auto *obstacle = static_cast<const Obstacle *>(lfirst(cell));
        appendStringInfo(&text, "%s (%d, %s, %s, %s)", place == 0 ? "" : ",", place,
                         obstacle->code == ERRCODE_INVALID_FOREIGN_KEY ? "true" : "false",
                         quote_literal_cstr(psprintf("%s. %s", obstacle->message, obstacle->detail)),
                         quote_literal_cstr(obstacle->hint));
        place++;
    }
    appendStringInfoString(&text, ") AS refusals(place, is_key, thing, advice)");
    return Found{.relation = text.data, .session_id = "NULL::text", .order = "place", .repair = "NULL"};
}

std::optional<Found> find_family(const AuditScope &scope, Family family)
{
    switch (family) {
        case Family::session:
            return find_sessions(scope);
        case Family::member:
            return find_several_active(scope);
        case Family::subscription:
            return find_subscriptions(scope);
        case Family::period:
            return find_midnight_ends(scope);
        case Family::enforcement:
            return find_things(family, scope.attachment == nullptr ? Names{} : find_gaps(*scope.attachment));
        case Family::trigger:
            return find_things(family, find_unpinned_triggers_of(scope));
        case Family::refusal:
            return find_refusals(scope.obstacles);
    }
    return std::nullopt;
}

}  // namespace

const char *findings_query(const AuditScope &scope, Family family)
{
    const std::optional<Found> found = find_family(scope, family);
    if (!found)
        return nullptr;
    return psprintf("SELECT %s, %s, member::text AS member_id, subscription::text AS subscription_id, %s AS session_id,"
                    " %s, %s, CASE WHEN %s THEN %s END FROM (%s) AS f ORDER BY category, %s",
                    choose(family, &Category::code, true), choose(family, &Category::severity, true),
                    found->session_id, choose(family, &Category::expected, false),
                    choose(family, &Category::actual, false), choose(family, &Category::repairable, false),
                    found->repair, found->relation, found->order);
}

// Only the first rows of a category are written as samples; the sort that finds them keeps their order.
const char *summary_query(const AuditScope &scope, Family family)
{
    const std::optional<Found> found = find_family(scope, family);
    if (!found)
        return nullptr;
    return psprintf("SELECT category, count(*), jsonb_agg(jsonb_build_object('member_id', member::text,"
                    " 'subscription_id', subscription::text, 'session_id', %s, 'expected', %s, 'actual', %s))"
                    " FILTER (WHERE sample <= %d)"
                    " FROM (SELECT f.*, row_number() OVER (PARTITION BY category ORDER BY %s) AS sample"
                    " FROM (%s) AS f) AS f GROUP BY category",
                    found->session_id, choose(family, &Category::expected, false),
                    choose(family, &Category::actual, false), sample_limit, found->order, found->relation);
}

}  // namespace sc
