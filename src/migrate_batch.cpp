// Treats members. Why that is right while the application writes:
//
// Locks. A live statement locks the session rows that it changes, and at its end the subscriptions that it charges;
// later statements of its transaction may lock in any order. So a row lock is waited for only while no other is held;
// every other one is taken at once or not at all. Whoever waits for a migration waits for one that waits for nobody:
// there is no deadlock. A member of whom a row is locked by somebody else is left for later, as a whole.
//
// Attribution. The listed sessions of a treated member are locked and still as they were listed. No other session of
// the member can be without a link and need one: since the tables are attached, a session that becomes consuming gets
// its link in the same statement. A place that holds another row by now is told by its member and link: where n places
// hold n consuming sessions of that member without a link, these are the n sessions of the list.
//
// Counters. The recount's snapshot is taken when the subscriptions are locked. What a transaction did to their
// sessions and has charged, it has charged before its commit, under the same lock: it has ended, and the snapshot sees
// it. What it has not charged yet is not committed, the snapshot does not see it, and when this transaction has ended
// it is charged as a difference to the recount. A session that was locked here is changed by others only after the
// commit, when they see it as it is then, linked: a cancellation gives back the credit that was counted for it.
//
// Subscriptions that come to be after the list was made are counted from their first session on, without migrate. One
// that is active by now may take sessions all the same; others wait for the next migration. A locked subscription can
// neither expire nor go, and keeps its member.
#include "migrate_batch.hpp"

#include <algorithm>
#include <numeric>

#include "attempt.hpp"
#include "counter_writer.hpp"
#include "existing.hpp"
#include "ledger_lines.hpp"
#include "steps.hpp"
#include "violation.hpp"

