// The end of a statement that wrote sessions.
#include "write/settle_statement.hpp"

#include "store/counter_writer.hpp"
#include "write/explain_statement.hpp"
#include "write/link_cache.hpp"
#include "write/session_errors.hpp"

namespace sc {

namespace {

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
    Explainer *explainer;      // nullptr: there is no ledger
};

// As the snapshot sees it; nullptr: there is none. Where a member's session was linked, its place may be known.
TupleTableSlot *find_summed(CounterWriter *writer, const SubscriptionShape &shape, const Sum &sum)
{
    const bool by_member = sum.linked && !sum.member_is_null;
    return find_subscription(writer, sum.id, sum.member,
                             by_member ? recall_place(shape, sum.member, sum.id) : std::nullopt);
}

// Raises what a subscription in its newest version does not allow.
void require_fine(const Settling &settling, const Sum &sum, const Subscription &subscription, int64_t amount)
{
    const Reader &reader = settling.reader;
    if (!member_fits(reader.binding->subscriptions, sum, subscription))
        raise_foreign(reader, sum.id, sum.member_is_null ? std::nullopt : std::optional(sum.member));
    const int64_t used = subscription.used.value_or(0);
    const Verdict verdict =
        judge_sum({amount, sum.credits.scheduled}, used, subscription.total, subscription.active);
    if (verdict == Verdict::inactive)
        raise_inactive(reader, sum.id, subscription, amount);
    if (verdict == Verdict::no_credit)
        raise_no_credit(reader, sum.id, subscription, amount);
    if (used + amount < 0 && amount < 0)
        raise_below_zero(reader, sum.id, used, -amount);
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
    // A completed session changes what it is counted as, not what it holds: only the ledger tells it.
    if (due == 0 && sum.credits.scheduled <= 0 && !sum.linked && owed == 0 && !is_explained(settling.explainer, sum))
        return;
    TupleTableSlot *row = find_summed(settling.writer, shape, sum);
    if (row != nullptr && settle_unlocked(settling, sum, row, due)) {
        carry_credits(shape, sum.id, sum.member, -owed);
        explain(settling.explainer, sum, row, read_subscription(shape, row).used.value_or(0) + due);
        return;
    }
    if (row != nullptr)
        row = lock_found(settling.writer);
    if (row == nullptr) {
        // A subscription that went in the same cascade takes its counter with it.
        if (due > 0 || sum.linked)
            raise_gone(settling.reader, sum.id);
        carry_credits(shape, sum.id, sum.member, -owed);
        explain_gone(settling.explainer, sum);
        return;
    }
    const Subscription subscription = read_subscription(shape, row);
    const int64_t amount = amount_now(shape, sum, subscription, settling.depth, due);
    require_fine(settling, sum, subscription, amount);
    carry_credits(shape, sum.id, sum.member, sum.credits.used - amount);
    // From here on the counter shows it: a trigger that writes sessions now must not count it again.
    sum.credits = {0, 0};
    const int64_t counter = subscription.used.value_or(0) + amount;
    if (amount != 0)
        write_counter(settling.writer, counter, false);
    if (amount == due)
        explain(settling.explainer, sum, row, counter);
    else
        carry_explanation(settling.explainer, sum);
}

bool is_due(const Sum &sum, const SubscriptionShape &shape)
{
    return sum.credits.used != 0 || sum.credits.scheduled > 0 || sum.linked ||
           carried_credits(shape, sum.id, sum.member) != 0;
}

}  // namespace

void settle_statement(const Binding &binding, Relation sessions, Statement *statement, int depth)
{
    const SubscriptionShape &shape = binding.subscriptions;
    const std::span<Sum *> sums = ordered_sums(*sums_of(statement), shape);
    bool due = lines_of(statement)->count > 0;
    for (size_t i = 0; i < sums.size() && !due; i++)
        due = is_due(*sums[i], shape);
    if (due) {
        Relation subscriptions = table_open(shape.relation, RowExclusiveLock);
        CounterWriter *writer = open_counter_writer(subscriptions, shape, false);
        Explainer *explainer = open_explainer(shape, lines_of(statement));
        const Settling settling{{sessions, &binding, GetUserId()}, writer, depth, explainer};
        for (Sum *sum : sums)
            settle_sum(settling, *sum);
        // Before the user's own triggers on the subscriptions, which may book more.
        close_explainer(explainer);
        detach_statement(statement);
        close_counter_writer(writer);
        table_close(subscriptions, NoLock);
    } else {
        detach_statement(statement);
    }
    close_statement(statement);
}

namespace {

// The subscription's newest version, locked, takes the change: written. Else nothing is.
bool settle_locked(const Settling &settling, const Sum &sum)
{
    const SubscriptionShape &shape = settling.reader.binding->subscriptions;
    TupleTableSlot *row = lock_found(settling.writer);
    if (row == nullptr)
        return false;
    const Subscription subscription = read_subscription(shape, row);
    const int64_t used = subscription.used.value_or(0);
    const int64_t due = sum.credits.used;
    if (used + due < 0 || !member_fits(shape, sum, subscription) ||
        judge_sum(sum.credits, used, subscription.total, subscription.active) != Verdict::fine)
        return false;
    if (due != 0)
        write_counter(settling.writer, used + due, false);
    return true;
}

}  // namespace

bool settle_early(const Binding &binding, Relation sessions, Statement *statement)
{
    const SubscriptionShape &shape = binding.subscriptions;
    const std::span<Sum *> sums = ordered_sums(*sums_of(statement), shape);
    if (sums.size() != 1 || carried_credits(shape, sums[0]->id, sums[0]->member) != 0)
        return false;
    const Sum &sum = *sums[0];
    Relation subscriptions = table_open(shape.relation, RowExclusiveLock);
    CounterWriter *writer = open_counter_writer(subscriptions, shape, false);
    Explainer *explainer = open_explainer(shape, lines_of(statement));
    const Settling settling{{sessions, &binding, GetUserId()}, writer, 1, explainer};
    TupleTableSlot *row = find_summed(writer, shape, sum);
    const bool settled = row != nullptr && (settle_unlocked(settling, sum, row, sum.credits.used) ||
                                            settle_locked(settling, sum));
    if (settled) {
        explain(explainer, sum, row, read_subscription(shape, row).used.value_or(0) + sum.credits.used);
        detach_statement(statement);
    }
    close_explainer(explainer);
    close_counter_writer(writer);
    table_close(subscriptions, NoLock);
    if (settled)
        close_statement(statement);
    return settled;
}

}  // namespace sc
