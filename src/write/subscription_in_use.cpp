// If a subscription is deleted, or gets another member or key, no session is left behind.
#include "write/subscription_in_use.hpp"

#include "catalog/counting.hpp"
#include "catalog/expressions.hpp"
#include "server/owner.hpp"
#include "server/operators.hpp"
#include "server/spi.hpp"
#include "store/subscription_row.hpp"
#include "write/session_errors.hpp"

namespace sc {

namespace {

// The charge triggers of the table whose link is that foreign key.
List *collect_bindings(List *found, Relation sessions, Oid constraint)
{
    const TriggerDesc *triggers = copy_triggers(sessions);
    const Oid charge = trigger_function(function::charge);
    for (int i = 0; triggers != nullptr && i < triggers->numtriggers; i++) {
        const Trigger &trigger = triggers->triggers[i];
        if (trigger.tgfoid != charge)
            continue;
        const Binding &binding = bind_sessions(sessions, &trigger);
        if (binding.link_constraint == constraint)
            found = lappend(found, const_cast<Binding *>(&binding));
    }
    return found;
}

}  // namespace

// The attached tables are found by the server's own triggers of the foreign keys, since on a Citus shard only those
// name the right table. A table that is not attached may have a foreign key to the subscriptions, too, and is left out.
std::span<const Binding *const> find_attached(Relation subscriptions)
{
    List *found = NIL;
    const TriggerDesc *triggers = copy_triggers(subscriptions);
    for (int i = 0; triggers != nullptr && i < triggers->numtriggers; i++) {
        const Trigger &trigger = triggers->triggers[i];
        if (RI_FKey_trigger_type(trigger.tgfoid) != RI_TRIGGER_PK || !TRIGGER_FOR_DELETE(trigger.tgtype) ||
            !OidIsValid(trigger.tgconstrrelid))
            continue;
        Relation sessions = table_open(trigger.tgconstrrelid, AccessShareLock);
        found = collect_bindings(found, sessions, trigger.tgconstraint);
        table_close(sessions, NoLock);
    }
    auto **bindings = static_cast<const Binding **>(palloc(sizeof(Binding *) * Max(list_length(found), 1)));
    for (int i = 0; i < list_length(found); i++)
        bindings[i] = static_cast<const Binding *>(list_nth(found, i));
    return std::span<const Binding *const>(bindings, list_length(found));
}

namespace {

struct SubscriptionKey {
    Key key;
    bool member_is_null;
};

SubscriptionKey read_key(const SubscriptionShape &shape, TupleTableSlot *row)
{
    SubscriptionKey read{};
    bool is_null;
    read.key.id = slot_getattr(row, shape.id, &is_null);
    const std::optional<Datum> member = subscription_member(shape, row);
    read.key.member = member.value_or(Datum{0});
    read.member_is_null = !member;
    return read;
}

Datum copy_value(const Part *part, const KeyType &key, Datum value)
{
    return keep_value(part->sums, key, value);
}

Departure *note(Part *part, Departure::Kind kind, const SubscriptionKey &was)
{
    const SubscriptionShape &shape = part->binding->subscriptions;
    auto *departure = static_cast<Departure *>(MemoryContextAllocZero(part->sums.context, sizeof(Departure)));
    departure->next = part->departures;
    departure->kind = kind;
    departure->key.id = copy_value(part, shape.id_key, was.key.id);
    if (!was.member_is_null)
        departure->key.member = copy_value(part, shape.member_key, was.key.member);
    part->departures = departure;
    return departure;
}

// False if no session can refer to that key: it is composite and has a NULL in it.
bool is_key(const SubscriptionShape &shape, const SubscriptionKey &key)
{
    return !shape.by_member || !key.member_is_null;
}

bool same_member(const SubscriptionShape &shape, const SubscriptionKey &left, const SubscriptionKey &right)
{
    if (left.member_is_null || right.member_is_null)
        return left.member_is_null == right.member_is_null;
    return equal_keys(shape.member_key, left.key.member, right.key.member);
}

}  // namespace

void note_deleted(Part *part, TupleTableSlot *row)
{
    const SubscriptionShape &shape = part->binding->subscriptions;
    const SubscriptionKey key = read_key(shape, row);
    if (!is_key(shape, key))
        return;
    Departure *departure = note(part, Departure::Kind::deleted, key);
    departure->held = read_subscription(shape, row).used.value_or(0);
}

namespace {

// The ledger closes the old key with a balance of 0 and opens the new one with the counter.
void carry_over(const SubscriptionShape &shape, const Key &before, const Key &after, int64_t used)
{
    if (!OidIsValid(shape.ledger))
        return;
    LedgerWriter *ledger = open_ledger_writer(shape);
    restate(ledger, account_of(shape, before.id, before.member), 0, Cause::key_changed);
    restate(ledger, account_of(shape, after.id, after.member), used, Cause::opened);
    close_ledger_writer(ledger);
}

}  // namespace

void note_changed(Part *part, TupleTableSlot *before, TupleTableSlot *after, CommandId command)
{
    const SubscriptionShape &shape = part->binding->subscriptions;
    const SubscriptionKey was = read_key(shape, before);
    const SubscriptionKey is = read_key(shape, after);
    const bool member_changed = !same_member(shape, was, is);
    const bool key_changed =
        !equal_keys(shape.id_key, was.key.id, is.key.id) || (shape.by_member && member_changed);
    if (key_changed && is_key(shape, was)) {
        if (is_key(shape, is)) {
            note_changed_key(shape, command, was.key, is.key);
            carry_over(shape, was.key, is.key, read_subscription(shape, after).used.value_or(0));
        }
        note(part, Departure::Kind::other_key, was);
    } else if (member_changed) {
        Departure *departure = note(part, Departure::Kind::other_member, was);
        departure->has_member = !is.member_is_null;
        if (departure->has_member)
            departure->member = copy_value(part, shape.member_key, is.key.member);
    }
}

void note_given_back(Part *part, const Sum &sum, int64_t due)
{
    const SubscriptionShape &shape = part->binding->subscriptions;
    for (Departure *departure = part->departures; departure != nullptr; departure = departure->next)
        if (departure->kind == Departure::Kind::deleted && equal_keys(shape.id_key, departure->key.id, sum.id) &&
            (!shape.by_member || equal_keys(shape.member_key, departure->key.member, sum.member)))
            departure->held += due;
}

namespace {

// The condition of the query that looks for a session that is left behind, with its parameters.
struct Question {
    StringInfoData condition;
    int count;
    Oid types[3];
    Datum values[3];
};

Mapping mapping_of(const Binding &binding)
{
    Relation relation = table_open(binding.sessions.relation, AccessShareLock);
    const TriggerDesc *triggers = copy_triggers(relation);
    for (int i = 0; triggers != nullptr && i < triggers->numtriggers; i++) {
        const Trigger &trigger = triggers->triggers[i];
        if (trigger.tgoid != binding.trigger)
            continue;
        Mapping mapping = parse_mapping(trigger);
        mapping.expressions = require_expressions(root_table(relation), mapping);
        table_close(relation, NoLock);
        return mapping;
    }
    elog(ERROR, "trigger %u is gone", binding.trigger);
    return Mapping{};
}

// Adds "column = $n"; false if no session can have that value, since it does not fit into the column's type.
bool add_equality(Question *question, const char *column, Oid type, Datum value, Oid value_type)
{
    const std::optional<Datum> converted = convert_key(value, value_type, type);
    if (!converted)
        return false;
    question->types[question->count] = type;
    question->values[question->count++] = *converted;
    appendStringInfo(&question->condition, "%s", equals({quoted_column("s", column), type},
                                                        {psprintf("$%d", question->count), type}));
    return true;
}

// False if no session can be left behind, since none can have that key.
bool make_question(Question *question, const Binding &binding, const Departure &departure)
{
    const Mapping mapping = mapping_of(binding);
    const SubscriptionShape &shape = binding.subscriptions;
    const SessionShape &sessions = binding.sessions;
    initStringInfo(&question->condition);
    if (!add_equality(question, mapping.subscription_column, sessions.link_type, departure.key.id, shape.id_key.type))
        return false;
    if (shape.by_member) {
        appendStringInfoString(&question->condition, " AND ");
        if (!add_equality(question, mapping.member_column, sessions.member_type, departure.key.member,
                          shape.member_key.type))
            return false;
    }
    if (departure.kind != Departure::Kind::other_member) {
        appendStringInfo(&question->condition, " AND (%s)", counted_condition(mapping, "s"));
        return true;
    }
    if (!departure.has_member)
        return true;
    const char *before = question->condition.data;
    initStringInfo(&question->condition);
    if (!add_equality(question, mapping.member_column, sessions.member_type, departure.member, shape.member_key.type))
        appendStringInfoString(&question->condition, "false");
    question->condition.data = psprintf("%s AND (%s) IS NOT TRUE", before, question->condition.data);
    return true;
}

Oid root_of(const Binding &binding)
{
    Relation relation = table_open(binding.sessions.relation, AccessShareLock);
    const Oid root = root_table(relation);
    table_close(relation, NoLock);
    return root;
}

bool find_session(const Binding &binding, const Question &question)
{
    Relation root = table_open(root_of(binding), AccessShareLock);
    const Caller caller = enter_owner(root);
    connect_spi();
    const char *command = psprintf("SELECT FROM %s s WHERE %s LIMIT 1", qualified_name(RelationGetRelid(root)),
                                   question.condition.data);
    SPIPlanPtr plan = SPI_prepare(command, question.count, const_cast<Oid *>(question.types));
    if (plan == nullptr)
        elog(ERROR, "SPI_prepare failed: %s", SPI_result_code_string(SPI_result));
    // The newest snapshot, in REPEATABLE READ, too: otherwise a session that was linked after the transaction's
    // snapshot would not be found.
    SPI_execute_snapshot(plan, const_cast<Datum *>(question.values), nullptr, GetLatestSnapshot(), InvalidSnapshot,
                         false, true, 1);
    const bool found = SPI_processed > 0;
    SPI_finish();
    leave_owner(caller);
    table_close(root, NoLock);
    return found;
}

// True if there is a subscription with that key again: it has been changed back, or another row has got it.
bool is_taken_again(const Binding &binding, const Key &key)
{
    const SubscriptionShape &shape = binding.subscriptions;
    Relation subscriptions = table_open(shape.relation, AccessShareLock);
    push_newest_snapshot();
    TupleTableSlot *row = table_slot_create(subscriptions, nullptr);
    const Search search = begin_key_search(subscriptions, shape, key.id, key.member, row);
    const bool found = next_row(search);
    end_search(search);
    ExecDropSingleTupleTableSlot(row);
    PopActiveSnapshot();
    table_close(subscriptions, NoLock);
    return found;
}

bool leaves_session_behind(const Binding &binding, const Departure &departure)
{
    // All credits that the counter held have been given back, so no session is left: there is no need to look for one.
    if (departure.kind == Departure::Kind::deleted && departure.held <= 0)
        return false;
    // If the foreign key is not deferrable, the server has refused sessions that are left behind already.
    if (departure.kind == Departure::Kind::other_key &&
        (!binding.link_deferrable || is_taken_again(binding, departure.key)))
        return false;
    Question question{};
    return make_question(&question, binding, departure) && find_session(binding, question);
}

}  // namespace

bool is_nothing_left_behind(Part *part, Oid role, bool raises)
{
    for (const Departure *departure = part->departures; departure != nullptr; departure = departure->next) {
        if (!leaves_session_behind(*part->binding, *departure))
            continue;
        if (!raises)
            return false;
        Relation sessions = table_open(part->binding->sessions.relation, AccessShareLock);
        const Reader reader{sessions, part->binding, role};
        if (departure->kind == Departure::Kind::other_member)
            raise_member_in_use(reader, departure->key.id);
        raise_in_use(reader, departure->key.id);
    }
    return true;
}

}  // namespace sc
