// Judges the two tables that attach() is given, in the order: what kind of relation, whose, attached already, columns,
// values, key. Then finds what is missing.
#include "attach/tables.hpp"

#include "catalog/counting.hpp"
#include "catalog/equivalents.hpp"
#include "server/owner.hpp"
#include "server/pg_compat.hpp"

namespace sc {

namespace {

void check_owner(Relation relation)
{
    if (!owns_relation(RelationGetRelid(relation), GetUserId()))
        ereport(ERROR, errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
                errmsg("must be owner of table %s", RelationGetRelationName(relation)),
                errdetail("It belongs to \"%s\".", GetUserNameFromId(relation->rd_rel->relowner, false)),
                errhint("Attach as the owner of both tables."));
}

Oid made_index(const Attachment &attached, const char *kind)
{
    return get_relname_relid(find_made(attached.mapping.made, kind), get_rel_namespace(attached.subscriptions));
}

void find_missing(Facts &facts, const Request &request, const Tables &tables)
{
    const Mapping &mapping = facts.mapping;
    Missing &missing = facts.missing;
    const AttrNumber link = get_attnum(request.sessions, mapping.subscription_column);
    missing.link_column = !facts.join.has_link;
    missing.link_key = !facts.join.has_key;
    const AttrNumber member = facts.join.by_member ? get_attnum(request.sessions, mapping.member_column) : 0;
    missing.used_column = get_attnum(request.subscriptions, mapping.used_column) == InvalidAttrNumber;
    missing.carried_column = mapping.carried_column != nullptr &&
                             get_attnum(request.subscriptions, mapping.carried_column) == InvalidAttrNumber;
    missing.total_column = mapping.total_column != nullptr &&
                           get_attnum(request.subscriptions, mapping.total_column) == InvalidAttrNumber;
    missing.total_check =
        missing.used_column || missing.total_column ||
        !is_checked(tables.subscriptions, counter_condition(mapping), false);
    const AttrNumber owner = column_number(request.subscriptions, mapping.subscription_member_column);
    const Attachment *attached = facts.attached;
    missing.active_index =
        is_searched(mapping) && mapping.draw_order == nullptr &&
        !OidIsValid(find_active_index(tables.subscriptions, owner, active_condition(mapping, nullptr),
                                      facts.changes.active_index ? made_index(*attached, "active_index") : InvalidOid));
    const bool member_index_dropped = attached != nullptr &&
                                      find_made(attached->mapping.made, "member_index") != nullptr &&
                                      !is_there(*attached, "member_index");
    // An index of active subscriptions that holds all of them finds them, too.
    missing.member_index = (mapping.draw_order != nullptr || ((missing.active_index || member_index_dropped) &&
                                                              mapping.subscription_status_column != nullptr)) &&
                           !OidIsValid(find_member_index(tables.subscriptions, owner));
    missing.link_index = missing.link_column ||
                         !OidIsValid(find_link_index(tables.sessions, link, member, linked_condition(mapping)));
    missing.link_check = mapping.link_check &&
                         (missing.link_column || facts.changes.link_check ||
                          !is_checked(tables.sessions, link_check_condition(mapping), false));
    missing.view = mapping.make_view && (attached == nullptr || !is_there(*attached, "view"));
    missing.triggers = judge_triggers(request, attached, mapping);
}

const char *view_name(const Request &request)
{
    return request.mapping.counts_view != nullptr
               ? request.mapping.counts_view
               : makeObjectName(get_rel_name(request.subscriptions), nullptr, "session_counts");
}

// Where there is no view of that name yet, there must be nothing else of it.
void check_view_name(const Facts &facts, const Request &request)
{
    const Attachment *attached = facts.attached;
    const bool has_name = attached != nullptr && is_there(*attached, "view") &&
                          strcmp(find_made(attached->mapping.made, "view"), facts.counts_view) == 0;
    if (facts.mapping.make_view && !has_name &&
        OidIsValid(get_relname_relid(facts.counts_view, get_rel_namespace(request.subscriptions))))
        ereport(ERROR, errcode(ERRCODE_DUPLICATE_TABLE), errmsg("relation \"%s\" already exists", facts.counts_view),
                errdetail("The counts view would have its name."),
                errhint("Name the counts view in the argument \"counts_view\" of attach()."));
}

// As the owner of the sessions: the values of a list go through the input function of their column's type, which may be
// somebody's domain.
std::optional<Facts> look(Obstacles &obstacles, const Request &request, const Tables &tables)
{
    Facts facts{};
    facts.mapping = request.mapping;
    facts.partitioned = tables.sessions->rd_rel->relkind == RELKIND_PARTITIONED_TABLE;
    facts.counts_view = view_name(request);
    bool fits = passes(obstacles, [&] { facts.attached = find_attached(request, facts.counts_view); });
    const bool columns_fit = judge_columns(obstacles, tables, facts.mapping) &
                             judge_expressions(obstacles, tables, facts.mapping);
    if (facts.attached != nullptr)
        facts.mapping.total_added |= facts.attached->mapping.total_added;
    if (facts.attached != nullptr)
        fits &= passes(obstacles, [&] { refuse_other_columns(*facts.attached, facts.mapping); });
    if (columns_fit)
        facts.join = judge_key(obstacles, tables, facts.mapping);
    if (fits)
        passes(obstacles, [&] { check_view_name(facts, request); });
    if (!fits || !columns_fit)
        return std::nullopt;
    if (facts.attached != nullptr)
        facts.changes = find_changes(*facts.attached, facts.mapping, facts.counts_view);
    facts.changes.surplus = !find_surplus(request).empty();
    find_missing(facts, request, tables);
    return facts;
}

}  // namespace

const char *gone_before(const Facts &facts)
{
    Mapping mapping = facts.mapping;
    if (facts.missing.carried_column)
        mapping.carried_column = nullptr;
    if (facts.missing.total_column)
        mapping.remaining_column = nullptr;
    return gone_expression(mapping);
}

std::optional<Facts> inspect_tables(Obstacles &obstacles, const Request &request)
{
    const Tables tables = open_tables(pair_of(request));
    std::optional<Facts> facts;
    bool looks = judge_kinds(obstacles, tables);
    // What the tables are is nobody else's business.
    for (Relation relation : {tables.sessions, tables.subscriptions})
        looks = looks && passes(obstacles, [=] { check_owner(relation); });
    if (looks) {
        judge_relations(obstacles, tables);
        const Caller caller = enter_restricted(tables.sessions->rd_rel->relowner);
        facts = look(obstacles, request, tables);
        leave_owner(caller);
    }
    close_tables(tables);
    return facts;
}

}  // namespace sc
