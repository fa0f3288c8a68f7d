// PURE: what a migration makes of a counter that was there before it. Knows no table, no server and no PostgreSQL
// header, so that it can be tested alone.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

namespace sc {

// What becomes of credits that the table says are gone and no session holds: an opening balance, of which a person
// knows whether it is true.
enum class Opening : uint8_t { report, carry, give_back };
inline constexpr std::array opening_words{"report", "carry", "give_back"};

// A subscription as it is found: what its columns say (absent: NULL, or no such column), and what is linked to it.
struct Found {
    std::optional<int64_t> total;
    std::optional<int64_t> used;
    std::optional<int64_t> remaining;
    int64_t carried;
    int64_t counted;
};

// How many credits are gone, by whichever of the two columns says more.
constexpr int64_t claimed(const Found &found)
{
    int64_t gone = found.used.value_or(0);
    int64_t rest = 0;
    if (found.total && found.remaining && !__builtin_sub_overflow(*found.total, *found.remaining, &rest) && rest > gone)
        gone = rest;
    return gone;
}

// The recount: what sessions hold, here or elsewhere.
constexpr int64_t held_credits(const Found &found)
{
    return found.carried + found.counted;
}

// What is gone beyond it.
constexpr int64_t opening_balance(const Found &found)
{
    const int64_t gone = claimed(found);
    return gone > held_credits(found) ? gone - held_credits(found) : 0;
}

// What the counter is set to: nothing is given back unless somebody has said so.
constexpr int64_t treated_counter(const Found &found, Opening opening)
{
    return held_credits(found) + (opening == Opening::give_back ? 0 : opening_balance(found));
}

// What is carried from then on.
constexpr int64_t treated_carried(const Found &found, Opening opening)
{
    return found.carried + (opening == Opening::carry ? opening_balance(found) : 0);
}

}  // namespace sc
