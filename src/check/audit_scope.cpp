// Turns the arguments of audit() into a scope: mapping, keys, members table, and what is missing.
#include "check/audit_scope.hpp"

#include <algorithm>

#include "catalog/arguments.hpp"
#include "catalog/attachable.hpp"
#include "catalog/citus.hpp"
#include "catalog/column_rules.hpp"
#include "catalog/expressions.hpp"
#include "catalog/treated.hpp"
#include "check/read_counts.hpp"
#include "server/operators.hpp"

namespace sc {

namespace {

bool same_text(const char *left, const char *right)
{
    return left == nullptr || right == nullptr ? left == right : strcmp(left, right) == 0;
}

// Nothing is counted by when it takes place, or by an order.
bool is_same_mapping(const Mapping &left, const Mapping &right)
{
    return std::all_of(mapping_fields.begin(), mapping_fields.end(), [&](const Field &field) {
        const bool counts_nothing =
            field.kind == FieldKind::moment || (field.kind == FieldKind::text && !has(field, counts));
        return counts_nothing || is_same(left, right, field);
    });
}

bool is_null(const Arguments &arguments, const char *name)
{
    return arguments.call->args[*find_argument(arguments, name)].isnull;
}

Oid table_argument(const Arguments &arguments, const char *argument)
{
    const Oid table = DatumGetObjectId(require_argument(arguments, argument));
    LockRelationOid(table, AccessShareLock);
    const char *name = get_rel_name(table);
    if (name == nullptr)
        ereport(ERROR, errcode(ERRCODE_UNDEFINED_TABLE), errmsg("relation with OID %u does not exist", table));
    const char kind = get_rel_relkind(table);
    if (kind != RELKIND_RELATION && kind != RELKIND_PARTITIONED_TABLE)
        ereport(ERROR, errcode(ERRCODE_WRONG_OBJECT_TYPE), errmsg("\"%s\" is not a table", name));
    return table;
}

Names primary_key(Oid table)
{
    Relation relation = table_open(table, NoLock);
    bool deferrable;
    const Columns key = primary_key_of(relation, &deferrable);
    table_close(relation, NoLock);
    if (key.empty())
        ereport(ERROR, errcode(ERRCODE_INVALID_TABLE_DEFINITION),
                errmsg("table \"%s\" has no primary key", get_rel_name(table)),
                errhint("Give it one: findings name a row by it."));
    auto **names = static_cast<const char **>(palloc(sizeof(char *) * key.size()));
    std::transform(key.begin(), key.end(), names,
                   [table](int16 column) { return get_attname(table, column, false); });
    return Names(names, key.size());
}

// What the link refers to: by the foreign key where there is one, else the primary key of the subscriptions.
void find_subscription_key(Counting &counting)
{
    const Mapping &mapping = counting.mapping;
    if (const std::optional<Column> link = find_column(counting.sessions, mapping.subscription_column)) {
        Relation sessions = table_open(counting.sessions, NoLock);
        const AttrNumber member = column_number(counting.sessions, mapping.member_column);
        bool several = false;
        const std::optional<LinkKey> key = find_link_key(sessions, link->number, member, &several);
        table_close(sessions, NoLock);
        if (key && key->subscriptions == counting.subscriptions) {
            counting.subscription_id = get_attname(counting.subscriptions, key->subscription_id, false);
            counting.by_member = key->columns == 2;
            return;
        }
    }
    const Names key = primary_key(counting.subscriptions);
    counting.by_member = key.size() == 2;
    const bool member_first = same_text(key.front(), mapping.subscription_member_column);
    const bool member_last = same_text(key.back(), mapping.subscription_member_column);
    if (key.size() > 2 || (counting.by_member && !member_first && !member_last))
        ereport(ERROR, errcode(ERRCODE_INVALID_TABLE_DEFINITION),
                errmsg("no single column can link to the primary key of table \"%s\"",
                       get_rel_name(counting.subscriptions)),
                errhint("The key must be one column, or the member and one column."));
    counting.subscription_id = counting.by_member && member_first ? key[1] : key.front();
}

struct Reference {
    Oid table;
    const char *key;
};

// What a foreign key of that column alone leads to; wanted may be InvalidOid for any table.
std::optional<Reference> find_reference(Oid table, const char *column, Oid wanted)
{
    const AttrNumber number = find_column(table, column)->number;
    std::optional<Reference> found;
    Relation relation = table_open(table, NoLock);
    ListCell *cell;
    foreach (cell, RelationGetFKeyList(relation)) {
        const auto *key = static_cast<const ForeignKeyCacheInfo *>(lfirst(cell));
        if (key->nkeys != 1 || key->conkey[0] != number || (OidIsValid(wanted) && key->confrelid != wanted))
            continue;
        found = Reference{.table = key->confrelid, .key = get_attname(key->confrelid, key->confkey[0], false)};
        break;
    }
    table_close(relation, NoLock);
    return found;
}

void find_members(const Arguments &arguments, AuditScope &scope)
{
    const Counting &counting = scope.counting;
    const Mapping &mapping = counting.mapping;
    if (!is_searched(mapping))
        return;
    const Oid wanted = is_null(arguments, "members") ? InvalidOid : table_argument(arguments, "members");
    std::optional<Reference> found = find_reference(counting.subscriptions, mapping.subscription_member_column, wanted);
    if (!found)
        found = find_reference(counting.sessions, mapping.member_column, wanted);
    if (!found && OidIsValid(wanted)) {
        const Names key = primary_key(wanted);
        if (key.size() != 1)
            ereport(ERROR, errcode(ERRCODE_INVALID_TABLE_DEFINITION),
                    errmsg("no column of table \"%s\" is known to hold the members' keys", get_rel_name(wanted)),
                    errhint("Its primary key must be one column, or a foreign key of the member column lead to it."));
        found = Reference{.table = wanted, .key = key.front()};
    }
    if (!found)
        return;
    LockRelationOid(found->table, AccessShareLock);
    check_joined(counting.sessions, mapping.member_column, found->table, found->key);
    scope.members = found->table;
    scope.members_key = found->key;
    scope.members_name =
        owner_of(found->table) == owner_of(counting.sessions) ? qualified_name(found->table) : member_keys;
}

// Everything that the queries of an audit name.
void require_rights(const AuditScope &scope)
{
    const Counting &counting = scope.counting;
    const Mapping &mapping = counting.mapping;
    require_every_row(counting.sessions, std::array{mapping.member_column, mapping.subscription_column,
                                                    mapping.type_column, mapping.status_column,
                                                    mapping.start_column});
    require_every_row(counting.sessions, counting_columns(mapping));
    require_every_row(counting.sessions, scope.session_key);
    require_every_row(counting.subscriptions,
                      std::array{counting.subscription_id, mapping.subscription_member_column,
                                 mapping.subscription_status_column, mapping.total_column, mapping.used_column,
                                 mapping.remaining_column, mapping.carried_column, mapping.valid_from_column,
                                 mapping.valid_until_column});
    if (OidIsValid(scope.members))
        require_every_row(scope.members, std::array{scope.members_key});
}

// What attach() refuses is refused here too; what it would add may be missing.
void check_mapping(const Counting &counting)
{
    const Pair pair{counting.sessions, counting.subscriptions};
    Mapping settled = counting.mapping;
    settle_remaining_column(pair, settled);
    settle_total_column(pair, settled);
    check_columns(pair, settled);
    if (is_searched(settled))
        check_joined(counting.sessions, settled.member_column, counting.subscriptions,
                     settled.subscription_member_column);
}

// The attachment's mapping with the expressions as they are told to attach(), so that others can stand beside them.
// Where they cannot be read, *fault says why, and the mapping has none.
Mapping with_texts(const Attachment &attachment, const char **fault)
{
    Mapping mapping = attachment.mapping;
    const Expressions *expressions = find_expressions(attachment.sessions, mapping, fault);
    if (*fault != nullptr)
        *fault = psprintf("table %s %s", qualified_name(attachment.sessions), *fault);
    for (const Field &field : mapping_fields)
        if (field.kind == FieldKind::expression && mapping.*field.text != nullptr)
            mapping.*field.text =
                expressions == nullptr ? nullptr : expression_text(*expressions, tree_of(*expressions, field));
    return mapping;
}

void find_expressions_of(Counting &counting)
{
    Mapping &mapping = counting.mapping;
    run_restricted(owner_of(counting.sessions), [&] {
        mapping.expressions = parse_expressions({counting.sessions, counting.subscriptions}, mapping);
    });
}

void find_columns(AuditScope &scope)
{
    Counting &counting = scope.counting;
    const Mapping &mapping = counting.mapping;
    find_subscription_key(counting);
    scope.id_type = cast_name(find_column(counting.subscriptions, counting.subscription_id)->type);
    scope.session_key = primary_key(counting.sessions);
    if (const std::optional<Column> link = find_column(counting.sessions, mapping.subscription_column)) {
        check_joined(counting.sessions, mapping.subscription_column, counting.subscriptions, counting.subscription_id);
        scope.has_link = true;
        scope.can_clear_link = link->nullable;
    }
    if (mapping.carried_column != nullptr && !find_column(counting.subscriptions, mapping.carried_column))
        counting.mapping.carried_column = nullptr;
    scope.has_used = find_column(counting.subscriptions, mapping.used_column).has_value();
    if (mapping.remaining_column == nullptr || mapping.total_column == nullptr)
        return;
    const bool has_total = find_column(counting.subscriptions, mapping.total_column).has_value();
    if (const std::optional<Column> remaining = find_column(counting.subscriptions, mapping.remaining_column)) {
        scope.has_remaining = true;
        scope.plain_remaining = has_total && !remaining->generated;
    }
    // Where only what remains is stored, there is no telling what is used: attach() adds a total that fits.
    if (!has_total)
        counting.mapping.total_column = nullptr;
}

// Not who owns the tables: that is a matter of who attaches.
void find_obstacles(AuditScope &scope, Mapping mapping)
{
    scope.obstacles.collects = true;
    const Tables tables = open_tables({scope.counting.sessions, scope.counting.subscriptions});
    // An audit says of one end alone what there is to say.
    if (mapping.start_column == nullptr)
        mapping.valid_from_column = mapping.valid_until_column = nullptr;
    judge_relations(scope.obstacles, tables);
    run_restricted(owner_of(scope.counting.sessions), [&] {
        if (judge_columns(scope.obstacles, tables, mapping) & judge_expressions(scope.obstacles, tables, mapping))
            judge_key(scope.obstacles, tables, mapping);
    });
    close_tables(tables);
}

// Until migrate() has treated history, nobody has tried whether a session can be paid for.
bool leaves_unpaid(const AuditScope &scope)
{
    return scope.attachment != nullptr && when_none_of(scope.counting.mapping) == WhenNone::leave &&
           (find_made(scope.attachment->mapping.made, "history") == nullptr ||
            find_treated(scope.attachment->charge_trigger));
}

// The subscriptions of an attachment, also where the foreign key that says so is gone.
Oid attached_subscriptions(const Attachment &attachment)
{
    const Oids candidates = find_subscriptions(attachment);
    if (candidates.size() != 1)
        ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                errmsg("cannot determine the subscriptions table of table \"%s\"",
                       get_rel_name(attachment.sessions)),
                errdetail("The foreign key of its link column is gone."),
                errhint("Name it as the argument \"subscriptions\"."));
    return candidates.front();
}

}  // namespace

