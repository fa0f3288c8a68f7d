// Sessions and their changes, as the unit tests of the rules name them.
#pragma once

#include "rules/credit_rule.hpp"

namespace sc {

// Sessions, by what the rules see of them.
inline constexpr Session booked{true, true, Status::scheduled};
inline constexpr Session unlinked{true, false, Status::scheduled};
inline constexpr Session done{true, true, Status::completed};
inline constexpr Session done_unlinked{true, false, Status::completed};
inline constexpr Session cancelled{true, true, Status::none};
inline constexpr Session cancelled_unlinked{true, false, Status::none};
inline constexpr Session trial{false, false, Status::scheduled};
inline constexpr Session linked_trial{false, true, Status::scheduled};

inline constexpr Session workshop{true, true, Status::scheduled, 2};
inline constexpr Session free_booked{true, true, Status::scheduled, 0};
inline constexpr Session free_unlinked{true, false, Status::scheduled, 0};

constexpr Change inserted(Session after)
{
    return {std::nullopt, after, false, false};
}

constexpr Change deleted(Session before)
{
    return {before, std::nullopt, false, false};
}

// An update that changes neither member nor link, unless it is said.
constexpr Change updated(Session before, Session after, bool same_member = true, bool same_link = true)
{
    return {before, after, same_member, same_link};
}

}  // namespace sc