namespace sc {

namespace {

// A subscription of the batch, locked.
struct HeldSubscription {
    Datum id;
    size_t member;
    std::optional<int64_t> total;
    std::optional<int64_t> used;
    std::optional<int64_t> remaining;
    int64_t counted;               // the recount, with what is linked now
    Pack pack;
};
static_assert(Pod<HeldSubscription>);

struct Work {
    const MigrateRequest *request;
    const MemberType *type;
    const Batch *batch;
    MigrateRun *run;
    std::span<Grip> members;
    Obstacle *obstacle;
    Relation sessions;
    Relation subscriptions;
    const Binding *binding;
    Mapping mapping;
    Calendar calendar;
    SessionTables *tables;
    std::span<HeldSession> held_sessions;           // in the list's order
    std::span<size_t> by_place;                     // their numbers as they stand in the tables
    Growing<HeldSubscription> held;                 // member by member, those of a member by key
    std::span<size_t> first_held;                   // by member, and one more
};
static_assert(Pod<Work>);

void leave_member(Work &work, size_t member, Grip grip, bool is_session, size_t number)
{
    if (work.members[member] == Grip::held)
        work.members[member] = grip;
    if (work.obstacle->grip == Grip::held)
        *work.obstacle = {grip, is_session, number};
}

// Opening ------------------------------------------------------------------------------------------------------------

[[noreturn]] void raise_changed(Oid sessions)
{
    ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
            errmsg("the attachment of table \"%s\" changed while it was migrated", get_rel_name(sessions)),
            errhint("What has been treated stays; call migrate() again."));
    pg_unreachable();
}

// The tables are as they were when the list was made, but for what a lock has kept out since.
void open_tables(Work &work, Oid subscriptions)
{
    work.sessions = try_relation_open(work.request->sessions, RowExclusiveLock);
    if (work.sessions == nullptr)
        ereport(ERROR, errcode(ERRCODE_UNDEFINED_TABLE), errmsg("the table is gone that was to be migrated"));
    const Trigger *charge = find_charge_trigger(work.sessions);
    if (charge == nullptr)
        raise_changed(work.request->sessions);
    work.mapping = parse_mapping(std::span<char *const>(charge->tgargs, charge->tgnargs));
    work.binding = &bind_sessions(work.sessions, charge);
    if (work.binding->subscriptions.relation != subscriptions)
        raise_changed(work.request->sessions);
    work.subscriptions = table_open(subscriptions, RowExclusiveLock);
    work.calendar = make_calendar(*work.request, subscriptions);
    work.tables = open_session_tables(work.sessions, work.mapping, *work.request, work.batch->sessions.all());
}

void close_tables(const Work &work)
{
    close_session_tables(work.tables);
    table_close(work.subscriptions, NoLock);
    relation_close(work.sessions, NoLock);
}

// Locking ------------------------------------------------------------------------------------------------------------

int compare_places(const Place &left, const Place &right)
{
    if (left.relation != right.relation)
        return left.relation < right.relation ? -1 : 1;
    return ItemPointerCompare(const_cast<ItemPointer>(&left.row), const_cast<ItemPointer>(&right.row));
}

// As they stand in the tables: rows that share a page are visited one after the other.
void order_by_place(Work &work)
{
    const size_t count = work.held_sessions.size();
    auto *numbers = static_cast<size_t *>(MemoryContextAllocHuge(work.batch->context, sizeof(size_t) * (count + 1)));
    std::iota(numbers, numbers + count, size_t{0});
    const HeldSession *sessions = work.held_sessions.data();
    std::sort(numbers, numbers + count, [sessions](size_t left, size_t right) {
        return compare_places(sessions[left].place, sessions[right].place) < 0;
    });
    work.by_place = std::span<size_t>(numbers, count);
}

// Two places may lead to one session, when one was changed and the room of another used for it.
void require_distinct_places(Work &work)
{
    order_by_place(work);
    for (size_t i = 1; i < work.by_place.size(); i++) {
        const HeldSession &session = work.held_sessions[work.by_place[i]];
        if (compare_places(work.held_sessions[work.by_place[i - 1]].place, session.place) == 0)
            leave_member(work, session.member, Grip::gone, true, work.by_place[i]);
    }
}

void prepare_sessions(Work &work)
{
    const size_t count = work.batch->sessions.count;
    auto *sessions = static_cast<HeldSession *>(
        MemoryContextAllocHuge(work.batch->context, sizeof(HeldSession) * Max(count, size_t{1})));
    for (size_t m = 0; m < work.batch->members.count; m++) {
        const ListedMember &member = work.batch->members.items[m];
        for (size_t i = member.first_session; i < member.first_session + member.sessions; i++) {
            sessions[i] = HeldSession{};
            sessions[i].place = work.batch->sessions.items[i];
            sessions[i].member = static_cast<uint32>(m);
        }
    }
    work.held_sessions = std::span<HeldSession>(sessions, count);
}

void hold_sessions(Work &work, bool follow)
{
    for (const size_t number : work.by_place) {
        HeldSession &session = work.held_sessions[number];
        if (work.members[session.member] != Grip::held)
            continue;
        const Grip grip = hold_session(work.tables, work.calendar, *work.type,
                                       work.batch->members.items[session.member], {follow, false}, &session);
        if (grip != Grip::held)
            leave_member(work, session.member, grip, true, number);
        CHECK_FOR_INTERRUPTS();
    }
}

// The key search and the lock of subscriptions, one after the other.
struct Holder {
    Work *work;
    Search search;
    TupleTableSlot *row;
};
static_assert(Pod<Holder>);

Datum member_value(const Work &work, size_t member)
{
    const ListedMember &listed = work.batch->members.items[member];
    if (listed.is_null)
        return Datum{0};
    return convert_key(listed.value, work.type->type, work.binding->subscriptions.member_key.type).value_or(Datum{0});
}

// Finds and locks the newest version of a subscription, which is then in the holder's row.
Grip hold_subscription(Holder &holder, Datum id, size_t member, bool wait)
{
    const Work &work = *holder.work;
    const SubscriptionShape &shape = work.binding->subscriptions;
    const Datum value = member_value(work, member);
    if (holder.search.row == nullptr)
        holder.search = begin_key_search(work.subscriptions, shape, id, value, holder.row);
    else
        search_key_again(holder.search, shape, id, value);
    if (!next_row(holder.search))
        return Grip::gone;
    ItemPointerData place = holder.row->tts_tid;
    TM_FailureData failure;
    const TM_Result result = table_tuple_lock(
        work.subscriptions, &place, GetActiveSnapshot(), holder.row, GetCurrentCommandId(false),
        LockTupleNoKeyExclusive, wait ? LockWaitBlock : LockWaitSkip,
        TUPLE_LOCK_FLAG_LOCK_UPDATE_IN_PROGRESS | TUPLE_LOCK_FLAG_FIND_LAST_VERSION, &failure);
    if (result == TM_WouldBlock)
        return Grip::busy;
    bool is_null;
    if (result != TM_Ok || !equal_keys(shape.id_key, slot_getattr(holder.row, shape.id, &is_null), id))
        return Grip::gone;
    return Grip::held;
}

std::optional<int64_t> read_moment(const Work &work, TupleTableSlot *row, const MomentColumn &column,
                                   int64_t (*moment)(const Calendar &, Datum))
{
    if (column.number == 0)
        return std::nullopt;
    bool is_null;
    const Datum value = slot_getattr(row, column.number, &is_null);
    return is_null ? std::nullopt : std::optional(moment(work.calendar, value));
}

void add_held(Work &work, TupleTableSlot *row, size_t member)
{
    const SubscriptionShape &shape = work.binding->subscriptions;
    const Subscription read = read_subscription(shape, row);
    bool is_null;
    HeldSubscription held{};
    held.id = datumCopy(slot_getattr(row, shape.id, &is_null), shape.id_key.by_value, shape.id_key.length);
    held.member = member;
    held.total = read.total;
    held.used = read.used;
    held.remaining = read.remaining;
    held.pack.active = read.active;
    held.pack.from = read_moment(work, row, work.calendar.valid_from, first_moment);
    held.pack.until = read_moment(work, row, work.calendar.valid_until, last_moment);
    held.pack.created = read_moment(work, row, work.calendar.created, creation_moment);
    work.held.add(work.batch->context, held);
}

std::span<HeldSubscription> held_of(const Work &work, size_t member)
{
    const size_t first = work.first_held[member];
    return std::span(work.held.items + first, work.first_held[member + 1] - first);
}

// One that is active by now and was not when the list was made, or not there.
void hold_new_active(Holder &holder, size_t member, std::span<const HeldSubscription> listed)
{
    Work &work = *holder.work;
    const SubscriptionShape &shape = work.binding->subscriptions;
    const ListedMember &of = work.batch->members.items[member];
    const auto active = [](const HeldSubscription &held) { return held.pack.active; };
    if (of.is_null || of.sessions == 0 || std::any_of(listed.begin(), listed.end(), active))
        return;
    const std::optional<Datum> value = convert_key(of.value, work.type->type, shape.member_key.type);
    const ActiveSubscription found =
        value ? find_active_subscription(work.subscriptions, shape, *value) : ActiveSubscription{};
    if (found.count == 0)
        return;
    const Grip grip = hold_subscription(holder, found.id, member, false);
    if (grip == Grip::held)
        add_held(work, holder.row, member);
    else
        leave_member(work, member, Grip::gone, false, 0);
}

void hold_member(Holder &holder, size_t member)
{
    Work &work = *holder.work;
    const SubscriptionShape &shape = work.binding->subscriptions;
    const ListedMember &listed = work.batch->members.items[member];
    const size_t first = work.held.count;
    for (size_t i = listed.first_subscription; i < listed.first_subscription + listed.subscriptions; i++) {
        const Grip grip = hold_subscription(holder, work.batch->subscriptions.items[i], member, false);
        if (grip != Grip::held) {
            leave_member(work, member, grip, false, i);
            return;
        }
        add_held(work, holder.row, member);
    }
    hold_new_active(holder, member, std::span(work.held.items + first, work.held.count - first));
    std::sort(work.held.items + first, work.held.items + work.held.count,
              [&shape](const HeldSubscription &left, const HeldSubscription &right) {
                  return DatumGetInt32(FunctionCall2Coll(const_cast<FmgrInfo *>(&shape.id_key.compare),
                                                         shape.id_key.collation, left.id, right.id)) < 0;
              });
}

void hold_subscriptions(Work &work)
{
    Holder holder{&work, {}, table_slot_create(work.subscriptions, nullptr)};
    const size_t count = work.batch->members.count;
    auto *first = static_cast<size_t *>(palloc(sizeof(size_t) * (count + 1)));
    for (size_t member = 0; member < count; member++) {
        first[member] = work.held.count;
        if (work.members[member] == Grip::held)
            hold_member(holder, member);
        if (work.members[member] != Grip::held)
            work.held.count = first[member];
        CHECK_FOR_INTERRUPTS();
    }
    first[count] = work.held.count;
    work.first_held = std::span<size_t>(first, count + 1);
    if (holder.search.row != nullptr)
        end_search(holder.search);
    ExecDropSingleTupleTableSlot(holder.row);
}

// Waits for one row while no other is locked.
void wait_for_obstacle(Work &work, const Obstacle &obstacle)
{
    push_newest_snapshot();
    for (size_t m = 0; m < work.batch->members.count; m++) {
        const ListedMember &member = work.batch->members.items[m];
        if (obstacle.is_session) {
            HeldSession &session = work.held_sessions[obstacle.number];
            if (session.member == m)
                hold_session(work.tables, work.calendar, *work.type, member, {true, true}, &session);
        } else if (obstacle.number - member.first_subscription < member.subscriptions) {
            Holder holder{&work, {}, table_slot_create(work.subscriptions, nullptr)};
            hold_subscription(holder, work.batch->subscriptions.items[obstacle.number], m, true);
            end_search(holder.search);
            ExecDropSingleTupleTableSlot(holder.row);
        }
    }
    PopActiveSnapshot();
}

// Counting -----------------------------------------------------------------------------------------------------------

bool has_link_index(const Work &work)
{
    const AttrNumber link = get_attnum(RelationGetRelid(work.sessions), work.mapping.subscription_column);
    const AttrNumber member = get_attnum(RelationGetRelid(work.sessions), work.mapping.member_column);
    const bool by_member = work.binding->subscriptions.by_member;
    return OidIsValid(
        find_link_index(work.sessions, link, by_member ? member : 0, linked_condition(work.mapping)));
}

// The planner knows nothing of links that are being written. With an index: subscription by subscription, which is what
// an aggregate at the side makes sure of, and never by a scan of the table; without one, in whatever way it finds.
const char *recount_query(const Work &work, bool by_index)
{
    const SessionShape &shape = work.binding->sessions;
    const bool by_member = work.binding->subscriptions.by_member;
    const char *subscriptions =
        by_member ? psprintf("unnest($1::%s[], $2::%s[]) WITH ORDINALITY AS u (id, member, number)",
                             format_type_be_qualified(shape.link_type), format_type_be_qualified(shape.member_type))
                  : psprintf("unnest($1::%s[]) WITH ORDINALITY AS u (id, number)",
                             format_type_be_qualified(shape.link_type));
    const char *same_member =
        by_member ? psprintf(" AND %s = u.member", quoted_column("t", work.mapping.member_column)) : "";
    const char *sessions = psprintf("%s AS t WHERE %s = u.id%s AND %s",
                                    qualified_name(RelationGetRelid(work.sessions)),
                                    quoted_column("t", work.mapping.subscription_column), same_member,
                                    counted_condition(work.mapping, "t"));
    return by_index ? psprintf("SELECT u.number, c.counted FROM %s, LATERAL (SELECT count(*) AS counted FROM %s) AS c",
                               subscriptions, sessions)
                    : psprintf("SELECT u.number, count(*) FROM %s, %s GROUP BY u.number", subscriptions, sessions);
}

void set_for_recount(const char *setting, const char *value)
{
    set_config_option(setting, value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

Datum array_of(std::span<Datum> values, const bool *nulls, Oid type)
{
    int16 length;
    bool by_value;
    char align;
    get_typlenbyvalalign(type, &length, &by_value, &align);
    int dimensions[] = {static_cast<int>(values.size())};
    int bounds[] = {1};
    return PointerGetDatum(construct_md_array(values.data(), const_cast<bool *>(nulls), 1, dimensions, bounds, type,
                                              length, by_value, align));
}

// Counts what is linked to each held subscription in a snapshot that is taken now.
void recount(Work &work)
{
    const SessionShape &shape = work.binding->sessions;
    const SubscriptionShape &keys = work.binding->subscriptions;
    const size_t count = work.held.count;
    if (count == 0)
        return;
    auto *ids = static_cast<Datum *>(palloc(sizeof(Datum) * count));
    auto *members = static_cast<Datum *>(palloc(sizeof(Datum) * count));
    auto *nulls = static_cast<bool *>(palloc(sizeof(bool) * count));
    auto *member_nulls = static_cast<bool *>(palloc(sizeof(bool) * count));
    for (size_t i = 0; i < count; i++) {
        HeldSubscription &held = work.held.items[i];
        const ListedMember &member = work.batch->members.items[held.member];
        const std::optional<Datum> id = convert_key(held.id, keys.id_key.type, shape.link_type);
        const std::optional<Datum> value =
            member.is_null ? std::nullopt : convert_key(member.value, work.type->type, shape.member_type);
        held.counted = 0;
        ids[i] = id.value_or(Datum{0});
        nulls[i] = !id;
        members[i] = value.value_or(Datum{0});
        member_nulls[i] = !value;
    }
    const int level = enter_pinned_path();
    const bool by_index = has_link_index(work);
    set_for_recount("enable_seqscan", by_index ? "off" : "on");
    set_for_recount("jit", "off");
    set_for_recount("max_parallel_workers_per_gather", "0");
    Oid types[] = {get_array_type(shape.link_type), get_array_type(shape.member_type)};
    Datum values[] = {array_of(std::span(ids, count), nulls, shape.link_type),
                      keys.by_member ? array_of(std::span(members, count), member_nulls, shape.member_type)
                                     : Datum{0}};
    const int result = SPI_execute_with_args(recount_query(work, by_index), keys.by_member ? 2 : 1, types, values,
                                             nullptr, false, 0);
    if (result != SPI_OK_SELECT)
        elog(ERROR, "counting sessions failed: %s", SPI_result_code_string(result));
    for (uint64 i = 0; i < SPI_processed; i++) {
        bool is_null;
        const int64 number =
            DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &is_null));
        work.held.items[number - 1].counted =
            DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 2, &is_null));
    }
    SPI_freetuptable(SPI_tuptable);
    leave_pinned_path(level);
}

