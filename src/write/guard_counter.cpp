// The subscriptions' own triggers: the counter is written by the extension alone, stays within 0 … total, and a
// subscription keeps its member while sessions refer to it. The extension's own writes do not come by here.
#include "rules/credit_rule.hpp"
#include "catalog/binding.hpp"
#include "server/owner.hpp"
#include "server/spi.hpp"
#include "server/triggers.hpp"
#include "server/violation.hpp"

extern "C" {
PG_FUNCTION_INFO_V1(sc_keep_counter);
PG_FUNCTION_INFO_V1(sc_guard_counter);
}

namespace sc {

namespace {

// The counters of a row of the subscriptions.
struct Counters {
    std::optional<int64_t> total;
    std::optional<int64_t> used;
    std::optional<int64_t> remaining;
};
static_assert(Pod<Counters>);

std::optional<int64_t> read_counter(TupleTableSlot *row, AttrNumber column, Oid type)
{
    if (column == 0)
        return std::nullopt;
    bool is_null;
    const Datum value = slot_getattr(row, column, &is_null);
    return is_null ? std::nullopt : std::optional(counter_value(value, type));
}

Counters read_counters(const SubscriptionShape &shape, TupleTableSlot *row)
{
    return {read_counter(row, shape.total, shape.total_type), read_counter(row, shape.used, shape.used_type),
            read_counter(row, shape.remaining, shape.remaining_type)};
}

// What the remaining column shows once the counters have changed; before is nullptr for a new row.
std::optional<int64_t> follow(const Counters *before, const Counters &after)
{
    return before == nullptr ? follow_remaining(std::nullopt, std::nullopt, 0, after.total, after.used.value_or(0))
                             : follow_remaining(before->remaining, before->total, before->used.value_or(0),
                                                after.total, after.used.value_or(0));
}

// The counters that a row is to have. Under reject, a written value that differs is left for guard_counter to refuse.
// In a new row NULL and 0 are what a column that the statement does not name usually holds.
Counters keep_counters(const Counters *before, const Counters &written, Guard guard)
{
    Counters kept = written;
    if (guard == Guard::ignore)
        kept.used = before == nullptr ? 0 : before->used;
    else if (before == nullptr && !written.used)
        kept.used = 0;
    const bool unwritten =
        before == nullptr ? written.remaining.value_or(0) == 0 : written.remaining == before->remaining;
    if (guard == Guard::ignore || unwritten)
        kept.remaining = follow(before, kept);
    return kept;
}

HeapTuple with_counters(HeapTuple row, Relation relation, const SubscriptionShape &shape, const Counters &counters)
{
    int columns[2] = {shape.used, shape.remaining};
    Datum values[2]{};
    bool nulls[2] = {!counters.used, !counters.remaining};
    if (counters.used)
        values[0] = counter_datum(*counters.used, shape.used_type, relation, shape.used);
    if (shape.remaining != 0 && counters.remaining)
        values[1] = counter_datum(*counters.remaining, shape.remaining_type, relation, shape.remaining);
    return heap_modify_tuple_by_cols(row, RelationGetDescr(relation), shape.remaining != 0 ? 2 : 1, columns, values,
                                     nulls);
}

// Judging ------------------------------------------------------------------------------------------------------------

struct Guarded {
    Relation relation;
    const Trigger *trigger;
    const SubscriptionShape *shape;
};

const char *counter_text(const std::optional<int64_t> &value)
{
    return value ? psprintf("%lld", static_cast<long long>(*value)) : "NULL";
}

[[noreturn]] void raise_guarded(const Guarded &guarded, AttrNumber column, const std::optional<int64_t> &maintained,
                                const std::optional<int64_t> &written)
{
    const char *name = get_attname(RelationGetRelid(guarded.relation), column, false);
    const bool readable = may_read(RelationGetRelid(guarded.relation), GetUserId());
    raise_violation(Violation::guarded_counter, guarded.relation, column,
                    {psprintf("column \"%s\" of relation \"%s\" is written by session_consistency alone", name,
                              RelationGetRelationName(guarded.relation)),
                     readable ? psprintf("It is %s; the statement writes %s.", counter_text(maintained),
                                         counter_text(written))
                              : nullptr,
                     "Write the sessions and leave the counter to them; guard => 'ignore' lets an application that "
                     "still counts by itself keep running."});
}

// R9: nobody else has moved a counter. A new row starts unused.
void judge_used(const Guarded &guarded, const Counters *before, const Counters &after)
{
    const std::optional<int64_t> used = before == nullptr ? 0 : before->used;
    if (after.used != used)
        raise_guarded(guarded, guarded.shape->used, used, after.used);
}

void judge_counters(const Guarded &guarded, const Counters *before, const Counters &after)
{
    const SubscriptionShape &shape = *guarded.shape;
    judge_used(guarded, before, after);
    if (shape.remaining == 0 || (before != nullptr && after.remaining == before->remaining))
        return;
    const std::optional<int64_t> remaining = follow(before, after);
    if (after.remaining != remaining && after.remaining != follow(nullptr, after))
        raise_guarded(guarded, shape.remaining, remaining, after.remaining);
}

// R10 where the CHECK is left out because rows from before the attachment break it: nothing gets worse.
void judge_excess(const Guarded &guarded, const Counters *before, const Counters &after)
{
    const int64_t was = before == nullptr ? 0 : excess(before->used.value_or(0), before->total);
    const int64_t is = excess(after.used.value_or(0), after.total);
    if (is <= was)
        return;
    ereport(ERROR, errcode(ERRCODE_CHECK_VIOLATION),
            errmsg("a subscription of relation \"%s\" would have used more than its total, or less than 0",
                   RelationGetRelationName(guarded.relation)),
            may_read(RelationGetRelid(guarded.relation), GetUserId())
                ? errdetail("Its total is %s, and %s are used.", counter_text(after.total), counter_text(after.used))
                : 0,
            errhint("Cancel or delete sessions before the total is lowered."),
            errtablecol(guarded.relation, guarded.shape->total));
}

// True where a session that is linked to the subscription has another member, seen with the newest snapshot.
bool has_sessions_of_others(Oid sessions, const char *link, const char *session_member, Oid link_type,
                            Oid member_type, Datum id, Datum member, bool member_is_null)
{
    Relation relation = table_open(sessions, AccessShareLock);
    const Caller caller = enter_owner(relation);
    connect_spi();
    const char *link_clause = equality(psprintf("s.%s", quote_identifier(link)), link_type, "$1");
    const char *member_clause = equality(psprintf("s.%s", quote_identifier(session_member)), member_type, "$2");
    const char *command = psprintf("SELECT FROM %s s WHERE %s AND (%s) IS NOT TRUE LIMIT 1", qualified_name(sessions),
                                   link_clause, member_clause);
    Oid types[] = {link_type, member_type};
    SPIPlanPtr plan = SPI_prepare(command, 2, types);
    if (plan == nullptr)
        elog(ERROR, "SPI_prepare failed: %s", SPI_result_code_string(SPI_result));
    Datum values[] = {id, member};
    const char nulls[] = {' ', member_is_null ? 'n' : ' '};
    // The newest snapshot also in REPEATABLE READ: a session that was linked since would be missed otherwise.
    SPI_execute_snapshot(plan, values, nulls, GetLatestSnapshot(), InvalidSnapshot, false, true, 1);
    const bool found = SPI_processed > 0;
    SPI_finish();
    leave_owner(caller);
    table_close(relation, AccessShareLock);
    return found;
}

// R11: a subscription keeps its member while sessions refer to it. Sessions that have the new member already came
// along in a cascade from the members' key.
void judge_member(const Guarded &guarded, const Mapping &mapping, Oid referring, const LinkKey &key,
                  TupleTableSlot *after)
{
    const SubscriptionShape &shape = *guarded.shape;
    bool is_null;
    const Datum id = slot_getattr(after, key.subscription_id, &is_null);
    bool member_is_null;
    const Datum member = slot_getattr(after, shape.member, &member_is_null);
    const Oid id_type = getBaseType(get_atttype(RelationGetRelid(guarded.relation), key.subscription_id));
    const Oid link_type = getBaseType(get_atttype(referring, key.link));
    const Oid member_type = getBaseType(get_atttype(referring, get_attnum(referring, mapping.member_column)));
    const std::optional<Datum> link = convert_key(id, id_type, link_type);
    const std::optional<Datum> fitting =
        member_is_null ? std::nullopt : convert_key(member, shape.member_key.type, member_type);
    if (!link || !has_sessions_of_others(referring, mapping.subscription_column, mapping.member_column, link_type,
                                         member_type, *link, fitting.value_or(Datum{0}), !fitting))
        return;
    ereport(ERROR, errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
            errmsg("the member of a subscription of relation \"%s\" may not change while sessions refer to it",
                   RelationGetRelationName(guarded.relation)),
            errdetail("Sessions of relation \"%s\" are linked to it for its present member.",
                      get_rel_name(referring)),
            errhint("Give the new member a subscription of its own."),
            errtablecol(guarded.relation, shape.member),
            err_generic_string(PG_DIAG_CONSTRAINT_NAME, get_constraint_name(key.constraint)));
}

bool same_value(TupleTableSlot *before, TupleTableSlot *after, AttrNumber column, const KeyType &key)
{
    bool before_null;
    bool after_null;
    const Datum left = slot_getattr(before, column, &before_null);
    const Datum right = slot_getattr(after, column, &after_null);
    if (before_null || after_null)
        return before_null == after_null;
    return datum_image_eq(left, right, key.by_value, key.length);
}

// Every foreign key of sessions that leads here is found from the server's own triggers of it: on a shard they name
// the shard.
void judge_members(const Guarded &guarded, TupleTableSlot *after)
{
    const Mapping mapping = parse_mapping(*guarded.trigger);
    const TriggerDesc *triggers = copy_triggers(guarded.relation);
    for (int i = 0; i < triggers->numtriggers; i++) {
        const Trigger &trigger = triggers->triggers[i];
        if (RI_FKey_trigger_type(trigger.tgfoid) != RI_TRIGGER_PK || !TRIGGER_FOR_DELETE(trigger.tgtype) ||
            !OidIsValid(trigger.tgconstrrelid))
            continue;
        const Oid referring = trigger.tgconstrrelid;
        const AttrNumber link = get_attnum(referring, mapping.subscription_column);
        const AttrNumber member = get_attnum(referring, mapping.member_column);
        if (link <= InvalidAttrNumber || member <= InvalidAttrNumber)
            continue;
        Relation sessions = table_open(referring, AccessShareLock);
        bool several = false;
        const std::optional<LinkKey> key = find_link_key(sessions, link, member, &several);
        if (key && key->constraint == trigger.tgconstraint) {
            const AttrNumber id = key->subscription_id;
            require_convertible(sessions, member, guarded.shape->member_key.type);
            require_convertible(sessions, link, getBaseType(get_atttype(RelationGetRelid(guarded.relation), id)));
            judge_member(guarded, mapping, referring, *key, after);
        }
        table_close(sessions, AccessShareLock);
    }
}

}  // namespace

}  // namespace sc

