// AFTER triggers of the sessions: add up what a statement changes, and at its end judge and write each counter once.
//
// The end of a statement is an event of its own: the first row event that matters queues one more event, for the same
// row, behind all that are queued. When it comes, every row of the statement has been seen. It needs row triggers only,
// so it holds for a statement that aims at a partition, too. Order of a statement's end: by key, lock, judge, write.
#include "counter_writer.hpp"
#include "owner_query.hpp"
#include "pending_charges.hpp"
#include "session_row.hpp"
#include "subscription_search.hpp"
#include "trigger_call.hpp"
#include "violation.hpp"

extern "C" {
PG_FUNCTION_INFO_V1(sc_charge_sessions);
PG_FUNCTION_INFO_V1(sc_reset_counters);
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

struct Reader {
    Relation sessions;
    const Binding *binding;
    Oid role;                  // who sees the error
};

// "subscription 42", or without its key where the caller may not read it.
const char *name_subscription(const Reader &reader, Datum id)
{
    const SubscriptionShape &shape = reader.binding->subscriptions;
    return may_read(shape.relation, reader.role) ? psprintf("subscription %s", value_text(id, shape.id_key.type))
                                                 : "the subscription";
}

const char *detail_for(const Reader &reader, const char *detail)
{
    return may_read(reader.binding->subscriptions.relation, reader.role) ? detail : nullptr;
}

const char *member_text(const Reader &reader, const std::optional<Datum> &member)
{
    return member ? value_text(*member, reader.binding->subscriptions.member_key.type) : "NULL";
}

// R1: nothing to link to, or too much.
[[noreturn]] void raise_unlinked(const Reader &reader, const std::optional<Datum> &member, int active)
{
    const AttrNumber column = reader.binding->sessions.link;
    const char *who = member_text(reader, member);
    if (active > 1)
        raise_violation(Violation::ambiguous_subscription, reader.sessions, column,
                        {psprintf("member %s has more than one active subscription", who),
                         "The session names no subscription, and more than one could pay for it.",
                         "Name the subscription in the session, or end all but one of them: "
                         "session_consistency.audit() lists them."});
    raise_violation(Violation::no_active_subscription, reader.sessions, column,
                    {psprintf("member %s has no active subscription", who),
                     "A session of a consuming type needs a subscription that pays for it.",
                     "Activate or create a subscription for the member, or book with another session type."});
}

// R2: the link leads to a subscription of somebody else.
[[noreturn]] void raise_foreign(const Reader &reader, Datum id, const std::optional<Datum> &member)
{
    raise_violation(Violation::foreign_subscription, reader.sessions, reader.binding->sessions.link,
                    {psprintf("%s does not belong to member %s", name_subscription(reader, id),
                              member_text(reader, member)),
                     "A session is paid for by a subscription of its own member.",
                     "Link the session to a subscription of its own member, or leave the link empty."});
}

[[noreturn]] void raise_gone(const Reader &reader, Datum id)
{
    ereport(ERROR, errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
            errmsg("%s does not exist", name_subscription(reader, id)),
            errhint("Link the session to a subscription of its member."),
            errtablecol(reader.sessions, reader.binding->sessions.link));
    pg_unreachable();
}

// The figures that an error shows to those who may read them.
const char *figures(const Reader &reader, const Subscription &subscription, int64_t asked)
{
    const char *total = subscription.total
                            ? psprintf("%lld credits", static_cast<long long>(*subscription.total))
                            : "unlimited credits";
    return detail_for(reader, psprintf("It holds %s, %lld used; this statement needs %lld more.", total,
                                       static_cast<long long>(subscription.used.value_or(0)),
                                       static_cast<long long>(asked)));
}

[[noreturn]] void raise_verdict(const Reader &reader, const Sum &sum, int64_t amount,
                                const Subscription &subscription, Verdict verdict)
{
    const char *name = name_subscription(reader, sum.id);
    const AttrNumber column = reader.binding->sessions.link;
    if (verdict == Verdict::inactive)
        raise_violation(Violation::inactive_subscription, reader.sessions, column,
                        {psprintf("%s is not active", name), figures(reader, subscription, amount),
                         "Book on the member's active subscription; only completed sessions may be attributed to one "
                         "that is not active."});
    raise_violation(Violation::no_credit_left, reader.sessions, column,
                    {psprintf("%s has no credit left", name), figures(reader, subscription, amount),
                     "Raise its total, or book on another subscription."});
}

[[noreturn]] void raise_below_zero(const Reader &reader, Datum id, int64_t used, int64_t amount)
{
    ereport(ERROR, errcode(ERRCODE_CHECK_VIOLATION),
            errmsg("the counter of %s would fall below 0", name_subscription(reader, id)),
            may_read(reader.binding->subscriptions.relation, reader.role)
                ? errdetail("Its counter says %lld, and this statement gives back %lld.",
                            static_cast<long long>(used), static_cast<long long>(-amount))
                : 0,
            errhint("The counter is lower than the sessions that it counts: session_consistency.check_counts() shows "
                    "by how much."),
            errtablecol(reader.sessions, reader.binding->sessions.link));
    pg_unreachable();
}

// What is written now of what is due. A nested statement may come before the enclosing one has been charged for the
// same row, or before the enclosing one has returned what it frees: that part is carried until the enclosing ends.
int64_t amount_now(const SubscriptionShape &shape, const Sum &sum, const Subscription &subscription, int depth,
                   int64_t due)
{
    const int64_t used = subscription.used.value_or(0);
    if (used + due < 0 && (depth > 1 || sum.own_rows))
        return -Max(used, int64_t{0});
    if (depth > 1 && due > 0 && subscription.total && used + due > *subscription.total) {
        const int64_t freed = Min(int64_t{0}, enclosing_credits(depth, shape, sum.id, sum.member));
        return Max(due + freed, Min(due, Max(int64_t{0}, *subscription.total - used)));
    }
    return due;
}

// Whether the member that the sessions were linked for is the subscription's.
bool member_fits(const SubscriptionShape &shape, const Sum &sum, const Subscription &subscription)
{
    return !sum.linked || (!sum.members_differ && !sum.member_is_null && !subscription.member_is_null &&
                           equal_keys(shape.member_key, subscription.member, sum.member));
}

struct Settling {
    Reader reader;
    CounterWriter *writer;
    int depth;
};

// Raises what a subscription in its newest version does not allow.
void require_fine(const Settling &settling, const Sum &sum, const Subscription &subscription, int64_t amount)
{
    const Reader &reader = settling.reader;
    if (!member_fits(reader.binding->subscriptions, sum, subscription))
        raise_foreign(reader, sum.id, sum.member_is_null ? std::nullopt : std::optional(sum.member));
    const int64_t used = subscription.used.value_or(0);
    const Verdict verdict =
        judge_sum({amount, sum.credits.scheduled}, used, subscription.total, subscription.active);
    if (verdict != Verdict::fine)
        raise_verdict(reader, sum, amount, subscription, verdict);
    if (used + amount < 0 && amount < 0)
        raise_below_zero(reader, sum.id, used, amount);
}

// True where the subscription, as the snapshot sees it, takes the change as it is. The update says whether it still is
// in that version, and waits for whoever is writing it: no lock is needed before.
bool settle_unlocked(const Settling &settling, const Sum &sum, TupleTableSlot *row, int64_t due)
{
    const SubscriptionShape &shape = settling.reader.binding->subscriptions;
    const Subscription subscription = read_subscription(shape, row);
    const int64_t used = subscription.used.value_or(0);
    return settling.depth == 1 && due != 0 && used + due >= 0 && member_fits(shape, sum, subscription) &&
           judge_sum({due, sum.credits.scheduled}, used, subscription.total, subscription.active) == Verdict::fine &&
           try_write_counter(settling.writer, used + due);
}

// One subscription at the end of a statement: locked, judged, written.
void settle_sum(const Settling &settling, Sum &sum)
{
    const SubscriptionShape &shape = settling.reader.binding->subscriptions;
    const int64_t owed = carried_credits(shape, sum.id, sum.member);
    const int64_t due = sum.credits.used + owed;
    // A completed session changes what it is counted as, not what it holds.
    if (due == 0 && sum.credits.scheduled <= 0 && !sum.linked && owed == 0)
        return;
    TupleTableSlot *row = find_subscription(settling.writer, sum.id, sum.member);
    if (row != nullptr && settle_unlocked(settling, sum, row, due)) {
        carry_credits(shape, sum.id, sum.member, -owed);
        return;
    }
    if (row != nullptr)
        row = lock_found(settling.writer);
    if (row == nullptr) {
        // A subscription that went in the same cascade takes its counter with it.
        if (due > 0 || sum.linked)
            raise_gone(settling.reader, sum.id);
        carry_credits(shape, sum.id, sum.member, -owed);
        return;
    }
    const Subscription subscription = read_subscription(shape, row);
    const int64_t amount = amount_now(shape, sum, subscription, settling.depth, due);
    require_fine(settling, sum, subscription, amount);
    carry_credits(shape, sum.id, sum.member, sum.credits.used - amount);
    // From here on the counter shows it: a trigger that writes sessions now must not count it again.
    sum.credits = {0, 0};
    if (amount != 0)
        write_counter(settling.writer, subscription.used.value_or(0) + amount, false);
}

bool is_due(const Sum &sum, const SubscriptionShape &shape)
{
    return sum.credits.used != 0 || sum.credits.scheduled > 0 || sum.linked ||
           carried_credits(shape, sum.id, sum.member) != 0;
}

void end_statement(const Binding &binding, Relation sessions, Statement *statement, int depth)
{
    const SubscriptionShape &shape = binding.subscriptions;
    const std::span<Sum *> sums = ordered_sums(*sums_of(statement), shape);
    bool due = false;
    for (size_t i = 0; i < sums.size() && !due; i++)
        due = is_due(*sums[i], shape);
    if (due) {
        Relation subscriptions = table_open(shape.relation, RowExclusiveLock);
        CounterWriter *writer = open_counter_writer(subscriptions, shape, false);
        const Settling settling{{sessions, &binding, GetUserId()}, writer, depth};
        for (Sum *sum : sums)
            settle_sum(settling, *sum);
        detach_statement(statement);
        close_counter_writer(writer);
        table_close(subscriptions, NoLock);
    } else {
        detach_statement(statement);
    }
    close_statement(statement);
}

// Collecting ---------------------------------------------------------------------------------------------------------

struct RowEvent {
    TriggerData *data;
    const Binding *binding;
    int depth;
    Statement *statement;      // opened by the first row that matters
};
static_assert(Pod<RowEvent>);

Sum &sum_of(RowEvent &event, const SessionRow &row, Datum id)
{
    if (event.statement == nullptr) {
        event.statement = open_statement(event.depth, *event.binding, RelationGetRelid(event.data->tg_relation),
                                         event.data->tg_trigslot->tts_tid);
        queue_end(event.data);
    }
    return make_sum(sums_of(event.statement), event.binding->subscriptions, id,
                    member_key(*event.binding, row).value_or(Datum{0}));
}

bool written_by_us(const TriggerData *data)
{
    return TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(data->tg_trigtuple->t_data));
}