AuditScope read_audit_scope(FunctionCallInfo fcinfo)
{
    const Arguments arguments = arguments_of(fcinfo);
    AuditScope scope{};
    Counting &counting = scope.counting;
    counting.sessions = table_argument(arguments, "sessions");
    const bool named = !is_null(arguments, "subscriptions");
    if (named)
        counting.subscriptions = table_argument(arguments, "subscriptions");
    const std::span<const Attachment> attachments = find_attachments(counting.sessions, counting.subscriptions);
    const Attachment *attachment = attachments.empty() ? nullptr : &attachments.front();
    if (!named && attachment == nullptr)
        ereport(ERROR, errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
                errmsg("argument \"subscriptions\" must not be null"),
                errdetail("Table \"%s\" is not attached.", get_rel_name(counting.sessions)),
                errhint("Name the subscriptions table."));
    if (!named)
        counting.subscriptions = attached_subscriptions(require_attachment({counting.sessions, InvalidOid}));
    scope.sharded = require_together({counting.sessions, counting.subscriptions}, "audit");
    if (counting.sessions == counting.subscriptions)
        ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                errmsg("sessions and subscriptions must be two tables"));
    LockRelationOid(counting.subscriptions, AccessShareLock);
    scope.attachment = attachment;
    const bool readable = attachment != nullptr && attachment->fault == nullptr;
    const char *fault = nullptr;
    const Mapping own = readable ? with_texts(*attachment, &fault) : Mapping{};
    counting.mapping = read_fields(arguments, readable ? &own : nullptr);
    check_mapping(counting);
    find_expressions_of(counting);
    scope.own_mapping = readable && is_same_mapping(counting.mapping, attachment->mapping) &&
                        is_same(counting.mapping.expressions, attachment->mapping.expressions);
    const Mapping asked = counting.mapping;
    find_columns(scope);
    find_members(arguments, scope);
    scope.leaves_unpaid = leaves_unpaid(scope);
    require_rights(scope);
    scope.distrust = find_distrust(counting.sessions, counting.subscriptions);
    if (scope.distrust == nullptr)
        scope.distrust = fault;
    if (attachment == nullptr)
        find_obstacles(scope, asked);
    if (scope.distrust == nullptr)
        run_restricted(owner_of(counting.sessions), [&] {
            Mapping settled = counting.mapping;
            check_values({counting.sessions, counting.subscriptions}, settled);
        });
    return scope;
}

}  // namespace sc
