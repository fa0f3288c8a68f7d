// Finds attachments: which tables carry the triggers, joined by which foreign key. Reads catalogs, writes nothing.
#include "catalog/attachment.hpp"

#include <algorithm>

#include "catalog/citus.hpp"
#include "catalog/counting.hpp"
#include "catalog/expressions.hpp"
#include "catalog/made.hpp"

namespace sc {

namespace {

constexpr const char *extension_schema = "session_consistency";

constexpr int16 on_write = TRIGGER_TYPE_INSERT | TRIGGER_TYPE_UPDATE;

bool holds(const ForeignKeyCacheInfo *key, AttrNumber column)
{
    const std::span columns(key->conkey, key->nkeys);
    return std::find(columns.begin(), columns.end(), column) != columns.end();
}

Oid index_of_constraint(Oid constraint)
{
    HeapTuple tuple = SearchSysCache1(CONSTROID, ObjectIdGetDatum(constraint));
    if (!HeapTupleIsValid(tuple))
        return InvalidOid;
    const Oid index = reinterpret_cast<Form_pg_constraint>(GETSTRUCT(tuple))->conindid;
    ReleaseSysCache(tuple);
    return index;
}

std::optional<LinkKey> shape_of(const ForeignKeyCacheInfo *key, AttrNumber link, AttrNumber member)
{
    if (key->nkeys > 2 || (key->nkeys == 2 && (link == member || !holds(key, member))))
        return std::nullopt;
    LinkKey shape{};
    shape.constraint = key->conoid;
    shape.sessions = key->conrelid;
    shape.subscriptions = key->confrelid;
    shape.index = index_of_constraint(key->conoid);
    shape.columns = key->nkeys;
    shape.link = link;
    for (int i = 0; i < key->nkeys; i++)
        (key->conkey[i] == link ? shape.subscription_id : shape.member_key) = key->confkey[i];
    return shape;
}

// The text arguments of a trigger, as its catalog row stores them: one after the other, each ended by a NUL byte.
std::span<char *const> arguments_of(HeapTuple tuple, TupleDesc descriptor)
{
    const int count = reinterpret_cast<Form_pg_trigger>(GETSTRUCT(tuple))->tgnargs;
    bool null;
    const Datum stored = heap_getattr(tuple, Anum_pg_trigger_tgargs, descriptor, &null);
    if (null || count == 0)
        return {};
    char *text = VARDATA_ANY(DatumGetByteaPCopy(stored));
    auto **arguments = static_cast<char **>(palloc(sizeof(char *) * count));
    for (int i = 0; i < count; i++) {
        arguments[i] = text;
        text += strlen(text) + 1;
    }
    return std::span<char *const>(arguments, count);
}

const TriggerRule *rule_of(Oid function)
{
    for (const TriggerRule &rule : trigger_rules)
        if (trigger_function(rule.function) == function)
            return &rule;
    return nullptr;
}

OwnTrigger read_own_trigger(HeapTuple tuple, TupleDesc descriptor, const TriggerRule *rule)
{
    const auto *form = reinterpret_cast<Form_pg_trigger>(GETSTRUCT(tuple));
    bool unconditional;
    const Datum condition = heap_getattr(tuple, Anum_pg_trigger_tgqual, descriptor, &unconditional);
    OwnTrigger trigger{};
    trigger.trigger = form->oid;
    trigger.name = pstrdup(NameStr(form->tgname));
    trigger.rule = rule;
    trigger.type = form->tgtype;
    trigger.enabled = form->tgenabled;
    trigger.cloned = OidIsValid(form->tgparentid);
    trigger.condition = unconditional ? nullptr : TextDatumGetCString(condition);
    trigger.narrowed = !unconditional || form->tgattr.dim1 > 0;
    trigger.arguments = arguments_of(tuple, descriptor);
    return trigger;
}

// The rewrite rule refers to the relation.
bool refers_to(Oid rule, Oid relation)
{
    ScanKeyData keys[2];
    ScanKeyInit(&keys[0], Anum_pg_depend_classid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(RewriteRelationId));
    ScanKeyInit(&keys[1], Anum_pg_depend_objid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(rule));
    Relation depend = table_open(DependRelationId, AccessShareLock);
    SysScanDesc scan = systable_beginscan(depend, DependDependerIndexId, true, nullptr, 2, keys);
    bool found = false;
    HeapTuple tuple;
    while (!found && HeapTupleIsValid(tuple = systable_getnext(scan)))
        found = reinterpret_cast<Form_pg_depend>(GETSTRUCT(tuple))->refobjid == relation;
    systable_endscan(scan);
    table_close(depend, AccessShareLock);
    return found;
}

// The rewrite rule is that of a view with this name.
Oid view_of_rule(Oid rule, const char *name)
{
    ScanKeyData key;
    ScanKeyInit(&key, Anum_pg_rewrite_oid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(rule));
    Relation rules = table_open(RewriteRelationId, AccessShareLock);
    SysScanDesc scan = systable_beginscan(rules, RewriteOidIndexId, true, nullptr, 1, &key);
    HeapTuple tuple = systable_getnext(scan);
    const Oid view =
        HeapTupleIsValid(tuple) ? reinterpret_cast<Form_pg_rewrite>(GETSTRUCT(tuple))->ev_class : InvalidOid;
    systable_endscan(scan);
    table_close(rules, AccessShareLock);
    const char *view_name = OidIsValid(view) ? get_rel_name(view) : nullptr;
    return view_name != nullptr && get_rel_relkind(view) == RELKIND_VIEW && strcmp(view_name, name) == 0 ? view
                                                                                                       : InvalidOid;
}

// Read from the catalog alone: whoever lists attachments waits for no lock on their tables.
Oid subscriptions_by_key(Oid sessions, const Mapping &mapping)
{
    const AttrNumber link = get_attnum(sessions, mapping.subscription_column);
    const AttrNumber member = column_number(sessions, mapping.member_column);
    const std::span<const ForeignKey> keys = foreign_keys_on(sessions, link);
    if (keys.size() != 1)
        return InvalidOid;
    const Columns columns = keys.front().columns;
    const bool joins = columns.size() == 1 ||
                       (columns.size() == 2 && (columns[0] == member || columns[1] == member));
    return joins ? keys.front().references : InvalidOid;
}

List *collect_attachments(Oid sessions);

// The key of an attachment of the sessions that can be read leads to these subscriptions.
bool is_led_to(Oid subscriptions, Oid sessions)
{
    ListCell *cell;
    foreach (cell, collect_attachments(sessions)) {
        const auto *attachment = static_cast<const Attachment *>(lfirst(cell));
        if (attachment->fault == nullptr && subscriptions_by_key(sessions, attachment->mapping) == subscriptions)
            return true;
    }
    return false;
}

// The one table that a foreign key of the sessions leads to and that has triggers of subscriptions, whatever any of
// them says, and that is not another attachment's; InvalidOid where there is none, or several.
Oid guarded_by_key(Oid sessions)
{
    Oid only = InvalidOid;
    for (const ForeignKey &key : foreign_keys_of(sessions)) {
        const auto triggers = find_own_triggers(key.references);
        const bool guarded = std::any_of(triggers.begin(), triggers.end(),
                                         [](const OwnTrigger &trigger) { return !trigger.rule->on_sessions; });
        if (!guarded || key.references == only || is_led_to(key.references, sessions))
            continue;
        if (OidIsValid(only))
            return InvalidOid;
        only = key.references;
    }
    return only;
}

Oid subscriptions_by_key(const Attachment &attachment)
{
    return attachment.fault == nullptr ? subscriptions_by_key(attachment.sessions, attachment.mapping)
                                       : guarded_by_key(attachment.sessions);
}

// Collects the attachments among the triggers of a scan; their subscriptions are looked up afterwards.
List *collect(Relation triggers, SysScanDesc scan, Oid charge)
{
    List *found = NIL;
    HeapTuple tuple;
    while (HeapTupleIsValid(tuple = systable_getnext(scan))) {
        const auto *trigger = reinterpret_cast<Form_pg_trigger>(GETSTRUCT(tuple));
        if (trigger->tgfoid != charge || OidIsValid(trigger->tgparentid) || trigger->tgisinternal)
            continue;
        auto *attachment = static_cast<Attachment *>(palloc0(sizeof(Attachment)));
        attachment->sessions = trigger->tgrelid;
        attachment->charge_trigger = trigger->oid;
        const char *fault = read_mapping(arguments_of(tuple, RelationGetDescr(triggers)), attachment->mapping);
        if (fault != nullptr)
            attachment->fault = psprintf("trigger \"%s\" of table %s %s", NameStr(trigger->tgname),
                                         qualified_name(trigger->tgrelid), fault);
        found = lappend(found, attachment);
    }
    return found;
}

List *collect_attachments(Oid sessions)
{
    const Oid charge = trigger_function(function::charge);
    if (!OidIsValid(charge))
        return NIL;
    ScanKeyData key;
    ScanKeyInit(&key, Anum_pg_trigger_tgrelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(sessions));
    Relation triggers = table_open(TriggerRelationId, AccessShareLock);
    const bool one = OidIsValid(sessions);
    SysScanDesc scan = systable_beginscan(triggers, TriggerRelidNameIndexId, one, nullptr, one ? 1 : 0, &key);
    List *found = collect(triggers, scan, charge);
    systable_endscan(scan);
    table_close(triggers, AccessShareLock);
    return found;
}

// For sorting: schema and name; empty for a relation that is dropped at this moment.
const char *sort_key(Oid relation)
{
    const char *name = get_rel_name(relation);
    const char *schema = name == nullptr ? nullptr : get_namespace_name(get_rel_namespace(relation));
    return schema == nullptr ? "" : psprintf("%s.%s", schema, name);
}

int compare_by_name(Oid first, Oid second)
{
    const int order = strcmp(sort_key(first), sort_key(second));
    return order != 0 ? order : (first > second) - (first < second);
}

int compare_by_name(const ListCell *left, const ListCell *right)
{
    const auto *first = static_cast<const Attachment *>(lfirst(left));
    const auto *second = static_cast<const Attachment *>(lfirst(right));
    const int order = compare_by_name(first->sessions, second->sessions);
    return order != 0 ? order : compare_by_name(first->subscriptions, second->subscriptions);
}

// Whether the foreign key of another attachment leads to these subscriptions.
bool belongs_to_another(Oid subscriptions, Oid charge_trigger)
{
    ListCell *cell;
    foreach (cell, collect_attachments(InvalidOid)) {
        const auto *other = static_cast<const Attachment *>(lfirst(cell));
        if (other->charge_trigger != charge_trigger && subscriptions_by_key(*other) == subscriptions)
            return true;
    }
    return false;
}

}  // namespace

// zz: after the user's own BEFORE triggers. 00: before the user's AFTER triggers and the foreign keys' triggers.
const std::array<TriggerRule, 6> trigger_rules{{
    {"zz_session_consistency_keep", function::keep, "BEFORE INSERT OR UPDATE", "ROW",
     TRIGGER_TYPE_ROW | TRIGGER_TYPE_BEFORE | on_write, false, false},
    {"00_session_consistency_guard", function::guard, "AFTER INSERT OR UPDATE OR DELETE", "ROW",
     TRIGGER_TYPE_ROW | on_write | TRIGGER_TYPE_DELETE, false, false},
    // After, since a WHEN clause before a row may name no generated column.
    {"session_consistency_expressions", function::carry, "AFTER UPDATE", "ROW", TRIGGER_TYPE_ROW | TRIGGER_TYPE_UPDATE,
     true, true},
    {"00_session_consistency_charge", function::charge, "AFTER INSERT OR UPDATE OR DELETE", "ROW",
     TRIGGER_TYPE_ROW | on_write | TRIGGER_TYPE_DELETE, true, true},
    {"00_session_consistency_reset", function::reset, "AFTER TRUNCATE", "STATEMENT", TRIGGER_TYPE_TRUNCATE, true,
     false},
    {"zz_session_consistency_link", function::link, "BEFORE INSERT OR UPDATE", "ROW",
     TRIGGER_TYPE_ROW | TRIGGER_TYPE_BEFORE | on_write, true, true},
}};

const TriggerRule &charge_rule()
{
    return *std::find_if(trigger_rules.begin(), trigger_rules.end(),
                         [](const TriggerRule &rule) { return strcmp(rule.function, function::charge) == 0; });
}

bool carries_expressions(const TriggerRule &rule)
{
    return strcmp(rule.function, function::carry) == 0;
}

bool is_needed(const TriggerRule &rule, const Mapping &mapping)
{
    return is_searched(mapping) || strcmp(rule.function, function::link) != 0;
}

bool is_of_link(std::span<char *const> arguments, const char *link_column)
{
    Mapping mapping{};
    read_mapping(arguments, mapping);
    return strcmp(mapping.subscription_column, link_column) == 0;
}

std::span<const OwnTrigger> find_own_triggers(Oid relation)
{
    ScanKeyData key;
    ScanKeyInit(&key, Anum_pg_trigger_tgrelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relation));
    Relation catalog = table_open(TriggerRelationId, AccessShareLock);
    SysScanDesc scan = systable_beginscan(catalog, TriggerRelidNameIndexId, true, nullptr, 1, &key);
    size_t capacity = trigger_rules.size();
    size_t count = 0;
    auto *triggers = static_cast<OwnTrigger *>(palloc(sizeof(OwnTrigger) * capacity));
    HeapTuple tuple;
    while (HeapTupleIsValid(tuple = systable_getnext(scan))) {
        const TriggerRule *rule = rule_of(reinterpret_cast<Form_pg_trigger>(GETSTRUCT(tuple))->tgfoid);
        if (rule == nullptr)
            continue;
        if (count == capacity)
            triggers = static_cast<OwnTrigger *>(repalloc(triggers, sizeof(OwnTrigger) * (capacity *= 2)));
        triggers[count++] = read_own_trigger(tuple, RelationGetDescr(catalog), rule);
    }
    systable_endscan(scan);
    table_close(catalog, AccessShareLock);
    return std::span<const OwnTrigger>(triggers, count);
}

