// attach(): looks, plans, locks, looks again, runs the plan. Every change is a command that the caller is shown.
#include "attach/rows.hpp"

#include <algorithm>

#include "attach/citus.hpp"
#include "catalog/counting.hpp"
#include "server/pg_compat.hpp"
#include "attach/steps.hpp"
#include "server/owner.hpp"
#include "server/settings.hpp"

extern "C" {
PG_FUNCTION_INFO_V1(sc_attach);
}

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

void plan_leftovers(Plan &plan)
{
    const auto drop = [&plan](std::span<const OwnTrigger> triggers, bool on_sessions, const char *table) {
        for (const OwnTrigger &trigger : triggers)
            if (trigger.rule->on_sessions == on_sessions)
                add_step(plan.steps, "drop trigger",
                         psprintf("DROP TRIGGER %s ON %s", quote_identifier(trigger.name), table));
    };
    drop(plan.facts->leftovers_on_sessions, true, plan.sessions);
    drop(plan.facts->leftovers_on_subscriptions, false, plan.subscriptions);
}

void plan_link_column(Plan &plan)
{
    if (!plan.facts->missing.link_column)
        return;
    const char *column = plan.facts->mapping.subscription_column;
    add_step(plan.steps, "add column",
             psprintf("ALTER TABLE %s ADD COLUMN %s %s", plan.sessions, quote_identifier(column),
                      link_type(*plan.request, plan.facts->key_column)));
    add_made(plan, "link_column", column);
}

// Starts at what a plain remaining column says is gone. The server writes that as a generated column, so that it is no
// change of the row which somebody's trigger would see.
void plan_used_column(Plan &plan)
{
    if (!plan.facts->missing.used_column)
        return;
    const Mapping &mapping = plan.facts->mapping;
    const Oid total = get_atttype(plan.request->subscriptions,
                                  get_attnum(plan.request->subscriptions, mapping.total_column));
    const char *used = quote_identifier(mapping.used_column);
    const char *start = mapping.remaining_column == nullptr
                            ? "DEFAULT 0"
                            : psprintf("GENERATED ALWAYS AS (%s) STORED", gone_expression(mapping));
    add_step(plan.steps, "add column", psprintf("ALTER TABLE %s ADD COLUMN %s %s NOT NULL %s", plan.subscriptions, used,
                                                format_type_be(getBaseType(total)), start));
    if (mapping.remaining_column != nullptr)
        add_step(plan.steps, "make plain",
                 psprintf("ALTER TABLE %s ALTER COLUMN %s DROP EXPRESSION, ALTER COLUMN %s SET DEFAULT 0",
                          plan.subscriptions, used, used));
    add_made(plan, "used_column", mapping.used_column);
}

// The index, and whose it is.
void plan_index(Plan &plan, Oid relation, const char *name, const char *command)
{
    add_step(plan.steps, "create index", command);
    const char *index = quote_qualified_identifier(get_namespace_name(get_rel_namespace(relation)), name);
    add_step(plan.steps, "comment", comment_on_index(index, plan.request->sessions));
}

void plan_constraint(Plan &plan, const char *action, const char *table, const char *name, const char *definition,
                     Oid reads = InvalidOid)
{
    const char *constraint = quote_identifier(name);
    add_step(plan.steps, action, psprintf("ALTER TABLE %s ADD CONSTRAINT %s %s", table, constraint, definition),
             reads);
    add_step(plan.steps, "comment", comment_on_constraint(constraint, table, plan.request->sessions));
}

void plan_active_index(Plan &plan)
{
    if (!plan.facts->missing.active_index)
        return;
    const Mapping &mapping = plan.facts->mapping;
    const char *name = choose_index_name(plan, plan.request->subscriptions, mapping.subscription_member_column);
    plan_index(plan, plan.request->subscriptions, name,
               psprintf("CREATE UNIQUE INDEX %s ON %s (%s) WHERE %s", quote_identifier(name), plan.subscriptions,
                        quote_identifier(mapping.subscription_member_column), active_condition(mapping, nullptr)));
    add_made(plan, "active_index", name);
}

