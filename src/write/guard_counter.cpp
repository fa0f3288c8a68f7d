// The triggers of the subscriptions. keep_counter, BEFORE, keeps the counter of a row that others write; guard_counter,
// AFTER, refuses a counter that others have changed or an excess that grows, and notes a subscription that is deleted
// or gets another member or key. When the extension itself writes a counter, it does not fire them.
#include "catalog/citus.hpp"
#include "server/relations.hpp"
#include "server/triggers.hpp"
#include "server/violation.hpp"
#include "store/ledger.hpp"
#include "write/notify_counts.hpp"
#include "write/settle_statement.hpp"
#include "write/subscription_in_use.hpp"

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
    int64_t carried;                 // NULL counts as 0
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
            read_counter(row, shape.remaining, shape.remaining_type),
            read_counter(row, shape.carried, shape.carried_type).value_or(0)};
}

// What a maintained remaining column shows after the change; before is nullptr for a new row.
std::optional<int64_t> follow(const Counters *before, const Counters &after)
{
    return before == nullptr ? follow_remaining(std::nullopt, std::nullopt, 0, after.total, after.used.value_or(0))
                             : follow_remaining(before->remaining, before->total, before->used.value_or(0),
                                                after.total, after.used.value_or(0));
}

// True if a TRUNCATE of a table of Citus sets the counter of this shard's row to what is carried: there is not even one
// block of sessions beside it. Who books meanwhile adds to the counter once it is written. On no other table, where
// reset_counters writes past the guard.
bool is_reset(Relation relation, const Counters &before, const Counters &written)
{
    if (before.used == written.used || written.used != before.carried || !is_shard(RelationGetRelid(relation)))
        return false;
    const std::span<const Binding *const> attached = find_attached(relation);
    for (const Binding *binding : attached)
        for (const Oid sessions : partition_tree(binding->sessions.relation, AccessShareLock)) {
            Relation table = relation_open(sessions, NoLock);
            const bool filled = RELKIND_HAS_STORAGE(table->rd_rel->relkind) && RelationGetNumberOfBlocks(table) > 0;
            relation_close(table, NoLock);
            if (filled)
                return false;
        }
    return !attached.empty();
}

// The counters that the row gets. Under reject, another value than the maintained one stays in the row, and
// guard_counter refuses it. In a new row NULL and 0 count as not written: a column that the statement does not name
// holds one of them.
Counters keep_counters(const Binding &binding, const Counters *before, const Counters &written, Relation relation)
{
    const Guard guard = binding.guard;
    Counters kept = written;
    if (guard == Guard::ignore && !(before != nullptr && is_reset(relation, *before, written)))
        kept.used = before == nullptr ? written.carried : before->used;
    else if (before == nullptr && written.used.value_or(0) == 0)
        kept.used = written.carried;
    // Whoever knows of no total says how much is left.
    if (binding.subscriptions.total_added && before == nullptr && !written.total && written.remaining) {
        kept.total = *written.remaining + kept.used.value_or(0);
        return kept;
    }
    const bool unwritten =
        before == nullptr ? written.remaining.value_or(0) == 0 : written.remaining == before->remaining;
    if (guard == Guard::ignore || unwritten)
        kept.remaining = follow(before, kept);
    return kept;
}

HeapTuple with_counters(HeapTuple row, Relation relation, const SubscriptionShape &shape, const Counters &counters)
{
    std::array<int, 3> columns{};
    std::array<Datum, 3> values{};
    std::array<bool, 3> nulls{};
    int count = 0;
    const auto set = [&](AttrNumber column, Oid type, std::optional<int64_t> value) {
        columns[count] = column;
        nulls[count] = !value;
        values[count++] = value ? counter_datum(*value, type, relation, column) : Datum{0};
    };
    set(shape.used, shape.used_type, counters.used);
    if (shape.remaining != 0)
        set(shape.remaining, shape.remaining_type, counters.remaining);
    if (shape.total_added)
        set(shape.total, shape.total_type, counters.total);
    return heap_modify_tuple_by_cols(row, RelationGetDescr(relation), count, columns.data(), values.data(),
                                     nulls.data());
}

