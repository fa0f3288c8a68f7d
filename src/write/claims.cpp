// Notes and judges what sessions claim of their subscriptions.
#include "write/claims.hpp"

#include "catalog/evaluation.hpp"
#include "write/mend_link.hpp"

namespace sc {

namespace {

// True if the sessions of the attachment are judged one by one.
bool judges_claims(const Binding &binding)
{
    const SubscriptionShape &shape = binding.subscriptions;
    return shape.draws || shape.valid_from.number != 0 || shape.valid_until.number != 0 ||
           has_pays_when(binding.sessions);
}

// True if one of the user's triggers has made of the row what the subscription pays for, or what asks nothing of it.
// What that write asks for is a claim of its own.
bool is_outdated(const Claim &claim, Relation relation, TupleTableSlot *row, TupleTableSlot *subscription)
{
    const SessionShape &shape = claim.binding->sessions;
    ItemPointerData place = claim.place;
    TupleTableSlot *newest = table_slot_create(relation, nullptr);
    bool outdated = true;
    if (fetch_newest(relation, &place, newest) && credits_of(read_session(shape, newest).session).used != 0) {
        const SessionRow before = read_session(shape, row);
        const SessionRow after = read_session(shape, newest);
        outdated = !change_between(shape, &before, &after).same_link || pays_when(shape, newest, subscription);
    }
    ExecDropSingleTupleTableSlot(newest);
    return outdated;
}

bool is_paid(const Claim &claim, TupleTableSlot *subscription)
{
    if (!has_pays_when(claim.binding->sessions))
        return true;
    Relation relation = table_open(claim.relation, NoLock);
    TupleTableSlot *row = table_slot_create(relation, nullptr);
    ItemPointerData place = claim.place;
    const bool found = table_tuple_fetch_row_version(relation, &place, SnapshotAny, row);
    const bool paid = !found || pays_when(claim.binding->sessions, row, subscription) ||
                      (!claim.movable && is_outdated(claim, relation, row, subscription));
    ExecDropSingleTupleTableSlot(row);
    table_close(relation, NoLock);
    return paid;
}

}  // namespace

Claim *note_claim(Part *part, const Sum *given, Sum *taken, const SessionChange &change, const Change &rule)
{
    const Binding &binding = *change.binding;
    if (!judges_claims(binding) || !claims(rule))
        return nullptr;
    const SubscriptionShape &shape = binding.subscriptions;
    const SessionRow &row = change.after->row;
    auto *claim = static_cast<Claim *>(MemoryContextAllocZero(part->sums.context, sizeof(Claim)));
    Claim **list = taken == nullptr ? &part->unlinked : &taken->claims;
    claim->kept = rule.before && rule.same_link;
    claim->only_member = only_member_changed(rule) && (!shape.by_member || given == taken);
    claim->movable = shape.draws && (claim->kept || change.drawn || taken == nullptr || !binding.sessions.named_links);
    // A link that leads nowhere is judged as one that is named.
    if (taken == nullptr && (row.session.linked || !claim->movable || emptied(rule)))
        return nullptr;
    claim->next = *list;
    *list = claim;
    claim->sum = taken;
    claim->binding = &binding;
    claim->relation = RelationGetRelid(change.relation);
    claim->place = change.place;
    claim->needs_active = needs_active(row.session);
    claim->cause = taken_because(rule);
    claim->number = part->claim_count++;
    claim->start = row.start;
    claim->cost = row.session.cost;
    claim->held = rule.before && rule.same_link ? credits_of(*rule.before).used : 0;
    if (const std::optional<Datum> member = member_key(binding, row)) {
        claim->has_member = true;
        claim->member = keep_value(part->sums, shape.member_key, *member);
    }
    part->movable_claims += claim->movable ? 1 : 0;
    return claim;
}

namespace {

bool is_linked_to(const Claim &claim, const SubscriptionShape &shape, TupleTableSlot *subscription)
{
    bool is_null;
    return claim.sum != nullptr &&
           equal_keys(shape.id_key, claim.sum->id, slot_getattr(subscription, shape.id, &is_null));
}

}  // namespace

Fit judge_fit(const SubscriptionShape &shape, const Claim &claim, const Subscription &subscription, TupleTableSlot *row)
{
    if (claim.movable) {
        if (!claim.has_member || subscription.member_is_null ||
            !equal_keys(shape.member_key, subscription.member, claim.member))
            return Fit::foreign;
    }
    if (!claim.needs_active || (claim.only_member && is_linked_to(claim, shape, row)))
        return Fit::fine;
    if (claim.movable && !subscription.active)
        return Fit::inactive;
    if (!covers_start(period_of(row, shape.valid_from, shape.valid_until, shape.zone), claim.start))
        return Fit::outside;
    return is_paid(claim, row) ? Fit::fine : Fit::unpaid;
}

Misfit find_misfit(const SubscriptionShape &shape, const Sum &sum, const Subscription &subscription,
                   TupleTableSlot *row)
{
    Misfit misfit{nullptr, false};
    for (const Claim *claim = sum.claims; claim != nullptr; claim = claim->next) {
        const Fit fit = claim->movable ? Fit::fine : judge_fit(shape, *claim, subscription, row);
        if (fit != Fit::fine)
            misfit = {claim, fit == Fit::outside};
    }
    return misfit;
}

}  // namespace sc