namespace {

Oid own_function(const char *name, Oids arguments)
{
    const Oid schema = get_namespace_oid(extension_schema, true);
    if (!OidIsValid(schema))
        return InvalidOid;
    return GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid, CStringGetDatum(name),
                           PointerGetDatum(buildoidvector(arguments.data(), static_cast<int>(arguments.size()))),
                           ObjectIdGetDatum(schema));
}

}  // namespace

Oid trigger_function(const char *name)
{
    return own_function(name, {});
}

Oid carrying_function()
{
    constexpr std::array<Oid, 3> arguments{BOOLOID, INT8OID, BOOLOID};
    return own_function("expressions", arguments);
}

Oids own_trigger_functions()
{
    auto *functions = static_cast<Oid *>(palloc(sizeof(Oid) * trigger_rules.size()));
    std::transform(trigger_rules.begin(), trigger_rules.end(), functions,
                   [](const TriggerRule &rule) { return trigger_function(rule.function); });
    return Oids(functions, trigger_rules.size());
}

const Trigger *find_charge_trigger(Relation relation, const Mapping &mapping)
{
    const TriggerDesc *triggers = copy_triggers(relation);
    const Oid charge = trigger_function(function::charge);
    for (int i = 0; triggers != nullptr && i < triggers->numtriggers; i++)
        if (triggers->triggers[i].tgfoid == charge &&
            is_of_link(std::span<char *const>(triggers->triggers[i].tgargs, triggers->triggers[i].tgnargs),
                       mapping.subscription_column))
            return &triggers->triggers[i];
    return nullptr;
}

