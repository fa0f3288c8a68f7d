// The end of a statement for an attachment that draws links: guess, give back, redo.
//
// Guess. The subscriptions that the BEFORE triggers have chosen are right as long as nobody else has changed them. If
// there is one, its row is locked only if it is the version that was judged and nobody has to be waited for. If there
// are several, or somebody has to be waited for, they are locked in the order of their keys, in a subtransaction, and
// judged before anything is written.
//
// Give back. If a subscription does not allow what is claimed of it, the subtransaction is rolled back, and its locks
// go with it. Whoever kept one lock while he waits for the next would deadlock with others who do the same.
//
// Redo. In a new subtransaction all subscriptions that could pay are locked, too, in the order of the keys, and
// searched again with a new snapshot. If that finds one that is not locked, somebody has committed it meanwhile, and
// all begins again. What is placed then, and what is refused, was right at that moment. Links that are others now are
// written again before the counters are: a trigger of the subscriptions that writes sessions finds each with its own.
//
// A subtransaction that locks a row takes a transaction id, and more than 64 of them slow every snapshot: so a booking
// of one subscription that nobody else writes at the moment needs none.
#include "write/settle_drawn.hpp"

#include "server/subtransaction.hpp"
#include "write/claims.hpp"
#include "write/drawn_links.hpp"
#include "write/mend_link.hpp"
#include "write/place_claims.hpp"
#include "write/recount.hpp"

namespace sc {

namespace {

enum class Result : uint8_t {
    settled,
    put_off,                   // something refuses, and later rows could make that good
    changed,                   // somebody else has changed a subscription, or is about to
    misfit,                    // a subscription does not allow what is claimed of it
};

struct Attempt {
    Statement *statement;
    Part *part;
    bool raises;
    SettleRest rest;
    bool keeps_guesses;        // what was drawn first stays while that subscription has room
    std::span<Claim *> moved;  // their links have to be written again
};
static_assert(Pod<Attempt>);

Settling open(const Attempt &attempt)
{
    return open_settling(attempt.statement, attempt.part, attempt.raises);
}

void close_unsettled(const Settling &settling)
{
    close_statement_ledger(settling.ledger);
    close_settling(settling);
}

// Every claim is allowed: writes the counters, and goes on with the parts behind.
Result finish(const Attempt &attempt, const Settling &settling)
{
    const bool all = settle_with_rest(settling, attempt.rest);
    close_settling(settling);
    return all ? Result::settled : Result::put_off;
}

bool has_movable(const Sum &sum)
{
    for (const Claim *claim = sum.claims; claim != nullptr; claim = claim->next)
        if (claim->movable)
            return true;
    return false;
}

// True if the subscription allows all that the statement claims of it; row is nullptr if it is gone. It may have got
// another key while its lock was waited for. What no claim could change by moving is judged later.
bool allows_claims(const Settling &settling, const Sum &sum, TupleTableSlot *row)
{
    if (!has_movable(sum))
        return true;
    const SubscriptionShape &shape = shape_of(settling);
    if (row == nullptr || !has_key(shape, row, sum.id, sum.member))
        return false;
    const Subscription subscription = read_subscription(shape, row);
    for (const Claim *claim = sum.claims; claim != nullptr; claim = claim->next)
        if (claim->movable && judge_fit(shape, *claim, subscription, row) != Fit::fine)
            return false;
    return judge_sum({judged_amount(settling, sum), added_by(sum).scheduled}, subscription.used.value_or(0),
                     subscription.total, subscription.active) == Verdict::fine;
}

// Guess --------------------------------------------------------------------------------------------------------------

Result guess_one(const Attempt &attempt)
{
    Settling settling = open(attempt);
    Sum &sum = sum_at(attempt.part->sums, 0);
    TupleTableSlot *row = find_summed(settling, sum);
    const bool allowed = allows_claims(settling, sum, row);
    if (allowed && try_lock_found(settling.writer)) {
        settling.locked = &sum;
        return finish(attempt, settling);
    }
    close_unsettled(settling);
    return allowed ? Result::changed : Result::misfit;
}

// Locks what the statement writes, in the order of the keys; false if a claim is not allowed.
bool lock_chosen(const Settling &settling)
{
    for (Sum *sum : ordered_sums(settling.part->sums, shape_of(settling))) {
        if (!is_due(settling, *sum))
            continue;
        if (!allows_claims(settling, *sum, lock_summed(settling, *sum)))
            return false;
    }
    see_locked(settling.writer);
    return true;
}

Result guess_all(const Attempt &attempt)
{
    Result result = Result::misfit;
    keep_or_undo([&] {
        const Settling settling = open(attempt);
        if (!lock_chosen(settling))
            return false;
        result = finish(attempt, settling);
        return true;
    });
    return result;
}

// Redo ---------------------------------------------------------------------------------------------------------------

// Writes the links again that are others now. Triggers of the sessions may write subscriptions meanwhile: these are
// read anew behind that.
Settling rewrite_links(const Attempt &attempt, const Settling &settling)
{
    if (attempt.moved.empty())
        return settling;
    close_unsettled(settling);
    for (Claim *claim : attempt.moved) {
        const Binding &binding = *claim->binding;
        Relation relation = table_open(claim->relation, RowExclusiveLock);
        const std::optional<Datum> link = claim->sum == nullptr ? std::nullopt : link_to(binding, claim->sum->id);
        claim->place = rewrite_link({relation, &binding, claim->place}, link);
        table_close(relation, NoLock);
    }
    return open(attempt);
}

Result redo(Attempt &attempt)
{
    Result result = Result::changed;
    keep_or_undo([&] {
        const Settling settling = open(attempt);
        const Placed placed = place_claims(settling, attempt.keeps_guesses, &attempt.moved);
        if (placed != Placed::placed) {
            result = placed == Placed::changed ? Result::changed : Result::put_off;
            return false;
        }
        result = finish(attempt, rewrite_links(attempt, settling));
        return true;
    });
    return result;
}

// True if the subscriptions that were chosen are all that has to be judged.
bool is_chosen(const Attempt &attempt)
{
    return attempt.keeps_guesses && attempt.part->unlinked == nullptr && attempt.part->unplaced == nullptr;
}

}  // namespace

bool settle_drawn(Statement *statement, Part *part, bool raises, SettleRest rest)
{
    // Places are looked for by today's keys: what was given back under an old one is room, too.
    follow_changed_keys(*statement, part);
    Attempt attempt{statement, part, raises, rest, !drew_past_dropped(statement->depth), {}};
    Result result = is_chosen(attempt) ? Result::changed : Result::misfit;
    if (result == Result::changed && part->sums.count == 1)
        result = guess_one(attempt);
    if (result == Result::changed)
        result = guess_all(attempt);
    while (result == Result::changed || result == Result::misfit) {
        CHECK_FOR_INTERRUPTS();
        result = redo(attempt);
    }
    if (result == Result::settled)
        recount_part(*statement, *part);
    return result == Result::settled;
}

}  // namespace sc
