// What the caller of migrate() asked for, and the columns with dates that were named. Refuses; looks at no row.
#pragma once

#include "rules/attribution_rule.hpp"
#include "catalog/attachment.hpp"

namespace sc {

struct MigrateRequest {
    Oid sessions;
    int batch_size;
    const char *start_column;          // of the sessions; nullptr: not given
    const char *valid_from_column;     // of the subscriptions
    const char *valid_until_column;
    const char *created_column;
    WhenAmbiguous when_ambiguous;
};
static_assert(Pod<MigrateRequest>);

// 22004 for NULL where a value is needed, 22023 for a wrong one, 42P01 for a table that does not exist.
MigrateRequest read_migrate_request(FunctionCallInfo fcinfo);

// 42703 for a column that does not exist, 42804 for one that is no date or timestamp.
void check_moment_columns(const MigrateRequest &request, Oid subscriptions);

// A column with moments. number is 0 where it was not given.
struct MomentColumn {
    AttrNumber number;
    Oid type;                          // the base type: date, timestamp or timestamptz
};
static_assert(Pod<MomentColumn>);

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

Calendar make_calendar(const MigrateRequest &request, Oid subscriptions);

// Microseconds on the calendar's scale.
int64_t start_moment(const Calendar &calendar, Datum value);
int64_t first_moment(const Calendar &calendar, Datum valid_from);
int64_t last_moment(const Calendar &calendar, Datum valid_until);      // the day or moment itself is still valid
int64_t creation_moment(const Calendar &calendar, Datum created);      // on a scale of its own

}  // namespace sc
