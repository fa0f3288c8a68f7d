// Locks subscriptions and counts what is linked to them.
#include "migrate/subscriptions.hpp"

#include <algorithm>

#include "catalog/equivalents.hpp"
#include "server/settings.hpp"
#include "server/spi.hpp"

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
    const std::optional<Datum> current = subscription_member(shape, row);
    if (subscriptions.batch->members.items[member].is_null)
        return !current;
    return current && equal_keys(shape.member_key, *current, member_value(subscriptions, member));
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

std::optional<int64_t> read_moment(const Calendar &calendar, TupleTableSlot *row, const MomentColumn &column,
                                   int64_t (*moment)(const Calendar &, Datum))
{
    if (column.number == 0)
        return std::nullopt;
    bool is_null;
    const Datum value = slot_getattr(row, column.number, &is_null);
    return is_null ? std::nullopt : std::optional(moment(calendar, value));
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
    held.pack.active = read.active;
    held.pack.from = read_moment(calendar, row, calendar.valid_from, first_moment);
    held.pack.until = read_moment(calendar, row, calendar.valid_until, last_moment);
    held.pack.created = read_moment(calendar, row, calendar.created, creation_moment);
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
    std::sort(subscriptions.held.items + first, subscriptions.held.items + subscriptions.held.count,
              [&shape](const HeldSubscription &left, const HeldSubscription &right) {
                  return compare_keys(shape.id_key, left.id, right.id) < 0;
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

namespace {

bool has_link_index(const HeldSubscriptions &subscriptions)
{
    const Mapping &mapping = *subscriptions.mapping;
    const Oid sessions = RelationGetRelid(subscriptions.sessions);
    const AttrNumber link = get_attnum(sessions, mapping.subscription_column);
    const AttrNumber member =
        subscriptions.binding->subscriptions.by_member ? get_attnum(sessions, mapping.member_column) : 0;
    return OidIsValid(find_link_index(subscriptions.sessions, link, member, linked_condition(mapping)));
}

// The planner knows nothing of links that are being written. With an index: subscription by subscription, which is what
// an aggregate at the side makes sure of, and never by a scan of the table; without one, in whatever way it finds.
const char *recount_query(const HeldSubscriptions &subscriptions, bool by_index)
{
    const SessionShape &shape = subscriptions.binding->sessions;
    const bool by_member = subscriptions.binding->subscriptions.by_member;
    const char *keys =
        by_member ? psprintf("unnest($1::%s[], $2::%s[]) WITH ORDINALITY AS u (id, member, number)",
                             format_type_be_qualified(shape.link_type), format_type_be_qualified(shape.member_type))
                  : psprintf("unnest($1::%s[]) WITH ORDINALITY AS u (id, number)",
                             format_type_be_qualified(shape.link_type));
    const char *same_member =
        by_member ? psprintf(" AND %s = u.member", quoted_column("t", subscriptions.mapping->member_column)) : "";
    const char *sessions = psprintf("%s AS t WHERE %s = u.id%s AND %s",
                                    qualified_name(RelationGetRelid(subscriptions.sessions)),
                                    quoted_column("t", subscriptions.mapping->subscription_column), same_member,
                                    counted_condition(*subscriptions.mapping, "t"));
    return by_index ? psprintf("SELECT u.number, c.counted FROM %s, LATERAL (SELECT count(*) AS counted FROM %s) AS c",
                               keys, sessions)
                    : psprintf("SELECT u.number, count(*) FROM %s, %s GROUP BY u.number", keys, sessions);
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

}  // namespace

void recount(HeldSubscriptions &subscriptions)
{
    const SessionShape &shape = subscriptions.binding->sessions;
    const SubscriptionShape &keys = subscriptions.binding->subscriptions;
    const size_t count = subscriptions.held.count;
    if (count == 0)
        return;
    auto *ids = static_cast<Datum *>(palloc(sizeof(Datum) * count));
    auto *members = static_cast<Datum *>(palloc(sizeof(Datum) * count));
    auto *nulls = static_cast<bool *>(palloc(sizeof(bool) * count));
    auto *member_nulls = static_cast<bool *>(palloc(sizeof(bool) * count));
    for (size_t i = 0; i < count; i++) {
        HeldSubscription &held = subscriptions.held.items[i];
        const ListedMember &member = subscriptions.batch->members.items[held.member];
        const std::optional<Datum> id = convert_key(held.id, keys.id_key.type, shape.link_type);
        const std::optional<Datum> value =
            keys.by_member && !member.is_null
                ? convert_key(member.value, subscriptions.type->type, shape.member_type)
                : std::nullopt;
        held.counted = 0;
        ids[i] = id.value_or(Datum{0});
        nulls[i] = !id;
        members[i] = value.value_or(Datum{0});
        member_nulls[i] = !value;
    }
    const int level = enter_pinned_path();
    const bool by_index = has_link_index(subscriptions);
    set_locally("enable_seqscan", by_index ? "off" : "on");
    set_locally("jit", "off");
    set_locally("max_parallel_workers_per_gather", "0");
    Oid types[] = {get_array_type(shape.link_type),
                   keys.by_member ? get_array_type(shape.member_type) : InvalidOid};
    Datum values[] = {array_of(std::span(ids, count), nulls, shape.link_type),
                      keys.by_member ? array_of(std::span(members, count), member_nulls, shape.member_type)
                                     : Datum{0}};
    const size_t parameters = keys.by_member ? 2 : 1;
    ask(recount_query(subscriptions, by_index),
        {.types = std::span(types).first(parameters), .values = std::span(values).first(parameters), .writes = true});
    for (uint64 i = 0; i < SPI_processed; i++) {
        bool is_null;
        const int64 number =
            DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &is_null));
        subscriptions.held.items[number - 1].counted =
            DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 2, &is_null));
    }
    SPI_freetuptable(SPI_tuptable);
    leave_pinned_path(level);
}

}  // namespace sc