std::optional<LinkKey> find_link_key(Relation sessions, AttrNumber link, AttrNumber member, bool *several)
{
    const ForeignKeyCacheInfo *only = nullptr;
    int found = 0;
    ListCell *cell;
    // Copied, as the triggers are.
    foreach (cell, static_cast<List *>(copyObjectImpl(RelationGetFKeyList(sessions)))) {
        const auto *key = static_cast<const ForeignKeyCacheInfo *>(lfirst(cell));
        if (!holds(key, link))
            continue;
        only = key;
        found++;
    }
    *several = found > 1;
    return found == 1 ? shape_of(only, link, member) : std::nullopt;
}

namespace {

bool leads_to(const Attachment &attachment, Oid subscriptions)
{
    const Oids candidates = find_subscriptions(attachment);
    return std::find(candidates.begin(), candidates.end(), subscriptions) != candidates.end();
}

}  // namespace

std::span<const Attachment> find_attachments(Oid sessions, Oid subscriptions)
{
    List *found = collect_attachments(sessions);
    ListCell *cell;
    foreach (cell, found) {
        auto *attachment = static_cast<Attachment *>(lfirst(cell));
        attachment->subscriptions = subscriptions_by_key(*attachment);
    }
    list_sort(found, compare_by_name);
    auto *attachments = static_cast<Attachment *>(palloc(sizeof(Attachment) * Max(list_length(found), 1)));
    size_t count = 0;
    foreach (cell, found) {
        Attachment &attachment = attachments[count];
        attachment = *static_cast<const Attachment *>(lfirst(cell));
        const char *fault;
        attachment.mapping.expressions = find_expressions(attachment.sessions, attachment.mapping, &fault);
        const bool named = OidIsValid(sessions) || !is_shard(attachment.sessions);
        if (named && (!OidIsValid(subscriptions) || leads_to(attachment, subscriptions)))
            count++;
    }
    return std::span<const Attachment>(attachments, count);
}

