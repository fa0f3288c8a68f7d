// When sessions start and subscriptions are valid: the columns that a migration reads.
#pragma once

#include "catalog/period.hpp"

namespace sc {

// The columns by name; nullptr: not given.
struct CalendarNames {
    const char *start;                 // of the sessions
    const char *valid_from;            // of the subscriptions
    const char *valid_until;
    const char *created;
};
static_assert(Pod<CalendarNames>);

// The column of that very relation: numbers differ among partitions.
MomentColumn find_moment_column(Oid relation, const char *name);

struct Calendar {
    MomentColumn start;                // of the sessions' root
    MomentColumn valid_from;
    MomentColumn valid_until;
    MomentColumn created;
    Zone zone;                         // the attachment's; if it has none and one is needed, the caller's
};
static_assert(Pod<Calendar>);

// time_zone may be nullptr.
Calendar make_calendar(Oid sessions, Oid subscriptions, const CalendarNames &names, const char *time_zone);

// When a subscription was made, on a scale of its own.
std::optional<int64_t> creation_of(TupleTableSlot *row, const Calendar &calendar);

}  // namespace sc
