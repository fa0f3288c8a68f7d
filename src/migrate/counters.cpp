// Sets the counters of a batch.
#include "migrate/counters.hpp"

#include "server/subtransaction.hpp"
#include "store/counter_writer.hpp"

namespace sc {

namespace {

// What a subscription is to show.
struct Aim {
    int64_t used;
    int64_t carried;
    std::optional<int64_t> total;
};

struct Setting {
    HeldSubscriptions *subscriptions;
    const SubscriptionShape *shape;
    Opening opening;
    MigrateRun *run;
};
static_assert(Pod<Setting>);

// A total that attach() has made of what remains grows with history: nothing that is left to book is taken away.
Aim aim_of(const Setting &setting, const HeldSubscription &held)
{
    const Found found{held.total, held.used, held.remaining, held.carried, held.counted};
    Aim aim{treated_counter(found, setting.opening), treated_carried(found, setting.opening), held.total};
    const int64_t added = aim.used - held.used.value_or(0);
    if (setting.shape->total_added && aim.total && added > 0)
        aim.total = *aim.total + added;
    return aim;
}

bool exceeds(const Aim &aim)
{
    return aim.total && aim.used > *aim.total;
}

// True where more than the counter is to be written.
bool restates(const HeldSubscription &held, const Aim &aim)
{
    return aim.carried != held.carried || aim.total != held.total;
}

std::optional<int64_t> rest(const Aim &aim)
{
    return aim.total ? std::optional(*aim.total - aim.used) : std::nullopt;
}

bool shows(const Setting &setting, const HeldSubscription &held, const Aim &aim)
{
    return held.used == aim.used && !restates(held, aim) &&
           (setting.shape->remaining == 0 || held.remaining == rest(aim));
}

CounterWriter *open_writer(const Setting &setting)
{
    CounterWriter *writer = open_counter_writer(setting.subscriptions->relation, *setting.shape, false);
    set_cause(writer, std::nullopt);       // explain_batch() writes the lines
    return writer;
}

TupleTableSlot *lock_again(const HeldSubscriptions &subscriptions, CounterWriter *writer, const HeldSubscription &held)
{
    TupleTableSlot *row = lock_subscription(writer, held.id, member_value(subscriptions, held.member));
    if (row == nullptr)
        elog(ERROR, "a locked subscription of relation \"%s\" is gone",
             RelationGetRelationName(subscriptions.relation));
    return row;
}

void set_held(const Setting &setting, CounterWriter *writer, HeldSubscription &held, const Aim &aim)
{
    lock_again(*setting.subscriptions, writer, held);
    if (restates(held, aim))
        write_restated(writer, {aim.used, aim.carried, aim.total}, true);
    else if (setting.shape->remaining != 0 || !try_write_counter(writer, aim.used))
        write_counter(writer, aim.used, true);
    held.used = aim.used;
    held.carried = aim.carried;
    held.total = aim.total;
    held.remaining = setting.shape->remaining != 0 ? rest(aim) : std::nullopt;
}

// True where it was set; false where a constraint does not let it show that.
bool try_set_held(const Setting &setting, HeldSubscription &held, const Aim &aim)
{
    const HeldSubscription before = held;
    const bool set = try_and_undo([&] {
        CounterWriter *writer = open_writer(setting);
        set_held(setting, writer, held, aim);
        close_counter_writer(writer);
    });
    if (!set)
        held = before;
    return set;
}

// Those for which chosen(held, aim) is true, by one writer.
template <typename Chosen>
void set_each(const Setting &setting, Chosen chosen)
{
    CounterWriter *writer = nullptr;
    for (HeldSubscription &held : setting.subscriptions->held.all()) {
        const Aim aim = aim_of(setting, held);
        if (exceeds(aim) || shows(setting, held, aim) || !chosen(held, aim))
            continue;
        if (writer == nullptr)
            writer = open_writer(setting);
        set_held(setting, writer, held, aim);
        setting.run->totals.counters++;
    }
    if (writer != nullptr)
        close_counter_writer(writer);
}

// History may hold more than the total. The counter says so, and then nothing more can be booked; where a CHECK forbids
// it, it is full, until the CHECK is out of the way.
void set_excess(const Setting &setting, HeldSubscription &held, const Aim &aim)
{
    if (try_set_held(setting, held, aim)) {
        setting.run->totals.counters++;
        return;
    }
    setting.run->totals.refused++;
    const Aim full{*held.total, held.carried, held.total};
    if (held.used.value_or(0) < full.used)
        try_set_held(setting, held, full);
}

}  // namespace

std::optional<int64_t> room_of(const HeldSubscriptions &subscriptions, const HeldSubscription &held)
{
    if (!held.total || subscriptions.binding->subscriptions.total_added)
        return std::nullopt;
    return *held.total - held.carried - held.counted;
}

void set_counters(HeldSubscriptions &subscriptions, const MigrateRequest &request, MigrateRun *run)
{
    const Setting setting{&subscriptions, &subscriptions.binding->subscriptions, request.opening, run};
    set_each(setting, [](const HeldSubscription &held, const Aim &aim) { return !restates(held, aim); });
    set_each(setting, restates);
    for (HeldSubscription &held : subscriptions.held.all()) {
        const Aim aim = aim_of(setting, held);
        if (exceeds(aim) && !shows(setting, held, aim))
            set_excess(setting, held, aim);
    }
}

void read_again(HeldSubscriptions &subscriptions)
{
    const SubscriptionShape &shape = subscriptions.binding->subscriptions;
    CounterWriter *writer = open_counter_writer(subscriptions.relation, shape, false);
    for (HeldSubscription &held : subscriptions.held.all()) {
        const Subscription read = read_subscription(shape, lock_again(subscriptions, writer, held));
        held.total = read.total;
        held.used = read.used;
        held.remaining = read.remaining;
        held.carried = read.carried;
    }
    close_counter_writer(writer);
}

}  // namespace sc