void require_readable(const Attachment &attachment)
{
    if (attachment.fault != nullptr)
        ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                errmsg("the attachment of table \"%s\" cannot be read", get_rel_name(attachment.sessions)),
                errdetail_internal("%c%s.", pg_toupper(attachment.fault[0]), attachment.fault + 1),
                errhint("session_consistency.detach() takes it back all the same; then attach again."));
}

namespace {

// The tables on the other side of some attachments: the subscriptions where the sessions are named, else the sessions.
const char *name_others(std::span<const Attachment> found, bool subscriptions)
{
    StringInfoData names;
    initStringInfo(&names);
    for (const Attachment &attachment : found) {
        const Oid table = subscriptions ? attachment.subscriptions : attachment.sessions;
        appendStringInfo(&names, "%s%s", names.len == 0 ? "" : ", ",
                         OidIsValid(table) ? qualified_name(table) : "one without its foreign key");
    }
    return names.data;
}

// What a table is that is not the sessions table of the attachment that the caller has named.
const char *describe_unattached(const Pair &pair)
{
    const Oid named = OidIsValid(pair.sessions) ? pair.sessions : pair.subscriptions;
    if (!OidIsValid(named))
        return "No table has the triggers that session_consistency.attach() makes.";
    const std::span<const Attachment> to_others = find_attachments(named);
    if (!to_others.empty())
        return psprintf("It is attached to %s.", name_others(to_others, true));
    const std::span<const Attachment> of_others = find_attachments(InvalidOid, named);
    if (!of_others.empty())
        return psprintf("It holds the subscriptions of %s.", name_others(of_others, false));
    if (get_rel_relispartition(named))
        return psprintf("It is a partition of %s.", qualified_name(llast_oid(get_partition_ancestors(named))));
    return "It has none of the triggers that session_consistency.attach() makes.";
}

[[noreturn]] void raise_not_attached(const Pair &pair)
{
    const Oid named = OidIsValid(pair.sessions) ? pair.sessions : pair.subscriptions;
    ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
            !OidIsValid(named) ? errmsg("no table is attached")
            : !OidIsValid(pair.subscriptions) || named == pair.subscriptions
                ? errmsg("table \"%s\" is not attached", get_rel_name(named))
                : errmsg("table \"%s\" is not attached to table \"%s\"", get_rel_name(named),
                         get_rel_name(pair.subscriptions)),
            errdetail_internal("%s", describe_unattached(pair)),
            errhint("session_consistency.attachments lists what is; session_consistency.attach() attaches it."));
    pg_unreachable();
}