extern "C" PGDLLEXPORT Datum sc_keep_counter(PG_FUNCTION_ARGS)
{
    using namespace sc;
    TriggerData *data = row_trigger_call(fcinfo, "keep_counter", Timing::before, false);
    const Binding &binding = bind_subscriptions(data->tg_relation, data->tg_trigger);
    const SubscriptionShape &shape = binding.subscriptions;
    const bool update = TRIGGER_FIRED_BY_UPDATE(data->tg_event);
    HeapTuple row = update ? data->tg_newtuple : data->tg_trigtuple;
    Counters before{};
    if (update)
        before = read_counters(shape, data->tg_trigslot);
    const Counters written = read_counters(shape, update ? data->tg_newslot : data->tg_trigslot);
    const Counters kept = keep_counters(update ? &before : nullptr, written, binding.guard);
    // guard_counter comes after the CHECK, which would speak of another rule.
    if (binding.guard == Guard::reject && excess(kept.used.value_or(0), kept.total) > 0)
        judge_used({data->tg_relation, nullptr, &shape}, update ? &before : nullptr, kept);
    if (kept.used == written.used && kept.remaining == written.remaining)
        return PointerGetDatum(row);
    return PointerGetDatum(with_counters(row, data->tg_relation, shape, kept));
}

extern "C" PGDLLEXPORT Datum sc_guard_counter(PG_FUNCTION_ARGS)
{
    using namespace sc;
    TriggerData *data = row_trigger_call(fcinfo, "guard_counter", Timing::after, false);
    const Binding &binding = bind_subscriptions(data->tg_relation, data->tg_trigger);
    const SubscriptionShape &shape = binding.subscriptions;
    const bool update = TRIGGER_FIRED_BY_UPDATE(data->tg_event);
    TupleTableSlot *row = update ? data->tg_newslot : data->tg_trigslot;
    Counters before{};
    if (update)
        before = read_counters(shape, data->tg_trigslot);
    const Counters after = read_counters(shape, row);
    const Guarded guarded{data->tg_relation, data->tg_trigger, &shape};
    if (binding.guard != Guard::off)
        judge_counters(guarded, update ? &before : nullptr, after);
    judge_excess(guarded, update ? &before : nullptr, after);
    if (update && !same_value(data->tg_trigslot, row, shape.member, shape.member_key))
        judge_members(guarded, row);
    return Datum{0};
}
