// Compares an attachment with what attach() is asked for.
#include "attach/attached.hpp"

#include <algorithm>

#include "catalog/expressions.hpp"

namespace sc {

namespace {

// What made stands for in the catalogs. history, partition_foreign_key are remarks.
enum class Thing : uint8_t { column, index, constraint, view };
struct MadeThing {
    const char *kind;
    Thing thing;
    bool on_sessions;
};
constexpr std::array made_things{
    MadeThing{"link_column", Thing::column, true},    MadeThing{"used_column", Thing::column, false},
    MadeThing{"carried_column", Thing::column, false}, MadeThing{"total_column", Thing::column, false},
    MadeThing{"active_index", Thing::index, false},   MadeThing{"member_index", Thing::index, false},
    MadeThing{"link_index", Thing::index, true},      MadeThing{"foreign_key", Thing::constraint, true},
    MadeThing{"total_check", Thing::constraint, false}, MadeThing{"link_check", Thing::constraint, true},
    MadeThing{"view", Thing::view, false},
};

[[noreturn]] void raise_attached(const char *table, const char *detail, const char *hint)
{
    ereport(ERROR, errcode(ERRCODE_DUPLICATE_OBJECT), errmsg("table \"%s\" is already attached", table),
            errdetail_internal("%s", detail), errhint("%s", hint));
    pg_unreachable();
}

constexpr const char *list_hint = "session_consistency.attachments lists every attachment.";

bool leads_to(const Attachment &attachment, Oid subscriptions)
{
    const Oids candidates = find_subscriptions(attachment);
    return std::find(candidates.begin(), candidates.end(), subscriptions) != candidates.end();
}

bool is_other(const Attachment &attached, const Mapping &mapping, const char *field)
{
    return !is_same(attached.mapping, mapping, *find_field(field));
}

bool is_sound(const OwnTrigger &trigger)
{
    if (carries_expressions(*trigger.rule))
        return trigger.type == trigger.rule->type;
    return trigger.type == trigger.rule->type && !trigger.narrowed &&
           (trigger.enabled == TRIGGER_FIRES_ON_ORIGIN || trigger.enabled == TRIGGER_FIRES_ALWAYS);
}

// The charge trigger carries more; what was made is no argument.
bool says_all(const OwnTrigger &trigger, const Mapping &mapping)
{
    if (!says_the_same(trigger.arguments, mapping))
        return false;
    Mapping said{};
    read_mapping(trigger.arguments, said);
    said.made = mapping.made;
    return strcmp(trigger.rule->function, function::charge) != 0 ||
           std::all_of(mapping_fields.begin(), mapping_fields.end(),
                       [&](const Field &field) { return is_same(said, mapping, field); });
}

}  // namespace

namespace {

void add_made_relations(List **made, Oid table, bool on_sessions)
{
    Relation relation = table_open(table, AccessShareLock);
    ListCell *cell;
    foreach (cell, RelationGetIndexList(relation)) {
        const Oid index = lfirst_oid(cell);
        if (!is_commented(index, RelationRelationId))
            continue;
        Relation opened = index_open(index, AccessShareLock);
        const char *kind = on_sessions ? "link_index" : opened->rd_index->indisunique ? "active_index" : "member_index";
        *made = lappend(*made, psprintf("%s:%s", kind, get_rel_name(index)));
        index_close(opened, AccessShareLock);
    }
    table_close(relation, AccessShareLock);
}

void add_made_constraints(List **made, Oid table, bool on_sessions)
{
    ScanKeyData key;
    ScanKeyInit(&key, Anum_pg_constraint_conrelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(table));
    Relation constraints = table_open(ConstraintRelationId, AccessShareLock);
    SysScanDesc scan = systable_beginscan(constraints, ConstraintRelidTypidNameIndexId, true, nullptr, 1, &key);
    HeapTuple tuple;
    while (HeapTupleIsValid(tuple = systable_getnext(scan))) {
        const auto *constraint = reinterpret_cast<Form_pg_constraint>(GETSTRUCT(tuple));
        if (!is_commented(constraint->oid, ConstraintRelationId))
            continue;
        const char *kind = constraint->contype == CONSTRAINT_FOREIGN ? "foreign_key"
                           : on_sessions                             ? "link_check"
                                                                     : "total_check";
        *made = lappend(*made, psprintf("%s:%s", kind, NameStr(constraint->conname)));
    }
    systable_endscan(scan);
    table_close(constraints, AccessShareLock);
}

// What the comments say was made: not the columns, whose comments are the user's.
Names find_commented(const Request &request, const char *counts_view)
{
    List *made = NIL;
    for (const bool on_sessions : {true, false}) {
        const Oid table = on_sessions ? request.sessions : request.subscriptions;
        add_made_relations(&made, table, on_sessions);
        add_made_constraints(&made, table, on_sessions);
    }
    const Oid view = get_relname_relid(counts_view, get_rel_namespace(request.subscriptions));
    if (OidIsValid(view) && get_rel_relkind(view) == RELKIND_VIEW && is_commented(view, RelationRelationId))
        made = lappend(made, psprintf("view:%s", counts_view));
    auto **names = static_cast<const char **>(palloc(sizeof(char *) * Max(list_length(made), 1)));
    size_t count = 0;
    ListCell *cell;
    foreach (cell, made)
        names[count++] = static_cast<const char *>(lfirst(cell));
    return Names(names, count);
}

// An attachment without its charge trigger, by another one of the sessions that can be read. What the charge trigger
// alone says is taken to be what is asked for.
const Attachment *recover_attachment(const Request &request, const char *counts_view)
{
    for (const OwnTrigger &trigger : find_triggers_beside(request.sessions, find_attachments(request.sessions))) {
        Mapping mapping{};
        if (read_mapping(trigger.arguments, mapping) != nullptr)
            continue;
        for (const Field &field : mapping_fields)
            if (has(field, charge_alone))
                copy_field(mapping, request.mapping, field);
        mapping.made = find_commented(request, counts_view);
        auto *attached = static_cast<Attachment *>(palloc0(sizeof(Attachment)));
        *attached = Attachment{.sessions = request.sessions,
                               .subscriptions = request.subscriptions,
                               .charge_trigger = InvalidOid,
                               .fault = nullptr,
                               .mapping = mapping};
        const char *fault;
        attached->mapping.expressions = find_expressions(request.sessions, mapping, &fault);
        return attached;
    }
    return nullptr;
}

}  // namespace

const Attachment *find_attached(const Request &request, const char *counts_view)
{
    const Attachment *attached = nullptr;
    for (const Attachment &attachment : find_attachments(InvalidOid)) {
        const bool ours = leads_to(attachment, request.subscriptions);
        if (attachment.sessions != request.sessions) {
            if (ours)
                raise_attached(get_rel_name(request.subscriptions),
                               psprintf("It holds the subscriptions of table \"%s\".",
                                        get_rel_name(attachment.sessions)),
                               list_hint);
            continue;
        }
        const char *name = get_rel_name(request.sessions);
        if (attachment.fault != nullptr)
            raise_attached(name, psprintf("%c%s.", pg_toupper(attachment.fault[0]), attachment.fault + 1),
                           "session_consistency.detach() takes it back all the same; then attach again.");
        // One table of sessions may be attached to several tables, each by a link of its own.
        const char *link = attachment.mapping.subscription_column;
        if (!ours && strcmp(link, request.mapping.subscription_column) == 0)
            raise_attached(name,
                           OidIsValid(attachment.subscriptions)
                               ? psprintf("Its column \"%s\" is the link to table \"%s\".", link,
                                          get_rel_name(attachment.subscriptions))
                               : psprintf("Its column \"%s\" is the link to another table.",
                                          link),
                           list_hint);
        if (ours)
            attached = &attachment;
    }
    return attached != nullptr ? attached : recover_attachment(request, counts_view);
}

void refuse_other_columns(const Attachment &attached, const Mapping &mapping)
{
    const auto said = [](const char *column) { return column == nullptr ? "NULL" : psprintf("\"%s\"", column); };
    for (const Field &field : mapping_fields)
        if (is_column(field) && !has(field, changeable) && !is_same(attached.mapping, mapping, field))
            raise_attached(get_rel_name(attached.sessions),
                           psprintf("Its %s is %s, not %s.", field.name, said(attached.mapping.*field.text),
                                    said(mapping.*field.text)),
                           "With other columns it is another attachment: detach it first.");
}

bool is_there(const Attachment &attached, const char *kind)
{
    const auto *made = std::find_if(made_things.begin(), made_things.end(),
                                    [kind](const MadeThing &thing) { return strcmp(thing.kind, kind) == 0; });
    const char *name = find_made(attached.mapping.made, kind);
    if (name == nullptr || made == made_things.end())
        return false;
    const Oid table = made->on_sessions ? attached.sessions : attached.subscriptions;
    switch (made->thing) {
    case Thing::column:
        return OidIsValid(table) && get_attnum(table, name) > 0;
    case Thing::index: {
        const Oid index = OidIsValid(table) ? get_relname_relid(name, get_rel_namespace(table)) : InvalidOid;
        return OidIsValid(index) && get_rel_relkind(index) != RELKIND_VIEW && IndexGetRelation(index, true) == table;
    }
    case Thing::constraint:
        return OidIsValid(table) && OidIsValid(get_relation_constraint_oid(table, name, true));
    default:
        return OidIsValid(find_counts_view(attached));
    }
}

namespace {

// Where both are known; where one has none, the mappings say so.
bool counts_otherwise(const Expressions *before, const Expressions *after)
{
    return before != nullptr && after != nullptr &&
           (!equal(before->counts_when, after->counts_when) || !equal(before->cost, after->cost));
}

}  // namespace

Changes find_changes(const Attachment &attached, const Mapping &mapping, const char *counts_view)
{
    Changes changes{};
    const Names made = attached.mapping.made;
    const auto other = [&](const char *field) { return is_other(attached, mapping, field); };
    changes.counted = std::any_of(mapping_fields.begin(), mapping_fields.end(), [&](const Field &field) {
        return has(field, counts) && !is_same(attached.mapping, mapping, field);
    });
    changes.expressions = !is_same(attached.mapping.expressions, mapping.expressions);
    changes.recount = has_expressions(attached.mapping) && attached.mapping.expressions == nullptr && !changes.counted;
    changes.counted |= counts_otherwise(attached.mapping.expressions, mapping.expressions);
    changes.active_index =
        (mapping.draw_order != nullptr || other("active_statuses")) && is_there(attached, "active_index");
    const bool counts = changes.counted || changes.recount;
    changes.link_check = (other("link_check") || counts) && is_there(attached, "link_check");
    changes.open_ledger = mapping.ledger && !attached.mapping.ledger;
    if (is_there(attached, "view")) {
        const bool other_period = other("valid_from_column") || other("valid_until_column");
        changes.drop_view = !mapping.make_view;
        changes.remake_view = mapping.make_view && other_period && has_period(attached.mapping);
        const bool stays = mapping.make_view && !changes.remake_view;
        changes.rename_view = stays && strcmp(find_made(made, "view"), counts_view) != 0;
        changes.replace_view = stays && (counts || other_period || other("time_zone"));
    }
    changes.made = !OidIsValid(attached.charge_trigger);
    // A CHECK that rows violate is not there yet.
    for (const MadeThing &thing : made_things)
        changes.made |= strstr(thing.kind, "_check") == nullptr && find_made(made, thing.kind) != nullptr &&
                        !is_there(attached, thing.kind);
    return changes;
}

namespace {

// The triggers of one of the tables that are none of another attachment's.
std::span<const OwnTrigger> triggers_of(const Request &request, bool on_sessions)
{
    if (!on_sessions)
        return find_own_triggers(request.subscriptions);
    const auto all = find_attachments(request.sessions);
    auto *others = static_cast<Attachment *>(palloc(sizeof(Attachment) * Max(all.size(), size_t{1})));
    const auto end = std::copy_if(all.begin(), all.end(), others, [&](const Attachment &other) {
        return strcmp(other.mapping.subscription_column, request.mapping.subscription_column) != 0;
    });
    return find_triggers_beside(request.sessions, std::span<const Attachment>(others, end));
}

}  // namespace

const OwnTrigger *find_rule_trigger(const Request &request, const TriggerRule &rule)
{
    for (const OwnTrigger &trigger : triggers_of(request, rule.on_sessions))
        if (trigger.rule == &rule && !trigger.cloned)
            return &trigger;
    return nullptr;
}

namespace {

bool is_carried(Oid sessions, const Mapping &mapping)
{
    const char *fault;
    return is_same(find_expressions(sessions, mapping, &fault), mapping.expressions);
}

}  // namespace

TriggerActs judge_triggers(const Request &request, const Attachment *attached, const Mapping &mapping)
{
    TriggerActs acts{};
    for (size_t i = 0; i < trigger_rules.size(); i++) {
        if (!is_needed(trigger_rules[i], mapping))
            continue;
        const OwnTrigger *trigger = find_rule_trigger(request, trigger_rules[i]);
        const bool carries = carries_expressions(trigger_rules[i]);
        if (carries && !has_expressions(mapping))
            acts[i] = trigger == nullptr ? Act::keep : Act::drop;
        else if (carries && trigger != nullptr && !is_carried(request.sessions, mapping))
            acts[i] = Act::replace;
        else if (trigger == nullptr)
            acts[i] = Act::make;
        else if (!says_all(*trigger, mapping) || (attached == nullptr && !is_sound(*trigger)))
            acts[i] = Act::replace;
    }
    return acts;
}

std::span<const OwnTrigger> find_surplus(const Request &request)
{
    const auto on_sessions = triggers_of(request, true);
    const auto on_subscriptions = triggers_of(request, false);
    auto *surplus = static_cast<OwnTrigger *>(
        palloc(sizeof(OwnTrigger) * Max(on_sessions.size() + on_subscriptions.size(), size_t{1})));
    size_t count = 0;
    for (const auto triggers : {on_sessions, on_subscriptions})
        for (const OwnTrigger &trigger : triggers) {
            const bool right_table = trigger.rule->on_sessions == (triggers.data() == on_sessions.data());
            const OwnTrigger *first = right_table ? find_rule_trigger(request, *trigger.rule) : nullptr;
            if (first != nullptr && !trigger.cloned && first->trigger != trigger.trigger)
                surplus[count++] = trigger;
        }
    return std::span<const OwnTrigger>(surplus, count);
}

}  // namespace sc
