// The moments of an attachment, on one scale: when a session starts, and the period of a subscription. What has a zone
// is converted to local time in the attachment's own time zone, if it names one; never in the caller's. Reads rows.
#pragma once

#include "catalog/mapping.hpp"
#include "rules/period_rule.hpp"

namespace sc {

// A column with moments. number is 0 if there is none.
struct MomentColumn {
    AttrNumber number;
    Oid type;                          // the base type: date, timestamp or timestamptz
};
static_assert(Pod<MomentColumn>);

// Where moments are compared; nullptr: as they are, either all of them have a zone or none has.
using Zone = const pg_tz *;

// The column of that very relation; 42703 if it is gone.
MomentColumn make_moment_column(Relation relation, const char *name);

// 22023 if there is no such time zone. name may be nullptr.
Zone make_zone(const char *name);

// The moment in that column of the row: microseconds; a date is its first moment. Absent: NULL, or no such column.
std::optional<int64_t> moment_of(TupleTableSlot *row, const MomentColumn &column, Zone zone);

// The period that those columns of the row say: the last day of a date belongs to it, the last moment of a timestamp
// does not.
Period period_of(TupleTableSlot *row, const MomentColumn &from, const MomentColumn &until, Zone zone);

}  // namespace sc