// Judging ------------------------------------------------------------------------------------------------------------

struct Guarded {
    Relation relation;
    const SubscriptionShape *shape;
};

const char *counter_text(const std::optional<int64_t> &value)
{
    return value ? psprintf("%lld", static_cast<long long>(*value)) : "NULL";
}

// A total that is generated is not written by anybody, and whoever may not write it is not told to.
const char *advise_who_writes(const Guarded &guarded)
{
    const AttrNumber total = guarded.shape->total;
    const bool sold_by_total =
        total != 0 && TupleDescAttr(RelationGetDescr(guarded.relation), total - 1)->attgenerated == '\0' &&
        may_update(RelationGetRelid(guarded.relation), total, GetUserId());
    const char *name =
        sold_by_total ? quote_identifier(get_attname(RelationGetRelid(guarded.relation), total, false)) : nullptr;
    return psprintf("Write the sessions and leave the counter to them%s",
                    sold_by_total ? psprintf("; to sell more, SET %s = %s + n.", name, name) : ".");
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
                     psprintf("%s guard => 'ignore' lets an application that still counts by itself keep running.",
                              advise_who_writes(guarded))});
}

// R9, under guard => 'ignore'. Old code that counts by itself may lower what remains as it likes; whoever raises it may
// mean to sell something.
void warn_of_raised(const Guarded &guarded, const Counters &before, const Counters &written, const Counters &kept)
{
    if (guarded.shape->remaining == 0 || written.total != before.total || !written.remaining || !kept.remaining ||
        !before.remaining || *written.remaining <= *before.remaining || *written.remaining <= *kept.remaining)
        return;
    ereport(WARNING, errcode(ERRCODE_WARNING),
            errmsg("column \"%s\" of relation \"%s\" keeps its value",
                   get_attname(RelationGetRelid(guarded.relation), guarded.shape->remaining, false),
                   RelationGetRelationName(guarded.relation)),
            may_read(RelationGetRelid(guarded.relation), GetUserId())
                ? errdetail("It is %s; the statement writes %s and leaves the total as it is.",
                            counter_text(kept.remaining), counter_text(written.remaining))
                : 0,
            errhint("%s", advise_who_writes(guarded)));
}

// R9: refuses a counter that somebody else has changed. A new row starts with what it carries, most often 0.
void judge_used(const Guarded &guarded, const Counters *before, const Counters &after)
{
    const std::optional<int64_t> used = before == nullptr ? after.carried : before->used;
    if (after.used != used && !(before != nullptr && is_reset(guarded.relation, *before, after)))
        raise_guarded(guarded, guarded.shape->used, used, after.used);
}

// Refuses a change of what is carried under every guard: no recount could find it.
void judge_carried(const Guarded &guarded, const Counters &before, const Counters &after)
{
    if (after.carried == before.carried)
        return;
    const char *name = get_attname(RelationGetRelid(guarded.relation), guarded.shape->carried, false);
    const bool readable = may_read(RelationGetRelid(guarded.relation), GetUserId());
    raise_violation(Violation::guarded_counter, guarded.relation, guarded.shape->carried,
                    {psprintf("column \"%s\" of relation \"%s\" cannot be changed", name,
                              RelationGetRelationName(guarded.relation)),
                     readable ? psprintf("It is %lld; the statement writes %lld.",
                                         static_cast<long long>(before.carried),
                                         static_cast<long long>(after.carried))
                              : nullptr,
                     "A new subscription may bring carried credits; from then on the extension alone adds to them."});
}

// The ledger of a new subscription begins with what it carries.
void explain_carried(Relation subscriptions, TupleTableSlot *row, const Counters &counters)
{
    if (counters.carried == 0)
        return;
    for (const Binding *binding : find_attached(subscriptions)) {
        const SubscriptionShape &shape = binding->subscriptions;
        if (!OidIsValid(shape.ledger))
            continue;
        const Account account = account_of(shape, row);
        LedgerWriter *ledger = open_ledger_writer(shape);
        restate(ledger, account, counters.used.value_or(0), Cause::carried);
        close_ledger_writer(ledger);
    }
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

// R10, if attach() has left the CHECK out because rows from before break it: refuses what makes an excess larger.
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
            errtablecol(guarded.relation, guarded.shape->total != 0 ? guarded.shape->total : guarded.shape->used));
}

