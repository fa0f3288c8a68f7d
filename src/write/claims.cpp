// Notes and judges what sessions claim of their subscriptions.
#include "write/claims.hpp"

#include "catalog/evaluation.hpp"
#include "write/mend_link.hpp"

namespace sc {

namespace {

Claim &claim_at(const Part &part, uint32 number)
{
    return part.claims[number - 1];
}

uint32 add_claim(Part *part, const Claim &claim)
{
    constexpr uint32 first_size = 8;
    if (part->claims == nullptr)
        part->claims = static_cast<Claim *>(MemoryContextAlloc(part->sums.context, sizeof(Claim) * first_size));
    else if (part->claim_count >= first_size && (part->claim_count & (part->claim_count - 1)) == 0)
        part->claims = static_cast<Claim *>(
            repalloc_huge(part->claims, sizeof(Claim) * 2 * static_cast<size_t>(part->claim_count)));
    part->claims[part->claim_count++] = claim;
    return part->claim_count;
}

bool is_asked(const SessionChange &change, const Change &rule)
{
    return !rule.before || !rule.same_link || held(*rule.before).used < held(*rule.after).used ||
           change.pays_differently;
}

// True if one of the user's triggers has made of the row what the subscription pays for, or what asks nothing of it.
// What that write asks for is a claim of its own.
bool is_outdated(const Claim &claim, Relation relation, TupleTableSlot *row, TupleTableSlot *subscription)
{
    const SessionShape &shape = claim.binding->sessions;
    ItemPointerData place = claim.place;
    TupleTableSlot *newest = table_slot_create(relation, nullptr);
    bool outdated = true;
    if (fetch_newest(relation, &place, newest) && held(read_session(shape, newest).session).used != 0) {
        const SessionRow before = read_session(shape, row);
        const SessionRow after = read_session(shape, newest);
        outdated = !change_between(shape, &before, &after).same_link || pays_when(shape, newest, subscription);
    }
    ExecDropSingleTupleTableSlot(newest);
    return outdated;
}

bool is_paid(const Claim &claim, TupleTableSlot *subscription)
{
    Relation relation = table_open(claim.relation, NoLock);
    TupleTableSlot *row = table_slot_create(relation, nullptr);
    ItemPointerData place = claim.place;
    const bool found = table_tuple_fetch_row_version(relation, &place, SnapshotAny, row);
    const bool paid = !found || pays_when(claim.binding->sessions, row, subscription) ||
                      is_outdated(claim, relation, row, subscription);
    ExecDropSingleTupleTableSlot(row);
    table_close(relation, NoLock);
    return paid;
}

}  // namespace

void note_claim(Part *part, Sum &sum, const SessionChange &change, const Change &rule)
{
    if (!has_pays_when(change.binding->sessions) || !is_asked(change, rule))
        return;
    sum.claims = add_claim(part, {RelationGetRelid(change.relation), sum.claims, change.binding, change.place});
}

void follow_claims(Part *part, Sum &target, const Sum &source)
{
    if (source.claims == 0)
        return;
    uint32 last = source.claims;
    while (claim_at(*part, last).next != 0)
        last = claim_at(*part, last).next;
    claim_at(*part, last).next = target.claims;
    target.claims = source.claims;
}

bool are_paid(const Part &part, const Sum &sum, TupleTableSlot *subscription)
{
    for (uint32 number = sum.claims; number != 0; number = claim_at(part, number).next)
        if (!is_paid(claim_at(part, number), subscription))
            return false;
    return true;
}

}  // namespace sc