// The counts view finds all of a member's subscriptions by it, of which the index above holds the active one.
void plan_member_index(Plan &plan)
{
    if (!plan.facts->missing.member_index)
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
    if (!plan.facts->missing.link_index)
        return;
    const char *column = plan.facts->mapping.subscription_column;
    const char *name = choose_index_name(plan, plan.request->sessions, column);
    if (plan.facts->adoptable_index)
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
    if (!facts.by_member)
        return quote_identifier(id);
    return facts.member_first ? psprintf("%s, %s", quote_identifier(member), quote_identifier(id))
                              : psprintf("%s, %s", quote_identifier(id), quote_identifier(member));
}

void plan_foreign_key(Plan &plan)
{
    const Facts &facts = *plan.facts;
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
                             key_columns(facts, facts.key_column, mapping.subscription_member_column),
                             not_valid(filled)),
                    plan.request->sessions);
    add_made(plan, "foreign_key", name);
    for (const char *adopted : facts.adopted_keys)
        add_made(plan, "partition_foreign_key", adopted);
}

// Left out where rows violate it: every change of such a row would be refused.
void plan_check(Plan &plan, const char *kind, const char *table, const char *name, const char *condition, bool filled,
                bool violated)
{
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
    if (!plan.facts->missing.total_check)
        return;
    const Mapping &mapping = plan.facts->mapping;
    plan_check(plan, "total_check", plan.subscriptions,
               choose_constraint_name(plan, plan.request->subscriptions, mapping.used_column, "check"),
               counter_condition(mapping), plan.rows->subscriptions_filled, plan.rows->total_violated);
}

void plan_link_check(Plan &plan)
{
    if (!plan.facts->missing.link_check)
        return;
    const Mapping &mapping = plan.facts->mapping;
    plan_check(plan, "link_check", plan.sessions,
               choose_constraint_name(plan, plan.request->sessions, mapping.subscription_column, "check"),
               link_check_condition(mapping), plan.rows->sessions_filled, plan.rows->link_violated);
}

// The view belongs to whoever owns the subscriptions, so that they can detach. It runs with its reader's own rights:
// reading the view itself needs no further grant.
void plan_view(Plan &plan)
{
    const Request &request = *plan.request;
    const Counting counting{request.sessions, request.subscriptions, plan.facts->key_column, plan.facts->by_member,
                            plan.facts->mapping};
    const Oid schema = get_rel_namespace(request.subscriptions);
    const char *view = quote_qualified_identifier(get_namespace_name(schema), plan.facts->counts_view);
    add_step(plan.steps, "create view", counts_view_command(counting, plan.facts->counts_view));
    add_step(plan.steps, "grant", psprintf("GRANT SELECT ON %s TO PUBLIC", view));
    const Oid owner = owner_of(request.subscriptions);
    if (owner != GetUserId() && (superuser() || may_create_in(schema, owner)))
        add_step(plan.steps, "set owner",
                 psprintf("ALTER VIEW %s OWNER TO %s", view, quote_identifier(GetUserNameFromId(owner, false))));
    add_made(plan, "view", plan.facts->counts_view);
}

// Whether a trigger that stays has the name, on the table or on a partition.
bool is_trigger_name_taken(Oid table, const char *name)
{
    for (const Oid relation : partition_tree(table, NoLock)) {
        const Oid trigger = get_trigger_oid(relation, name, true);
        const auto own = find_own_triggers(relation);
        if (OidIsValid(trigger) && std::none_of(own.begin(), own.end(), [trigger](const OwnTrigger &one) {
                return one.trigger == trigger;
            }))
            return true;
    }
    return false;
}

// The name of the rule with that of the subscriptions behind it, so that several attachments of the same sessions stand
// side by side; numbered where somebody's trigger has it.
const char *choose_trigger_name(const Plan &plan, const TriggerRule &rule)
{
    const Oid table = rule.on_sessions ? plan.request->sessions : plan.request->subscriptions;
    const char *subscriptions = get_rel_name(plan.request->subscriptions);
    const char *name = makeObjectName(rule.name, subscriptions, nullptr);
    for (int pass = 1; is_trigger_name_taken(table, name); pass++)
        name = makeObjectName(rule.name, subscriptions, psprintf("%d", pass));
    return name;
}