[[noreturn]] void raise_several(const Pair &pair, std::span<const Attachment> found)
{
    const bool of_one_table = OidIsValid(pair.sessions);
    const char *names = name_others(found, of_one_table);
    ereport(ERROR, errcode(ERRCODE_AMBIGUOUS_PARAMETER),
            of_one_table ? errmsg("table \"%s\" is attached to several tables: %s", get_rel_name(pair.sessions), names)
                         : errmsg("several tables are attached: %s", names),
            errdetail("Each of them is an attachment of its own."),
            errhint("Name one of them as the argument \"%s\".", of_one_table ? "subscriptions" : "sessions"));
    pg_unreachable();
}

}  // namespace

const Attachment &require_attachment(Pair pair)
{
    const std::span<const Attachment> found = find_attachments(pair.sessions, pair.subscriptions);
    if (found.empty())
        raise_not_attached(pair);
    if (found.size() > 1)
        raise_several(pair, found);
    require_readable(found.front());
    return found.front();
}

const char *find_distrust(Oid sessions, Oid subscriptions, LOCKMODE lock)
{
    const Oid owner = owner_of(sessions);
    if (OidIsValid(subscriptions) && !has_privs_of_role(owner, owner_of(subscriptions)))
        return psprintf("the owner of table %s does not have the privileges of the owner of table %s",
                        qualified_name(sessions), qualified_name(subscriptions));
    for (const Oid relation : partition_tree(sessions, lock))
        if (!has_privs_of_role(owner_of(relation), owner))
            return psprintf("the owner of partition %s does not have the privileges of the owner of table %s",
                            qualified_name(relation), qualified_name(sessions));
    return nullptr;
}

