// Attributes history: certain rules first, the DBA's choice for what they leave.
#include "rules/attribution_rule.hpp"

namespace sc {

namespace {

bool has_period(const Pack &pack)
{
    return pack.from || pack.until;
}

bool covers(const Pack &pack, const Visit &visit)
{
    return has_period(pack) && visit.start && (!pack.from || *pack.from <= *visit.start) &&
           (!pack.until || *visit.start <= *pack.until);
}

bool may_take(const Pack &pack, const Visit &visit)
{
    return pack.active || !visit.scheduled;
}

bool has_room(const Pack &pack, const Visit &visit)
{
    return !visit.counted || !pack.room || *pack.room > 0;
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

// Several periods cover the start: the one that began first and has room, a tie being ambiguous.
Attribution choose_by_period(std::span<const Pack> packs, const Visit &visit)
{
    size_t first = no_pack;
    size_t covering = 0;
    bool tie = false;
    bool allowed = false;
    for (size_t i = 0; i < packs.size(); i++) {
        if (!covers(packs[i], visit))
            continue;
        covering++;
        allowed |= may_take(packs[i], visit);
        if (!may_take(packs[i], visit) || !has_room(packs[i], visit))
            continue;
        const int order = first == no_pack ? -1 : compare(packs[i].from, packs[first].from);
        if (order < 0)
            first = i;
        tie = order == 0 || (tie && order > 0);
    }
    if (first == no_pack)
        return left(allowed ? Reason::full : Reason::inactive);
    if (tie)
        return left(Reason::ambiguous);
    return linked(first, covering == 1 ? Rule::only_period : Rule::first_period);
}

// No period covers the start: only a member's only subscription is beyond doubt.
Attribution choose_without_period(std::span<const Pack> packs, const Visit &visit)
{
    bool allowed = false;
    bool room = false;
    bool periods = false;
    for (const Pack &pack : packs) {
        allowed |= may_take(pack, visit);
        room |= may_take(pack, visit) && has_room(pack, visit);
        periods |= has_period(pack);
    }
    if (packs.empty())
        return left(Reason::no_subscription);
    if (!allowed)
        return left(Reason::inactive);
    if (!room)
        return left(Reason::full);
    if (packs.size() == 1)
        return linked(0, Rule::only_subscription);
    return left(periods && !visit.start ? Reason::no_start : Reason::ambiguous);
}

Attribution choose(std::span<const Pack> packs, const Visit &visit)
{
    for (const Pack &pack : packs)
        if (covers(pack, visit))
            return choose_by_period(packs, visit);
    return choose_without_period(packs, visit);
}

// By valid_from and created, then by key.
bool precedes(const Pack &left, const Pack &right)
{
    const int order = compare(left.from, right.from);
    return order != 0 ? order < 0 : compare(left.created, right.created) < 0;
}

// What the DBA has chosen for a session that no rule attributes. A session that is left finds no room at all.
Attribution choose_anyway(std::span<const Pack> packs, const Visit &visit, WhenAmbiguous when_ambiguous)
{
    size_t oldest = no_pack;
    size_t newest = no_pack;
    size_t active = no_pack;
    bool allowed = false;
    for (size_t i = 0; i < packs.size(); i++) {
        allowed |= may_take(packs[i], visit);
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
        return left(packs.empty() ? Reason::no_subscription : allowed ? Reason::full : Reason::inactive);
    if (when_ambiguous == WhenAmbiguous::fill)
        return linked(oldest, Rule::chosen);
    return linked(active != no_pack ? active : newest, Rule::chosen);
}

bool take(std::span<Pack> packs, const Visit &visit, const Attribution &attribution)
{
    if (attribution.pack == no_pack)
        return false;
    std::optional<int64_t> &room = packs[attribution.pack].room;
    if (visit.counted && room)
        room = *room - 1;
    return true;
}

}  // namespace

void attribute(std::span<Pack> packs, std::span<const Visit> visits, WhenAmbiguous when_ambiguous,
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
            attributions[i] = choose(packs, visits[i]);
            changed |= take(packs, visits[i], attributions[i]);
        }
    }
    if (when_ambiguous == WhenAmbiguous::leave)
        return;
    for (size_t i = 0; i < visits.size(); i++) {
        if (attributions[i].pack != no_pack)
            continue;
        attributions[i] = choose_anyway(packs, visits[i], when_ambiguous);
        take(packs, visits[i], attributions[i]);
    }
}

}  // namespace sc
