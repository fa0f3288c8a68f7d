// Plans what attach() does: for each thing that it makes, whether it is there, changes or goes.
#include "attach/plan.hpp"

#include <algorithm>

#include "catalog/citus.hpp"
#include "catalog/counting.hpp"
#include "catalog/expressions.hpp"
#include "catalog/treated.hpp"
#include "server/owner.hpp"
#include "server/pg_compat.hpp"

namespace sc {

namespace {

// Everything that planning needs, and what it has planned so far.
struct Plan {
    const Request *request;
    const Facts *facts;
    const Rows *rows;
    const char *sessions;        // qualified
    const char *subscriptions;
    Steps steps;
    List *made;                  // "kind:name", for detach()
    List *names;                 // of indexes and constraints that the plan makes
};
static_assert(Pod<Plan>);

void add_made(Plan &plan, const char *kind, const char *name)
{
    plan.made = lappend(plan.made, psprintf("%s:%s", kind, name));
}

// What attach() made before, and is there, stays on the list of what it made. False where it has to be looked at.
bool keeps(Plan &plan, const char *kind, bool changes = false)
{
    const Attachment *attached = plan.facts->attached;
    if (attached == nullptr || changes || !is_there(*attached, kind))
        return false;
    add_made(plan, kind, find_made(attached->mapping.made, kind));
    return true;
}

bool is_planned(const Plan &plan, const char *name)
{
    ListCell *cell;
    foreach (cell, plan.names)
        if (strcmp(static_cast<const char *>(lfirst(cell)), name) == 0)
            return true;
    return false;
}

// A name as the server would choose it for CREATE INDEX, beside those that the plan has taken.
const char *choose_index_name(Plan &plan, Oid relation, const char *column)
{
    const char *name = nullptr;
    int pass = 0;
    do {
        const char *label = pass == 0 ? "idx" : psprintf("idx%d", pass);
        name = makeObjectName(made_stem(relation), column, label);
        pass++;
    } while (OidIsValid(get_relname_relid(name, get_rel_namespace(relation))) || is_planned(plan, name));
    plan.names = lappend(plan.names, const_cast<char *>(name));
    return name;
}

const char *choose_constraint_name(Plan &plan, Oid relation, const char *columns, const char *label)
{
    char *name =
        ChooseConstraintName(made_stem(relation), columns, label, get_rel_namespace(relation), plan.names);
    plan.names = lappend(plan.names, name);
    return name;
}

const char *not_valid(bool filled)
{
    return filled ? " NOT VALID" : "";
}

// A domain's own constraints may refuse NULL: a link must be able to be NULL.
const char *link_type(const Request &request, const char *key_column)
{
    const AttrNumber key = get_attnum(request.subscriptions, key_column);
    Oid type;
    Oid collation;
    int32 typmod;
    get_atttypetypmodcoll(request.subscriptions, key, &type, &typmod, &collation);
    bool constrained = false;
    run_restricted(owner_of(request.sessions), [&] { constrained = domain_has_constraints(type); });
    if (constrained)
        type = getBaseTypeAndTypmod(type, &typmod);
    const char *name = format_type_with_typemod(type, typmod);
    if (collation == get_typcollation(type))
        return name;
    return psprintf("%s COLLATE %s", name, generate_collation_name(collation));
}

// What the arguments ask for no longer, or in another form.
void plan_obsolete(Plan &plan)
{
    const Changes &changes = plan.facts->changes;
    for (const OwnTrigger &trigger : find_surplus(*plan.request))
        add_step(plan.steps, "drop trigger",
                 psprintf("DROP TRIGGER %s ON %s", quote_identifier(trigger.name),
                          trigger.rule->on_sessions ? plan.sessions : plan.subscriptions));
    if (changes.link_check)
        add_step(plan.steps, "drop check",
                 psprintf("ALTER TABLE %s DROP CONSTRAINT %s", plan.sessions,
                          quote_identifier(find_made(plan.facts->attached->mapping.made, "link_check"))));
    if (changes.active_index)
        add_step(plan.steps, "drop index",
                 psprintf("DROP INDEX %s",
                          quote_qualified_identifier(
                              get_namespace_name(get_rel_namespace(plan.request->subscriptions)),
                              find_made(plan.facts->attached->mapping.made, "active_index"))));
}

void plan_link_column(Plan &plan)
{
    if (keeps(plan, "link_column") || !plan.facts->missing.link_column)
        return;
    const char *column = plan.facts->mapping.subscription_column;
    add_step(plan.steps, "add column",
             psprintf("ALTER TABLE %s ADD COLUMN %s %s", plan.sessions, quote_identifier(column),
                      link_type(*plan.request, plan.facts->join.column)));
    add_made(plan, "link_column", column);
}

// An added counter is as wide as the total, or as what remains where the total is added, too.
const char *counter_type(const Plan &plan)
{
    const Mapping &mapping = plan.facts->mapping;
    const Oid table = plan.request->subscriptions;
    const char *as = plan.facts->missing.total_column ? mapping.remaining_column : mapping.total_column;
    return as == nullptr ? "integer" : format_type_be(getBaseType(get_atttype(table, get_attnum(table, as))));
}

void plan_carried_column(Plan &plan)
{
    if (keeps(plan, "carried_column") || !plan.facts->missing.carried_column)
        return;
    const char *carried = plan.facts->mapping.carried_column;
    add_step(plan.steps, "add column",
             psprintf("ALTER TABLE %s ADD COLUMN %s %s NOT NULL DEFAULT 0", plan.subscriptions,
                      quote_identifier(carried), counter_type(plan)));
    add_made(plan, "carried_column", carried);
}

// Sets an added counter to what is carried and linked already.
const char *count_linked_command(const Plan &plan)
{
    const Mapping &mapping = plan.facts->mapping;
    const JoinKey &join = plan.facts->join;
    const Counting counting{plan.request->sessions, plan.request->subscriptions, join.column, join.by_member, mapping};
    const char *used = quote_identifier(mapping.used_column);
    return psprintf("UPDATE %s AS o SET %s = o.%s + c.completed + c.scheduled FROM %s AS s CROSS JOIN %s"
                    " WHERE o.ctid = s.ctid AND c.completed + c.scheduled > 0",
                    plan.subscriptions, used, used, plan.subscriptions, counts_of_subscription(counting));
}

// Starts at what a plain remaining column says is gone. The server writes that as a generated column, so that it is no
// change of the row which somebody's trigger would see.
void plan_used_column(Plan &plan)
{
    if (keeps(plan, "used_column") || !plan.facts->missing.used_column)
        return;
    const Mapping &mapping = plan.facts->mapping;
    const char *used = quote_identifier(mapping.used_column);
    const char *gone = gone_before(*plan.facts);
    const bool starts = strcmp(gone, "0") != 0;
    const char *start = starts ? psprintf("GENERATED ALWAYS AS (%s) STORED", gone) : "DEFAULT 0";
    add_step(plan.steps, "add column", psprintf("ALTER TABLE %s ADD COLUMN %s %s NOT NULL %s", plan.subscriptions, used,
                                                counter_type(plan), start));
    if (starts)
        add_step(plan.steps, "make plain",
                 psprintf("ALTER TABLE %s ALTER COLUMN %s DROP EXPRESSION, ALTER COLUMN %s SET DEFAULT 0",
                          plan.subscriptions, used, used));
    add_made(plan, "used_column", mapping.used_column);
    if (plan.facts->missing.total_column && !plan.facts->missing.link_column)
        add_step(plan.steps, "count linked", count_linked_command(plan), plan.request->sessions, true);
}

// Where only what remains is stored, all that was ever there is that and what is used.
void plan_total_column(Plan &plan)
{
    if (keeps(plan, "total_column") || !plan.facts->missing.total_column)
        return;
    const Mapping &mapping = plan.facts->mapping;
    const char *total = quote_identifier(mapping.total_column);
    add_step(plan.steps, "add column",
             psprintf("ALTER TABLE %s ADD COLUMN %s %s GENERATED ALWAYS AS (%s + %s) STORED", plan.subscriptions, total,
                      counter_type(plan), quote_identifier(mapping.remaining_column),
                      quote_identifier(mapping.used_column)));
    add_step(plan.steps, "make plain",
             psprintf("ALTER TABLE %s ALTER COLUMN %s DROP EXPRESSION", plan.subscriptions, total));
    add_made(plan, "total_column", mapping.total_column);
}

// The index, and whose it is.
void plan_index(Plan &plan, Oid relation, const char *name, const char *command)
{
    add_step(plan.steps, "create index", command);
    const char *index = quote_qualified_identifier(get_namespace_name(get_rel_namespace(relation)), name);
    add_step(plan.steps, "comment", comment_on_index(index, pair_of(*plan.request)));
}

void plan_constraint(Plan &plan, const char *action, const char *table, const char *name, const char *definition,
                     Oid reads = InvalidOid)
{
    const char *constraint = quote_identifier(name);
    add_step(plan.steps, action, psprintf("ALTER TABLE %s ADD CONSTRAINT %s %s", table, constraint, definition),
             reads);
    add_step(plan.steps, "comment", comment_on_constraint(constraint, table, pair_of(*plan.request)));
}

void plan_active_index(Plan &plan)
{
    if (keeps(plan, "active_index", plan.facts->changes.active_index) || !plan.facts->missing.active_index)
        return;
    const Mapping &mapping = plan.facts->mapping;
    const char *name = plan.facts->changes.active_index
                           ? find_made(plan.facts->attached->mapping.made, "active_index")
                           : choose_index_name(plan, plan.request->subscriptions, mapping.subscription_member_column);
    plan_index(plan, plan.request->subscriptions, name,
               psprintf("CREATE UNIQUE INDEX %s ON %s %s", quote_identifier(name), plan.subscriptions,
                        active_key(mapping)));
    add_made(plan, "active_index", name);
}

// Subscriptions are drawn by it, and the counts view finds all of a member's, of which the index above holds the active
// one.
void plan_member_index(Plan &plan)
{
    if (keeps(plan, "member_index") || !plan.facts->missing.member_index)
        return;
    const char *column = plan.facts->mapping.subscription_member_column;
    const char *name = choose_index_name(plan, plan.request->subscriptions, column);
    plan_index(plan, plan.request->subscriptions, name,
               psprintf("CREATE INDEX %s ON %s (%s)", quote_identifier(name), plan.subscriptions,
                        quote_identifier(column)));
    add_made(plan, "member_index", name);
}

// Makes the index of every partition by itself, so that the server takes over none that a partition already has.
void plan_separate_indexes(Plan &plan, const char *root_index)
{
    const char *column = plan.facts->mapping.subscription_column;
    const Oids tree = partition_tree(plan.request->sessions, NoLock);
    auto **names = static_cast<const char **>(palloc(sizeof(char *) * tree.size()));
    for (size_t i = 0; i < tree.size(); i++) {
        names[i] = i == 0 ? root_index : choose_index_name(plan, tree[i], column);
        const bool parent = get_rel_relkind(tree[i]) == RELKIND_PARTITIONED_TABLE;
        plan_index(plan, tree[i], names[i],
                   psprintf("CREATE INDEX %s ON %s%s (%s)", quote_identifier(names[i]), parent ? "ONLY " : "",
                            qualified_name(tree[i]), quote_identifier(column)));
    }
    const auto index_name = [&](size_t i) {
        return quote_qualified_identifier(get_namespace_name(get_rel_namespace(tree[i])), names[i]);
    };
    for (size_t i = 1; i < tree.size(); i++) {
        const Oid parent = get_partition_parent(tree[i], false);
        size_t at = 0;
        while (tree[at] != parent)
            at++;
        add_step(plan.steps, "attach index",
                 psprintf("ALTER INDEX %s ATTACH PARTITION %s", index_name(at), index_name(i)));
    }
}

void plan_link_index(Plan &plan)
{
    if (keeps(plan, "link_index") || !plan.facts->missing.link_index)
        return;
    const char *column = plan.facts->mapping.subscription_column;
    const char *name = choose_index_name(plan, plan.request->sessions, column);
    if (plan.facts->join.adoptable_index)
        plan_separate_indexes(plan, name);
    else
        plan_index(plan, plan.request->sessions, name,
                   psprintf("CREATE INDEX %s ON %s (%s)", quote_identifier(name), plan.sessions,
                            quote_identifier(column)));
    add_made(plan, "link_index", name);
}

// "a" for a single key, "m, a" or "a, m" for a composite one.
const char *key_columns(const Facts &facts, const char *id, const char *member)
{
    if (!facts.join.by_member)
        return quote_identifier(id);
    return facts.join.member_first ? psprintf("%s, %s", quote_identifier(member), quote_identifier(id))
                              : psprintf("%s, %s", quote_identifier(id), quote_identifier(member));
}

void plan_foreign_key(Plan &plan)
{
    const Facts &facts = *plan.facts;
    if (keeps(plan, "foreign_key")) {
        for (const char *entry : facts.attached->mapping.made)
            if (const char *adopted = find_made(Names(&entry, 1), "partition_foreign_key"))
                add_made(plan, "partition_foreign_key", adopted);
        return;
    }
    if (!facts.missing.link_key)
        return;
    const Mapping &mapping = facts.mapping;
    const bool filled =
        plan.rows->sessions_filled && (!facts.partitioned || partitioned_key_may_be_not_valid);
    const char *name =
        choose_constraint_name(plan, plan.request->sessions, mapping.subscription_column, "fkey");
    plan_constraint(plan, "add foreign key", plan.sessions, name,
                    psprintf("FOREIGN KEY (%s) REFERENCES %s (%s)%s",
                             key_columns(facts, mapping.subscription_column, mapping.member_column),
                             plan.subscriptions,
                             key_columns(facts, facts.join.column, mapping.subscription_member_column),
                             not_valid(filled)),
                    plan.request->sessions);
    add_made(plan, "foreign_key", name);
    for (const char *adopted : facts.join.adopted_keys)
        add_made(plan, "partition_foreign_key", adopted);
}

// Left out where rows violate it: every change of such a row would be refused.
void plan_check(Plan &plan, const char *kind, const char *table, const char *name, const char *condition, bool filled,
                bool violated)
{
    const Attachment *attached = plan.facts->attached;
    const char *before = attached == nullptr ? nullptr : find_made(attached->mapping.made, kind);
    if (before != nullptr)
        name = before;
    add_made(plan, kind, name);
    if (violated)
        ereport(NOTICE, errmsg("constraint \"%s\" is left out while rows of %s violate it", name, table),
                errdetail("It is CHECK (%s).", condition),
                errhint("audit() lists the rows; migrate() adds the constraint once there are none."));
    else
        plan_constraint(plan, "add check", table, name, psprintf("CHECK (%s)%s", condition, not_valid(filled)));
}

void plan_total_check(Plan &plan)
{
    if (keeps(plan, "total_check") || !plan.facts->missing.total_check)
        return;
    const Mapping &mapping = plan.facts->mapping;
    plan_check(plan, "total_check", plan.subscriptions,
               choose_constraint_name(plan, plan.request->subscriptions, mapping.used_column, "check"),
               counter_condition(mapping), plan.rows->subscriptions_filled, plan.rows->total_violated);
}

void plan_link_check(Plan &plan)
{
    if (keeps(plan, "link_check", plan.facts->changes.link_check) || !plan.facts->missing.link_check)
        return;
    const Mapping &mapping = plan.facts->mapping;
    plan_check(plan, "link_check", plan.sessions,
               choose_constraint_name(plan, plan.request->sessions, mapping.subscription_column, "check"),
               link_check_condition(mapping), plan.rows->sessions_filled, plan.rows->link_violated);
}

const char *view_identifier(const Plan &plan, const char *name)
{
    return quote_qualified_identifier(get_namespace_name(get_rel_namespace(plan.request->subscriptions)), name);
}

const char *view_command(const Plan &plan, bool replaces)
{
    const Counting counting{plan.request->sessions, plan.request->subscriptions, plan.facts->join.column,
                            plan.facts->join.by_member, plan.facts->mapping};
    return counts_view_command(counting, plan.facts->counts_view, replaces);
}

// The view belongs to whoever owns the subscriptions, so that they can detach. It runs with its reader's own rights:
// reading the view itself needs no further grant.
void plan_new_view(Plan &plan)
{
    const Oid schema = get_rel_namespace(plan.request->subscriptions);
    const char *view = view_identifier(plan, plan.facts->counts_view);
    add_step(plan.steps, "create view", view_command(plan, false));
    add_step(plan.steps, "comment", comment_on_view(view, pair_of(*plan.request)));
    add_step(plan.steps, "grant", psprintf("GRANT SELECT ON %s TO PUBLIC", view));
    const Oid owner = owner_of(plan.request->subscriptions);
    if (owner != GetUserId() && (superuser() || may_create_in(schema, owner)))
        add_step(plan.steps, "set owner",
                 psprintf("ALTER VIEW %s OWNER TO %s", view, quote_identifier(GetUserNameFromId(owner, false))));
}

void plan_view(Plan &plan)
{
    const Changes &changes = plan.facts->changes;
    const Attachment *attached = plan.facts->attached;
    const Oid view = attached == nullptr ? InvalidOid : find_counts_view(*attached);
    if (changes.drop_view || changes.remake_view)
        add_step(plan.steps, "drop view", psprintf("DROP VIEW %s", qualified_name(view)));
    if (changes.rename_view)
        add_step(plan.steps, "rename view",
                 psprintf("ALTER VIEW %s RENAME TO %s", qualified_name(view),
                          quote_identifier(plan.facts->counts_view)));
    if (changes.replace_view)
        add_step(plan.steps, "replace view", view_command(plan, true));
    if (plan.facts->missing.view || changes.remake_view)
        plan_new_view(plan);
    if (plan.facts->mapping.make_view)
        add_made(plan, "view", plan.facts->counts_view);
}

// Whether a trigger has the name, on the table or on a partition.
bool is_trigger_name_taken(Oid table, const char *name)
{
    for (const Oid relation : partition_tree(table, NoLock))
        if (OidIsValid(get_trigger_oid(relation, name, true)))
            return true;
    return false;
}

// The name of the rule with that of the subscriptions behind it, so that several attachments of the same sessions stand
// side by side; numbered where somebody's trigger has it.
const char *choose_trigger_name(const Plan &plan, const TriggerRule &rule)
{
    const Oid table = rule.on_sessions ? plan.request->sessions : plan.request->subscriptions;
    const char *subscriptions = get_rel_name(plan.request->subscriptions);
    // Behind the trigger by which Citus truncates the shards.
    const bool behind = rule.type == TRIGGER_TYPE_TRUNCATE && is_sharded(table);
    const char *stem = behind ? "zz_session_consistency_reset" : rule.name;
    const char *name = makeObjectName(stem, subscriptions, nullptr);
    for (int pass = 1; is_trigger_name_taken(table, name); pass++)
        name = makeObjectName(stem, subscriptions, psprintf("%d", pass));
    return name;
}

const char *trigger_command(const Plan &plan, const TriggerRule &rule, const char *name, const OwnTrigger *replaced,
                            const char *argument)
{
    const char *condition =
        carries_expressions(rule)
            ? psprintf(" WHEN (%s)", carried_condition(*plan.facts->mapping.expressions))
            : "";
    return psprintf("CREATE %sTRIGGER %s %s ON %s FOR EACH %s%s EXECUTE FUNCTION session_consistency.%s(%s)",
                    replaced == nullptr ? "" : "OR REPLACE ", quote_identifier(name), rule.when,
                    rule.on_sessions ? plan.sessions : plan.subscriptions, rule.level, condition, rule.function,
                    quote_literal_cstr(argument));
}

// Where other sessions are counted than before, or nothing was charged for a while, what migrate() said of history is
// no longer true.
void plan_history(Plan &plan)
{
    const Attachment *attached = plan.facts->attached;
    const Changes &changes = plan.facts->changes;
    const bool counted = changes.counted || (changes.recount && plan.rows->differs);
    const bool anew =
        plan.rows->history && (attached == nullptr || !OidIsValid(attached->charge_trigger) || counted);
    if (anew || (attached != nullptr && find_made(attached->mapping.made, "history") != nullptr))
        add_made(plan, "history", "untreated");
    if (!anew || !counted)
        return;
    if (find_treated(attached->charge_trigger))
        add_step(plan.steps, "comment",
                 psprintf("COMMENT ON TRIGGER %s ON %s IS NULL",
                          quote_identifier(find_rule_trigger(*plan.request, charge_rule())->name), plan.sessions));
    ereport(NOTICE, errmsg("other sessions of table %s are counted now than before", plan.sessions),
            errhint("Call session_consistency.migrate(): until then the counters are those of before."));
}

Names made_names(const Plan &plan)
{
    auto **made = static_cast<const char **>(palloc(sizeof(char *) * Max(list_length(plan.made), 1)));
    size_t count = 0;
    ListCell *cell;
    foreach (cell, plan.made)
        made[count++] = static_cast<const char *>(lfirst(cell));
    return Names(made, count);
}

// Last, since the charge trigger carries the list of what was made.
void plan_triggers(Plan &plan)
{
    plan_history(plan);
    Mapping mapping = plan.facts->mapping;
    mapping.made = made_names(plan);
    const Attachment *attached = plan.facts->attached;
    const bool made_other = attached != nullptr && !is_same(attached->mapping, mapping, *find_field("made"));
    for (size_t i = 0; i < trigger_rules.size(); i++) {
        const TriggerRule &rule = trigger_rules[i];
        const bool charges = &rule == &charge_rule();
        const Act act = plan.facts->missing.triggers[i];
        if (act == Act::keep && !(charges && made_other))
            continue;
        const OwnTrigger *replaced = act == Act::make ? nullptr : find_rule_trigger(*plan.request, rule);
        const char *name = replaced == nullptr ? choose_trigger_name(plan, rule) : replaced->name;
        if (act == Act::drop) {
            add_step(plan.steps, "drop trigger",
                     psprintf("DROP TRIGGER %s ON %s", quote_identifier(name), plan.sessions));
            continue;
        }
        add_step(plan.steps, replaced == nullptr ? "create trigger" : "replace trigger",
                 trigger_command(plan, rule, name, replaced, format_mapping(mapping, charges)));
        if (carries_expressions(rule))
            add_step(plan.steps, "disable trigger",
                     psprintf("ALTER TABLE %s DISABLE TRIGGER %s", plan.sessions, quote_identifier(name)));
    }
}

// The books begin with what is used by now.
void plan_ledger(Plan &plan)
{
    if (plan.facts->attached == nullptr ? plan.request->mapping.ledger : plan.facts->changes.open_ledger)
        add_step(plan.steps, "open ledger",
                 psprintf("SELECT session_consistency.open_ledger(%s, %s)", quote_literal_cstr(plan.sessions),
                          quote_literal_cstr(plan.subscriptions)));
}

// In this order: what a later step refers to is there when it runs.
constexpr std::array planners{
    plan_obsolete,     plan_link_column, plan_carried_column, plan_used_column, plan_total_column, plan_active_index,
    plan_member_index, plan_link_index,  plan_foreign_key,    plan_total_check, plan_link_check,
    plan_view,         plan_triggers,    plan_ledger,
};

}  // namespace

Steps plan_steps(const Request &request, const Facts &facts, const Rows &rows)
{
    Plan plan{};
    plan.request = &request;
    plan.facts = &facts;
    plan.rows = &rows;
    plan.sessions = qualified_name(request.sessions);
    plan.subscriptions = qualified_name(request.subscriptions);
    for (const auto planner : planners)
        planner(plan);
    return plan.steps;
}

}  // namespace sc