const char *trigger_command(const Plan &plan, const TriggerRule &rule, const char *argument)
{
    return psprintf("CREATE TRIGGER %s %s ON %s FOR EACH %s EXECUTE FUNCTION session_consistency.%s(%s)",
                    quote_identifier(choose_trigger_name(plan, rule)), rule.when,
                    rule.on_sessions ? plan.sessions : plan.subscriptions, rule.level, rule.function,
                    quote_literal_cstr(argument));
}

// Last, since the charge trigger carries the list of what was made.
void plan_triggers(Plan &plan)
{
    if (plan.rows->history)
        add_made(plan, "history", "untreated");
    auto **made = static_cast<const char **>(palloc(sizeof(char *) * list_length(plan.made)));
    size_t count = 0;
    ListCell *cell;
    foreach (cell, plan.made)
        made[count++] = static_cast<const char *>(lfirst(cell));
    Mapping mapping = plan.facts->mapping;
    mapping.made = Names(made, count);
    for (const TriggerRule &rule : trigger_rules) {
        const bool charges = strcmp(rule.function, function::charge) == 0;
        add_step(plan.steps, "create trigger", trigger_command(plan, rule, format_mapping(mapping, charges)));
    }
}

// The books begin with what is used by now.
void plan_ledger(Plan &plan)
{
    if (plan.request->mapping.ledger)
        add_step(plan.steps, "open ledger",
                 psprintf("SELECT session_consistency.open_ledger(%s)", quote_literal_cstr(plan.sessions)));
}

// In this order: what a later step refers to is there when it runs.
constexpr std::array planners{
    plan_leftovers,  plan_link_column, plan_used_column, plan_active_index, plan_member_index, plan_link_index,
    plan_foreign_key, plan_total_check, plan_link_check, plan_view,         plan_triggers,     plan_ledger,
};

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

bool any_of_table(std::span<const OwnTrigger> triggers, bool on_sessions)
{
    for (const OwnTrigger &trigger : triggers)
        if (trigger.rule->on_sessions == on_sessions)
            return true;
    return false;
}

// The strongest lock first, the sessions' before the subscriptions': a column, a CHECK and a dropped trigger need the
// table alone, everything else only keeps writers out.
void lock_tables(const Request &request, const Facts &facts, const Rows &rows)
{
    const bool sessions_alone = facts.missing.link_column || (facts.missing.link_check && !rows.link_violated) ||
                                any_of_table(facts.leftovers_on_sessions, true);
    const bool subscriptions_alone = facts.missing.used_column ||
                                     (facts.missing.total_check && !rows.total_violated) ||
                                     any_of_table(facts.leftovers_on_subscriptions, false);
    const LOCKMODE sessions_lock = sessions_alone ? AccessExclusiveLock : ShareRowExclusiveLock;
    LockRelationOid(request.sessions, sessions_lock);
    partition_tree(request.sessions, sessions_lock);
    LockRelationOid(request.subscriptions, subscriptions_alone ? AccessExclusiveLock : ShareRowExclusiveLock);
}

Facts lock_and_look_again(const Request &request, const Facts &before, const Rows &rows)
{
    lock_tables(request, before, rows);
    const Facts facts = inspect_tables(request);
    if (facts.missing != before.missing)
        ereport(ERROR, errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
                errmsg("table \"%s\" or \"%s\" changed while attach() waited for its locks",
                       get_rel_name(request.sessions), get_rel_name(request.subscriptions)),
                errdetail("Something that was there is gone, or something that was missing is there."),
                errhint("Call attach() again."));
    return facts;
}

}  // namespace

}  // namespace sc

extern "C" Datum sc_attach(PG_FUNCTION_ARGS)
{
    InitMaterializedSRF(fcinfo, 0);
    const int level = sc::enter_pinned_path();
    const sc::Request request = sc::read_request(fcinfo);
    sc::Facts facts = sc::inspect_tables(request);
    sc::check_distribution(request, facts);
    const sc::Rows rows = sc::inspect_rows(request, facts);
    if (!request.dry_run)
        facts = sc::lock_and_look_again(request, facts, rows);
    const sc::Steps steps = sc::plan_steps(request, facts, rows);
    if (!request.dry_run)
        sc::run_steps(steps);
    sc::leave_pinned_path(level);
    sc::return_steps(fcinfo, steps);
    PG_RETURN_NULL();
}
