// Locks subscriptions and counts what is linked to them.
#include "migrate/subscriptions.hpp"

#include <algorithm>

#include "catalog/evaluation.hpp"
#include "store/recount.hpp"

namespace sc {

void leave_member(Grips &grips, size_t member, const Obstacle &obstacle)
{
    if (grips.members[member] == Grip::held)
        grips.members[member] = obstacle.grip;
    if (grips.first->grip == Grip::held)
        *grips.first = obstacle;
}

std::span<HeldSubscription> held_of(const HeldSubscriptions &subscriptions, size_t member)
{
    const size_t first = subscriptions.first[member];
    return std::span(subscriptions.held.items + first, subscriptions.first[member + 1] - first);
}

Datum member_value(const HeldSubscriptions &subscriptions, size_t member)
{
    const ListedMember &listed = subscriptions.batch->members.items[member];
    if (listed.is_null || !subscriptions.binding->searched)
        return Datum{0};
    const Oid type = subscriptions.binding->subscriptions.member_key.type;
    return convert_key(listed.value, subscriptions.type->type, type).value_or(Datum{0});
}

// Locking ------------------------------------------------------------------------------------------------------------

namespace {

struct Holder {
    HeldSubscriptions *subscriptions;
    Cursor cursor;                 // at the subscription that was held last
    Grips *grips;
};
static_assert(Pod<Holder>);

// Nobody else can change the key or the member of a locked row; somebody may have done so before.
bool is_members_still(const HeldSubscriptions &subscriptions, TupleTableSlot *row, Datum id, size_t member)
{
    const SubscriptionShape &shape = subscriptions.binding->subscriptions;
    bool is_null;
    if (!equal_keys(shape.id_key, slot_getattr(row, shape.id, &is_null), id))
        return false;
    if (!subscriptions.binding->searched)
        return true;
    const Datum current = slot_getattr(row, shape.member, &is_null);
    if (subscriptions.batch->members.items[member].is_null)
        return is_null;
    return !is_null && equal_keys(shape.member_key, current, member_value(subscriptions, member));
}

// Finds and locks the newest version of a subscription.
Grip hold_subscription(Holder &holder, Datum id, size_t member, bool wait)
{
    const HeldSubscriptions &subscriptions = *holder.subscriptions;
    TupleTableSlot *row = find_subscription(holder.cursor, id, member_value(subscriptions, member));
    if (row == nullptr)
        return Grip::gone;
    ItemPointerData place = row->tts_tid;
    TM_FailureData failure;
    const TM_Result result = table_tuple_lock(
        subscriptions.relation, &place, GetActiveSnapshot(), row, GetCurrentCommandId(false),
        LockTupleNoKeyExclusive, wait ? LockWaitBlock : LockWaitSkip,
        TUPLE_LOCK_FLAG_LOCK_UPDATE_IN_PROGRESS | TUPLE_LOCK_FLAG_FIND_LAST_VERSION, &failure);
    if (result == TM_WouldBlock)
        return Grip::busy;
    return result == TM_Ok && is_members_still(subscriptions, row, id, member) ? Grip::held : Grip::gone;
}

void add_held(HeldSubscriptions &subscriptions, TupleTableSlot *row, size_t member)
{
    const Calendar &calendar = *subscriptions.calendar;
    const SubscriptionShape &shape = subscriptions.binding->subscriptions;
    const Subscription read = read_subscription(shape, row);
    bool is_null;
    HeldSubscription held{};
    held.id = datumCopy(slot_getattr(row, shape.id, &is_null), shape.id_key.by_value, shape.id_key.length);
    held.member = member;
    held.total = read.total;
    held.used = read.used;
    held.remaining = read.remaining;
    held.carried = read.carried;
    held.pack.active = read.active;
    held.pack.period = period_of(row, calendar.valid_from, calendar.valid_until, calendar.zone);
    held.pack.created = creation_of(row, calendar);
    const bool is_read = !shape.draw_order.empty() || has_pays_when(subscriptions.binding->sessions);
    held.row = is_read ? ExecCopySlotHeapTuple(row) : nullptr;
    subscriptions.held.add(subscriptions.batch->context, held);
}

// One that is active by now and was not when the list was made, or not there.
void hold_new_active(Holder &holder, size_t member, std::span<const HeldSubscription> listed)
{
    HeldSubscriptions &subscriptions = *holder.subscriptions;
    const SubscriptionShape &shape = subscriptions.binding->subscriptions;
    const ListedMember &of = subscriptions.batch->members.items[member];
    const auto active = [](const HeldSubscription &held) { return held.pack.active; };
    if (of.is_null || of.sessions == 0 || std::any_of(listed.begin(), listed.end(), active))
        return;
    const std::optional<Datum> value = convert_key(of.value, subscriptions.type->type, shape.member_key.type);
    const ActiveSubscription found =
        value ? find_active_subscription(subscriptions.relation, shape, *value) : ActiveSubscription{};
    if (found.count == 0)
        return;
    const Grip grip = hold_subscription(holder, found.id, member, false);
    if (grip == Grip::held)
        add_held(subscriptions, holder.cursor.row, member);
    else
        leave_member(*holder.grips, member, {Grip::gone, false, 0});
}

void hold_member(Holder &holder, size_t member)
{
    HeldSubscriptions &subscriptions = *holder.subscriptions;
    const SubscriptionShape &shape = subscriptions.binding->subscriptions;
    const ListedMember &listed = subscriptions.batch->members.items[member];
    const size_t first = subscriptions.held.count;
    for (size_t i = listed.first_subscription; i < listed.first_subscription + listed.subscriptions; i++) {
        const Grip grip = hold_subscription(holder, subscriptions.batch->subscriptions.items[i], member, false);
        if (grip != Grip::held) {
            leave_member(*holder.grips, member, {grip, false, i});
            return;
        }
        add_held(subscriptions, holder.cursor.row, member);
    }
    hold_new_active(holder, member, std::span(subscriptions.held.items + first, subscriptions.held.count - first));
    const TupleDesc columns = RelationGetDescr(subscriptions.relation);
    std::sort(subscriptions.held.items + first, subscriptions.held.items + subscriptions.held.count,
              [&](const HeldSubscription &left, const HeldSubscription &right) {
                  const int order = compare_drawn(shape.draw_order, columns, left.row, right.row);
                  return order != 0 ? order < 0 : compare_keys(shape.id_key, left.id, right.id) < 0;
              });
}

}  // namespace

void hold_subscriptions(HeldSubscriptions &subscriptions, Grips &grips)
{
    Holder holder{&subscriptions, open_cursor(subscriptions.relation, subscriptions.binding->subscriptions), &grips};
    const size_t count = subscriptions.batch->members.count;
    auto *first = static_cast<size_t *>(palloc(sizeof(size_t) * (count + 1)));
    for (size_t member = 0; member < count; member++) {
        first[member] = subscriptions.held.count;
        if (grips.members[member] == Grip::held)
            hold_member(holder, member);
        if (grips.members[member] != Grip::held)
            subscriptions.held.count = first[member];
        CHECK_FOR_INTERRUPTS();
    }
    first[count] = subscriptions.held.count;
    subscriptions.first = std::span<size_t>(first, count + 1);
    close_cursor(holder.cursor);
}

void wait_for_subscription(HeldSubscriptions &subscriptions, size_t member, size_t number)
{
    Holder holder{&subscriptions, open_cursor(subscriptions.relation, subscriptions.binding->subscriptions), nullptr};
    hold_subscription(holder, subscriptions.batch->subscriptions.items[number], member, true);
    close_cursor(holder.cursor);
}

// Counting -----------------------------------------------------------------------------------------------------------

void recount(HeldSubscriptions &subscriptions)
{
    const size_t count = subscriptions.held.count;
    auto *recounted = static_cast<Recounted *>(palloc(sizeof(Recounted) * Max(count, size_t{1})));
    for (size_t i = 0; i < count; i++) {
        const HeldSubscription &held = subscriptions.held.items[i];
        recounted[i] = {held.id, member_value(subscriptions, held.member),
                        subscriptions.batch->members.items[held.member].is_null, 0};
    }
    push_newest_snapshot();
    recount(subscriptions.sessions, *subscriptions.mapping, *subscriptions.binding, std::span(recounted, count));
    PopActiveSnapshot();
    for (size_t i = 0; i < count; i++)
        subscriptions.held.items[i].counted = recounted[i].counted;
}

}  // namespace sc