void add_credits(RowEvent &event, const SessionRow &row, Credits credits)
{
    if (credits.used == 0)
        return;
    const std::optional<Datum> id = link_key(*event.binding, row);
    // A composite key with a NULL leads nowhere.
    if (!id || (event.binding->subscriptions.by_member && !member_key(*event.binding, row)))
        return;
    Sum &sum = sum_of(event, row, *id);
    sum.credits.used += credits.used;
    sum.credits.scheduled += credits.scheduled;
    if (credits.used < 0 && !sum.own_rows)
        sum.own_rows = written_by_us(event.data);
}

// A composite foreign key would refuse another member's subscription before the statement ends, as if it did not
// exist: told apart here, before the server's own trigger fires, under the lock that it takes next.
void verify_composite(const Reader &reader, const Sum &sum, const std::optional<Datum> &member)
{
    const SubscriptionShape &shape = reader.binding->subscriptions;
    Relation subscriptions = table_open(shape.relation, RowShareLock);
    CounterWriter *writer = open_counter_writer(subscriptions, shape, false);
    TupleTableSlot *row = find_subscription(writer, sum.id, sum.member);
    if (row != nullptr)
        row = lock_found(writer, LockTupleKeyShare);
    bool fits = false;
    if (row != nullptr) {
        const Subscription subscription = read_subscription(shape, row);
        fits = !subscription.member_is_null && equal_keys(shape.member_key, subscription.member, *member);
    }
    close_counter_writer(writer);
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
               (member && !DatumGetBool(FunctionCall2Coll(const_cast<FmgrInfo *>(&key.equal), key.collation,
                                                          sum.member, *member)))) {
        sum.members_differ = true;
    }
}

