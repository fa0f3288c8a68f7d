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
// that is active by now may take sessions all the same; others wait for the next migration. One that went to another
// member since is found by its counter at the end. A locked subscription can neither expire nor go, and keeps its
// member.
#include "migrate/batch.hpp"

#include <algorithm>
#include <numeric>

#include "catalog/evaluation.hpp"
#include "migrate/counters.hpp"
#include "store/ledger.hpp"
#include "server/violation.hpp"
#include "write/notify_counts.hpp"

namespace sc {

namespace {

struct Work {
    const MigrateRequest *request;
    const MemberType *type;
    const Batch *batch;
    MigrateRun *run;
    Grips grips;
    Relation sessions;
    const Binding *binding;
    Calendar calendar;
    SessionTables *tables;
    SessionReader reader;
    std::span<HeldSession> held_sessions;           // in the list's order
    std::span<size_t> by_place;                     // their numbers as they stand in the tables
    HeldSubscriptions subscriptions;
};
static_assert(Pod<Work>);

// Opening ------------------------------------------------------------------------------------------------------------

[[noreturn]] void raise_changed(Oid sessions)
{
    ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
            errmsg("the attachment of table \"%s\" changed while it was migrated", get_rel_name(sessions)),
            errhint("What has been treated stays; call migrate() again."));
    pg_unreachable();
}

// The tables are as they were when the call began, but for what a lock has kept out since.
void open_tables(Work &work, const Attachment &attachment)
{
    work.sessions = try_relation_open(attachment.sessions, RowExclusiveLock);
    if (work.sessions == nullptr)
        ereport(ERROR, errcode(ERRCODE_UNDEFINED_TABLE), errmsg("the table that is migrated has been dropped"));
    const Trigger *charge = charge_trigger_of(work.sessions, attachment);
    if (charge == nullptr)
        raise_changed(attachment.sessions);
    work.binding = &bind_sessions(work.sessions, charge);
    if (work.binding->subscriptions.relation != attachment.subscriptions)
        raise_changed(attachment.sessions);
    Relation subscriptions = table_open(attachment.subscriptions, RowExclusiveLock);
    work.calendar = make_calendar(attachment.sessions, attachment.subscriptions, work.request->calendar,
                                  attachment.mapping.time_zone);
    work.tables = open_session_tables(work.sessions, attachment.mapping, work.batch->sessions.all());
    work.reader = {work.tables, &work.calendar, work.type,
                   find_start_columns(work.tables, work.request->calendar.start)};
    work.subscriptions = {work.batch,    work.type,     &attachment.mapping, work.binding, &work.calendar,
                          work.sessions, subscriptions, {},                  {}};
}

void close_tables(const Work &work)
{
    close_session_tables(work.tables);
    table_close(work.subscriptions.relation, NoLock);
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
            leave_member(work.grips, session.member, {Grip::gone, true, work.by_place[i]});
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
        if (work.grips.members[session.member] != Grip::held)
            continue;
        const Grip grip =
            hold_session(work.reader, work.batch->members.items[session.member], {follow, false}, &session);
        if (grip != Grip::held)
            leave_member(work.grips, session.member, {grip, true, number});
        CHECK_FOR_INTERRUPTS();
    }
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
                hold_session(work.reader, member, {true, true}, &session);
        } else if (obstacle.number - member.first_subscription < member.subscriptions) {
            wait_for_subscription(work.subscriptions, m, obstacle.number);
        }
    }
    PopActiveSnapshot();
}

// Attributing --------------------------------------------------------------------------------------------------------

template <typename T>
T *make_array(size_t count)
{
    return static_cast<T *>(MemoryContextAllocHuge(CurrentMemoryContext, sizeof(T) * Max(count, size_t{1})));
}