// Attributing --------------------------------------------------------------------------------------------------------

std::optional<int64_t> room_of(const HeldSubscription &held)
{
    return held.total ? std::optional(*held.total - held.counted) : std::nullopt;
}

template <typename T>
T *make_array(size_t count)
{
    return static_cast<T *>(MemoryContextAllocHuge(CurrentMemoryContext, sizeof(T) * Max(count, size_t{1})));
}

void attribute_member(Work &work, size_t number)
{
    const ListedMember &member = work.batch->members.items[number];
    const std::span<HeldSession> sessions = work.held_sessions.subspan(member.first_session, member.sessions);
    const std::span<HeldSubscription> held = held_of(work, number);
    auto **order = make_array<HeldSession *>(sessions.size());
    auto *visits = make_array<Visit>(sessions.size());
    auto *results = make_array<Attribution>(sessions.size());
    auto *packs = make_array<Pack>(held.size());
    for (size_t i = 0; i < sessions.size(); i++)
        order[i] = &sessions[i];
    std::sort(order, order + sessions.size(), [&work](const HeldSession *left, const HeldSession *right) {
        return is_older(work.tables, *left, *right);
    });
    for (size_t i = 0; i < sessions.size(); i++)
        visits[i] = {order[i]->has_start ? std::optional(order[i]->start) : std::nullopt, order[i]->counted,
                     order[i]->scheduled};
    for (size_t i = 0; i < held.size(); i++) {
        packs[i] = held[i].pack;
        packs[i].room = room_of(held[i]);
    }
    attribute(std::span(packs, held.size()), std::span(visits, sessions.size()), work.request->when_ambiguous,
              std::span(results, sessions.size()));
    for (size_t i = 0; i < sessions.size(); i++) {
        order[i]->attribution = results[i];
        if (results[i].pack != no_pack && order[i]->counted)
            held[results[i].pack].counted++;
    }
    for (void *scratch : std::initializer_list<void *>{order, visits, results, packs})
        pfree(scratch);
}