[[noreturn]] void raise_not_set(const RowEvent &event, const char *link)
{
    ereport(ERROR, errcode(ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION),
            errmsg("another trigger keeps column \"%s\" of relation \"%s\" from being set", link,
                   RelationGetRelationName(event.data->tg_relation)),
            errhint("Let the BEFORE triggers of the sessions leave the link alone and return NEW."),
            errtablecol(event.data->tg_relation, event.binding->sessions.link));
    pg_unreachable();
}

// The link that a session without one, or with one that its member has left, gets: R1.
Datum require_active(const RowEvent &event, const SessionRow &row)
{
    const Binding &binding = *event.binding;
    const SubscriptionShape &shape = binding.subscriptions;
    const std::optional<Datum> member = member_key(binding, row);
    Relation subscriptions = table_open(shape.relation, AccessShareLock);
    const ActiveSubscription active =
        member ? find_active_subscription(subscriptions, shape, *member) : ActiveSubscription{};
    table_close(subscriptions, AccessShareLock);
    if (active.count != 1)
        raise_unlinked({event.data->tg_relation, &binding, GetUserId()}, member, active.count);
    return convert_key(active.id, shape.id_key.type, binding.sessions.link_type).value_or(Datum{0});
}

// True where the link does not lead to the session's member, who has changed: link_session found no other, or another
// trigger changed the member after it.
bool left_behind(const RowEvent &event, const SessionRow &row)
{
    const SubscriptionShape &shape = event.binding->subscriptions;
    const std::optional<Datum> id = link_key(*event.binding, row);
    const std::optional<Datum> member = member_key(*event.binding, row);
    if (!id || !member)
        return true;
    Relation subscriptions = table_open(shape.relation, AccessShareLock);
    const bool fits = subscription_has_member(subscriptions, shape, *id, *member);
    table_close(subscriptions, AccessShareLock);
    return !fits;
}

