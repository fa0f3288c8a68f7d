// detach(): takes back what attach() made, as the charge trigger lists it, and nothing else. What somebody has dropped
// or renamed since is left alone.
#include <algorithm>

#include "catalog/arguments.hpp"
#include "catalog/attachment.hpp"
#include "catalog/citus.hpp"
#include "catalog/counting.hpp"
#include "server/pg_compat.hpp"
#include "attach/steps.hpp"
#include "server/settings.hpp"
#include "server/shards.hpp"

extern "C" {
PG_FUNCTION_INFO_V1(sc_detach);
PG_FUNCTION_INFO_V1(sc_drop_shard_reset);
}

namespace sc {

namespace {

struct Plan {
    const Attachment *attachment;    // subscriptions: found without the foreign key too, InvalidOid where dropped
    bool drop_added_columns;
    Steps steps;
};
static_assert(Pod<Plan>);

// The attachment that the pair names, or what is left of one, by the functions that the triggers call: whatever they
// say, and whether the foreign key is there. Its subscriptions are InvalidOid only where they are dropped.
Attachment find_attachment(const Pair &pair)
{
    const std::span<const Attachment> found = find_attachments(pair.sessions, pair.subscriptions);
    const std::optional<Attachment> remnant = found.empty() ? find_remnant(pair.sessions) : std::nullopt;
    Attachment attachment = remnant ? *remnant : found.size() == 1 ? found.front() : require_attachment(pair);
    if (OidIsValid(pair.subscriptions)) {
        attachment.subscriptions = pair.subscriptions;
        return attachment;
    }
    const Oids candidates = find_subscriptions(attachment);
    if (candidates.size() > 1)
        ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                errmsg("cannot determine the subscriptions table of table \"%s\"", get_rel_name(pair.sessions)),
                errdetail("Its foreign key is gone, and tables \"%s\" and \"%s\" are guarded alike.",
                          get_rel_name(candidates[0]), get_rel_name(candidates[1])),
                errhint("Name the right one as the argument \"subscriptions\"."));
    attachment.subscriptions = candidates.empty() ? InvalidOid : candidates.front();
    return attachment;
}

void require_owners(const Attachment &attachment)
{
    require_owner(attachment.sessions);
    if (OidIsValid(attachment.subscriptions))
        require_owner(attachment.subscriptions);
}

// Dropping needs both tables alone; the sessions first, as everywhere.
void lock_tables(const Attachment &attachment)
{
    LockRelationOid(attachment.sessions, AccessExclusiveLock);
    partition_tree(attachment.sessions, AccessExclusiveLock);
    if (OidIsValid(attachment.subscriptions))
        LockRelationOid(attachment.subscriptions, AccessExclusiveLock);
}

void plan_view(Plan &plan)
{
    const Oid view = find_counts_view(*plan.attachment);
    if (OidIsValid(view))
        add_step(plan.steps, "drop view", psprintf("DROP VIEW %s", qualified_name(view)));
}

void plan_trigger(Plan &plan, Oid table, const OwnTrigger &trigger)
{
    add_step(plan.steps, "drop trigger",
             psprintf("DROP TRIGGER %s ON %s", quote_identifier(trigger.name), qualified_name(table)));
}

// The attachment's triggers of the sessions, also those that cannot be read. Only where another attachment of the same
// sessions cannot be read either, what says nothing stays: it may be that one's.
std::span<const OwnTrigger> triggers_of_sessions(const Attachment &attachment)
{
    const auto all = find_attachments(attachment.sessions);
    auto *others = static_cast<Attachment *>(palloc(sizeof(Attachment) * Max(all.size(), size_t{1})));
    const auto end = std::copy_if(all.begin(), all.end(), others, [&](const Attachment &other) {
        return other.charge_trigger != attachment.charge_trigger;
    });
    const std::span<const Attachment> beside(others, end);
    if (std::none_of(beside.begin(), beside.end(), [](const Attachment &other) { return other.fault != nullptr; }))
        return find_triggers_beside(attachment.sessions, beside);
    const auto own = find_own_triggers(attachment.sessions);
    auto *triggers = static_cast<OwnTrigger *>(palloc(sizeof(OwnTrigger) * Max(own.size(), size_t{1})));
    const auto last = std::copy_if(own.begin(), own.end(), triggers, [&](const OwnTrigger &trigger) {
        Mapping mapping{};
        return trigger.rule->on_sessions && !trigger.cloned &&
               (trigger.trigger == attachment.charge_trigger ||
                (read_mapping(trigger.arguments, mapping) == nullptr &&
                 is_of_link(trigger.arguments, attachment.mapping.subscription_column)));
    });
    return std::span<const OwnTrigger>(triggers, last);
}

void plan_triggers(Plan &plan)
{
    const Attachment &attachment = *plan.attachment;
    for (const OwnTrigger &trigger : triggers_of_sessions(attachment))
        plan_trigger(plan, attachment.sessions, trigger);
    if (!OidIsValid(attachment.subscriptions))
        return;
    for (const OwnTrigger &trigger : find_own_triggers(attachment.subscriptions))
        if (!trigger.rule->on_sessions)
            plan_trigger(plan, attachment.subscriptions, trigger);
}

// Drops the constraint of that kind; false where it is not there any more.
bool plan_constraint(Plan &plan, Oid table, const char *kind, const char *action)
{
    const char *name = find_made(plan.attachment->mapping.made, kind);
    if (name == nullptr || !OidIsValid(table) || !OidIsValid(get_relation_constraint_oid(table, name, true)))
        return false;
    add_step(plan.steps, action,
             psprintf("ALTER TABLE %s DROP CONSTRAINT %s", qualified_name(table), quote_identifier(name)));
    return true;
}

// A partition's own key, which went with the root's, comes back under its own name. The entry is schema.table.name.
void plan_adopted_key(Plan &plan, const char *entry)
{
    List *parts = textToQualifiedNameList(cstring_to_text(entry));
    const char *name = strVal(llast(parts));
    RangeVar *table = makeRangeVarFromNameList(list_truncate(parts, list_length(parts) - 1));
    const Oid partition = RangeVarGetRelid(table, NoLock, true);
    if (!OidIsValid(partition))
        return;
    const AttrNumber link = get_attnum(partition, plan.attachment->mapping.subscription_column);
    for (const ForeignKey &key : foreign_keys_on(partition, link)) {
        if (!key.inherited)
            continue;
        const Datum definition = OidFunctionCall1(F_PG_GET_CONSTRAINTDEF_OID, ObjectIdGetDatum(key.constraint));
        add_step(plan.steps, "add foreign key",
                 psprintf("ALTER TABLE %s ADD CONSTRAINT %s %s", qualified_name(partition), quote_identifier(name),
                          TextDatumGetCString(definition)),
                 partition);
    }
}

void plan_foreign_key(Plan &plan)
{
    if (!plan_constraint(plan, plan.attachment->sessions, "foreign_key", "drop foreign key"))
        return;
    for (const char *entry : plan.attachment->mapping.made)
        if (const char *adopted = find_made(Names(&entry, 1), "partition_foreign_key"))
            plan_adopted_key(plan, adopted);
}

void plan_checks(Plan &plan)
{
    plan_constraint(plan, plan.attachment->sessions, "link_check", "drop check");
    plan_constraint(plan, plan.attachment->subscriptions, "total_check", "drop check");
}

void plan_index(Plan &plan, Oid table, const char *kind)
{
    const char *name = find_made(plan.attachment->mapping.made, kind);
    if (name == nullptr || !OidIsValid(table))
        return;
    const Oid index = get_relname_relid(name, get_rel_namespace(table));
    if (OidIsValid(index) && IndexGetRelation(index, true) == table)
        add_step(plan.steps, "drop index", psprintf("DROP INDEX %s", qualified_name(index)));
}

void plan_indexes(Plan &plan)
{
    plan_index(plan, plan.attachment->sessions, "link_index");
    plan_index(plan, plan.attachment->subscriptions, "member_index");
    plan_index(plan, plan.attachment->subscriptions, "active_index");
}

void plan_column(Plan &plan, Oid table, const char *kind)
{
    const char *name = find_made(plan.attachment->mapping.made, kind);
    if (name == nullptr || !OidIsValid(table) || get_attnum(table, name) == InvalidAttrNumber)
        return;
    add_step(plan.steps, "drop column",
             psprintf("ALTER TABLE %s DROP COLUMN %s", qualified_name(table), quote_identifier(name)));
}

void plan_columns(Plan &plan)
{
    if (!plan.drop_added_columns)
        return;
    plan_column(plan, plan.attachment->sessions, "link_column");
    plan_column(plan, plan.attachment->subscriptions, "used_column");
    plan_column(plan, plan.attachment->subscriptions, "carried_column");
    plan_column(plan, plan.attachment->subscriptions, "total_column");
}

// The way back of attach(): what was made last goes first.
constexpr std::array planners{plan_view, plan_triggers, plan_foreign_key, plan_checks, plan_indexes, plan_columns};

Steps plan_steps(const Attachment &attachment, bool drop_added_columns)
{
    if (attachment.fault != nullptr && attachment.mapping.made.empty())
        ereport(NOTICE, errmsg("only the triggers of the attachment of table \"%s\" are known",
                               get_rel_name(attachment.sessions)),
                errdetail_internal("%c%s.", pg_toupper(attachment.fault[0]), attachment.fault + 1),
                errhint("The columns, constraints, indexes and the view that attach() made stay: drop them by hand."));
    Plan plan{&attachment, drop_added_columns, {}};
    for (const auto planner : planners)
        planner(plan);
    return plan.steps;
}

// The attachment as it is once nobody else can change it.
Attachment lock_attachment(const Pair &pair)
{
    const Attachment before = find_attachment(pair);
    require_owners(before);
    lock_tables(before);
    const Attachment attachment = find_attachment(pair);
    if (attachment.subscriptions != before.subscriptions)
        ereport(ERROR, errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
                errmsg("table \"%s\" changed while detach() waited for its locks", get_rel_name(pair.sessions)),
                errhint("Call detach() again."));
    return attachment;
}

// Citus drops no TRUNCATE trigger of a shard, and makes it where it moves one. The table's own does the work.
void drop_resets_of_shards(Oid sessions)
{
    if (is_sharded(sessions))
        require_answers(sessions, "SELECT session_consistency._drop_shard_reset('%1$s')", "detach");
}

}  // namespace

}  // namespace sc