void attribute_all(Work &work)
{
    for (size_t member = 0; member < work.batch->members.count; member++)
        if (work.members[member] == Grip::held && work.batch->members.items[member].sessions > 0)
            attribute_member(work, member);
}

// Writing ------------------------------------------------------------------------------------------------------------

bool is_overdrawn(const HeldSubscription &held)
{
    return held.total && held.counted > *held.total;
}

bool is_right(const Work &work, const HeldSubscription &held)
{
    if (held.used != held.counted)
        return false;
    const bool rest = held.total ? held.remaining == *held.total - held.counted : !held.remaining;
    return work.binding->subscriptions.remaining == 0 || rest;
}

void set_counter(const Work &work, CounterWriter *writer, const HeldSubscription &held)
{
    explain_exact(writer, std::nullopt);       // explain_batch() writes the lines
    if (lock_subscription(writer, held.id, member_value(work, held.member)) == nullptr)
        elog(ERROR, "a locked subscription of relation \"%s\" is gone",
             RelationGetRelationName(work.subscriptions));
    if (work.binding->subscriptions.remaining != 0 || !try_write_counter(writer, held.counted))
        write_counter(writer, held.counted, true);
}

// True where the counter was set; false where a CHECK does not let it show what was counted.
bool try_set_counter(const Work &work, const HeldSubscription &held)
{
    return try_and_undo([&] {
        CounterWriter *writer = open_counter_writer(work.subscriptions, work.binding->subscriptions, false);
        set_counter(work, writer, held);
        close_counter_writer(writer);
    });
}

