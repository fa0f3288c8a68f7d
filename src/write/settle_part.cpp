// The end of a statement for one attachment: finds, locks, judges and writes each subscription, in the order of keys.
#include "write/settle_part.hpp"

#include "write/changed_keys.hpp"
#include "write/charge_row.hpp"
#include "write/claims.hpp"
#include "write/link_cache.hpp"
#include "write/notify_counts.hpp"
#include "write/session_errors.hpp"
#include "write/subscription_in_use.hpp"

namespace sc {

const SubscriptionShape &shape_of(const Settling &settling)
{
    return settling.part->binding->subscriptions;
}

namespace {

Reader reader_of(const Settling &settling)
{
    return {table_open(settling.part->binding->sessions.relation, AccessShareLock), settling.part->binding,
            settling.statement->role};
}

std::span<Line> own_lines(const Settling &settling, const Sum &sum)
{
    return settling.ledger == nullptr ? std::span<Line>{} : lines_of(&settling.part->lines, &sum);
}

// What the sessions of a purge held stays used.
int64_t kept_by(const Settling &settling, const Sum &sum)
{
    return settling.part->purges ? sum.given.used : 0;
}

// The counter shows the sum from here on. If one of the user's triggers writes sessions now, enclosing_credits() must
// not count it a second time.
void reset(const Settling &settling, Sum &sum)
{
    for (Line &line : own_lines(settling, sum))
        line.sum = nullptr;
    settling.part->lines.sorted = false;
    sum.taken = Credits{};
    sum.given = Credits{};
    sum.linked = false;
    sum.claims = nullptr;
}

// Keys that have changed since ---------------------------------------------------------------------------------------

void follow_link(Sum &target, const SumTable &table, const SubscriptionShape &shape, const Sum &source)
{
    if (!source.linked)
        return;
    if (target.linked) {
        target.members_differ |= source.members_differ || target.member_is_null != source.member_is_null ||
                                 (!source.member_is_null &&
                                  !equal_keys(shape.member_key, target.member, source.member));
        return;
    }
    target.linked = true;
    target.member_is_null = source.member_is_null;
    target.members_differ = source.members_differ;
    if (!shape.by_member && !source.member_is_null)
        target.member = keep_value(table, shape.member_key, source.member);
}

// Splits a sum over the subscriptions that its key means today. What the sessions held before follows every change of
// keys. What they hold now was stored by this statement, and follows only the changes that came after it.
// Example: 5 becomes 6, a new 5 is made, and one session of the old 5 is stored with the link 5 again. It gives back
// to 6 and takes from the new 5.
void follow_sum(Part *part, SumTable *table, Sum &sum, CommandId command)
{
    const SubscriptionShape &shape = part->binding->subscriptions;
    const Key key{sum.id, sum.member};
    const Key was = follow_key(shape, key, InvalidCommandId, sum.changed_keys);
    const Key is = follow_key(shape, key, command, sum.changed_keys);
    Sum &given = make_sum(table, shape, was.id, was.member, count_changed_keys());
    add_credits(&given.given, sum.given);
    given.own_rows |= sum.own_rows;
    Sum &taken = make_sum(table, shape, is.id, is.member, count_changed_keys());
    add_credits(&taken.taken, sum.taken);
    for (Claim *claim = sum.claims; claim != nullptr;) {
        Claim *next = claim->next;
        claim->sum = &taken;
        claim->next = taken.claims;
        taken.claims = claim;
        claim = next;
    }
    follow_link(taken, *table, shape, sum);
    for (Line &line : lines_of(&part->lines, &sum))
        line.sum = line.delta < 0 ? &given : &taken;
    part->lines.sorted = false;
}

void follow_keys(Part *part, CommandId command)
{
    SumTable table{};
    table.context = part->sums.context;
    for (uint32 number = 0; number < part->sums.count; number++)
        follow_sum(part, &table, sum_at(part->sums, number), command);
    part->sums = table;
}

}  // namespace

void follow_changed_keys(const Statement &statement, Part *part)
{
    if (count_changed_keys() > 0)
        follow_keys(part, statement.command);
}

// One subscription ---------------------------------------------------------------------------------------------------

namespace {

// If a session was linked to it, link_cache may know the place of its row.
std::optional<ItemPointerData> place_of(const Settling &settling, const Sum &sum)
{
    if (ItemPointerIsValid(&sum.place))
        return sum.place;
    return sum.linked && !sum.member_is_null ? recall_place(shape_of(settling), sum.member, sum.id) : std::nullopt;
}

}  // namespace

TupleTableSlot *find_summed(const Settling &settling, Sum &sum)
{
    TupleTableSlot *row = find_subscription(settling.writer, sum.id, sum.member, place_of(settling, sum));
    if (row != nullptr)
        sum.place = row->tts_tid;
    return row;
}

TupleTableSlot *lock_summed(const Settling &settling, Sum &sum)
{
    if (settling.locked == &sum)
        return current_subscription(settling.writer);
    return find_summed(settling, sum) == nullptr ? nullptr : lock_found(settling.writer);
}

// A session that is completed holds the same credit as before. The ledger and listeners are told of that.
bool is_due(const Settling &settling, const Sum &sum)
{
    const int64_t owed = owed_credits(shape_of(settling), sum.id, sum.member);
    return added_by(sum).used != 0 || owed != 0 || kept_by(settling, sum) != 0 || added_by(sum).scheduled > 0 ||
           sum.linked || sum.claims != nullptr ||
           (shape_of(settling).notifies && changes_counts(sum)) || !own_lines(settling, sum).empty();
}

int64_t judged_amount(const Settling &settling, const Sum &sum)
{
    const SubscriptionShape &shape = shape_of(settling);
    const int64_t due = added_by(sum).used + owed_credits(shape, sum.id, sum.member);
    const int depth = settling.statement->depth;
    return depth == 1 ? due : due + Min(int64_t{0}, enclosing_credits(depth, shape, sum.id, sum.member));
}

namespace {

// R2. True if the sessions that were linked are those of the subscription's member.
bool member_fits(const SubscriptionShape &shape, const Sum &sum, const Subscription &subscription)
{
    return !sum.linked || (!sum.members_differ && !sum.member_is_null && !subscription.member_is_null &&
                           equal_keys(shape.member_key, subscription.member, sum.member));
}

// True if that is more than any counter can hold: a total forbids it, and an unlimited subscription cannot show it.
bool is_beyond_every_counter(int64_t used, int64_t due)
{
    return due > 0 && used > PG_INT64_MAX - due;
}

// True if a nested statement cannot be settled before the enclosing one. There are two such cases:
// - It gives back what nobody has charged so far. A trigger cancels the session that the enclosing INSERT books.
// - It takes what the enclosing statement gives back. The subscription is full, the enclosing statement cancels one
//   session, and a trigger books another one.
// What is due is then owed, and settled together with the enclosing statement.
bool is_left_to_enclosing(const Settling &settling, const Sum &sum, const Subscription &subscription, int64_t due)
{
    const int64_t used = subscription.used.value_or(0);
    const int depth = settling.statement->depth;
    if (is_beyond_every_counter(used, due))
        return false;
    if (used + due < 0)
        return depth > 1 || sum.own_rows;
    if (depth == 1 || due <= 0 || !subscription.total || used + due <= *subscription.total)
        return false;
    const int64_t freed = enclosing_credits(depth, shape_of(settling), sum.id, sum.member);
    return used + due + Min(int64_t{0}, freed) <= *subscription.total;
}

// R2 to R4. False if the newest version of the subscription does not allow that amount; raises if the refusal is final.
bool is_fine(const Settling &settling, const Sum &sum, const Subscription &subscription, int64_t amount)
{
    const int64_t used = subscription.used.value_or(0);
    const bool fits = member_fits(shape_of(settling), sum, subscription);
    const Verdict verdict =
        judge_sum({amount, added_by(sum).scheduled}, used, subscription.total, subscription.active);
    const bool below_zero = amount < 0 && used + amount < 0;
    if (fits && verdict == Verdict::fine && !below_zero)
        return true;
    if (!settling.raises)
        return false;
    const Reader reader = reader_of(settling);
    if (!fits)
        raise_foreign(reader, sum.id, sum.member_is_null ? std::nullopt : std::optional(sum.member));
    if (verdict == Verdict::inactive)
        raise_inactive(reader, sum.id, subscription, amount);
    if (verdict == Verdict::no_credit)
        raise_no_credit(reader, sum.id, subscription, amount);
    raise_below_zero(reader, sum.id, used, -amount);
}

// The subscription has been deleted, and its counter with it: sessions can give back to it, but not take from it.
// Example: a DELETE of a member whose cascade reaches the subscriptions before the sessions.
bool settle_gone(const Settling &settling, Sum &sum, int64_t due)
{
    if (due > 0) {
        if (settling.raises)
            raise_gone(reader_of(settling), sum.id);
        return false;
    }
    write_last_lines(settling.ledger, take_owed(shape_of(settling), sum, own_lines(settling, sum)), sum);
    note_given_back(settling.part, sum, due - kept_by(settling, sum));
    reset(settling, sum);
    return true;
}

// Writes what is due, and the ledger's lines that lead to it.
void charge(const Settling &settling, Sum &sum, TupleTableSlot *row, const Subscription &subscription, int64_t due)
{
    if (is_beyond_every_counter(subscription.used.value_or(0), due))
        raise_beyond_every_counter();
    const int64_t counter = subscription.used.value_or(0) + due;
    Assert(counter >= 0 || due >= 0);
    Assert(due <= 0 || !subscription.total || counter <= *subscription.total);
    if (settling.part->purges)
        write_restated(settling.writer,
                       {counter, subscription.carried + kept_by(settling, sum), subscription.total}, false);
    else if (due != 0 && !try_write_counter(settling.writer, counter))
        write_counter(settling.writer, counter, false);
    write_lines(settling.ledger, take_owed(shape_of(settling), sum, own_lines(settling, sum)), row, counter);
    reset(settling, sum);
}

// False if the subscription refuses the sum, and the refusal is not final.
bool settle_sum(const Settling &settling, Sum &sum)
{
    const SubscriptionShape &shape = shape_of(settling);
    const int64_t due = added_by(sum).used + kept_by(settling, sum) + owed_credits(shape, sum.id, sum.member);
    if (!is_due(settling, sum))
        return true;
    if (shape.notifies && changes_counts(sum))
        note_counts(*settling.part->binding, sum.id, sum.member);
    TupleTableSlot *row = lock_summed(settling, sum);
    if (row == nullptr)
        return settle_gone(settling, sum, due);
    const Subscription subscription = read_subscription(shape, row);
    const bool left = is_left_to_enclosing(settling, sum, subscription, due);
    if (!is_fine(settling, sum, subscription, left ? 0 : due))
        return false;
    if (!left) {
        charge(settling, sum, row, subscription, due);
        return true;
    }
    owe(shape, sum, own_lines(settling, sum));
    reset(settling, sum);
    return true;
}

// Judges the claims of links that stay, before anything is written: from then on this backend may act as the owner of
// the subscriptions, and an expression is evaluated as the writer. Sums without a claim are locked, too, since locks
// are taken in the order of the keys. What settle_sum() refuses for a reason of more weight is left to it.
bool judge_claims(const Settling &settling)
{
    if (settling.part->claim_count == settling.part->movable_claims)
        return true;
    const SubscriptionShape &shape = shape_of(settling);
    for (Sum *sum : ordered_sums(settling.part->sums, shape)) {
        if (!is_due(settling, *sum))
            continue;
        TupleTableSlot *row = lock_summed(settling, *sum);
        if (row == nullptr || sum->claims == nullptr)
            continue;
        const Subscription subscription = read_subscription(shape, row);
        const Misfit misfit = find_misfit(shape, *sum, subscription, row);
        if (misfit.claim == nullptr || !member_fits(shape, *sum, subscription) ||
            (added_by(*sum).scheduled > 0 && !subscription.active))
            continue;
        if (settling.raises && misfit.outside)
            raise_outside_period(reader_of(settling), sum->id, row, misfit.claim->start);
        if (settling.raises)
            raise_does_not_pay(reader_of(settling), sum->id);
        return false;
    }
    see_locked(settling.writer);
    return true;
}

// One attachment -----------------------------------------------------------------------------------------------------

bool settle_part(const Settling &settling)
{
    Part *part = settling.part;
    if (const Unplaced *unplaced = place_again(settling.statement, part)) {
        if (settling.raises)
            raise_still_unplaced(part, *unplaced);
        return false;
    }
    follow_changed_keys(*settling.statement, part);
    if (!judge_claims(settling))
        return false;
    [[maybe_unused]] const Sum *last = nullptr;
    for (Sum *sum : ordered_sums(part->sums, shape_of(settling))) {
        // Locks are taken in the order of the keys, each once: two statements that share subscriptions cannot deadlock.
        Assert(last == nullptr || compare_sums(shape_of(settling), *last, *sum) < 0);
        last = sum;
        if (!settle_sum(settling, *sum))
            return false;
    }
    Assert(is_settled(part->sums));
    part->claim_count = 0;
    part->movable_claims = 0;
    return is_nothing_left_behind(part, settling.statement->role, settling.raises);
}

}  // namespace

bool settle_with_rest(const Settling &settling, SettleRest rest)
{
    const bool settled = settle_part(settling);
    close_statement_ledger(settling.ledger);
    Part *next = settling.part->next;
    if (!settled || next == nullptr)
        return settled && rest(settling.statement, next, settling.raises);
    pause_writing(settling.writer);
    const bool all = rest(settling.statement, next, settling.raises);
    resume_writing(settling.writer);
    return all;
}

Settling open_settling(Statement *statement, Part *part, bool raises)
{
    const SubscriptionShape &shape = part->binding->subscriptions;
    Relation subscriptions = table_open(shape.relation, RowExclusiveLock);
    return {statement, part, subscriptions, open_counter_writer(subscriptions, shape, false),
            open_statement_ledger(shape), raises, nullptr};
}

void close_settling(const Settling &settling)
{
    close_counter_writer(settling.writer);
    table_close(settling.subscriptions, NoLock);
}

}  // namespace sc