// Of each session, whether each of the subscriptions pays for it; none if every one pays.
std::span<const bool> ask_what_pays(const Work &work, std::span<HeldSession *const> sessions,
                                    std::span<const HeldSubscription> held)
{
    if (!has_pays_when(work.binding->sessions))
        return {};
    bool *pays = make_array<bool>(sessions.size() * held.size());
    TupleTableSlot *row = MakeSingleTupleTableSlot(RelationGetDescr(work.subscriptions.relation), &TTSOpsHeapTuple);
    for (size_t i = 0; i < sessions.size(); i++) {
        const Leaf *leaf = find_leaf(work.tables, sessions[i]->place.relation);
        ExecForceStoreHeapTuple(sessions[i]->row, leaf->row, false);
        for (size_t j = 0; j < held.size(); j++) {
            ExecStoreHeapTuple(held[j].row, row, false);
            pays[i * held.size() + j] = pays_when(leaf->binding->sessions, leaf->row, row);
        }
        ExecClearTuple(leaf->row);
        CHECK_FOR_INTERRUPTS();
    }
    ExecDropSingleTupleTableSlot(row);
    return std::span<const bool>(pays, sessions.size() * held.size());
}

void attribute_member(Work &work, size_t number)
{
    const ListedMember &member = work.batch->members.items[number];
    const std::span<HeldSession> sessions = work.held_sessions.subspan(member.first_session, member.sessions);
    const std::span<HeldSubscription> held = held_of(work.subscriptions, number);
    const Mapping &mapping = *work.subscriptions.mapping;
    const bool drawn = mapping.draw_order != nullptr;
    auto **order = make_array<HeldSession *>(sessions.size());
    auto *visits = make_array<Visit>(sessions.size());
    auto *results = make_array<Attribution>(sessions.size());
    auto *packs = make_array<Pack>(held.size());
    for (size_t i = 0; i < sessions.size(); i++)
        order[i] = &sessions[i];
    std::sort(order, order + sessions.size(), [&work](const HeldSession *left, const HeldSession *right) {
        return is_older(work.tables, *left, *right);
    });
    const std::span<const bool> pays = ask_what_pays(work, std::span(order, sessions.size()), held);
    for (size_t i = 0; i < sessions.size(); i++) {
        visits[i] = {order[i]->start, order[i]->cost, order[i]->scheduled, drawn || has_period(mapping)};
        if (!pays.empty())
            visits[i].pays = pays.subspan(i * held.size(), held.size());
    }
    for (size_t i = 0; i < held.size(); i++) {
        packs[i] = held[i].pack;
        packs[i].room = room_of(work.subscriptions, held[i]);
    }
    attribute(std::span(packs, held.size()), std::span(visits, sessions.size()),
              {drawn, work.request->when_ambiguous}, std::span(results, sessions.size()));
    for (size_t i = 0; i < sessions.size(); i++) {
        order[i]->attribution = results[i];
        if (results[i].pack != no_pack)
            held[results[i].pack].counted += order[i]->cost;
    }
    for (void *scratch : std::initializer_list<void *>{order, visits, results, packs})
        pfree(scratch);
    if (!pays.empty())
        pfree(const_cast<bool *>(pays.data()));
}

void attribute_all(Work &work)
{
    for (size_t member = 0; member < work.batch->members.count; member++)
        if (work.grips.members[member] == Grip::held && work.batch->members.items[member].sessions > 0)
            attribute_member(work, member);
}

// Writing ------------------------------------------------------------------------------------------------------------

// One subscription's lines: what the recount makes of the balance without the new links, then a line for each of them.
void explain_held(const Work &work, LedgerWriter *ledger, const HeldSubscription &held, size_t pack, bool links)
{
    const ListedMember &member = work.batch->members.items[held.member];
    const std::span<HeldSession> sessions =
        links ? work.held_sessions.subspan(member.first_session, member.sessions) : std::span<HeldSession>{};
    const auto taken = [pack](const HeldSession &session) {
        return session.attribution.pack == pack ? session.cost : 0;
    };
    const SessionShape &shape = work.binding->sessions;
    const Account account =
        account_of(work.binding->subscriptions, held.id, member_value(work.subscriptions, held.member));
    int64_t balance = held.used.value_or(0);
    for (const HeldSession &session : sessions)
        balance -= taken(session);
    restate(ledger, account, balance, Cause::recounted);
    for (const HeldSession &session : sessions)
        if (const int64_t cost = taken(session)) {
            balance += cost;
            write_entry(ledger, account, {name_session(shape, session.key), cost, balance, Cause::linked});
        }
}

