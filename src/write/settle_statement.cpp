// The end of a statement that wrote sessions.
//
// One path. settle_sum() treats one subscription: it finds the row, locks it, judges its newest version and writes the
// counter. try_write_counter() writes past the executor; if that table does not allow it (see plain_write.hpp),
// write_counter() updates the row in the server's general way. The early end and the late one take the same path.
//
// Early. An INSERT of one row is settled right after that row's last trigger, before the server looks at the foreign
// key. Otherwise each of 16 clients that book on one subscription would hold a KEY SHARE lock on it while it waits for
// the counter, and whoever writes the counter would have to store the list of all these holders (a multixact) in the
// row. Measured: early settlement has 2.3 times the throughput under that contention, and makes no multixacts.
//
// Late. Any other statement is settled behind its last row event. If a cascade has more rows to come, that end may
// still be too early: a DELETE of a member may delete his subscription in one event and his sessions in a later one. A
// refusal that later rows could make good is therefore not raised; the end is queued again behind them.
#include "write/settle_statement.hpp"

#include "store/counter_writer.hpp"
#include "write/changed_keys.hpp"
#include "write/charge_row.hpp"
#include "write/claims.hpp"
#include "write/link_cache.hpp"
#include "write/notify_counts.hpp"
#include "write/recount.hpp"
#include "write/session_errors.hpp"
#include "write/subscription_in_use.hpp"

