// Places the claims of a part anew: locks every subscription that could pay, searches again, and moves what must move.
#include "write/place_claims.hpp"

#include <algorithm>

#include "rules/draw_rule.hpp"
#include "store/candidates.hpp"
#include "store/ledger_names.hpp"
#include "write/changed_keys.hpp"
#include "write/claims.hpp"
#include "write/mend_link.hpp"
#include "write/session_errors.hpp"

namespace sc {

namespace {

// A subscription that is locked.
struct Locked {
    Sum *sum;
    std::optional<int64_t> room;       // what is left of it before the statement; absent: it is unlimited
    HeapTuple row;                     // nullptr: it is gone
};
static_assert(Pod<Locked>);

// The subscriptions that could pay for one member, as numbers of what is locked, in the order of drawing.
struct MemberSeats {
    Datum member;
    bool ambiguous;            // more than one, and no order is declared
    std::span<const size_t> seats;
};
static_assert(Pod<MemberSeats>);

struct Redo {
    const Settling *settling;
    bool keeps_guesses;
    std::span<Claim *> claims;         // that may move, in the order of the rows
    std::span<Locked> locked;          // in the order of the keys
    std::span<MemberSeats> members;
    std::span<const MemberSeats *> of_claim;
    TupleTableSlot *row;               // the subscription that is judged
};

// Reads an unlinked session again, which a trigger may have changed since; false if it needs no link any more.
bool refresh(Claim *claim, TupleTableSlot *row)
{
    const Binding &binding = *claim->binding;
    const SessionRow read = read_session(binding.sessions, row);
    if (!counted(read.session) || read.session.linked)
        return false;
    claim->start = read.start;
    claim->cost = read.session.cost;
    const std::optional<Datum> member = member_key(binding, read);
    claim->has_member = member.has_value();
    if (member)
        claim->member = datumCopy(*member, binding.subscriptions.member_key.by_value,
                                  binding.subscriptions.member_key.length);
    return true;
}

// True if a linked session, which a trigger has changed since, is still what the statement claims.
bool is_still_claimed(const Claim &claim, TupleTableSlot *row)
{
    const SubscriptionShape &shape = claim.binding->subscriptions;
    const SessionRow read = read_session(claim.binding->sessions, row);
    const std::optional<Datum> link = link_key(*claim.binding, read);
    const std::optional<Datum> member = member_key(*claim.binding, read);
    if (!counted(read.session) || !link || !equal_keys(shape.id_key, *link, claim.sum->id) ||
        member.has_value() != claim.has_member || (member && !equal_keys(shape.member_key, *member, claim.member)))
        return false;
    return read.session.cost == claim.cost && needs_active(read.session) == claim.needs_active &&
           read.start == claim.start;
}

// True if the claim may still move: its row is as the statement has stored it, but for what nobody judges. If a trigger
// has changed more of it since, that change was charged to the subscription that the row is linked to, and the claim
// stays with it.
bool is_in_play(Claim *claim)
{
    Relation relation = table_open(claim->relation, NoLock);
    TupleTableSlot *row = table_slot_create(relation, nullptr);
    ItemPointerData place = claim->place;
    bool in_play = fetch_newest(relation, &place, row);
    if (in_play && !ItemPointerEquals(&place, &claim->place)) {
        in_play = claim->sum == nullptr ? refresh(claim, row) : is_still_claimed(*claim, row);
        if (in_play)
            claim->place = place;
    }
    ExecDropSingleTupleTableSlot(row);
    table_close(relation, NoLock);
    return in_play;
}

bool comes_before(const Claim *left, const Claim *right)
{
    return left->number < right->number;
}

std::span<Claim *> claims_in_play(Part *part)
{
    auto **claims = static_cast<Claim **>(palloc(sizeof(Claim *) * Max(part->claim_count, uint32{1})));
    size_t count = 0;
    const auto collect = [&](Claim *claim) {
        for (; claim != nullptr; claim = claim->next)
            if (claim->movable && is_in_play(claim))
                claims[count++] = claim;
    };
    collect(part->unlinked);
    for (uint32 number = 0; number < part->sums.count; number++)
        collect(sum_at(part->sums, number).claims);
    std::sort(claims, claims + count, comes_before);
    return std::span<Claim *>(claims, count);
}

// The members of the claims, each once, and which one each claim is of.
void collect_members(Redo &redo)
{
    const KeyType &key = shape_of(*redo.settling).member_key;
    auto **of_claim =
        static_cast<const MemberSeats **>(palloc0(sizeof(MemberSeats *) * Max(redo.claims.size(), size_t{1})));
    auto *order = static_cast<size_t *>(palloc(sizeof(size_t) * Max(redo.claims.size(), size_t{1})));
    auto *members =
        static_cast<MemberSeats *>(palloc0(sizeof(MemberSeats) * Max(redo.claims.size(), size_t{1})));
    size_t known = 0;
    for (size_t i = 0; i < redo.claims.size(); i++)
        if (redo.claims[i]->has_member)
            order[known++] = i;
    std::sort(order, order + known, [&](size_t left, size_t right) {
        return compare_keys(key, redo.claims[left]->member, redo.claims[right]->member) < 0;
    });
    size_t count = 0;
    for (size_t i = 0; i < known; i++) {
        const Datum member = redo.claims[order[i]]->member;
        if (count == 0 || !equal_keys(key, members[count - 1].member, member))
            members[count++].member = member;
        of_claim[order[i]] = &members[count - 1];
    }
    redo.members = std::span<MemberSeats>(members, count);
    redo.of_claim = std::span<const MemberSeats *>(of_claim, redo.claims.size());
}

// Candidates get sums that add nothing, so that they are locked in one order with those that the statement writes.
void add_candidates(const Redo &redo)
{
    const SubscriptionShape &shape = shape_of(*redo.settling);
    Part *part = redo.settling->part;
    for (const MemberSeats &member : redo.members)
        for (const Candidate &candidate : find_candidates(redo.settling->subscriptions, shape, member.member))
            make_sum(&part->sums, shape, candidate.id, member.member, count_changed_keys()).candidate = true;
}

void lock_all(Redo &redo)
{
    const Settling &settling = *redo.settling;
    const SubscriptionShape &shape = shape_of(settling);
    const std::span<Sum *> sums = ordered_sums(redo.settling->part->sums, shape);
    auto *locked = static_cast<Locked *>(
        palloc_extended(sizeof(Locked) * Max(sums.size(), size_t{1}), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO));
    size_t count = 0;
    for (Sum *sum : sums) {
        if (!sum->candidate && !is_due(settling, *sum))
            continue;
        Locked &entry = locked[count++];
        entry.sum = sum;
        TupleTableSlot *row = lock_summed(settling, *sum);
        if (row == nullptr || !has_key(shape, row, sum->id, sum->member))
            continue;
        entry.row = ExecCopySlotHeapTuple(row);
        entry.room = room_of(read_subscription(shape, row));
    }
    redo.locked = std::span<Locked>(locked, count);
    see_locked(settling.writer);
}

// The number of the subscription among those that are locked; no_seat: it is not.
size_t find_locked(const Redo &redo, Datum id, Datum member)
{
    const SubscriptionShape &shape = shape_of(*redo.settling);
    Sum wanted{};
    wanted.id = id;
    wanted.member = member;
    const auto found = std::lower_bound(
        redo.locked.begin(), redo.locked.end(), wanted,
        [&](const Locked &entry, const Sum &key) { return compare_sums(shape, *entry.sum, key) < 0; });
    if (found == redo.locked.end() || compare_sums(shape, *found->sum, wanted) != 0 || found->row == nullptr)
        return no_seat;
    return static_cast<size_t>(found - redo.locked.begin());
}

// Searches again, now that everything is locked; false if that finds a subscription that is not.
bool search_again(Redo &redo)
{
    const SubscriptionShape &shape = shape_of(*redo.settling);
    for (MemberSeats &member : redo.members) {
        const std::span<Candidate> candidates =
            find_candidates(redo.settling->subscriptions, shape, member.member);
        auto *seats = static_cast<size_t *>(palloc(sizeof(size_t) * Max(candidates.size(), size_t{1})));
        for (size_t i = 0; i < candidates.size(); i++) {
            seats[i] = find_locked(redo, candidates[i].id, member.member);
            if (seats[i] == no_seat)
                return false;
        }
        member.ambiguous = shape.draw_order.empty() && candidates.size() > 1;
        member.seats = std::span<const size_t>(seats, candidates.size());
    }
    return true;
}

// Takes the claim out of its sum, or puts it back.
void add_to_sum(Sum *sum, const Claim &claim, int64_t sign)
{
    if (sum != nullptr)
        add_credits(&sum->taken, {sign * claim.cost, claim.needs_active ? sign * claim.cost : 0});
}

std::optional<int64_t> room_left(const Redo &redo, const Locked &entry)
{
    return entry.room ? std::optional(*entry.room - judged_amount(*redo.settling, *entry.sum)) : std::nullopt;
}

struct Placing {
    std::span<Seat> seats;
    std::span<DrawnRow> rows;
    std::optional<size_t> misfit;
};

// Whether the subscription allows the claim, apart from room.
Fit fit_of(const Redo &redo, const Claim &claim, const Locked &entry)
{
    if (entry.row == nullptr)
        return Fit::foreign;
    const SubscriptionShape &shape = shape_of(*redo.settling);
    ExecStoreHeapTuple(entry.row, redo.row, false);
    return judge_fit(shape, claim, read_subscription(shape, redo.row), redo.row);
}

Placing find_places(const Redo &redo)
{
    auto *seats = static_cast<Seat *>(palloc(sizeof(Seat) * Max(redo.locked.size(), size_t{1})));
    auto *rows = static_cast<DrawnRow *>(palloc(sizeof(DrawnRow) * Max(redo.claims.size(), size_t{1})));
    for (size_t i = 0; i < redo.locked.size(); i++)
        seats[i].room = room_left(redo, redo.locked[i]);
    for (size_t i = 0; i < redo.claims.size(); i++) {
        const Claim &claim = *redo.claims[i];
        const bool has_seat = claim.sum != nullptr && (claim.kept || redo.keeps_guesses);
        rows[i] = {claim.cost, claim.kept,
                   has_seat ? find_locked(redo, claim.sum->id, claim.sum->member) : no_seat, false};
    }
    Placing placing{{seats, redo.locked.size()}, {rows, redo.claims.size()}, std::nullopt};
    const auto fits = [&](size_t row, size_t seat) {
        return fit_of(redo, *redo.claims[row], redo.locked[seat]) == Fit::fine;
    };
    const auto candidates = [&](size_t row) {
        const MemberSeats *member = redo.of_claim[row];
        return member == nullptr || member->ambiguous ? std::span<const size_t>{} : member->seats;
    };
    placing.misfit = place_rows(placing.seats, placing.rows, fits, candidates);
    return placing;
}

// True if more than one subscription could pay for the claim, and no order is declared.
bool is_ambiguous(const Redo &redo, size_t claim)
{
    const MemberSeats *member = redo.of_claim[claim];      // nullptr: the session has no member
    return member != nullptr && member->ambiguous;
}

// The first session for which the statement is refused; absent: each has its place, or is left without one.
std::optional<size_t> find_refused(const Redo &redo, const Placing &placing)
{
    if (!placing.misfit || !redo.settling->part->binding->sessions.leaves_unpaid)
        return placing.misfit;
    for (size_t i = *placing.misfit; i < placing.rows.size(); i++)
        if (!placing.rows[i].placed && is_ambiguous(redo, i))
            return i;
    return std::nullopt;
}

// Refusals -----------------------------------------------------------------------------------------------------------

// Why nobody could pay for the session: none is active, none covers its start, or none has room.
[[noreturn]] void raise_refused(const Redo &redo, const Placing &placing, size_t row)
{
    const Claim &claim = *redo.claims[row];
    const MemberSeats *member = redo.of_claim[row];
    const std::span<const size_t> seats = member == nullptr ? std::span<const size_t>{} : member->seats;
    auto *packs = static_cast<RefusedPack *>(palloc(sizeof(RefusedPack) * Max(seats.size(), size_t{1})));
    size_t count = 0;
    for (const size_t seat : seats) {
        const Locked &entry = redo.locked[seat];
        const Fit fit = fit_of(redo, claim, entry);
        packs[count++] = {entry.sum->id, entry.row, fit != Fit::outside, fit == Fit::fine, placing.seats[seat].room};
    }
    Relation relation = table_open(claim.relation, NoLock);
    const std::optional<Datum> whose = claim.has_member ? std::optional(claim.member) : std::nullopt;
    raise_undrawn({relation, claim.binding, redo.settling->statement->role}, whose, {claim.start, claim.cost},
                  std::span<const RefusedPack>(packs, count), is_ambiguous(redo, row));
}

// Moving claims ------------------------------------------------------------------------------------------------------

void push(Claim *&list, Claim *claim)
{
    claim->next = list;
    list = claim;
}

// Takes the claims that may move off all lists.
void unlist(const Redo &redo)
{
    Part *part = redo.settling->part;
    const auto in_play = [&](const Claim *claim) {
        return std::binary_search(redo.claims.begin(), redo.claims.end(), claim, comes_before);
    };
    const auto filter = [&](Claim *&list) {
        for (Claim **link = &list; *link != nullptr;)
            if (in_play(*link))
                *link = (*link)->next;
            else
                link = &(*link)->next;
    };
    for (const Locked &entry : redo.locked)
        filter(entry.sum->claims);
    part->unlinked = nullptr;      // what is not in play needs no link any more
}

const char *name_of(const Claim &claim, MemoryContext context)
{
    Relation relation = table_open(claim.relation, NoLock);
    TupleTableSlot *row = table_slot_create(relation, nullptr);
    ItemPointerData place = claim.place;
    const bool found = table_tuple_fetch_row_version(relation, &place, SnapshotAny, row);
    const char *name = found ? name_session(claim.binding->sessions, row, context) : nullptr;
    ExecDropSingleTupleTableSlot(row);
    table_close(relation, NoLock);
    return name;
}

// The ledger's lines follow a claim to its new subscription.
void move_lines(const Redo &redo, Claim *claim, Sum *sum)
{
    Part *part = redo.settling->part;
    if (!OidIsValid(shape_of(*redo.settling).ledger))
        return;
    Line *end = part->lines.items + part->lines.count;
    Line *line = claim->line == 0 ? end : std::find_if(part->lines.items, end, [&](const Line &known) {
        return known.number == claim->line;
    });
    if (line != end) {
        line->sum = sum;
        part->lines.sorted = false;
        return;
    }
    const char *name = name_of(*claim, part->sums.context);
    if (claim->held > 0)
        note_line(&part->lines, part->sums.context, claim->sum, name, -claim->held, Cause::moved);
    if (sum != nullptr)
        claim->line = note_line(&part->lines, part->sums.context, sum, name, claim->cost,
                                claim->held > 0 ? Cause::moved : claim->cause);
}

// Gives each claim the place that was found for it. Returns those that have another one now.
std::span<Claim *> apply(const Redo &redo, const Placing &placing)
{
    unlist(redo);
    auto **moved = static_cast<Claim **>(palloc(sizeof(Claim *) * Max(redo.claims.size(), size_t{1})));
    size_t count = 0;
    for (size_t i = 0; i < redo.claims.size(); i++) {
        Claim *claim = redo.claims[i];
        Sum *sum = placing.rows[i].placed ? redo.locked[placing.rows[i].seat].sum : nullptr;
        add_to_sum(sum, *claim, 1);
        if (sum != claim->sum) {
            move_lines(redo, claim, sum);
            claim->sum = sum;
            claim->held = 0;
            claim->only_member = false;
            moved[count++] = claim;
        }
        if (sum != nullptr)
            push(sum->claims, claim);
    }
    return std::span<Claim *>(moved, count);
}

Placed place(Redo &redo, std::span<Claim *> *moved)
{
    const Settling &settling = *redo.settling;
    collect_members(redo);
    add_candidates(redo);
    lock_all(redo);
    if (!search_again(redo))
        return Placed::changed;
    for (const Claim *claim : redo.claims)
        add_to_sum(claim->sum, *claim, -1);
    const Placing placing = find_places(redo);
    const std::optional<size_t> refused = find_refused(redo, placing);
    if (refused && settling.raises)
        raise_refused(redo, placing, *refused);
    if (refused) {
        for (const Claim *claim : redo.claims)
            add_to_sum(claim->sum, *claim, 1);     // as it was: later rows may make the refusal good
        return Placed::refused;
    }
    *moved = apply(redo, placing);
    return Placed::placed;
}

}  // namespace

Placed place_claims(const Settling &settling, bool keeps_guesses, std::span<Claim *> *moved)
{
    Redo redo{&settling, keeps_guesses, claims_in_play(settling.part), {}, {}, {},
              MakeSingleTupleTableSlot(RelationGetDescr(settling.subscriptions), &TTSOpsHeapTuple)};
    const Placed placed = place(redo, moved);
    ExecDropSingleTupleTableSlot(redo.row);
    return placed;
}

}  // namespace sc