// History that was linked before may hold more than the total. The recount is the truth; where a CHECK forbids to
// write it, the counter stays as it is, and the summary names the subscription.
void set_overdrawn(Work &work, HeldSubscription &held)
{
    if (is_right(work, held))
        return;
    if (try_set_counter(work, held)) {
        work.run->tally.counters++;
        held.used = held.counted;
        return;
    }
    if (work.run->tally.refused++ >= 5)
        return;
    const char *remark = psprintf("Counter of subscription %s stays at %s, %lld sessions are linked, its total is "
                                  "%lld.",
                                  value_text(held.id, work.binding->subscriptions.id_key.type),
                                  held.used ? psprintf("%lld", static_cast<long long>(*held.used)) : "NULL",
                                  static_cast<long long>(held.counted), static_cast<long long>(*held.total));
    add_remark(work.run, remark);
}

void set_counters(Work &work)
{
    CounterWriter *writer = nullptr;
    for (HeldSubscription &held : work.held.all()) {
        if (is_overdrawn(held) || is_right(work, held))
            continue;
        if (writer == nullptr)
            writer = open_counter_writer(work.subscriptions, work.binding->subscriptions, false);
        set_counter(work, writer, held);
        held.used = held.counted;
        held.remaining = room_of(held);
        work.run->tally.counters++;
    }
    if (writer != nullptr)
        close_counter_writer(writer);
    for (HeldSubscription &held : work.held.all())
        if (is_overdrawn(held))
            set_overdrawn(work, held);
}

