// Finds the subscriptions that may pay for the sessions of a member.
#include "store/candidates.hpp"

namespace sc {

namespace {

Candidate read_candidate(const SubscriptionShape &shape, TupleTableSlot *row, const Subscription &subscription)
{
    bool is_null;
    return {datumCopy(slot_getattr(row, shape.id, &is_null), shape.id_key.by_value, shape.id_key.length), row->tts_tid,
            period_of(row, shape.valid_from, shape.valid_until, shape.zone), room_of(subscription), 0,
            ExecCopySlotHeapTuple(row)};
}

struct Order {
    const SubscriptionShape *shape;
    TupleDesc columns;
};

int compare_candidates(const void *left, const void *right, void *argument)
{
    const auto *order = static_cast<const Order *>(argument);
    const auto *first = static_cast<const Candidate *>(left);
    const auto *second = static_cast<const Candidate *>(right);
    const int drawn = compare_drawn(order->shape->draw_order, order->columns, first->row, second->row);
    return drawn != 0 ? drawn : compare_keys(order->shape->id_key, first->id, second->id);
}

}  // namespace

std::optional<int64_t> room_of(const Subscription &subscription)
{
    if (!subscription.total)
        return std::nullopt;
    return *subscription.total - subscription.used.value_or(0);
}

std::span<Candidate> find_candidates(Relation subscriptions, const SubscriptionShape &shape, Datum member)
{
    size_t count = 0;
    size_t space = 4;
    auto *candidates = static_cast<Candidate *>(palloc(sizeof(Candidate) * space));
    push_newest_snapshot();
    TupleTableSlot *row = table_slot_create(subscriptions, nullptr);
    const Condition conditions[] = {{shape.member, &shape.member_key, member}};
    const Search search = begin_search(subscriptions, shape.member_index, conditions, row);
    while (next_row(search)) {
        const Subscription subscription = read_subscription(shape, row);
        if (!subscription.active)
            continue;
        if (count == space) {
            space *= 2;
            candidates = static_cast<Candidate *>(repalloc(candidates, sizeof(Candidate) * space));
        }
        candidates[count++] = read_candidate(shape, row, subscription);
    }
    end_search(search);
    ExecDropSingleTupleTableSlot(row);
    PopActiveSnapshot();
    Order order{&shape, RelationGetDescr(subscriptions)};
    if (count > 1)
        qsort_arg(candidates, count, sizeof(Candidate), compare_candidates, &order);
    return std::span<Candidate>(candidates, count);
}

}  // namespace sc