std::span<const OwnTrigger> find_triggers_beside(Oid sessions, std::span<const Attachment> others)
{
    if (std::any_of(others.begin(), others.end(), [](const Attachment &other) { return other.fault != nullptr; }))
        return {};
    const auto all = find_own_triggers(sessions);
    auto *beside = static_cast<OwnTrigger *>(palloc(sizeof(OwnTrigger) * Max(all.size(), size_t{1})));
    Mapping mapping{};
    const auto end = std::copy_if(all.begin(), all.end(), beside, [&](const OwnTrigger &trigger) {
        const bool readable = read_mapping(trigger.arguments, mapping) == nullptr;
        return trigger.rule->on_sessions && !trigger.cloned &&
               (!readable || std::none_of(others.begin(), others.end(), [&](const Attachment &other) {
                   return strcmp(mapping.subscription_column, other.mapping.subscription_column) == 0;
               }));
    });
    return std::span<const OwnTrigger>(beside, end);
}

std::optional<Attachment> find_remnant(Oid sessions)
{
    if (find_triggers_beside(sessions, find_attachments(sessions)).empty())
        return std::nullopt;
    return Attachment{
        .sessions = sessions,
        .subscriptions = guarded_by_key(sessions),
        .charge_trigger = InvalidOid,
        .fault = psprintf("table %s has no trigger that calls %s()", qualified_name(sessions), function::charge),
        .mapping = default_mapping()};
}

void raise_no_ledger(Oid sessions)
{
    ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
            errmsg("table \"%s\" is attached without a ledger", get_rel_name(sessions)),
            errhint("Detach it and attach it again with ledger => true."));
    pg_unreachable();
}