// One subscription's lines: what the recount makes of the balance without the new links, then a line for each of them.
void explain_held(const Work &work, Ledger *ledger, const HeldSubscription &held, size_t pack, bool links)
{
    const ListedMember &member = work.batch->members.items[held.member];
    const std::span<HeldSession> sessions =
        links ? work.held_sessions.subspan(member.first_session, member.sessions) : std::span<HeldSession>{};
    const auto takes_credit = [pack](const HeldSession &session) {
        return session.attribution.pack == pack && session.counted;
    };
    const SessionShape &shape = work.binding->sessions;
    const Account account = account_of(work.binding->subscriptions, held.id, member_value(work, held.member));
    int64_t balance = held.used.value_or(0) - std::count_if(sessions.begin(), sessions.end(), takes_credit);
    restate(ledger, account, balance, Cause::recounted);
    for (const HeldSession &session : sessions)
        if (takes_credit(session))
            write_entry(ledger, account, {name_session(shape, session.key), 1, ++balance, Cause::linked});
}

void explain_batch(const Work &work, bool links)
{
    const SubscriptionShape &shape = work.binding->subscriptions;
    if (!OidIsValid(shape.ledger) || work.held.count == 0)
        return;
    Ledger *ledger = open_ledger(shape.ledger);
    for (size_t i = 0; i < work.held.count; i++) {
        const HeldSubscription &held = work.held.items[i];
        explain_held(work, ledger, held, i - work.first_held[held.member], links);
        CHECK_FOR_INTERRUPTS();
    }
    close_ledger(ledger);
    CommandCounterIncrement();
}