void explain_batch(const Work &work, bool links)
{
    const SubscriptionShape &shape = work.binding->subscriptions;
    if (!OidIsValid(shape.ledger) || work.subscriptions.held.count == 0)
        return;
    LedgerWriter *ledger = open_ledger_writer(shape);
    for (size_t i = 0; i < work.subscriptions.held.count; i++) {
        const HeldSubscription &held = work.subscriptions.held.items[i];
        explain_held(work, ledger, held, i - work.subscriptions.first[held.member], links);
        CHECK_FOR_INTERRUPTS();
    }
    close_ledger_writer(ledger);
    CommandCounterIncrement();
}

// True where the user's triggers have fired.
bool write_links(Work &work)
{
    LinkWriter *writer = nullptr;
    for (const size_t number : work.by_place) {
        const HeldSession &session = work.held_sessions[number];
        if (work.grips.members[session.member] != Grip::held || session.attribution.pack == no_pack)
            continue;
        if (writer == nullptr)
            writer = open_link_writer(work.tables);
        write_link(writer, session.place, held_of(work.subscriptions, session.member)[session.attribution.pack].id);
        CHECK_FOR_INTERRUPTS();
    }
    return writer != nullptr && close_link_writer(writer);
}

void sum_up(Work &work)
{
    MigrateTotals &totals = work.run->totals;
    for (const HeldSession &session : work.held_sessions) {
        if (work.grips.members[session.member] != Grip::held)
            continue;
        const Attribution &attribution = session.attribution;
        if (attribution.pack != no_pack)
            totals.linked[static_cast<size_t>(attribution.rule)]++;
        else
            totals.left[static_cast<size_t>(attribution.reason)]++;
    }
    totals.left[static_cast<size_t>(Reason::no_subscription)] += work.batch->homeless;
    totals.subscriptions += work.subscriptions.held.count;
    for (const Grip grip : work.grips.members)
        totals.members += grip == Grip::held;
}

}  // namespace

void treat_batch(const Attachment &attachment, const MigrateRequest &request, const MemberType &type,
                 const Batch &batch, const Treatment &treatment, MigrateRun *run, std::span<Grip> members,
                 Obstacle *obstacle)
{
    Work work{};
    work.request = &request;
    work.type = &type;
    work.batch = &batch;
    work.run = run;
    work.grips = {members, obstacle};
    std::fill(members.begin(), members.end(), Grip::held);
    *obstacle = {Grip::held, false, 0};
    open_tables(work, attachment);
    note_all_counts(*work.binding);
    prepare_sessions(work);
    order_by_place(work);
    if (treatment.wait_for != nullptr)
        wait_for_obstacle(work, *treatment.wait_for);
    push_newest_snapshot();
    hold_sessions(work, treatment.follow);
    if (treatment.follow)
        require_distinct_places(work);
    hold_subscriptions(work.subscriptions, work.grips);
    PopActiveSnapshot();
    recount(work.subscriptions);
    attribute_all(work);
    // The counters first: what the user's triggers do to sessions when links are written is charged on top of them.
    set_counters(work.subscriptions, *work.request, work.run);
    explain_batch(work, true);
    if (write_links(work)) {
        recount(work.subscriptions);
        read_again(work.subscriptions);
        set_counters(work.subscriptions, *work.request, work.run);
        explain_batch(work, false);
    }
    sum_up(work);
    close_tables(work);
}

}  // namespace sc