// The row of the event as it is by now: a trigger of the user's may have written it again. False: it is gone.
bool fetch_newest(Relation relation, ItemPointer place, TupleTableSlot *row)
{
    push_newest_snapshot();
    TableScanDesc scan = table_beginscan_tid(relation, GetActiveSnapshot());
    table_tuple_get_latest_tid(scan, place);
    const bool found = table_tuple_fetch_row_version(relation, place, GetActiveSnapshot(), row);
    table_endscan(scan);
    PopActiveSnapshot();
    return found;
}

// Puts the link of a stored row right, by an UPDATE of its own that is judged and charged like any other.
void mend_row(const RowEvent &event, TupleTableSlot *row)
{
    Relation relation = event.data->tg_relation;
    const SessionShape &shape = event.binding->sessions;
    const SessionRow now = read_session(shape, row);
    std::optional<Datum> link;
    if (now.session.consuming ? now.session.linked && !left_behind(event, now) : !now.session.linked)
        return;
    if (now.session.consuming)
        link = require_active(event, now);
    if (!set_link(relation, shape, &row->tts_tid, link))
        raise_not_set(event, get_attname(shape.relation, shape.link, false));
}

// Another trigger changed the row after link_session had looked at it, or there was nothing to link to. False: there
// is nothing to mend.
bool mend_link(const RowEvent &event, const SessionRow &row, const Judgement &judgement)
{
    if (!judgement.missing_link && !judgement.needless_link &&
        !(judgement.moved_member && left_behind(event, row)))
        return false;
    TriggerData *data = event.data;
    ItemPointerData place =
        TRIGGER_FIRED_BY_UPDATE(data->tg_event) ? data->tg_newtuple->t_self : data->tg_trigtuple->t_self;
    TupleTableSlot *newest = table_slot_create(data->tg_relation, nullptr);
    if (fetch_newest(data->tg_relation, &place, newest))
        mend_row(event, newest);
    ExecDropSingleTupleTableSlot(newest);
    return true;
}

