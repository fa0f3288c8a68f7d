// Attributes history: certain rules first, the DBA's choice for what they leave.
#include "rules/attribution_rule.hpp"

namespace sc {

namespace {

bool has_period(const Pack &pack)
{
    return pack.period.from || pack.period.until;
}

// Beyond doubt.
bool covers(const Pack &pack, const Visit &visit)
{
    return pack.pays && has_period(pack) && visit.start && covers_start(pack.period, visit.start);
}

bool has_status(const Pack &pack, const Visit &visit)
{
    return pack.pays && (pack.active || !visit.scheduled);
}

// What is still to come is paid for by the rules of a write.
bool may_take(const Pack &pack, const Visit &visit)
{
    return has_status(pack, visit) &&
           (!visit.scheduled || !visit.judged || covers_start(pack.period, visit.start));
}

bool has_room(const Pack &pack, const Visit &visit)
{
    return visit.cost == 0 || !pack.room || *pack.room >= visit.cost;
}

// -1, 0 or 1; what is absent is before everything.
int compare(const std::optional<int64_t> &left, const std::optional<int64_t> &right)
{
    return (left > right) - (left < right);
}

Attribution linked(size_t pack, Rule rule)
{
    return {pack, rule, Reason{}};
}

Attribution left(Reason reason)
{
    return {no_pack, Rule{}, reason};
}

// Why none of them could pay, where may_pay says whether one could if it had room.
template <typename MayPay>
Attribution left_unpaid(std::span<const Pack> packs, const Visit &visit, MayPay may_pay)
{
    bool pays = false;
    bool active = false;
    bool may = false;
    for (const Pack &pack : packs) {
        pays |= pack.pays;
        active |= has_status(pack, visit);
        may |= may_pay(pack, visit);
    }
    return left(packs.empty() ? Reason::no_subscription
                : !pays       ? Reason::does_not_pay
                : may         ? Reason::full
                : active && visit.judged ? Reason::outside_period
                                         : Reason::inactive);
}

// The first in their order, as a write would draw it; what is completed from one of any status.
Attribution draw(std::span<const Pack> packs, const Visit &visit)
{
    const auto may_pay = [](const Pack &pack, const Visit &paid) {
        return has_status(pack, paid) && covers_start(pack.period, paid.start);
    };
    for (size_t i = 0; i < packs.size(); i++)
        if (may_pay(packs[i], visit) && has_room(packs[i], visit))
            return linked(i, Rule::drawn);
    return left_unpaid(packs, visit, may_pay);
}

// Several periods cover the start: the one that began first and has room, a tie being ambiguous.
Attribution choose_by_period(std::span<const Pack> packs, const Visit &visit)
{
    size_t first = no_pack;
    size_t covering = 0;
    bool tie = false;
    for (size_t i = 0; i < packs.size(); i++) {
        if (!covers(packs[i], visit))
            continue;
        covering++;
        if (!may_take(packs[i], visit) || !has_room(packs[i], visit))
            continue;
        const int order = first == no_pack ? -1 : compare(packs[i].period.from, packs[first].period.from);
        if (order < 0)
            first = i;
        tie = order == 0 || (tie && order > 0);
    }
    if (first == no_pack)
        return left_unpaid(packs, visit, [](const Pack &pack, const Visit &taken) {
            return covers(pack, taken) && may_take(pack, taken);
        });
    if (tie)
        return left(Reason::ambiguous);
    return linked(first, covering == 1 ? Rule::only_period : Rule::first_period);
}

// No period covers the start: only a member's only subscription is beyond doubt.
Attribution choose_without_period(std::span<const Pack> packs, const Visit &visit)
{
    size_t paying = 0;
    size_t last = no_pack;
    bool room = false;
    bool periods = false;
    for (size_t i = 0; i < packs.size(); i++) {
        if (!packs[i].pays)
            continue;
        paying++;
        last = i;
        room |= may_take(packs[i], visit) && has_room(packs[i], visit);
        periods |= has_period(packs[i]);
    }
    if (!room)
        return left_unpaid(packs, visit, may_take);
    if (paying == 1)
        return linked(last, Rule::only_subscription);
    return left(periods && !visit.start ? Reason::no_start : Reason::ambiguous);
}

Attribution choose(std::span<const Pack> packs, const Visit &visit, bool drawn)
{
    if (drawn)
        return draw(packs, visit);
    for (const Pack &pack : packs)
        if (covers(pack, visit))
            return choose_by_period(packs, visit);
    return choose_without_period(packs, visit);
}

// By valid_from and created, then by key.
bool precedes(const Pack &left, const Pack &right)
{
    const int order = compare(left.period.from, right.period.from);
    return order != 0 ? order < 0 : compare(left.created, right.created) < 0;
}

// What the DBA has chosen for a session that no rule attributes. A session that is left finds no room at all.
Attribution choose_anyway(std::span<const Pack> packs, const Visit &visit, WhenAmbiguous when_ambiguous)
{
    size_t oldest = no_pack;
    size_t newest = no_pack;
    size_t active = no_pack;
    for (size_t i = 0; i < packs.size(); i++) {
        if (!may_take(packs[i], visit) || !has_room(packs[i], visit))
            continue;
        if (oldest == no_pack || precedes(packs[i], packs[oldest]))
            oldest = i;
        if (newest == no_pack || !precedes(packs[i], packs[newest]))
            newest = i;
        if (packs[i].active && (active == no_pack || precedes(packs[i], packs[active])))
            active = i;
    }
    if (oldest == no_pack)
        return left_unpaid(packs, visit, may_take);
    if (when_ambiguous == WhenAmbiguous::fill)
        return linked(oldest, Rule::chosen);
    return linked(active != no_pack ? active : newest, Rule::chosen);
}

bool take(std::span<Pack> packs, const Visit &visit, const Attribution &attribution)
{
    if (attribution.pack == no_pack)
        return false;
    std::optional<int64_t> &room = packs[attribution.pack].room;
    if (room)
        room = *room - visit.cost;
    return true;
}

// To a visit the packs that do not pay for it are not there.
void offer(std::span<Pack> packs, const Visit &visit)
{
    for (size_t i = 0; i < packs.size(); i++)
        packs[i].pays = visit.pays.empty() || visit.pays[i];
}

}  // namespace

void attribute(std::span<Pack> packs, std::span<const Visit> visits, const Choice &choice,
               std::span<Attribution> attributions)
{
    for (Attribution &attribution : attributions)
        attribution = left(Reason::ambiguous);
    // A later session may fill a subscription and so end a tie for an earlier one: until nothing changes, so that a
    // second migration finds nothing more.
    bool changed = true;
    while (changed) {
        changed = false;
        for (size_t i = 0; i < visits.size(); i++) {
            if (attributions[i].pack != no_pack)
                continue;
            offer(packs, visits[i]);
            attributions[i] = choose(packs, visits[i], choice.drawn);
            changed |= take(packs, visits[i], attributions[i]);
        }
    }
    if (choice.when_ambiguous == WhenAmbiguous::leave)
        return;
    for (size_t i = 0; i < visits.size(); i++) {
        if (attributions[i].pack != no_pack)
            continue;
        offer(packs, visits[i]);
        attributions[i] = choose_anyway(packs, visits[i], choice.when_ambiguous);
        take(packs, visits[i], attributions[i]);
    }
}

}  // namespace sc
