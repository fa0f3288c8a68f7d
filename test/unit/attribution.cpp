// The attribution of history without a server: each rule and reason by name, and generated histories of members whose
// truth is known. Prints TAP, and the share that was attributed correctly, wrongly and not at all.
#include <rules/attribution_rule.cpp>   // the rules themselves: they need no server

#include <algorithm>
#include <cstdio>
#include <vector>

#include "tap.hpp"

using namespace sc;

namespace {

using Moment = std::optional<int64_t>;
constexpr Moment open{};

// last: the last moment in the period.
constexpr Pack pack(Moment from, Moment last, Moment room = 10, bool active = true, Moment created = {})
{
    return {{from, last ? Moment(*last + 1) : open}, created, room, active};
}

constexpr Visit done(Moment start)
{
    return {start, 1, false, false};
}

constexpr Visit planned(Moment start)
{
    return {start, 1, true, false};
}

// The same visits under an attachment that has a period.
constexpr Visit judged(Visit visit)
{
    visit.judged = true;
    return visit;
}

constexpr Visit cancelled(Moment start)
{
    return {start, 0, false, false};
}

struct History {
    std::vector<Pack> packs;
    std::vector<Visit> visits;
    std::vector<Attribution> attributions;
};

History attributed(std::vector<Pack> packs, std::vector<Visit> visits, WhenAmbiguous choice = WhenAmbiguous::leave,
                   bool in_order = false)
{
    History history{std::move(packs), std::move(visits), {}};
    history.attributions.resize(history.visits.size());
    attribute(history.packs, history.visits, {in_order, choice}, history.attributions);
    return history;
}

bool went_to(const Attribution &attribution, size_t pack, Rule rule)
{
    return attribution.pack == pack && attribution.rule == rule;
}

bool stayed(const Attribution &attribution, Reason reason)
{
    return attribution.pack == no_pack && attribution.reason == reason;
}

bool goes_to(std::vector<Pack> packs, Visit visit, size_t pack, Rule rule, WhenAmbiguous choice = WhenAmbiguous::leave)
{
    return went_to(attributed(std::move(packs), {visit}, choice).attributions[0], pack, rule);
}

bool stays(std::vector<Pack> packs, Visit visit, Reason reason, WhenAmbiguous choice = WhenAmbiguous::leave)
{
    return stayed(attributed(std::move(packs), {visit}, choice).attributions[0], reason);
}

void test_periods()
{
    const Pack first = pack(0, 9);
    const Pack second = pack(10, 19);
    ok(goes_to({first, second}, done(0), 0, Rule::only_period), "a period begins with its first moment");
    ok(goes_to({first, second}, done(9), 0, Rule::only_period), "a period ends with its last moment");
    ok(goes_to({first, second}, done(10), 1, Rule::only_period), "the next one begins there");
    ok(goes_to({pack(open, 9), second}, done(-50), 0, Rule::only_period), "a period may be open before");
    ok(goes_to({first, pack(10, open)}, done(99), 1, Rule::only_period), "a period may be open behind");
    ok(goes_to({pack(open, open), first}, done(5), 1, Rule::only_period), "open on both sides is no period");
    ok(stays({pack(0, 9, 0), second}, done(5), Reason::full), "the one that covers has no room");
    ok(goes_to({pack(0, 9, open)}, done(5), 0, Rule::only_period), "unlimited always has room");
    ok(goes_to({pack(0, 9, 0)}, cancelled(5), 0, Rule::only_period), "what holds no credit needs no room");
    ok(stays({pack(0, 9, -3)}, done(5), Reason::full), "an overdrawn one has no room");
}

void test_overlaps()
{
    ok(goes_to({pack(3, 19), pack(0, 9)}, done(5), 1, Rule::first_period), "of several the one that began first");
    ok(goes_to({pack(3, 19), pack(0, 9, 0)}, done(5), 0, Rule::first_period), "... and has room");
    ok(goes_to({pack(3, 19), pack(open, 9)}, done(5), 1, Rule::first_period), "an open beginning is the first");
    ok(stays({pack(0, 9), pack(0, 19)}, done(5), Reason::ambiguous), "a tie is ambiguous");
    ok(stays({pack(2, 9), pack(0, 9), pack(0, 19)}, done(5), Reason::ambiguous), "a tie of the first two of three");
    ok(goes_to({pack(2, 9), pack(2, 19), pack(0, 19)}, done(5), 2, Rule::first_period), "no tie behind the first");
    ok(goes_to({pack(0, 9, 0), pack(0, 19)}, done(5), 1, Rule::first_period), "a full one ties with nobody");
    ok(stays({pack(0, 9, 0), pack(3, 19, 0)}, done(5), Reason::full), "none of several has room");
    const History filled = attributed({pack(0, 9, 1), pack(3, 19, 1)}, {done(4), done(5), done(6)});
    ok(went_to(filled.attributions[0], 0, Rule::first_period) &&
           went_to(filled.attributions[1], 1, Rule::first_period) && stayed(filled.attributions[2], Reason::full),
       "the oldest session takes the room first");
    const History ended = attributed({pack(0, 9, 1), pack(0, 19, 1)}, {done(5), done(15)});
    ok(went_to(ended.attributions[0], 0, Rule::first_period) && went_to(ended.attributions[1], 1, Rule::only_period),
       "a tie ends where a later session takes the last room of one");
}

void test_without_period()
{
    ok(goes_to({pack(10, 19)}, done(5), 0, Rule::only_subscription), "older than the only subscription");
    ok(goes_to({pack(10, 19)}, done({}), 0, Rule::only_subscription), "no start, and only one subscription");
    ok(goes_to({pack(open, open)}, done(5), 0, Rule::only_subscription), "no period, and only one subscription");
    ok(stays({pack(10, 19, 0)}, done(5), Reason::full), "the only subscription is full");
    ok(stays({}, done(5), Reason::no_subscription), "no subscription at all");
    ok(stays({pack(0, 9), pack(20, 29)}, done(15), Reason::ambiguous), "in a gap between two");
    ok(stays({pack(0, 9), pack(20, 29)}, done({}), Reason::no_start), "periods are known, the start is not");
    ok(stays({pack(open, open), pack(open, open)}, done({}), Reason::ambiguous), "nothing is known of two");
    ok(stays({pack(open, open), pack(open, open)}, done(5), Reason::ambiguous), "no period is known of two");
    ok(stays({pack(open, open, 0), pack(open, open, 0)}, done(5), Reason::full), "both are full");
}

void test_scheduled()
{
    const Pack expired = pack(0, 9, 10, false);
    ok(goes_to({expired}, done(5), 0, Rule::only_period), "a completed session goes to an expired subscription");
    ok(stays({expired}, planned(5), Reason::inactive), "a scheduled one does not");
    ok(stays({expired, pack(10, 19)}, planned(5), Reason::inactive), "... nor to one that does not cover it");
    ok(stays({expired, pack(10, 19)}, judged(planned(5)), Reason::outside_period), "... by the period of bookings");
    ok(goes_to({pack(10, 19)}, planned(5), 0, Rule::only_subscription), "it goes to the only one before it begins");
    ok(stays({pack(10, 19)}, judged(planned(5)), Reason::outside_period), "... unless bookings have a period");
    ok(stays({pack(10, 19)}, judged(planned(5)), Reason::outside_period, WhenAmbiguous::fill), "... by choice, too");
    ok(goes_to({pack(10, 19)}, judged(done(5)), 0, Rule::only_subscription), "... but what is completed does");
    ok(goes_to({expired, pack(3, 19)}, planned(5), 1, Rule::first_period), "of several it takes the active one");
    ok(goes_to({expired, pack(0, 19)}, planned(5), 1, Rule::first_period), "an inactive one ties with nobody");
    ok(stays({expired, pack(3, 19, 0)}, planned(5), Reason::full), "the active one is full");
    ok(stays({pack(open, open, 10, false)}, planned(5), Reason::inactive), "the only subscription is not active");
    ok(stays({pack(open, open, 10, false), pack(open, open)}, planned(5), Reason::ambiguous),
       "of two without a period the active one is not beyond doubt");
    ok(stays({expired, expired}, planned({}), Reason::inactive, WhenAmbiguous::fill), "no choice makes one active");
}

void test_choice()
{
    constexpr auto fill = WhenAmbiguous::fill;
    constexpr auto active = WhenAmbiguous::active;
    constexpr Rule chosen = Rule::chosen;
    ok(goes_to({pack(20, 29), pack(0, 9)}, done(15), 1, chosen, fill), "fill: by valid_from");
    ok(goes_to({pack(20, 29), pack(0, 9, 0)}, done(15), 0, chosen, fill), "fill: as room allows");
    ok(goes_to({pack(open, open, 5, true, 2), pack(open, open, 5, true, 1)}, done(1), 1, chosen, fill),
       "fill: then by created");
    ok(goes_to({pack(open, open), pack(open, open)}, done(1), 0, chosen, fill), "fill: then by key");
    ok(goes_to({pack(0, 9), pack(0, 19)}, done(5), 0, chosen, fill), "fill: a tie too");
    ok(goes_to({pack(0, 9, 0), pack(20, 29)}, done(5), 1, chosen, fill), "fill: also where the right one is full");
    ok(goes_to({pack(0, 9, 5, false), pack(20, 29), pack(40, 49, 5, false)}, done(15), 1, chosen, active),
       "active: the active one");
    ok(goes_to({pack(0, 9, 5, false), pack(20, 29, 0), pack(40, 49, 5, false), pack(30, 39, 5, false)}, done(15), 2,
               chosen, active), "active: else the newest with room");
    ok(stays({pack(0, 9, 0), pack(20, 29, 0)}, done(15), Reason::full, active), "no choice makes room");
    ok(stays({}, done(15), Reason::no_subscription, fill), "no choice makes a subscription");
    ok(goes_to({pack(0, 9), pack(20, 29)}, done(5), 0, Rule::only_period, active), "what is certain stays so");
    const History order = attributed({pack(0, 9, 1), pack(20, 29, 1)}, {done(5), done({})}, fill);
    ok(went_to(order.attributions[0], 0, Rule::only_period) && went_to(order.attributions[1], 1, chosen),
       "the certain ones take their room first");
}

bool drawn_to(std::vector<Pack> packs, Visit visit, size_t pack)
{
    return went_to(attributed(std::move(packs), {judged(visit)}, WhenAmbiguous::leave, true).attributions[0], pack,
                   Rule::drawn);
}

bool not_drawn(std::vector<Pack> packs, Visit visit, Reason reason)
{
    return stayed(attributed(std::move(packs), {judged(visit)}, WhenAmbiguous::leave, true).attributions[0], reason);
}

void test_drawn()
{
    const Pack expired = pack(0, 9, 10, false);
    ok(drawn_to({pack(3, 19), pack(0, 9)}, done(5), 0), "drawn: the first in the order, whichever began first");
    ok(drawn_to({pack(0, 9), pack(0, 9)}, done(5), 0), "drawn: no tie");
    ok(drawn_to({pack(10, 19), pack(0, 9)}, done(5), 1), "drawn: the first that covers the start");
    ok(drawn_to({pack(0, 9, 0), pack(0, 19)}, done(5), 1), "drawn: the first that has room");
    ok(drawn_to({pack(open, open), pack(0, 9)}, done(5), 0), "drawn: an open period covers everything");
    ok(drawn_to({pack(10, 19), pack(0, 9)}, done({}), 0), "drawn: without a start no period is judged");
    ok(drawn_to({expired, pack(0, 19)}, done(5), 0), "drawn: what is completed, from any status");
    ok(drawn_to({expired, pack(0, 19)}, planned(5), 1), "drawn: what is scheduled, from an active one");
    ok(not_drawn({}, done(5), Reason::no_subscription), "drawn: none at all");
    ok(not_drawn({expired}, planned(5), Reason::inactive), "drawn: none is active");
    ok(not_drawn({expired, pack(10, 19)}, planned(5), Reason::outside_period), "drawn: none of the active covers it");
    ok(not_drawn({pack(10, 19)}, done(5), Reason::outside_period), "drawn: the only one does not cover it");
    ok(not_drawn({pack(0, 9, 0), pack(10, 19)}, done(5), Reason::full), "drawn: the one that covers it is full");
    const History filled = attributed({pack(0, 9, 2), pack(open, open, 10)}, {done(1), done(2), cancelled(3), done(4)},
                                      WhenAmbiguous::leave, true);
    ok(filled.attributions[0].pack == 0 && filled.attributions[1].pack == 0 && filled.attributions[2].pack == 0 &&
           filled.attributions[3].pack == 1,
       "drawn: the oldest first, as room allows");
    ok(went_to(attributed({pack(10, 19)}, {done(5)}, WhenAmbiguous::fill, true).attributions[0], 0, Rule::chosen),
       "drawn: what is completed may be attributed by choice");
    ok(stayed(attributed({pack(10, 19)}, {judged(planned(5))}, WhenAmbiguous::fill, true).attributions[0],
              Reason::outside_period),
       "drawn: no choice makes a period cover what is scheduled");
}

void test_what_pays()
{
    constexpr auto fill = WhenAmbiguous::fill;
    constexpr auto in_order = true;
    static constexpr bool first[] = {true, false};
    static constexpr bool second[] = {false, true};
    static constexpr bool neither[] = {false, false};
    const auto paid_by = [](Visit visit, const bool (&pays)[2]) {
        visit.pays = pays;
        return visit;
    };
    const std::vector<Pack> packs{pack(0, 9), pack(0, 19)};
    const std::vector<Pack> unknown{pack(open, open), pack(open, open)};
    ok(goes_to(packs, paid_by(done(5), second), 1, Rule::only_period), "what does not pay covers nothing");
    ok(goes_to(unknown, paid_by(done(5), first), 0, Rule::only_subscription), "what does not pay is no choice");
    ok(stays(packs, paid_by(done(5), neither), Reason::does_not_pay), "none pays");
    ok(stays(packs, paid_by(done(5), neither), Reason::does_not_pay, fill), "no choice makes one pay");
    ok(goes_to(packs, paid_by(done(50), second), 1, Rule::only_subscription), "none covers it, the only one that pays");
    ok(stays({pack(0, 9), pack(0, 9, 0)}, paid_by(done(5), second), Reason::full), "the one that pays is full");
    ok(stays({pack(0, 9), pack(0, 9, 10, false)}, paid_by(planned(5), second), Reason::inactive),
       "the one that pays is not active");
    const History drawn = attributed(packs, {judged(paid_by(done(5), second)), judged(paid_by(done(6), first)),
                                             judged(paid_by(done(7), neither)), judged(done(8))},
                                     WhenAmbiguous::leave, in_order);
    ok(drawn.attributions[0].pack == 1 && drawn.attributions[1].pack == 0 &&
           stayed(drawn.attributions[2], Reason::does_not_pay) && drawn.attributions[3].pack == 0,
       "drawn: each from the first that pays for it");
}

// Generated histories ------------------------------------------------------------------------------------------------

struct Random {
    uint64_t state;
    int64_t below(int64_t limit)
    {
        state = state * 6364136223846793005u + 1442695040888963407u;
        return static_cast<int64_t>((state >> 33) % static_cast<uint64_t>(limit));
    }
};

enum class Kind { renewals, gaps, overlaps, overbooked, no_dates, no_start, unlimited };
constexpr std::array kinds{"renewals", "gaps", "overlaps", "overbooked", "no dates", "no start", "unlimited"};

struct Truth {
    std::vector<Pack> packs;
    std::vector<Visit> visits;
    std::vector<size_t> of;                // the pack of each visit
    std::vector<bool> has_room;            // ... which had room for it
};

// One member with 1 to 6 packs, one after the other. In an overlap the older pack is used up first, as at a desk.
Truth generate(Random &random, Kind kind)
{
    struct Entry {
        Visit visit;
        size_t pack;
        int64_t start;
    };
    Truth truth;
    std::vector<Entry> entries;
    const auto count = static_cast<size_t>(1 + random.below(6));
    int64_t from = random.below(50);
    for (size_t i = 0; i < count; i++) {
        const int64_t length = 30 + random.below(60);
        const int64_t total = 4 + random.below(12);
        const bool last = i + 1 == count;
        truth.packs.push_back(pack(from, from + length - 1, kind == Kind::unlimited ? open : Moment(total), last));
        const int64_t wanted = kind == Kind::overbooked ? total + random.below(4) : total - random.below(4);
        const int64_t overlap = kind == Kind::overlaps && !last ? 1 + random.below(15) : 0;
        // While the next pack overlaps, this one is used only where all of it will be.
        const int64_t until = overlap > 0 && wanted < total ? length - overlap : length;
        for (int64_t k = 0; k < wanted; k++) {
            const int64_t start = from + random.below(until);
            const int64_t fate = random.below(10);
            entries.push_back({fate == 0 ? cancelled(start) : last && fate < 3 ? planned(start) : done(start), i,
                               start});
        }
        from += length + (kind == Kind::gaps ? 1 + random.below(30) : -overlap);
    }
    std::stable_sort(entries.begin(), entries.end(),
                     [](const Entry &left, const Entry &right) { return left.start < right.start; });
    std::vector<Pack> room = truth.packs;
    for (Entry &entry : entries) {
        // What is planned is on the active pack; of the others, at the desk, whichever began first and is not used up.
        const auto takes = [&entry](const Pack &one) {
            return covers_start(one.period, entry.start) &&
                   (entry.visit.cost == 0 || !one.room || *one.room > 0);
        };
        const auto first = std::find_if(room.begin(), room.end(), takes);
        if (kind == Kind::overlaps && !entry.visit.scheduled && first != room.end())
            entry.pack = static_cast<size_t>(first - room.begin());
        Moment &left = room[entry.pack].room;
        truth.has_room.push_back(entry.visit.cost == 0 || !left || *left > 0);
        if (entry.visit.cost > 0 && left)
            left = *left - 1;
        if (kind == Kind::no_start && random.below(3) == 0)
            entry.visit.start = open;
        truth.of.push_back(entry.pack);
        truth.visits.push_back(entry.visit);
    }
    if (kind == Kind::no_dates)
        for (Pack &undated : truth.packs)
            undated.period = {};
    return truth;
}

struct Score {
    long right, wrong, left, missed;       // missed: left though its period was known and its pack had room
};

Score score(const Truth &truth, const History &history)
{
    Score result{};
    for (size_t i = 0; i < truth.of.size(); i++) {
        const size_t to = history.attributions[i].pack;
        result.right += to == truth.of[i];
        result.wrong += to != no_pack && to != truth.of[i];
        result.left += to == no_pack;
        result.missed += to == no_pack && truth.has_room[i] && truth.visits[i].start &&
                         truth.packs[truth.of[i]].period.from.has_value();
    }
    return result;
}

// Oldest first, without a start last, as whoever calls attribute() has to sort.
void sort_visits(Truth &truth)
{
    std::vector<size_t> order;
    for (const bool with_start : {true, false})
        for (size_t i = 0; i < truth.visits.size(); i++)
            if (truth.visits[i].start.has_value() == with_start)
                order.push_back(i);
    Truth sorted{truth.packs, {}, {}, {}};
    for (const size_t i : order) {
        sorted.visits.push_back(truth.visits[i]);
        sorted.of.push_back(truth.of[i]);
        sorted.has_room.push_back(truth.has_room[i]);
    }
    truth = sorted;
}

// Once more with what the first time linked, and left.
bool changes_nothing_again(const History &before, WhenAmbiguous choice, bool in_order = false)
{
    History again{before.packs, {}, {}};
    for (size_t i = 0; i < before.visits.size(); i++)
        if (before.attributions[i].pack == no_pack)
            again.visits.push_back(before.visits[i]);
    again = attributed(again.packs, again.visits, choice, in_order);
    return std::all_of(again.attributions.begin(), again.attributions.end(),
                       [](const Attribution &attribution) { return attribution.pack == no_pack; });
}

void test_histories()
{
    Random random{2024};
    std::printf("# %-10s %8s %9s %9s %9s\n", "history", "sessions", "correctly", "wrongly", "left");
    for (size_t k = 0; k < kinds.size(); k++) {
        const auto kind = static_cast<Kind>(k);
        Score sum{};
        bool idempotent = true;
        for (int member = 0; member < 5000; member++) {
            Truth truth = generate(random, kind);
            sort_visits(truth);
            const History history = attributed(truth.packs, truth.visits);
            const Score one = score(truth, history);
            sum = {sum.right + one.right, sum.wrong + one.wrong, sum.left + one.left, sum.missed + one.missed};
            for (const WhenAmbiguous choice : {WhenAmbiguous::leave, WhenAmbiguous::fill, WhenAmbiguous::active})
                idempotent &= changes_nothing_again(attributed(truth.packs, truth.visits, choice), choice);
        }
        const long sessions = sum.right + sum.wrong + sum.left;
        std::printf("# %-10s %8ld %8.2f%% %8.2f%% %8.2f%%\n", kinds[k], sessions, 100.0 * sum.right / sessions,
                    100.0 * sum.wrong / sessions, 100.0 * sum.left / sessions);
        char promise[80];
        std::snprintf(promise, sizeof promise, "%s: none is attributed wrongly", kinds[k]);
        ok(sum.wrong == 0, promise);
        std::snprintf(promise, sizeof promise, "%s: all that have a known period and room are attributed", kinds[k]);
        ok(sum.missed == 0, promise);
        std::snprintf(promise, sizeof promise, "%s: a second time changes nothing", kinds[k]);
        ok(idempotent, promise);
    }
}

// Small histories with every kind of tie, period, room and status: whatever comes of them, twice is once.
void test_idempotence()
{
    Random random{42};
    bool idempotent = true;
    bool within_room = true;
    for (int member = 0; member < 200000; member++) {
        const auto moment = [&random]() { return random.below(4) == 0 ? open : Moment(random.below(6)); };
        std::vector<Pack> packs(static_cast<size_t>(random.below(5)));
        for (Pack &one : packs) {
            one = pack(moment(), moment(), moment(), random.below(2) == 0, moment());
            if (one.period.from && one.period.until && *one.period.until < *one.period.from)
                std::swap(one.period.from, one.period.until);
        }
        std::vector<Visit> visits(static_cast<size_t>(random.below(8)));
        for (Visit &visit : visits) {
            visit = {moment(), random.below(4), false, random.below(2) > 0};
            visit.scheduled = visit.cost > 0 && random.below(3) == 0;
        }
        std::stable_sort(visits.begin(), visits.end(), [](const Visit &left, const Visit &right) {
            return left.start && (!right.start || *left.start < *right.start);
        });
        for (const WhenAmbiguous choice : {WhenAmbiguous::leave, WhenAmbiguous::fill, WhenAmbiguous::active}) {
            for (const bool in_order : {false, true}) {
                const History history = attributed(packs, visits, choice, in_order);
                idempotent &= changes_nothing_again(history, choice, in_order);
                for (const Pack &one : history.packs)
                    within_room &= !one.room || *one.room >= 0;
            }
        }
    }
    ok(idempotent, "ties, open periods and full packs of all kinds: a second time changes nothing");
    ok(within_room, "ties, open periods and full packs of all kinds: none is overfilled");
}

}  // namespace

int main()
{
    test_periods();
    test_overlaps();
    test_without_period();
    test_scheduled();
    test_drawn();
    test_what_pays();
    test_choice();
    test_histories();
    test_idempotence();
    return finish();
}