namespace sc {

namespace {

// A foreign key's cascade reaches the sessions over a few tables at most (members, subscriptions, sessions). Each time
// that the end is put off, the cascade gets one table further.
constexpr int most_postponements = 8;

struct Settling {
    Statement *statement;
    Part *part;
    Relation subscriptions;
    CounterWriter *writer;
    StatementLedger *ledger;
    bool raises;                   // a refusal is final; else the end is put off
};
static_assert(Pod<Settling>);

const SubscriptionShape &shape_of(const Settling &settling)
{
    return settling.part->binding->subscriptions;
}

Reader reader_of(const Settling &settling)
{
    return {table_open(settling.part->binding->sessions.relation, AccessShareLock), settling.part->binding,
            GetUserId()};
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
    sum.claims = 0;
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
    given.given += sum.given;
    given.own_rows |= sum.own_rows;
    Sum &taken = make_sum(table, shape, is.id, is.member, count_changed_keys());
    taken.taken += sum.taken;
    follow_link(taken, *table, shape, sum);
    for (Line &line : lines_of(&part->lines, &sum))
        line.sum = line.delta < 0 ? &given : &taken;
    part->lines.sorted = false;
    follow_claims(part, taken, sum);
}

void follow_keys(Part *part, CommandId command)
{
    SumTable table{};
    table.context = part->sums.context;
    for (uint32 number = 0; number < part->sums.count; number++)
        follow_sum(part, &table, sum_at(part->sums, number), command);
    part->sums = table;
}

// One subscription ---------------------------------------------------------------------------------------------------

// The subscription as the snapshot sees it; nullptr if there is none. If a session was linked to it, link_cache may
// know the place of its row.
TupleTableSlot *find_summed(const Settling &settling, const Sum &sum)
{
    const bool by_member = sum.linked && !sum.member_is_null;
    return find_subscription(settling.writer, sum.id, sum.member,
                             by_member ? recall_place(shape_of(settling), sum.member, sum.id) : std::nullopt);
}

// R2. True if the sessions that were linked are those of the subscription's member.
bool member_fits(const SubscriptionShape &shape, const Sum &sum, const Subscription &subscription)
{
    return !sum.linked || (!sum.members_differ && !sum.member_is_null && !subscription.member_is_null &&
                           equal_keys(shape.member_key, subscription.member, sum.member));
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
    const int64_t counter = subscription.used.value_or(0) + due;
    Assert(counter >= 0 || due >= 0);
    Assert(due <= 0 || !subscription.total || counter <= *subscription.total);
    if (settling.part->purges)
        write_carried(settling.writer, counter, subscription.carried + kept_by(settling, sum), false);
    else if (due != 0 && !try_write_counter(settling.writer, counter))
        write_counter(settling.writer, counter, false);
    write_lines(settling.ledger, take_owed(shape_of(settling), sum, own_lines(settling, sum)), row, counter);
    reset(settling, sum);
}

// False if the subscription refuses the sum, and the refusal is not final.
bool settle_sum(const Settling &settling, Sum &sum)
{
    const SubscriptionShape &shape = shape_of(settling);
    const int64_t owed = owed_credits(shape, sum.id, sum.member);
    const int64_t kept = kept_by(settling, sum);
    const int64_t due = added_by(sum).used + kept + owed;
    const bool told = changes_counts(sum) && shape.notifies;
    if (told)
        note_counts(*settling.part->binding, sum.id, sum.member);
    // A session that is completed holds the same credit as before. Only the ledger and listeners are told that.
    if (due == 0 && !told && owed == 0 && kept == 0 && added_by(sum).scheduled <= 0 && !sum.linked &&
        own_lines(settling, sum).empty())
        return true;
    TupleTableSlot *row = find_summed(settling, sum);
    if (row != nullptr)
        row = lock_found(settling.writer);
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

// Before anything is written: from then on this backend may act as the owner of the subscriptions, and an expression is
// evaluated as the writer. Sums without a claim are locked, too, since locks are taken in the order of the keys.
// What settle_sum() refuses for a reason of more weight is left to it.
bool judge_claims(const Settling &settling)
{
    if (settling.part->claim_count == 0)
        return true;
    for (Sum *sum : ordered_sums(settling.part->sums, shape_of(settling))) {
        TupleTableSlot *row = find_summed(settling, *sum);
        if (row != nullptr)
            row = lock_found(settling.writer);
        if (row == nullptr || sum->claims == 0)
            continue;
        const Subscription subscription = read_subscription(shape_of(settling), row);
        if (!member_fits(shape_of(settling), *sum, subscription) ||
            (added_by(*sum).scheduled > 0 && !subscription.active) || are_paid(*settling.part, *sum, row))
            continue;
        if (settling.raises)
            raise_does_not_pay(reader_of(settling), sum->id);
        return false;
    }
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
    if (count_changed_keys() > 0)
        follow_keys(part, settling.statement->command);
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
    return is_nothing_left_behind(part, settling.raises);
}

Settling open_settling(Statement *statement, Part *part, bool raises)
{
    const SubscriptionShape &shape = part->binding->subscriptions;
    Relation subscriptions = table_open(shape.relation, RowExclusiveLock);
    return {statement, part, subscriptions, open_counter_writer(subscriptions, shape, false),
            open_statement_ledger(shape), raises};
}

// Closing the writer fires the user's own triggers on the subscriptions, which may write sessions.
void close_settling(const Settling &settling)
{
    close_counter_writer(settling.writer);
    table_close(settling.subscriptions, NoLock);
}

// Settles this part and all behind it; true if every one is settled. The writers are closed in the reverse order of
// their opening, since each returns to the role that the one before had taken. The statement leaves the list before the
// first writer is closed: sessions that the user's triggers write then belong to a new statement.
bool settle_parts(Statement *statement, Part *part, bool raises)
{
    if (part == nullptr) {
        detach_statement(statement);
        return true;
    }
    const Settling settling = open_settling(statement, part, raises);
    const bool settled = settle_part(settling);
    close_statement_ledger(settling.ledger);
    const bool all = settled && settle_parts(statement, part->next, raises);
    if (all)
        recount_part(*statement, *part);
    close_settling(settling);
    return all;
}

}  // namespace

void settle_statement(Statement *statement, TriggerData *data)
{
    for (Part *part = statement->parts; part != nullptr; part = part->next)
        charge_departed(statement, part);
    const bool raises = statement->inserts_only || statement->postponed >= most_postponements;
    if (settle_parts(statement, statement->parts, raises)) {
        close_statement(statement);
        return;
    }
    statement->postponed++;
    queue_end(statement, data);
}

void settle_early(Statement *statement, const Binding &binding, TriggerData *data)
{
    if (!binding.is_last)
        return;
    if (settle_parts(statement, statement->parts, false))
        close_statement(statement);
    else
        queue_end(statement, data);
}

}  // namespace sc