// True where the user's triggers have fired.
bool write_links(Work &work)
{
    LinkWriter *writer = nullptr;
    for (const size_t number : work.by_place) {
        const HeldSession &session = work.held_sessions[number];
        if (work.members[session.member] != Grip::held || session.attribution.pack == no_pack)
            continue;
        if (writer == nullptr)
            writer = open_link_writer(work.tables);
        write_link(writer, session.place, held_of(work, session.member)[session.attribution.pack].id);
        CHECK_FOR_INTERRUPTS();
    }
    return writer != nullptr && close_link_writer(writer);
}

void tally(Work &work)
{
    Tally &tally = work.run->tally;
    for (const HeldSession &session : work.held_sessions) {
        if (work.members[session.member] != Grip::held)
            continue;
        const Attribution &attribution = session.attribution;
        if (attribution.pack != no_pack)
            tally.linked[static_cast<size_t>(attribution.rule)]++;
        else
            tally.left[static_cast<size_t>(attribution.reason)]++;
    }
    tally.left[static_cast<size_t>(Reason::no_subscription)] += work.batch->homeless;
    tally.subscriptions += work.held.count;
    for (const HeldSubscription &held : work.held.all())
        tally.overdrawn += is_overdrawn(held);
    for (const Grip grip : work.members)
        tally.members += grip == Grip::held;
}

}  // namespace

void treat_batch(const MigrateRequest &request, Oid subscriptions, const MemberType &type, const Batch &batch,
                 const Treatment &treatment, MigrateRun *run, std::span<Grip> members, Obstacle *obstacle)
{
    Work work{};
    work.request = &request;
    work.type = &type;
    work.batch = &batch;
    work.run = run;
    work.members = members;
    work.obstacle = obstacle;
    std::fill(members.begin(), members.end(), Grip::held);
    *obstacle = {Grip::held, false, 0};
    open_tables(work, subscriptions);
    prepare_sessions(work);
    order_by_place(work);
    if (treatment.wait_for != nullptr)
        wait_for_obstacle(work, *treatment.wait_for);
    push_newest_snapshot();
    hold_sessions(work, treatment.follow);
    if (treatment.follow)
        require_distinct_places(work);
    hold_subscriptions(work);
    PopActiveSnapshot();
    recount(work);
    attribute_all(work);
    // The counters first: what the user's triggers do to sessions when links are written is charged on top of them.
    set_counters(work);
    explain_batch(work, true);
    if (write_links(work)) {
        recount(work);
        set_counters(work);
        explain_batch(work, false);
    }
    tally(work);
    close_tables(work);
}

}  // namespace sc