// Notes the delete of a row that has moved to another partition: its insert there is the next event.
void remember_departure(const RowEvent &event, const SessionRow &row)
{
    TriggerData *data = event.data;
    const bool deleted = TRIGGER_FIRED_BY_DELETE(data->tg_event);
    departed_after.armed = deleted && data->tg_relation->rd_rel->relispartition &&
                           HeapTupleHeaderIndicatesMovedPartitions(data->tg_trigtuple->t_data);
    if (!departed_after.armed)
        return;
    departed_after.depth = event.depth;
    departed_after.subscriptions = event.binding->subscriptions.relation;
    departed_after.session = row.session;
    departed_after.member_hash = member_hash(event.binding->sessions, row);
    departed_after.link_hash = link_hash(event.binding->sessions, row);
}

// The arrival of a row from another partition is judged as the update that it is.
void judge_as_update(const RowEvent &event, const SessionRow &row, Change *change)
{
    const Departure &left = departed_after;
    const SessionShape &shape = event.binding->sessions;
    if (!left.armed || left.depth != event.depth ||
        left.subscriptions != event.binding->subscriptions.relation)
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
    const bool mended = mend_link(event, after == nullptr ? first : *after, judgement);
    if (judgement.member && !mended)
        add_link(event, *after);
    if (before != nullptr) {
        const Credits credits = held(before->session);
        add_credits(event, *before, {-credits.used, -credits.scheduled});
    }
    if (after != nullptr)
        add_credits(event, *after, held(after->session));
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
        end_statement(binding, relation, statement, depth);
        return Datum{0};
    }
    const bool uncharged = depth == 1 && uncharged_subscriptions == binding.subscriptions.relation;
    if (uncharged || same_credits(binding.sessions, data)) {
        departed_after.armed = false;
        return Datum{0};
    }
    RowEvent event{data, &binding, depth, statement};
    charge_row(event);
    return Datum{0};
}

extern "C" PGDLLEXPORT Datum sc_reset_counters(PG_FUNCTION_ARGS)
{
    using namespace sc;
    TriggerData *data = truncate_trigger_call(fcinfo, "reset_counters");
    const SubscriptionShape &shape = bind_sessions(data->tg_relation, data->tg_trigger).subscriptions;
    Relation subscriptions = table_open(shape.relation, RowExclusiveLock);
    CounterWriter *writer = open_counter_writer(subscriptions, shape, true);
    while (lock_next_used(writer) != nullptr)
        write_counter(writer, 0, true);
    close_counter_writer(writer);
    table_close(subscriptions, NoLock);
    return Datum{0};
}
