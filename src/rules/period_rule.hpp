// PURE: when a subscription is valid, and whether that covers a session. Knows no table, no server and no PostgreSQL
// header, so that it can be tested alone.
#pragma once

#include <cstdint>
#include <optional>

namespace sc {

// Moments are numbers on one scale, whatever it is. An end that is absent is open.
struct Period {
    std::optional<int64_t> from;       // the first moment in it
    std::optional<int64_t> until;      // the first moment after it
};

// A session without a start is not judged until it has one.
constexpr bool covers_start(const Period &period, std::optional<int64_t> start)
{
    return !start || ((!period.from || *period.from <= *start) && (!period.until || *start < *period.until));
}

}  // namespace sc