// R11 -----------------------------------------------------------------------------------------------------------------

// True if the update changes the member, or a column to which a foreign key can refer.
bool changes_key(Relation relation, const SubscriptionShape &shape, TupleTableSlot *before, TupleTableSlot *after)
{
    if (shape.member != 0 && !same_value(before, after, shape.member))
        return true;
    Bitmapset *keys = RelationGetIndexAttrBitmap(relation, INDEX_ATTR_BITMAP_KEY);
    for (int column = -1; (column = bms_next_member(keys, column)) >= 0;) {
        const AttrNumber number = column + FirstLowInvalidHeapAttributeNumber;
        if (number > 0 && !same_value(before, after, number))
            return true;
    }
    return false;
}

// Notes that a subscription was deleted or updated: the end of the statement judges if a session is left behind.
void note_departure(TriggerData *data)
{
    const bool update = TRIGGER_FIRED_BY_UPDATE(data->tg_event);
    for (const Binding *binding : find_attached(data->tg_relation)) {
        const int depth = trigger_depth();
        Statement *statement = find_statement(depth);
        if (statement == nullptr)
            statement = open_statement(depth, data, false);
        statement->inserts_only = false;
        Part *part = make_part(statement, *binding);
        if (update)
            note_changed(part, data->tg_trigslot, data->tg_newslot, stored_by(data->tg_newtuple));
        else
            note_deleted(part, data->tg_trigslot);
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
    const Counters kept = keep_counters(binding, update ? &before : nullptr, written, data->tg_relation);
    // The server checks the CHECK before guard_counter fires, and would report 23514: so this raises 23SC5 first.
    if (binding.guard == Guard::reject && excess(kept.used.value_or(0), kept.total) > 0)
        judge_used({data->tg_relation, &shape}, update ? &before : nullptr, kept);
    if (binding.guard == Guard::ignore && update)
        warn_of_raised({data->tg_relation, &shape}, before, written, kept);
    if (kept.used == written.used && kept.remaining == written.remaining && kept.total == written.total)
        return PointerGetDatum(row);
    return PointerGetDatum(with_counters(row, data->tg_relation, shape, kept));
}

extern "C" PGDLLEXPORT Datum sc_guard_counter(PG_FUNCTION_ARGS)
{
    using namespace sc;
    TriggerData *data = row_trigger_call(fcinfo, "guard_counter", Timing::after, true);
    Statement *statement = find_statement(trigger_depth());
    if (statement != nullptr && is_end(*statement, data)) {
        settle_statement(statement, data);
        return Datum{0};
    }
    if (TRIGGER_FIRED_BY_DELETE(data->tg_event)) {
        note_departure(data);
        note_subscription(bind_subscriptions(data->tg_relation, data->tg_trigger).subscriptions, data->tg_relation,
                          data->tg_trigslot);
        return Datum{0};
    }
    const Binding &binding = bind_subscriptions(data->tg_relation, data->tg_trigger);
    const SubscriptionShape &shape = binding.subscriptions;
    const bool update = TRIGGER_FIRED_BY_UPDATE(data->tg_event);
    TupleTableSlot *row = update ? data->tg_newslot : data->tg_trigslot;
    Counters before{};
    if (update)
        before = read_counters(shape, data->tg_trigslot);
    const Counters after = read_counters(shape, row);
    const Guarded guarded{data->tg_relation, &shape};
    if (binding.guard != Guard::off)
        judge_counters(guarded, update ? &before : nullptr, after);
    if (update)
        judge_carried(guarded, before, after);
    judge_excess(guarded, update ? &before : nullptr, after);
    if (!update)
        explain_carried(data->tg_relation, row, after);
    if (update && changes_key(data->tg_relation, shape, data->tg_trigslot, row))
        note_departure(data);
    if (!update || before.total != after.total || before.used != after.used)
        note_subscription(shape, data->tg_relation, row);
    return Datum{0};
}
