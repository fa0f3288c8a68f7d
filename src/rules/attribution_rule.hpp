// PURE: which subscription of its member a session without a link belongs to, and by which rule; or why nobody can say.
// Knows no table, no server and no PostgreSQL header, so that it can be tested alone.
#pragma once

#include <array>
#include <cstddef>
#include <span>

#include "rules/period_rule.hpp"

namespace sc {

// What becomes of a session that no rule attributes.
enum class WhenAmbiguous : uint8_t { leave, fill, active };
inline constexpr std::array when_ambiguous_words{"leave", "fill", "active"};

enum class Rule : uint8_t { drawn, only_period, first_period, only_subscription, chosen };
inline constexpr std::array rule_words{"draw_order", "only_period", "first_period", "only_subscription",
                                       "when_ambiguous"};

enum class Reason : uint8_t { no_subscription, full, ambiguous, no_start, inactive, outside_period, does_not_pay };
inline constexpr std::array reason_words{"no_subscription", "full",           "ambiguous",   "no_start",
                                         "inactive",        "outside_period", "does_not_pay"};

// One subscription of the member.
struct Pack {
    Period period;                     // with both ends absent none is known
    std::optional<int64_t> created;    // on a scale of its own
    std::optional<int64_t> room;       // credits that are left; absent: unlimited
    bool active;
    bool pays = true;                  // for the visit that is looked at
};

// One session of the member that has no link.
struct Visit {
    std::optional<int64_t> start;
    int64_t cost;                      // in credits, for which there must be room; 0: none
    bool scheduled;                    // goes to an active subscription only
    bool judged;                       // ... and one whose period covers its start, as a write would have it
    std::span<const bool> pays{};      // of each pack, whether pays_when allows it; empty: any one pays
};

inline constexpr size_t no_pack = static_cast<size_t>(-1);

struct Attribution {
    size_t pack;                       // no_pack: stays without a link
    Rule rule;                         // where it has one
    Reason reason;                     // where it has none
};

// How the sessions of a member are attributed.
struct Choice {
    bool drawn;                        // each goes to the first subscription that could pay for it
    WhenAmbiguous when_ambiguous;
};

// Attributes all of one member's sessions. packs come in the order in which they are drawn, or of their keys, visits
// oldest first, by start and key, those without a start last. Takes the room out of packs. Doing it again with what
// came of it changes nothing.
void attribute(std::span<Pack> packs, std::span<const Visit> visits, const Choice &choice,
               std::span<Attribution> attributions);

}  // namespace sc