Oids find_subscriptions(const Attachment &attachment)
{
    List *found = NIL;
    if (OidIsValid(attachment.subscriptions)) {
        found = list_make1_oid(attachment.subscriptions);
    } else {
        const Oid guard = trigger_function(function::guard);
        Relation triggers = table_open(TriggerRelationId, AccessShareLock);
        SysScanDesc scan = systable_beginscan(triggers, InvalidOid, false, nullptr, 0, nullptr);
        HeapTuple tuple;
        while (HeapTupleIsValid(tuple = systable_getnext(scan))) {
            const auto *trigger = reinterpret_cast<Form_pg_trigger>(GETSTRUCT(tuple));
            if (trigger->tgfoid == guard &&
                (attachment.fault != nullptr ||
                 says_the_same(arguments_of(tuple, RelationGetDescr(triggers)), attachment.mapping)))
                found = list_append_unique_oid(found, trigger->tgrelid);
        }
        systable_endscan(scan);
        table_close(triggers, AccessShareLock);
    }
    auto *tables = static_cast<Oid *>(palloc(sizeof(Oid) * Max(list_length(found), 1)));
    size_t count = 0;
    ListCell *cell;
    foreach (cell, found)
        if (OidIsValid(attachment.subscriptions) || !belongs_to_another(lfirst_oid(cell), attachment.charge_trigger))
            tables[count++] = lfirst_oid(cell);
    return Oids(tables, count);
}

const Trigger *charge_trigger_of(Relation sessions, const Attachment &attachment)
{
    const TriggerDesc *triggers = copy_triggers(sessions);
    for (int i = 0; triggers != nullptr && i < triggers->numtriggers; i++)
        if (triggers->triggers[i].tgoid == attachment.charge_trigger)
            return &triggers->triggers[i];
    return nullptr;
}

namespace {

// One that does not read the sessions any more, and still says whose it is.
Oid find_altered_view(const Attachment &attachment, const char *name)
{
    if (!OidIsValid(attachment.subscriptions))
        return InvalidOid;
    const Oid view = get_relname_relid(name, get_rel_namespace(attachment.subscriptions));
    const bool is_own =
        OidIsValid(view) && get_rel_relkind(view) == RELKIND_VIEW && is_commented(view, RelationRelationId);
    return is_own ? view : InvalidOid;
}

}  // namespace

Oid find_counts_view(const Attachment &attachment)
{
    const char *name = find_made(attachment.mapping.made, "view");
    if (name == nullptr)
        return InvalidOid;
    ScanKeyData keys[2];
    ScanKeyInit(&keys[0], Anum_pg_depend_refclassid, BTEqualStrategyNumber, F_OIDEQ,
                ObjectIdGetDatum(RelationRelationId));
    ScanKeyInit(&keys[1], Anum_pg_depend_refobjid, BTEqualStrategyNumber, F_OIDEQ,
                ObjectIdGetDatum(attachment.sessions));
    Relation depend = table_open(DependRelationId, AccessShareLock);
    SysScanDesc scan = systable_beginscan(depend, DependReferenceIndexId, true, nullptr, 2, keys);
    Oid view = InvalidOid;
    HeapTuple tuple;
    while (!OidIsValid(view) && HeapTupleIsValid(tuple = systable_getnext(scan))) {
        const auto *form = reinterpret_cast<Form_pg_depend>(GETSTRUCT(tuple));
        // The views of two attachments of the same sessions may have one name, in two schemas.
        if (form->classid == RewriteRelationId &&
            (!OidIsValid(attachment.subscriptions) || refers_to(form->objid, attachment.subscriptions)))
            view = view_of_rule(form->objid, name);
    }
    systable_endscan(scan);
    table_close(depend, AccessShareLock);
    return OidIsValid(view) ? view : find_altered_view(attachment, name);
}

}  // namespace sc