extern "C" Datum sc_drop_shard_reset(PG_FUNCTION_ARGS)
{
    const sc::Arguments arguments = sc::arguments_of(fcinfo);
    const Oid shard = DatumGetObjectId(sc::require_argument(arguments, "sessions"));
    const int level = sc::enter_pinned_path();
    sc::Steps steps{};
    for (const sc::OwnTrigger &trigger : sc::find_own_triggers(shard))
        if (trigger.rule->type == TRIGGER_TYPE_TRUNCATE && sc::is_shard(shard))
            sc::add_step(steps, "drop trigger",
                         psprintf("DROP TRIGGER %s ON %s", quote_identifier(trigger.name), sc::qualified_name(shard)));
    sc::run_steps(steps);
    sc::leave_pinned_path(level);
    PG_RETURN_INT32(list_length(steps.list));
}

extern "C" Datum sc_detach(PG_FUNCTION_ARGS)
{
    const sc::Arguments arguments = sc::arguments_of(fcinfo);
    sc::require_argument(arguments, "sessions");
    const bool drop_added_columns = DatumGetBool(sc::require_argument(arguments, "drop_added_columns"));
    const bool dry_run = DatumGetBool(sc::require_argument(arguments, "dry_run"));
    const sc::Pair pair = sc::pair_arguments(arguments);
    InitMaterializedSRF(fcinfo, 0);
    const int level = sc::enter_pinned_path();
    sc::Attachment attachment{};
    if (dry_run) {
        attachment = sc::find_attachment(pair);
        sc::require_owners(attachment);
    } else {
        attachment = sc::lock_attachment(pair);
        sc::require_trigger_gate(attachment.sessions, "detach");
        sc::drop_resets_of_shards(attachment.sessions);
    }
    const sc::Steps steps = sc::plan_steps(attachment, drop_added_columns);
    if (!dry_run)
        sc::run_steps(steps);
    sc::leave_pinned_path(level);
    sc::return_steps(fcinfo, steps);
    PG_RETURN_NULL();
}
