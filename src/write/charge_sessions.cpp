// AFTER ROW trigger of the sessions: adds up what a statement changes, for settle_statement to judge and write.
//
// The end of a statement is an event of its own: the first row event that matters queues one more event, for the same
// row, behind all that are queued. When it comes, every row of the statement has been seen. It needs row triggers only,
// so it holds for a statement that aims at a partition, too.
//
// The INSERT of one row ends with that row. It is settled at once where nothing speaks against it, before the foreign
// key's own trigger: whoever has the counter's lock needs no share lock beside it. Bookings that wait for one
// subscription would otherwise all hold one, and each would have to write the list of all others into the row.
#include "store/subscription_row.hpp"
#include "write/mend_link.hpp"
#include "write/statements.hpp"
#include "write/session_errors.hpp"
#include "store/session_row.hpp"
#include "write/settle_statement.hpp"
#include "server/triggers.hpp"

extern "C" {
PG_FUNCTION_INFO_V1(sc_charge_sessions);
}

namespace sc {

namespace {

// Queues the same trigger once more, as an INSERT event for the row at hand. No row has two INSERT events, so the
// second one is the end of the statement.
void queue_end(TriggerData *data)
{
    Trigger trigger = *data->tg_trigger;
    trigger.tgenabled = TRIGGER_FIRES_ALWAYS;
    trigger.tgqual = nullptr;
    TriggerDesc triggers{};
    triggers.triggers = &trigger;
    triggers.numtriggers = 1;
    triggers.trig_insert_after_row = true;
    ResultRelInfo *target = makeNode(ResultRelInfo);
    target->ri_RelationDesc = data->tg_relation;
    target->ri_TrigDesc = &triggers;
    // The executor state serves WHEN conditions alone, and the copy has none.
    ExecARInsertTriggers(nullptr, target, data->tg_trigslot, NIL, nullptr);
}

struct RowEvent {
    TriggerData *data;
    const Binding *binding;
    int depth;
    Statement *statement;      // opened by the first row that matters
    bool only;                 // the statement has no other row
};
static_assert(Pod<RowEvent>);

Sum &sum_of(RowEvent &event, const SessionRow &row, Datum id)
{
    if (event.statement == nullptr) {
        event.statement = open_statement(event.depth, *event.binding, RelationGetRelid(event.data->tg_relation),
                                         event.data->tg_trigslot->tts_tid);
        if (!event.only)
            queue_end(event.data);
    }
    return make_sum(sums_of(event.statement), event.binding->subscriptions, id,
                    member_key(*event.binding, row).value_or(Datum{0}));
}

bool written_by_us(const TriggerData *data)
{
    return TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(data->tg_trigtuple->t_data));
}

// The sum of the subscription that it changes; nullptr: none.
const Sum *add_credits(RowEvent &event, const SessionRow &row, Credits credits)
{
    if (credits.used == 0)
        return nullptr;
    const std::optional<Datum> id = link_key(*event.binding, row);
    // A composite key with a NULL leads nowhere.
    if (!id || (event.binding->subscriptions.by_member && !member_key(*event.binding, row)))
        return nullptr;
    Sum &sum = sum_of(event, row, *id);
    sum.credits.used += credits.used;
    sum.credits.scheduled += credits.scheduled;
    if (credits.used < 0 && !sum.own_rows)
        sum.own_rows = written_by_us(event.data);
    return &sum;
}

// Notes for the ledger what the session held and what it holds now: nothing where that is the same.
void note_change(RowEvent &event, const Change &change, const Sum *before, const Sum *after)
{
    if (event.statement == nullptr)
        return;
    TriggerData *data = event.data;
    LineList *lines = lines_of(event.statement);
    MemoryContext context = sums_of(event.statement)->context;
    if (TRIGGER_FIRED_BY_INSERT(data->tg_event) && change.before)
        before = held(*change.before).used == 0 ? nullptr : take_departed(lines);
    const std::optional<Cause> turned =
        before == after && after != nullptr ? turned_because(change) : std::nullopt;
    if (before == after && !turned)
        return;
    TupleTableSlot *row = TRIGGER_FIRED_BY_UPDATE(data->tg_event) ? data->tg_newslot : data->tg_trigslot;
    const char *session = name_session(event.binding->sessions, row, context);
    if (turned) {
        note_line(lines, context, after, session, 0, *turned, false);
        return;
    }
    if (before != nullptr)
        note_line(lines, context, before, session, -1, given_because(change),
                  is_armed(departed_after, event.depth, event.binding->subscriptions));
    if (after != nullptr)
        note_line(lines, context, after, session, 1, taken_because(change), false);
}

// A composite foreign key would refuse another member's subscription before the statement ends, as if it did not
// exist: told apart here, before the server's own trigger fires, under the lock that it takes next.
void verify_composite(const Reader &reader, const Sum &sum, const std::optional<Datum> &member)
{
    const SubscriptionShape &shape = reader.binding->subscriptions;
    Relation subscriptions = table_open(shape.relation, RowShareLock);
    push_newest_snapshot();
    Cursor cursor = open_cursor(subscriptions, shape);
    TupleTableSlot *row = find_subscription(cursor, sum.id, sum.member);
    if (row != nullptr)
        row = lock_found(cursor, LockTupleKeyShare);
    bool fits = false;
    if (row != nullptr) {
        const Subscription subscription = read_subscription(shape, row);
        fits = !subscription.member_is_null && equal_keys(shape.member_key, subscription.member, *member);
    }
    close_cursor(cursor);
    PopActiveSnapshot();
    if (!fits && subscription_exists(subscriptions, shape, sum.id))
        raise_foreign(reader, sum.id, member);
    table_close(subscriptions, NoLock);
}

// Notes that a session was linked, so that its subscription is locked and its member judged.
void add_link(RowEvent &event, const SessionRow &row)
{
    const Binding &binding = *event.binding;
    const Reader reader{event.data->tg_relation, &binding, GetUserId()};
    const std::optional<Datum> id = link_key(binding, row);
    const std::optional<Datum> member = member_key(binding, row);
    if (!id)
        return;                // no subscription can have that key; the foreign key says so
    if (!member && binding.subscriptions.by_member)
        raise_foreign(reader, *id, member);
    Sum &sum = sum_of(event, row, *id);
    if (binding.subscriptions.by_member && !sum.verified) {
        verify_composite(reader, sum, member);
        sum.verified = true;
    }
    const KeyType &key = binding.subscriptions.member_key;
    if (!sum.linked) {
        sum.linked = true;
        sum.member_is_null = !member;
        if (member && !binding.subscriptions.by_member)
            sum.member = keep_value(*sums_of(event.statement), key, *member);
    } else if (sum.member_is_null != !member ||
               (member && !equal_keys(key, sum.member, *member))) {
        sum.members_differ = true;
    }
}

// Notes the delete of a row that has moved to another partition: its insert there is the next event.
void remember_departure(const RowEvent &event, const SessionRow &row)
{
    TriggerData *data = event.data;
    const bool deleted = TRIGGER_FIRED_BY_DELETE(data->tg_event);
    disarm(&departed_after, event.depth);
    if (!deleted || !data->tg_relation->rd_rel->relispartition ||
        !HeapTupleHeaderIndicatesMovedPartitions(data->tg_trigtuple->t_data))
        return;
    arm(&departed_after, event.depth, event.binding->subscriptions);
    departed_after.session = row.session;
    departed_after.member_hash = member_hash(event.binding->sessions, row);
    departed_after.link_hash = link_hash(event.binding->sessions, row);
}

// The arrival of a row from another partition is judged as the update that it is.
void judge_as_update(const RowEvent &event, const SessionRow &row, Change *change)
{
    const Departure &left = departed_after;
    const SessionShape &shape = event.binding->sessions;
    if (!is_armed(left, event.depth, event.binding->subscriptions))
        return;
    change->before = left.session;
    change->same_member = left.member_hash == member_hash(shape, row);
    change->same_link = left.link_hash == link_hash(shape, row);
}

void charge_row(RowEvent &event)
{
    TriggerData *data = event.data;
    const SessionShape &shape = event.binding->sessions;
    const bool insert = TRIGGER_FIRED_BY_INSERT(data->tg_event);
    const bool update = TRIGGER_FIRED_BY_UPDATE(data->tg_event);
    const SessionRow first = read_session(shape, data->tg_trigslot);
    SessionRow second{};
    if (update)
        second = read_session(shape, data->tg_newslot);
    const SessionRow *before = insert ? nullptr : &first;
    const SessionRow *after = insert ? &first : update ? &second : nullptr;
    Change change = change_between(shape, before, after);
    if (insert)
        judge_as_update(event, first, &change);
    remember_departure(event, first);

    const Judgement judgement = judge(change);
    const bool mended = mend_link({data, event.binding}, after == nullptr ? first : *after, judgement);
    if (judgement.member && !mended)
        add_link(event, *after);
    const Sum *given = nullptr;
    const Sum *taken = nullptr;
    if (before != nullptr) {
        const Credits credits = held(before->session);
        given = add_credits(event, *before, {-credits.used, -credits.scheduled});
    }
    if (after != nullptr)
        taken = add_credits(event, *after, held(after->session));
    if (OidIsValid(event.binding->subscriptions.ledger))
        note_change(event, change, given, taken);
}

// True where the client's statement is an INSERT of one row into this table, and nothing else. A function among its
// values may run statements of its own here: those of several rows are then settled row by row.
bool inserts_one_row(TriggerData *data)
{
    if (!TRIGGER_FIRED_BY_INSERT(data->tg_event) || ActivePortal == nullptr || list_length(ActivePortal->stmts) != 1)
        return false;
    const auto *statement = linitial_node(PlannedStmt, ActivePortal->stmts);
    if (statement->commandType != CMD_INSERT || statement->hasModifyingCTE ||
        !IsA(statement->planTree, ModifyTable))
        return false;
    const List *targets = reinterpret_cast<const ModifyTable *>(statement->planTree)->resultRelations;
    if (list_length(targets) != 1)
        return false;
    const Plan *source = outerPlan(statement->planTree);
    if (source == nullptr || !IsA(source, Result) || outerPlan(source) != nullptr)
        return false;
    const RangeTblEntry *target = rt_fetch(linitial_int(targets), statement->rtable);
    return target->relid == RelationGetRelid(data->tg_relation) ||
           (target->relkind == RELKIND_PARTITIONED_TABLE && data->tg_relation->rd_rel->relispartition);
}

bool same_credits(const SessionShape &shape, TriggerData *data)
{
    return TRIGGER_FIRED_BY_UPDATE(data->tg_event) && !touches_rules(shape, data->tg_trigslot, data->tg_newslot);
}

}  // namespace

}  // namespace sc

extern "C" PGDLLEXPORT Datum sc_charge_sessions(PG_FUNCTION_ARGS)
{
    using namespace sc;
    TriggerData *data = row_trigger_call(fcinfo, "charge_sessions", Timing::after, true);
    Relation relation = data->tg_relation;
    const Binding &binding = bind_sessions(relation, data->tg_trigger);
    const int depth = trigger_depth();
    Statement *statement = find_statement(depth, binding.subscriptions.relation);
    if (statement != nullptr && TRIGGER_FIRED_BY_INSERT(data->tg_event) &&
        is_marker(*statement, RelationGetRelid(relation), data->tg_trigslot->tts_tid)) {
        settle_statement(binding, relation, statement, depth);
        return Datum{0};
    }
    if (same_credits(binding.sessions, data)) {
        disarm(&departed_after, depth);
        return Datum{0};
    }
    RowEvent event{data, &binding, depth, statement, depth == 1 && statement == nullptr && inserts_one_row(data)};
    charge_row(event);
    if (event.only && event.statement != nullptr && !settle_early(binding, relation, event.statement))
        queue_end(data);
    return Datum{0};
}
