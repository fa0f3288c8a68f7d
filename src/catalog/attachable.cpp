// Judges two tables: what kind of relation, columns, values, key, partitions.
#include "catalog/attachable.hpp"

#include <algorithm>

#include "catalog/expressions.hpp"

#include "catalog/column_rules.hpp"
#include "catalog/equivalents.hpp"
#include "server/owner.hpp"
#include "server/pg_compat.hpp"

namespace sc {

namespace {

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
}

void check_permanent(Relation relation)
{
    const char *name = RelationGetRelationName(relation);
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

void check_whole(Relation subscriptions)
{
    if (subscriptions->rd_rel->relkind == RELKIND_PARTITIONED_TABLE)
        ereport(ERROR, errcode(ERRCODE_WRONG_OBJECT_TYPE),
                errmsg("table \"%s\" is partitioned", RelationGetRelationName(subscriptions)),
                errdetail("Sessions may be partitioned, subscriptions may not."),
                errhint("Keep the subscriptions in one table."));
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
void judge_foreign_key(const Tables &tables, const ForeignKey &key, Oid relation, AttrNumber link)
{
    const char *again = "Drop it and let attach() add its own, or make it NO ACTION, CASCADE or, when a subscription "
                        "is deleted, SET NULL of the link alone.";
    if (key.references != RelationGetRelid(tables.subscriptions))
        refuse_key(key, relation, psprintf("It refers to table \"%s\".", get_rel_name(key.references)),
                   "Name the column that leads to the subscriptions in subscription_column.");
    if (const char *fault = key_fault(key, link))
        refuse_key(key, relation, psprintf("It %s.", fault), again);
}

// The columns of a composite key are the member and the id, in either order.
void settle_composite_key(JoinKey &join, Columns columns, AttrNumber member)
{
    join.by_member = true;
    join.member_first = columns.front() == member;
}

bool joins_members(const ForeignKey &key, AttrNumber session_member, AttrNumber subscription_member)
{
    for (size_t i = 0; i < key.columns.size(); i++)
        if (key.columns[i] == session_member && key.referenced[i] == subscription_member)
            return true;
    return false;
}

void settle_by_foreign_key(JoinKey &join, const Tables &tables, const Mapping &mapping, const ForeignKey &key,
                           AttrNumber link)
{
    const Oid sessions = RelationGetRelid(tables.sessions);
    const Oid subscriptions = RelationGetRelid(tables.subscriptions);
    const AttrNumber session_member = column_number(sessions, mapping.member_column);
    const AttrNumber member = column_number(subscriptions, mapping.subscription_member_column);
    if (!is_searched(mapping) && key.columns.size() > 1)
        refuse_key(key, sessions, "It joins more columns than the link, and member_column is NULL.",
                   "Refer to the subscriptions by one column.");
    if (key.columns.size() > 2 || (key.columns.size() == 2 && !joins_members(key, session_member, member)))
        refuse_key(key, sessions, "It joins other columns than the link and the member.",
                   "Refer to the subscriptions by their key, or by (member, key).");
    if (key.columns.size() == 2)
        settle_composite_key(join, key.referenced, member);
    const auto at = std::find(key.columns.begin(), key.columns.end(), link) - key.columns.begin();
    join.column = get_attname(subscriptions, key.referenced[at], false);
    if (find_column(subscriptions, join.column)->nullable)
        ereport(ERROR, errcode(ERRCODE_INVALID_TABLE_DEFINITION),
                errmsg("column \"%s\" of table \"%s\" may be NULL, and links refer to it", join.column,
                       get_rel_name(subscriptions)),
                errdetail("No session could be linked to a subscription without that key."),
                errhint("Make the column NOT NULL."));
}

void settle_by_primary_key(JoinKey &join, const Tables &tables, const Mapping &mapping, Columns key)
{
    const Oid subscriptions = RelationGetRelid(tables.subscriptions);
    const AttrNumber member = column_number(subscriptions, mapping.subscription_member_column);
    const bool holds_member = std::find(key.begin(), key.end(), member) != key.end();
    if (key.size() > 2 || (key.size() == 2 && !holds_member))
        ereport(ERROR, errcode(ERRCODE_INVALID_TABLE_DEFINITION),
                errmsg("the primary key of table \"%s\" cannot be referred to by a link column",
                       RelationGetRelationName(tables.subscriptions)),
                errdetail("It must be one column, or the member and one more column."),
                errhint("Add a foreign key from the link to a unique key of the subscriptions first."));
    if (key.size() == 2)
        settle_composite_key(join, key, member);
    const int16 id = key.size() == 2 && join.member_first ? key[1] : key[0];
    join.column = get_attname(subscriptions, id, false);
}

void check_counter_keys(Oid subscriptions, const Mapping &mapping)
{
    if (const std::optional<ForeignKey> key = find_counter_key(subscriptions, mapping))
        ereport(ERROR, errcode(ERRCODE_INVALID_FOREIGN_KEY),
                errmsg("foreign key \"%s\" of table \"%s\" holds a counter", key->name, get_rel_name(subscriptions)),
                errdetail("When the extension writes a counter, no foreign key is checked."),
                errhint("Drop the key: a CHECK can say which values a counter may have."));
}

// The server takes a partition's own key over when it is exactly the one that the root gets.
bool is_adopted(const JoinKey &join, const Tables &tables, const Mapping &mapping, Oid partition,
                const ForeignKey &key)
{
    const Oid subscriptions = RelationGetRelid(tables.subscriptions);
    const AttrNumber link = get_attnum(partition, mapping.subscription_column);
    const AttrNumber id = get_attnum(subscriptions, join.column);
    const AttrNumber member = column_number(partition, mapping.member_column);
    const AttrNumber member_key = column_number(subscriptions, mapping.subscription_member_column);
    const size_t width = join.by_member ? 2 : 1;
    const size_t link_at = join.by_member && join.member_first ? 1 : 0;
    return key.columns.size() == width && key.columns[link_at] == link && key.referenced[link_at] == id &&
           (width == 1 || (key.columns[1 - link_at] == member && key.referenced[1 - link_at] == member_key)) &&
           key.on_delete == FKCONSTR_ACTION_NOACTION && key.on_update == FKCONSTR_ACTION_NOACTION &&
           key.match == FKCONSTR_MATCH_SIMPLE && key.validated && !key.deferrable;
}

// Foreign keys that a partition has of its own; the one that the root's key will take over is returned by name.
const char *judge_partition_keys(const JoinKey &join, const Tables &tables, const Mapping &mapping, Oid partition)
{
    const char *adopted = nullptr;
    const AttrNumber link = get_attnum(partition, mapping.subscription_column);
    for (const ForeignKey &key : foreign_keys_on(partition, link)) {
        if (key.inherited)
            continue;
        judge_foreign_key(tables, key, partition, link);
        if (join.has_key || adopted != nullptr)
            refuse_key(key, partition, "The partition would have two foreign keys on the link.",
                       "Drop the partition's own.");
        if (!is_adopted(join, tables, mapping, partition, key))
            refuse_key(key, partition,
                       "It differs from the one that the partitioned table gets, and would stand beside it.",
                       "Validate it and give it NO ACTION and the same columns, not deferrable, or drop it.");
        adopted = psprintf("%s.%s", qualified_name(partition), quote_identifier(key.name));
    }
    return adopted;
}

// The one foreign key on the link; nothing where there is none, or where one is in the way.
std::optional<ForeignKey> judge_link_keys(Obstacles &obstacles, JoinKey &join, const Tables &tables, AttrNumber link)
{
    const Oid sessions = RelationGetRelid(tables.sessions);
    std::optional<ForeignKey> only;
    bool fits = true;
    for (const ForeignKey &key : foreign_keys_on(sessions, link)) {
        if (key.inherited)
            continue;
        fits &= passes(obstacles, [&] {
            if (only)
                refuse_key(key, sessions, psprintf("Foreign key \"%s\" holds the same column.", only->name),
                           "Leave one foreign key on the link.");
            judge_foreign_key(tables, key, sessions, link);
        });
        only = only ? only : key;
    }
    join.has_key = only.has_value();
    return fits ? only : std::nullopt;
}

void judge_partitions(Obstacles &obstacles, JoinKey &join, const Tables &tables, const Mapping &mapping)
{
    const Oids tree = partition_tree(RelationGetRelid(tables.sessions), NoLock);
    auto **adopted = static_cast<const char **>(palloc(sizeof(char *) * tree.size()));
    size_t count = 0;
    for (const Oid partition : tree.subspan(1))
        passes(obstacles, [&] {
            Relation relation = open_table(partition);
            check_kind(relation);
            check_permanent(relation);
            check_not_charged(partition);
            if (join.has_link) {
                join.adoptable_index |=
                    has_adoptable_index(relation, get_attnum(partition, mapping.subscription_column));
                if (const char *key = judge_partition_keys(join, tables, mapping, partition))
                    adopted[count++] = key;
            }
            relation_close(relation, AccessShareLock);
        });
    join.adopted_keys = Names(adopted, count);
}

}  // namespace

Tables open_tables(const Pair &pair)
{
    return {open_table(pair.sessions), open_table(pair.subscriptions)};
}

void close_tables(const Tables &tables)
{
    relation_close(tables.subscriptions, AccessShareLock);
    relation_close(tables.sessions, AccessShareLock);
}

bool judge_kinds(Obstacles &obstacles, const Tables &tables)
{
    bool are_tables = true;
    for (Relation relation : {tables.sessions, tables.subscriptions})
        are_tables &= passes(obstacles, [=] { check_kind(relation); });
    return are_tables;
}

void judge_relations(Obstacles &obstacles, const Tables &tables)
{
    for (Relation relation : {tables.sessions, tables.subscriptions}) {
        passes(obstacles, [=] { check_permanent(relation); });
        passes(obstacles, [=] { check_standing_alone(relation); });
    }
    passes(obstacles, [&] { check_whole(tables.subscriptions); });
    passes(obstacles, [&] { check_trusted(tables); });
}

bool judge_columns(Obstacles &obstacles, const Tables &tables, Mapping &mapping)
{
    const Pair pair{RelationGetRelid(tables.sessions), RelationGetRelid(tables.subscriptions)};
    bool fit = passes(obstacles, [&] { settle_remaining_column(pair, mapping); });
    settle_total_column(pair, mapping);
    for (const Field &field : mapping_fields)
        if (is_column(field))
            fit &= passes(obstacles, [&] { check_column(pair, mapping, field); });
    // A value is one of a column.
    const auto is_there = [&](const Field &field) {
        const char *column = mapping.*field.words_of;
        return column == nullptr ||
               find_column(field.side == Side::sessions ? pair.sessions : pair.subscriptions, column).has_value();
    };
    for (const Field &field : mapping_fields)
        if (field.words_of != nullptr && is_there(field))
            fit &= passes(obstacles, [&] { check_words(pair, mapping, field); });
    fit &= passes(obstacles, [&] { check_draw_order(pair, mapping); });
    fit &= passes(obstacles, [&] { check_period(pair, mapping); });
    fit &= passes(obstacles, [&] { check_choices(mapping); });
    return fit;
}

bool judge_expressions(Obstacles &obstacles, const Tables &tables, Mapping &mapping)
{
    const Pair pair{RelationGetRelid(tables.sessions), RelationGetRelid(tables.subscriptions)};
    return passes(obstacles, [&] { mapping.expressions = parse_expressions(pair, mapping); });
}

JoinKey judge_key(Obstacles &obstacles, const Tables &tables, const Mapping &mapping)
{
    const Oid sessions = RelationGetRelid(tables.sessions);
    const Oid subscriptions = RelationGetRelid(tables.subscriptions);
    const AttrNumber link = get_attnum(sessions, mapping.subscription_column);
    JoinKey join{};
    join.has_link = link != InvalidAttrNumber;
    passes(obstacles, [&] { check_writable(tables.subscriptions, mapping); });
    Columns primary_key;
    bool fits = passes(obstacles, [&] { primary_key = require_primary_key(tables.subscriptions); });
    fits &= passes(obstacles, [&] { require_primary_key(tables.sessions); });
    const std::optional<ForeignKey> key =
        join.has_link ? judge_link_keys(obstacles, join, tables, link) : std::nullopt;
    fits &= key.has_value() == join.has_key;
    if (fits)
        fits = passes(obstacles, [&] {
            if (key)
                settle_by_foreign_key(join, tables, mapping, *key, link);
            else
                settle_by_primary_key(join, tables, mapping, primary_key);
            check_key_type(subscriptions, join.column, "The key of the subscriptions");
        });
    if (fits && join.has_link)
        fits = passes(obstacles, [&] {
            check_joined(sessions, mapping.subscription_column, subscriptions, join.column);
        });
    if (is_searched(mapping))
        fits &= passes(obstacles, [&] {
            check_joined(sessions, mapping.member_column, subscriptions, mapping.subscription_member_column);
        });
    passes(obstacles, [&] { check_counter_keys(subscriptions, mapping); });
    if (fits && tables.sessions->rd_rel->relkind == RELKIND_PARTITIONED_TABLE)
        judge_partitions(obstacles, join, tables, mapping);
    join.column = fits ? join.column : nullptr;
    return join;
}

}  // namespace sc
