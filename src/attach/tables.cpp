// Judges the two tables that attach() is given, in the order: what kind of relation, whose, attached already, columns,
// values, key.
#include "attach/tables.hpp"

#include <algorithm>

#include "catalog/column_rules.hpp"
#include "catalog/counting.hpp"
#include "server/owner.hpp"
#include "catalog/equivalents.hpp"
#include "server/pg_compat.hpp"

namespace sc {

namespace {

struct Tables {
    Relation sessions;
    Relation subscriptions;
};

struct KindWord {
    char kind;
    const char *word;
};
constexpr std::array kind_words{
    KindWord{RELKIND_VIEW, "a view"},
    KindWord{RELKIND_MATVIEW, "a materialized view"},
    KindWord{RELKIND_FOREIGN_TABLE, "a foreign table"},
    KindWord{RELKIND_INDEX, "an index"},
    KindWord{RELKIND_PARTITIONED_INDEX, "an index"},
    KindWord{RELKIND_SEQUENCE, "a sequence"},
    KindWord{RELKIND_COMPOSITE_TYPE, "a composite type"},
    KindWord{RELKIND_TOASTVALUE, "a TOAST table"},
};

// attach() returns the lock when it has looked: it takes stronger ones later, and never upgrades.
Relation open_table(Oid oid)
{
    Relation relation = try_relation_open(oid, AccessShareLock);
    if (relation == nullptr)
        ereport(ERROR, errcode(ERRCODE_UNDEFINED_TABLE), errmsg("relation with OID %u does not exist", oid),
                errdetail("It has been dropped, or never existed."), errhint("Name a table."));
    return relation;
}

void check_kind(Relation relation)
{
    const char *name = RelationGetRelationName(relation);
    for (const KindWord &kind : kind_words)
        if (kind.kind == relation->rd_rel->relkind)
            ereport(ERROR, errcode(ERRCODE_WRONG_OBJECT_TYPE), errmsg("\"%s\" is not a table", name),
                    errdetail("It is %s.", kind.word), errhint("Name a table, partitioned or not."));
    if (relation->rd_rel->relpersistence != RELPERSISTENCE_PERMANENT)
        ereport(ERROR, errcode(ERRCODE_INVALID_TABLE_DEFINITION),
                errmsg("table \"%s\" is %s", name,
                       relation->rd_rel->relpersistence == RELPERSISTENCE_TEMP ? "temporary" : "unlogged"),
                errdetail("The end of its session or a crash would empty it and leave the counters behind."),
                errhint("Keep the rows in a permanent table, which is logged."));
}

void check_standing_alone(Relation relation)
{
    const char *name = RelationGetRelationName(relation);
    const Oid oid = RelationGetRelid(relation);
    if (relation->rd_rel->relispartition)
        ereport(ERROR, errcode(ERRCODE_WRONG_OBJECT_TYPE), errmsg("table \"%s\" is a partition", name),
                errdetail("The rules of a part alone would say nothing of the other parts' sessions."),
                errhint("Attach the partitioned table \"%s\": its partitions are attached with it.",
                        get_rel_name(llast_oid(get_partition_ancestors(oid)))));
    if (relation->rd_rel->relkind == RELKIND_RELATION &&
        (has_superclass(oid) || find_inheritance_children(oid, NoLock) != NIL))
        ereport(ERROR, errcode(ERRCODE_WRONG_OBJECT_TYPE),
                errmsg("table \"%s\" inherits or is inherited from", name),
                errdetail("Triggers, foreign keys and unique indexes do not reach the rows of inheritance children."),
                errhint("Use declarative partitioning, or a table of its own."));
}

void check_owner(Relation relation)
{
    if (!owns_relation(RelationGetRelid(relation), GetUserId()))
        ereport(ERROR, errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
                errmsg("must be owner of table %s", RelationGetRelationName(relation)),
                errdetail("It belongs to \"%s\".", GetUserNameFromId(relation->rd_rel->relowner, false)),
                errhint("Attach as the owner of both tables."));
}

// The triggers of the sessions write counters as the owner of the subscriptions: an owner who is not trusted with them
// could not book. And rows are looked at as the owner of the sessions, by whom no partition of somebody else's is read.
void check_trusted(const Tables &tables)
{
    const Oid owner = tables.sessions->rd_rel->relowner;
    const Oid subscriptions_owner = tables.subscriptions->rd_rel->relowner;
    if (!has_privs_of_role(owner, subscriptions_owner))
        ereport(ERROR, errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
                errmsg("the owner of table \"%s\" does not have the privileges of the owner of table \"%s\"",
                       RelationGetRelationName(tables.sessions), RelationGetRelationName(tables.subscriptions)),
                errdetail("They are \"%s\" and \"%s\".", GetUserNameFromId(owner, false),
                          GetUserNameFromId(subscriptions_owner, false)),
                errhint("Give both tables the same owner."));
    if (const char *distrust = find_distrust(RelationGetRelid(tables.sessions), InvalidOid, NoLock))
        ereport(ERROR, errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
                errmsg("table \"%s\" has a partition of another owner", RelationGetRelationName(tables.sessions)),
                errdetail_internal("%c%s.", pg_toupper(distrust[0]), distrust + 1),
                errhint("Give the partition the table's owner."));
}

void check_relations(const Tables &tables)
{
    check_kind(tables.sessions);
    check_kind(tables.subscriptions);
    check_standing_alone(tables.sessions);
    check_standing_alone(tables.subscriptions);
    if (tables.subscriptions->rd_rel->relkind == RELKIND_PARTITIONED_TABLE)
        ereport(ERROR, errcode(ERRCODE_WRONG_OBJECT_TYPE),
                errmsg("table \"%s\" is partitioned", RelationGetRelationName(tables.subscriptions)),
                errdetail("Sessions may be partitioned, subscriptions may not."),
                errhint("Keep the subscriptions in one table."));
    check_owner(tables.sessions);
    check_owner(tables.subscriptions);
    check_trusted(tables);
}

Columns require_primary_key(Relation relation)
{
    bool deferrable = false;
    const Columns key = primary_key_of(relation, &deferrable);
    if (key.empty() || deferrable)
        ereport(ERROR, errcode(ERRCODE_INVALID_TABLE_DEFINITION),
                errmsg("table \"%s\" has %s primary key", RelationGetRelationName(relation),
                       deferrable ? "a deferrable" : "no"),
                errdetail("Links, findings and repairs name a row by its key."),
                errhint("Add a primary key that is not deferrable."));
    return key;
}

// A partition that was attached by itself.
void check_not_charged(Oid partition)
{
    for (const OwnTrigger &trigger : find_own_triggers(partition))
        if (!trigger.cloned && strcmp(trigger.rule->function, function::charge) == 0)
            ereport(ERROR, errcode(ERRCODE_DUPLICATE_OBJECT),
                    errmsg("table \"%s\" is already attached", get_rel_name(partition)),
                    errdetail("Its trigger \"%s\" charges subscriptions.", trigger.name),
                    errhint("Detach it: it is attached with the table that it is a partition of."));
}

// The lock of a counter's write must not conflict with those of foreign keys that refer to the subscription.
void check_writable(Relation subscriptions, const Mapping &mapping)
{
    if (const char *index = find_blocking_index(subscriptions, mapping))
        ereport(ERROR, errcode(ERRCODE_INVALID_TABLE_DEFINITION),
                errmsg("unique index \"%s\" of table \"%s\" holds a counter in its key", index,
                       RelationGetRelationName(subscriptions)),
                errdetail("Whoever writes a counter would wait for every check of a foreign key to the subscription, "
                          "and these checks for whoever writes."),
                errhint("Drop the index, or move the counter into its INCLUDE list."));
}

[[noreturn]] void refuse_key(const ForeignKey &key, Oid relation, const char *why,
                             const char *hint)
{
    ereport(ERROR, errcode(ERRCODE_INVALID_FOREIGN_KEY),
            errmsg("foreign key \"%s\" of table \"%s\" cannot join sessions to their subscriptions", key.name,
                   get_rel_name(relation)),
            errdetail_internal("%s", why), errhint("%s", hint));
    pg_unreachable();
}

// An existing key on the link must do what attach()'s own would.
void judge_foreign_key(const Tables &tables, const ForeignKey &key, Oid relation)
{
    const char *again = "Drop it and let attach() add its own, or add one with NO ACTION, not deferrable, that refers "
                        "to the subscriptions.";
    if (key.references != RelationGetRelid(tables.subscriptions))
        refuse_key(key, relation, psprintf("It refers to table \"%s\".", get_rel_name(key.references)),
                   "Name the column that leads to the subscriptions in subscription_column.");
    if (const char *fault = key_fault(key))
        refuse_key(key, relation, psprintf("It %s.", fault), again);
}

// The one foreign key on the link, or none.
std::optional<ForeignKey> existing_key(const Tables &tables, AttrNumber link)
{
    const Oid sessions = RelationGetRelid(tables.sessions);
    std::optional<ForeignKey> only;
    for (const ForeignKey &key : foreign_keys_on(sessions, link)) {
        if (key.inherited)
            continue;
        if (only)
            refuse_key(key, sessions, psprintf("Foreign key \"%s\" holds the same column.", only->name),
                       "Leave one foreign key on the link.");
        judge_foreign_key(tables, key, sessions);
        only = key;
    }
    return only;
}

// The columns of a composite key are the member and the id, in either order.
void settle_composite_key(Facts &facts, Columns columns, AttrNumber member)
{
    facts.by_member = true;
    facts.member_first = columns.front() == member;
}

bool joins_members(const ForeignKey &key, AttrNumber session_member, AttrNumber subscription_member)
{
    for (size_t i = 0; i < key.columns.size(); i++)
        if (key.columns[i] == session_member && key.referenced[i] == subscription_member)
            return true;
    return false;
}

void settle_by_foreign_key(Facts &facts, const Tables &tables, const ForeignKey &key, AttrNumber link)
{
    const Oid sessions = RelationGetRelid(tables.sessions);
    const Oid subscriptions = RelationGetRelid(tables.subscriptions);
    const AttrNumber session_member = column_number(sessions, facts.mapping.member_column);
    const AttrNumber member = column_number(subscriptions, facts.mapping.subscription_member_column);
    if (!is_searched(facts.mapping) && key.columns.size() > 1)
        refuse_key(key, sessions, "It joins more columns than the link, and member_column is NULL.",
                   "Refer to the subscriptions by one column.");
    if (key.columns.size() > 2 || (key.columns.size() == 2 && !joins_members(key, session_member, member)))
        refuse_key(key, sessions, "It joins other columns than the link and the member.",
                   "Refer to the subscriptions by their key, or by (member, key).");
    if (key.columns.size() == 2)
        settle_composite_key(facts, key.referenced, member);
    const auto at = std::find(key.columns.begin(), key.columns.end(), link) - key.columns.begin();
    facts.key_column = get_attname(subscriptions, key.referenced[at], false);
}

void settle_by_primary_key(Facts &facts, const Tables &tables, Columns key)
{
    const Oid subscriptions = RelationGetRelid(tables.subscriptions);
    const AttrNumber member = column_number(subscriptions, facts.mapping.subscription_member_column);
    const bool holds_member = std::find(key.begin(), key.end(), member) != key.end();
    if (key.size() > 2 || (key.size() == 2 && !holds_member))
        ereport(ERROR, errcode(ERRCODE_INVALID_TABLE_DEFINITION),
                errmsg("the primary key of table \"%s\" cannot be referred to by a link column",
                       RelationGetRelationName(tables.subscriptions)),
                errdetail("It must be one column, or the member and one more column."),
                errhint("Add a foreign key from the link to a unique key of the subscriptions first."));
    if (key.size() == 2)
        settle_composite_key(facts, key, member);
    const int16 id = key.size() == 2 && facts.member_first ? key[1] : key[0];
    facts.key_column = get_attname(subscriptions, id, false);
}

void settle_key(Facts &facts, const Request &request, const Tables &tables)
{
    const Mapping &mapping = facts.mapping;
    const Columns primary_key = require_primary_key(tables.subscriptions);
    require_primary_key(tables.sessions);
    const AttrNumber link = get_attnum(request.sessions, mapping.subscription_column);
    const std::optional<ForeignKey> key =
        link == InvalidAttrNumber ? std::nullopt : existing_key(tables, link);
    facts.missing.link_column = link == InvalidAttrNumber;
    facts.missing.link_key = !key;
    if (key)
        settle_by_foreign_key(facts, tables, *key, link);
    else
        settle_by_primary_key(facts, tables, primary_key);
    if (link != InvalidAttrNumber)
        check_joined(request.sessions, mapping.subscription_column, request.subscriptions, facts.key_column);
    if (is_searched(mapping))
        check_joined(request.sessions, mapping.member_column, request.subscriptions,
                     mapping.subscription_member_column);
}

void check_counter_keys(const Facts &facts, Oid subscriptions)
{
    if (const std::optional<ForeignKey> key = find_counter_key(subscriptions, facts.mapping))
        ereport(ERROR, errcode(ERRCODE_INVALID_FOREIGN_KEY),
                errmsg("foreign key \"%s\" of table \"%s\" holds a counter", key->name, get_rel_name(subscriptions)),
                errdetail("When the extension writes a counter, no foreign key is checked."),
                errhint("Drop the key: a CHECK can say which values a counter may have."));
}

// The server takes a partition's own key over when it is exactly the one that the root gets.
bool is_adopted(const Facts &facts, const Request &request, Oid partition, const ForeignKey &key)
{
    const Mapping &mapping = facts.mapping;
    const AttrNumber link = get_attnum(partition, mapping.subscription_column);
    const AttrNumber id = get_attnum(request.subscriptions, facts.key_column);
    const AttrNumber member = column_number(partition, mapping.member_column);
    const AttrNumber member_key = column_number(request.subscriptions, mapping.subscription_member_column);
    const size_t width = facts.by_member ? 2 : 1;
    const size_t link_at = facts.by_member && facts.member_first ? 1 : 0;
    return key.columns.size() == width && key.columns[link_at] == link && key.referenced[link_at] == id &&
           (width == 1 || (key.columns[1 - link_at] == member && key.referenced[1 - link_at] == member_key)) &&
           key.on_delete == FKCONSTR_ACTION_NOACTION && key.on_update == FKCONSTR_ACTION_NOACTION &&
           key.match == FKCONSTR_MATCH_SIMPLE && key.validated;
}

// Foreign keys that a partition has of its own; the one that the root's key will take over is returned by name.
const char *judge_partition_keys(const Facts &facts, const Request &request, const Tables &tables, Oid partition)
{
    const char *adopted = nullptr;
    const AttrNumber link = get_attnum(partition, facts.mapping.subscription_column);
    for (const ForeignKey &key : foreign_keys_on(partition, link)) {
        if (key.inherited)
            continue;
        judge_foreign_key(tables, key, partition);
        if (!facts.missing.link_key || adopted != nullptr)
            refuse_key(key, partition, "The partition would have two foreign keys on the link.",
                       "Drop the partition's own.");
        if (!is_adopted(facts, request, partition, key))
            refuse_key(key, partition,
                       "It differs from the one that the partitioned table gets, and would stand beside it.",
                       "Validate it and give it NO ACTION and the same columns, or drop it.");
        adopted = psprintf("%s.%s", qualified_name(partition), quote_identifier(key.name));
    }
    return adopted;
}

void check_partitions(Facts &facts, const Request &request, const Tables &tables)
{
    const Oids tree = partition_tree(request.sessions, NoLock);
    auto **adopted = static_cast<const char **>(palloc(sizeof(char *) * tree.size()));
    size_t count = 0;
    for (const Oid partition : tree.subspan(1)) {
        Relation relation = open_table(partition);
        check_kind(relation);
        check_not_charged(partition);
        if (!facts.missing.link_column) {
            const AttrNumber link = get_attnum(partition, facts.mapping.subscription_column);
            facts.adoptable_index |= has_adoptable_index(relation, link);
            if (const char *key = judge_partition_keys(facts, request, tables, partition))
                adopted[count++] = key;
        }
        relation_close(relation, AccessShareLock);
    }
    facts.adopted_keys = Names(adopted, count);
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
    const AttrNumber member = facts.by_member ? get_attnum(request.sessions, mapping.member_column) : 0;
    missing.used_column = get_attnum(request.subscriptions, mapping.used_column) == InvalidAttrNumber;
    missing.total_check =
        missing.used_column || !is_checked(tables.subscriptions, counter_condition(mapping), false);
    const AttrNumber owner = column_number(request.subscriptions, mapping.subscription_member_column);
    const Attachment *attached = facts.attached;
    missing.active_index =
        is_searched(mapping) &&
        !OidIsValid(find_active_index(tables.subscriptions, owner, active_condition(mapping, nullptr),
                                      facts.changes.active_index ? made_index(*attached, "active_index") : InvalidOid));
    const bool member_index_dropped = attached != nullptr &&
                                      find_made(attached->mapping.made, "member_index") != nullptr &&
                                      !is_there(*attached, "member_index");
    missing.member_index = (missing.active_index || member_index_dropped) &&
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

void check_view_name(const Facts &facts, const Request &request)
{
    if ((facts.missing.view || facts.changes.rename_view) &&
        OidIsValid(get_relname_relid(facts.counts_view, get_rel_namespace(request.subscriptions))))
        ereport(ERROR, errcode(ERRCODE_DUPLICATE_TABLE), errmsg("relation \"%s\" already exists", facts.counts_view),
                errdetail("The counts view would have its name."),
                errhint("Name the counts view in the argument \"counts_view\" of attach()."));
}

}  // namespace

Facts inspect_tables(const Request &request)
{
    const Tables tables{open_table(request.sessions), open_table(request.subscriptions)};
    Facts facts{};
    facts.mapping = request.mapping;
    check_relations(tables);
    // The values of a list go through the input function of their column's type, which may be somebody's domain.
    const Caller caller = enter_restricted(tables.sessions->rd_rel->relowner);
    facts.counts_view = view_name(request);
    facts.attached = find_attached(request, facts.counts_view);
    const Pair pair = pair_of(request);
    settle_remaining_column(pair, facts.mapping);
    if (facts.attached != nullptr)
        refuse_other_columns(*facts.attached, facts.mapping);
    check_columns(pair, facts.mapping);
    check_values(pair, facts.mapping);
    check_writable(tables.subscriptions, facts.mapping);
    settle_key(facts, request, tables);
    check_counter_keys(facts, request.subscriptions);
    facts.partitioned = tables.sessions->rd_rel->relkind == RELKIND_PARTITIONED_TABLE;
    if (facts.partitioned)
        check_partitions(facts, request, tables);
    if (facts.attached != nullptr)
        facts.changes = find_changes(*facts.attached, facts.mapping, facts.counts_view);
    facts.changes.surplus = !find_surplus(request).empty();
    find_missing(facts, request, tables);
    check_view_name(facts, request);
    leave_owner(caller);
    relation_close(tables.subscriptions, AccessShareLock);
    relation_close(tables.sessions, AccessShareLock);
    return facts;
}

}  // namespace sc
