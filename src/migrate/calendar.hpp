// When sessions start and subscriptions are valid, on one scale, whether columns hold dates or timestamps.
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

// Where a session's start and a subscription's period are compared. A date has no time of day: it is compared by the
// day. Dates and timestamps without a zone are in the caller's TimeZone where the other side has a zone.
struct Calendar {
    MomentColumn start;                // of the sessions' root
    MomentColumn valid_from;
    MomentColumn valid_until;
    MomentColumn created;
    bool zoned;
};
static_assert(Pod<Calendar>);

Calendar make_calendar(Oid sessions, Oid subscriptions, const CalendarNames &names);

// Microseconds on the calendar's scale.
int64_t start_moment(const Calendar &calendar, Datum value);
int64_t first_moment(const Calendar &calendar, Datum valid_from);
int64_t last_moment(const Calendar &calendar, Datum valid_until);      // the day or moment itself is still valid
int64_t creation_moment(const Calendar &calendar, Datum created);      // on a scale of its own

}  // namespace sc
