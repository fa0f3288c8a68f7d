// Looks for gaps, one function for each thing that an attachment rests on.
#include "catalog/gaps.hpp"

#include "catalog/citus.hpp"
#include "catalog/column_rules.hpp"
#include "catalog/counting.hpp"
#include "catalog/equivalents.hpp"
#include "catalog/expressions.hpp"
#include "catalog/obstacles.hpp"
#include "catalog/treated.hpp"
#include "server/owner.hpp"
#include "server/subtransaction.hpp"
#include "server/own_table.hpp"
#include "server/shards.hpp"

namespace sc {

namespace {

struct Inspection {
    const Attachment *attachment;
    Relation sessions;
    Relation subscriptions;    // nullptr where the foreign key that leads to them is gone
    bool with_history;
    List *gaps;
};
static_assert(Pod<Inspection>);

void add_gap(Inspection &inspection, const char *gap)
{
    inspection.gaps = lappend(inspection.gaps, const_cast<char *>(gap));
}

bool fires(char enabled)
{
    return enabled == TRIGGER_FIRES_ON_ORIGIN || enabled == TRIGGER_FIRES_ALWAYS;
}

// The relation's trigger of that rule that comes closest to being right. Of the sessions' triggers only those with the
// attachment's link are its own.
const OwnTrigger *find_trigger(const Attachment &attachment, std::span<const OwnTrigger> triggers,
                               const TriggerRule &rule)
{
    const OwnTrigger *found = nullptr;
    for (const OwnTrigger &trigger : triggers)
        if (trigger.rule == &rule && (found == nullptr || !fires(found->enabled)) &&
            (!rule.on_sessions || is_of_link(trigger.arguments, attachment.mapping.subscription_column)))
            found = &trigger;
    return found;
}

// Whether it fires is no matter: it never does anything.
void look_at_expressions(Inspection &inspection, Oid relation)
{
    const char *fault;
    const Expressions *expressions = find_expressions(relation, inspection.attachment->mapping, &fault);
    if (fault != nullptr)
        add_gap(inspection, psprintf("table %s %s", qualified_name(relation), fault));
    else if (expressions != nullptr && OidIsValid(expressions->subscriptions) && inspection.subscriptions != nullptr &&
             expressions->subscriptions != RelationGetRelid(inspection.subscriptions))
        add_gap(inspection, psprintf("the expressions of table %s name columns of another table than the subscriptions",
                                     qualified_name(relation)));
}

void look_at_trigger(Inspection &inspection, Oid relation, std::span<const OwnTrigger> triggers,
                     const TriggerRule &rule)
{
    const char *table = qualified_name(relation);
    if (carries_expressions(rule)) {
        look_at_expressions(inspection, relation);
        return;
    }
    const OwnTrigger *trigger = find_trigger(*inspection.attachment, triggers, rule);
    if (trigger == nullptr)
        add_gap(inspection, psprintf("table %s has no trigger that calls %s()", table, rule.function));
    else if (!fires(trigger->enabled))
        add_gap(inspection, psprintf("trigger \"%s\" of table %s is disabled", trigger->name, table));
    else if (trigger->type != rule.type || trigger->narrowed)
        add_gap(inspection, psprintf("trigger \"%s\" of table %s does not fire for every change", trigger->name,
                                     table));
    else if (!says_the_same(trigger->arguments, inspection.attachment->mapping))
        add_gap(inspection, psprintf("trigger \"%s\" of table %s has other arguments than the attachment",
                                     trigger->name, table));
}

// The table's own trigger sets the counters of all its shards to 0.
bool resets_counters(const TriggerRule &rule)
{
    return strcmp(rule.function, function::reset) == 0;
}

void look_at_triggers(Inspection &inspection)
{
    const Oid root = inspection.attachment->sessions;
    const bool is_a_shard = is_shard(root);
    for (const Oid relation : partition_tree(root, AccessShareLock)) {
        const auto triggers = find_own_triggers(relation);
        for (const TriggerRule &rule : trigger_rules)
            if (rule.on_sessions && (relation == root || rule.on_partitions) &&
                is_needed(rule, inspection.attachment->mapping) && !(is_a_shard && resets_counters(rule)))
                look_at_trigger(inspection, relation, triggers, rule);
    }
    if (inspection.subscriptions == nullptr)
        return;
    const Oid subscriptions = RelationGetRelid(inspection.subscriptions);
    const auto triggers = find_own_triggers(subscriptions);
    for (const TriggerRule &rule : trigger_rules)
        if (!rule.on_sessions)
            look_at_trigger(inspection, subscriptions, triggers, rule);
}

// Columns are found by name: one that was renamed or dropped is a gap, and hides what rests on it.
bool look_at_columns(Inspection &inspection)
{
    const Mapping &mapping = inspection.attachment->mapping;
    const int before = list_length(inspection.gaps);
    for (const Field &field : mapping_fields) {
        Relation table = field.side == Side::sessions ? inspection.sessions : inspection.subscriptions;
        const char *column = is_column(field) ? mapping.*field.text : nullptr;
        if (column != nullptr && table != nullptr && get_attnum(RelationGetRelid(table), column) <= 0)
            add_gap(inspection, psprintf("column \"%s\" of table %s is gone", column,
                                         qualified_name(RelationGetRelid(table))));
    }
    return list_length(inspection.gaps) == before;
}

// What attach() has accepted of the order and the period may have changed since: columns, their types, the time zone.
void look_at_draw(Inspection &inspection)
{
    Mapping mapping = inspection.attachment->mapping;
    if (inspection.subscriptions == nullptr || (mapping.draw_order == nullptr && !has_period(mapping)))
        return;
    const Pair pair{RelationGetRelid(inspection.sessions), RelationGetRelid(inspection.subscriptions)};
    Obstacles obstacles{.collects = true, .found = NIL};
    passes(obstacles, [&] { check_draw_order(pair, mapping); });
    passes(obstacles, [&] { check_period(pair, mapping); });
    ListCell *cell;
    foreach (cell, obstacles.found)
        add_gap(inspection, static_cast<const Obstacle *>(lfirst(cell))->message);
}

// The server's own triggers that enforce a foreign key can be disabled too.
bool key_triggers_fire(Oid constraint)
{
    ScanKeyData key;
    ScanKeyInit(&key, Anum_pg_trigger_tgconstraint, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(constraint));
    Relation triggers = table_open(TriggerRelationId, AccessShareLock);
    SysScanDesc scan = systable_beginscan(triggers, TriggerConstraintIndexId, true, nullptr, 1, &key);
    bool all = true;
    HeapTuple tuple;
    while (all && HeapTupleIsValid(tuple = systable_getnext(scan)))
        all = fires(reinterpret_cast<Form_pg_trigger>(GETSTRUCT(tuple))->tgenabled);
    systable_endscan(scan);
    table_close(triggers, AccessShareLock);
    return all;
}

void look_at_key(Inspection &inspection, Oid relation, const ForeignKey &key)
{
    const char *what = psprintf("foreign key \"%s\" of table %s", key.name, qualified_name(relation));
    const AttrNumber link = get_attnum(relation, inspection.attachment->mapping.subscription_column);
    if (inspection.subscriptions != nullptr && key.references != RelationGetRelid(inspection.subscriptions))
        add_gap(inspection, psprintf("%s does not refer to the subscriptions", what));
    else if (const char *fault = key_fault(key, link))
        add_gap(inspection, psprintf("%s %s", what, fault));
    else if (!key.validated)
        add_gap(inspection, psprintf("%s is not validated", what));
    else if (!key_triggers_fire(key.constraint))
        add_gap(inspection, psprintf("%s has a disabled trigger", what));
}

void look_at_keys(Inspection &inspection)
{
    const char *link = inspection.attachment->mapping.subscription_column;
    for (const Oid relation : partition_tree(inspection.attachment->sessions, AccessShareLock)) {
        const auto keys = foreign_keys_on(relation, get_attnum(relation, link));
        if (keys.empty())
            add_gap(inspection, psprintf("table %s has no foreign key on column \"%s\"", qualified_name(relation),
                                         link));
        else if (keys.size() > 1)
            add_gap(inspection, psprintf("table %s has several foreign keys on column \"%s\"",
                                         qualified_name(relation), link));
        else
            look_at_key(inspection, relation, keys.front());
    }
}

// Conditions are parsed to be compared: a value that its column's type has ceased to accept must not raise here.
bool is_word_of(Oid relation, const char *column_name, const char *word)
{
    const Column column = *find_column(relation, column_name);
    if (type_is_enum(column.base))
        return SearchSysCacheExists2(ENUMTYPOIDNAME, ObjectIdGetDatum(column.base), CStringGetDatum(word));
    if (column.base == TEXTOID || column.base == VARCHAROID)
        return true;
    if (column.base == BOOLOID)
        return strcmp(word, "t") == 0 || strcmp(word, "f") == 0;
    return (column.base == INT2OID || column.base == INT4OID || column.base == INT8OID) && word[0] != '\0' &&
           strspn(word + (word[0] == '-' ? 1 : 0), "0123456789") == strlen(word + (word[0] == '-' ? 1 : 0));
}

bool look_at_words(Inspection &inspection, Oid table, Side side)
{
    const Mapping &mapping = inspection.attachment->mapping;
    bool all = true;
    for (const Field &field : mapping_fields) {
        const char *column = field.side == side && field.words_of != nullptr ? mapping.*field.words_of : nullptr;
        for (const char *word : column == nullptr ? Names{} : mapping.*field.list)
            if (!is_word_of(table, column, word)) {
                add_gap(inspection, psprintf("column \"%s\" of table %s does not accept \"%s\"", column,
                                             qualified_name(table), word));
                all = false;
            }
    }
    return all;
}

void look_at_subscriptions(Inspection &inspection)
{
    if (inspection.subscriptions == nullptr)
        return;
    const Mapping &mapping = inspection.attachment->mapping;
    const Oid table = RelationGetRelid(inspection.subscriptions);
    const char *name = qualified_name(table);
    if (const char *distrust = find_distrust(inspection.attachment->sessions, table))
        add_gap(inspection, distrust);
    if (const std::optional<ForeignKey> key = find_counter_key(table, mapping))
        add_gap(inspection, psprintf("foreign key \"%s\" of table %s holds a counter, and is not checked when one is"
                                     " written", key->name, name));
    if (const char *index = find_blocking_index(inspection.subscriptions, mapping))
        add_gap(inspection, psprintf("unique index \"%s\" of table %s holds a counter in its key, so that writing the "
                                     "counter blocks foreign keys",
                                     index, name));
    if (!is_checked(inspection.subscriptions, counter_condition(mapping), true))
        add_gap(inspection, psprintf("table %s has no validated CHECK (%s)", name, counter_condition(mapping)));
    if (look_at_words(inspection, table, Side::subscriptions) && is_searched(mapping) &&
        mapping.draw_order == nullptr &&
        !OidIsValid(find_active_index(inspection.subscriptions,
                                      get_attnum(table, mapping.subscription_member_column),
                                      active_condition(mapping, nullptr))))
        add_gap(inspection, psprintf("table %s has no valid unique index on %s", name, active_key(mapping)));
}

// One that was dropped is no gap: nothing rests on it. One that says something else is taken for what it was.
void look_at_view(Inspection &inspection, const LinkKey &key)
{
    const Attachment &attachment = *inspection.attachment;
    const Oid view = find_counts_view(attachment);
    // A shard has none of its own: of that name there is its table's.
    if (!OidIsValid(view) || inspection.subscriptions == nullptr || is_shard(attachment.sessions))
        return;
    const Counting counting{.sessions = attachment.sessions,
                            .subscriptions = attachment.subscriptions,
                            .subscription_id = get_attname(attachment.subscriptions, key.subscription_id, false),
                            .by_member = key.columns == 2,
                            .mapping = attachment.mapping};
    if (!is_view_of(view, counts_view_query(counting)))
        add_gap(inspection, psprintf("view %s was altered since attach() made it", qualified_name(view)));
}

void look_at_sessions(Inspection &inspection)
{
    const Mapping &mapping = inspection.attachment->mapping;
    const Oid table = inspection.attachment->sessions;
    const AttrNumber link = get_attnum(table, mapping.subscription_column);
    const AttrNumber member = column_number(table, mapping.member_column);
    bool several = false;
    const std::optional<LinkKey> key = find_link_key(inspection.sessions, link, member, &several);
    const bool by_member = key && key->columns == 2;
    if (!OidIsValid(find_link_index(inspection.sessions, link, by_member ? member : 0, linked_condition(mapping))))
        add_gap(inspection, psprintf("table %s has no valid index on (%s)", qualified_name(table),
                                     quote_identifier(mapping.subscription_column)));
    const bool known_words = look_at_words(inspection, table, Side::sessions) &&
                             (!has_expressions(mapping) || mapping.expressions != nullptr);
    if (known_words && key)
        look_at_view(inspection, *key);
    if (known_words && mapping.link_check && !is_checked(inspection.sessions, link_check_condition(mapping), true))
        add_gap(inspection, psprintf("table %s has no validated CHECK (%s)", qualified_name(table),
                                     link_check_condition(mapping)));
}

// Where attach() found history, migrate() must have treated it, and a person what it left.
void look_at_history(Inspection &inspection)
{
    const Attachment &attachment = *inspection.attachment;
    const char *table = qualified_name(OidIsValid(attachment.subscriptions) ? attachment.subscriptions
                                                                            : attachment.sessions);
    const auto add = [&](int64 count, const char *what, const char *advice) {
        if (count > 0)
            add_gap(inspection, psprintf("when migrate() was last called, table %s held " INT64_FORMAT
                                         " subscription%s with %s: %s, and call it again",
                                         table, count, count == 1 ? "" : "s", what, advice));
    };
    const std::optional<Treated> treated = find_treated(attachment.charge_trigger);
    // Of tables in shards these say so themselves.
    if (!treated && find_made(attachment.mapping.made, "history") != nullptr && !is_sharded(attachment.sessions))
        add_gap(inspection, psprintf("the history of table %s is not treated: migrate() does that",
                                     qualified_name(attachment.sessions)));
    if (!treated)
        return;
    add(treated->opening, "an opening balance, used beyond what is linked", "decide on its argument opening");
    add(treated->excess, "more used than the total", "cancel sessions or raise totals");
    add(treated->hidden, "more linked than the total, which a CHECK does not let the counter show",
        "cancel sessions or raise totals, or drop the CHECK");
}

// What makes the ledger append-only whatever was granted.
void look_at_ledger(Inspection &inspection)
{
    if (!inspection.attachment->mapping.ledger)
        return;
    const Oid table = find_own_relation("ledger");
    constexpr int16 all = TRIGGER_TYPE_BEFORE | TRIGGER_TYPE_INSERT | TRIGGER_TYPE_UPDATE | TRIGGER_TYPE_DELETE |
                          TRIGGER_TYPE_TRUNCATE;
    Relation ledger = table_open(table, AccessShareLock);
    const TriggerDesc *triggers = copy_triggers(ledger);
    bool kept = false;
    for (int i = 0; triggers != nullptr && i < triggers->numtriggers; i++) {
        const Trigger &trigger = triggers->triggers[i];
        kept |= trigger.tgfoid == trigger_function(function::keep_ledger) && fires(trigger.tgenabled) &&
                trigger.tgtype == all && trigger.tgqual == nullptr && trigger.tgnattr == 0;
    }
    table_close(ledger, AccessShareLock);
    if (!kept)
        add_gap(inspection, psprintf("table %s has no enabled trigger that calls %s()", qualified_name(table),
                                     function::keep_ledger));
}

// The end of a table that is not logged comes with the next crash, and leaves the other one behind.
void look_at_persistence(Inspection &inspection)
{
    const auto look = [&](Oid table) {
        if (get_rel_persistence(table) != RELPERSISTENCE_PERMANENT)
            add_gap(inspection, psprintf("table %s is unlogged: a crash empties it", qualified_name(table)));
    };
    for (const Oid relation : partition_tree(inspection.attachment->sessions, AccessShareLock))
        look(relation);
    if (inspection.subscriptions != nullptr)
        look(RelationGetRelid(inspection.subscriptions));
}

void look_at_distribution(Inspection &inspection)
{
    const Attachment &attachment = *inspection.attachment;
    if (inspection.subscriptions == nullptr)
        return;
    // Without its column the link leads nowhere: that is a gap of its own.
    const AttrNumber link = get_attnum(attachment.sessions, attachment.mapping.subscription_column);
    bool several;
    const std::optional<LinkKey> key = find_link_key(inspection.sessions, link,
        is_searched(attachment.mapping) ? get_attnum(attachment.sessions, attachment.mapping.member_column)
                                        : InvalidAttrNumber, &several);
    const char *key_column = key ? get_attname(attachment.subscriptions, key->subscription_id, true) : nullptr;
    if (const char *separation = find_separation({attachment.sessions, attachment.subscriptions}, attachment.mapping,
                                                 key_column))
        add_gap(inspection, psprintf("tables %s and %s do not lie together: %s", qualified_name(attachment.sessions),
                                     qualified_name(attachment.subscriptions), separation));
}

// A gap of some shards.
struct ShardGap {
    const char *gap;
    const char *shards;
    size_t count;
};
static_assert(Pod<ShardGap>);

bool is_noted(const Inspection &inspection, const char *gap)
{
    ListCell *cell;
    foreach (cell, inspection.gaps)
        if (strcmp(static_cast<const char *>(lfirst(cell)), gap) == 0)
            return true;
    return false;
}

void note_shard_gap(List **found, const char *gap, const char *shard)
{
    ListCell *cell;
    foreach (cell, *found) {
        auto *known = static_cast<ShardGap *>(lfirst(cell));
        if (strcmp(known->gap, gap) != 0)
            continue;
        known->shards = psprintf("%s, %s", known->shards, shard);
        known->count++;
        return;
    }
    auto *added = static_cast<ShardGap *>(palloc(sizeof(ShardGap)));
    *added = {gap, shard, 1};
    *found = lappend(*found, added);
}

// A table without rows of its own: its triggers and constraints are to be on each shard. What migrate() has noted here
// goes for all of them, wherever they have been moved since.
void look_at_shards(Inspection &inspection)
{
    const Attachment &attachment = *inspection.attachment;
    if (!is_sharded(attachment.sessions))
        return;
    const bool treated = find_treated(attachment.charge_trigger).has_value();
    const char *link = quote_literal_cstr(attachment.mapping.subscription_column);
    const char *command = psprintf("SELECT pg_catalog.array_to_string(session_consistency._shard_gaps('%%1$s', %s, %s),"
                                   " E'\\n')", doubled_percents(link), treated ? "true" : "false");
    const std::span<const ShardAnswer> answers = ask_shards(attachment.sessions, command);
    List *found = NIL;
    for (const ShardAnswer &answer : answers) {
        if (!answer.answered)
            note_shard_gap(&found, psprintf("cannot be looked at: %s", answer.text), answer.shard);
        char *rest = answer.answered ? pstrdup(answer.text) : pstrdup("");
        for (const char *gap = strtok_r(rest, "\n", &rest); gap != nullptr; gap = strtok_r(nullptr, "\n", &rest))
            note_shard_gap(&found, gap, answer.shard);
    }
    ListCell *cell;
    foreach (cell, found) {
        const auto *gap = static_cast<const ShardGap *>(lfirst(cell));
        if (gap->count == answers.size() && is_noted(inspection, gap->gap))
            continue;
        const char *sentence = gap->count == answers.size() ? psprintf("on each shard: %s", gap->gap)
                                                            : psprintf("on shard %s: %s", gap->shards, gap->gap);
        add_gap(inspection, sentence);
    }
}

void look_at_everything(Inspection &inspection)
{
    if (const char *fault = inspection.attachment->fault) {
        add_gap(inspection, fault);
        return;
    }
    look_at_distribution(inspection);
    look_at_triggers(inspection);
    look_at_persistence(inspection);
    if (inspection.with_history)
        look_at_history(inspection);
    look_at_ledger(inspection);
    if (!look_at_columns(inspection))
        return;
    look_at_draw(inspection);
    look_at_keys(inspection);
    look_at_subscriptions(inspection);
    look_at_sessions(inspection);
    look_at_shards(inspection);
}

}  // namespace

namespace {

Names look_for_gaps(const Attachment &attachment, bool with_history)
{
    Relation sessions = try_relation_open(attachment.sessions, AccessShareLock);
    if (sessions == nullptr)
        return {};
    Relation subscriptions = OidIsValid(attachment.subscriptions)
                                 ? try_relation_open(attachment.subscriptions, AccessShareLock)
                                 : nullptr;
    Inspection inspection{&attachment, sessions, subscriptions, with_history, NIL};
    look_at_everything(inspection);
    if (subscriptions != nullptr)
        relation_close(subscriptions, AccessShareLock);
    relation_close(sessions, AccessShareLock);

    auto **gaps = static_cast<const char **>(palloc(sizeof(char *) * Max(list_length(inspection.gaps), 1)));
    size_t count = 0;
    ListCell *cell;
    foreach (cell, inspection.gaps)
        gaps[count++] = static_cast<const char *>(lfirst(cell));
    return Names(gaps, count);
}

}  // namespace

Names find_gaps(const Attachment &attachment, bool with_history)
{
    if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(attachment.sessions)))
        return {};
    Names gaps;
    const char *failure = try_and_undo(
        [&] { run_restricted(owner_of(attachment.sessions), [&] { gaps = look_for_gaps(attachment, with_history); }); },
        is_users_error);
    if (failure == nullptr)
        return gaps;
    auto **only = static_cast<const char **>(palloc(sizeof(char *)));
    only[0] = psprintf("table %s cannot be inspected: %s", qualified_name(attachment.sessions), failure);
    return Names(only, 1);
}

}  // namespace sc
