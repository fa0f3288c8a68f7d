// Reads moments.
#include "catalog/period.hpp"

#include "server/relations.hpp"
#include "server/values.hpp"

namespace sc {

namespace {

// The first moment of a day. Days beyond the last timestamp count as infinite; the first day of all is a timestamp.
int64_t start_of_day(DateADT day)
{
    if (DATE_IS_NOBEGIN(day))
        return PG_INT64_MIN;
    return DATE_IS_NOEND(day) || day >= TIMESTAMP_END_JULIAN - POSTGRES_EPOCH_JDATE ? PG_INT64_MAX
                                                                                     : day * USECS_PER_DAY;
}

// A moment as the clock on the wall of that zone shows it.
int64_t local_time(TimestampTz moment, Zone zone)
{
    if (TIMESTAMP_NOT_FINITE(moment))
        return moment;
    int offset;
    pg_tm time;
    fsec_t fraction;
    Timestamp local;
    if (timestamp2tm(moment, &offset, &time, &fraction, nullptr, const_cast<pg_tz *>(zone)) != 0 ||
        tm2timestamp(&time, fraction, nullptr, &local) != 0)
        ereport(ERROR, errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE), errmsg("timestamp out of range"));
    return local;
}

int64_t moment(Datum value, Oid type, Zone zone)
{
    if (type == DATEOID)
        return start_of_day(DatumGetDateADT(value));
    return type == TIMESTAMPTZOID && zone != nullptr ? local_time(DatumGetTimestampTz(value), zone)
                                                     : DatumGetTimestamp(value);
}

}  // namespace

MomentColumn make_moment_column(Relation relation, const char *name)
{
    if (name == nullptr)
        return {};
    const AttrNumber column = bound_column(relation, name);
    return {column, base_type(relation, column)};
}

Zone make_zone(const char *name)
{
    if (name == nullptr)
        return nullptr;
    const pg_tz *zone = pg_tzset(name);
    if (zone == nullptr)
        ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("time zone \"%s\" not recognized", name),
                errdetail("The argument \"time_zone\" of the attachment names it."),
                errhint("pg_timezone_names lists them."));
    return zone;
}

std::optional<int64_t> moment_of(TupleTableSlot *row, const MomentColumn &column, Zone zone)
{
    if (column.number == 0)
        return std::nullopt;
    bool is_null;
    const Datum value = slot_getattr(row, column.number, &is_null);
    return is_null ? std::nullopt : std::optional(moment(value, column.type, zone));
}

Period period_of(TupleTableSlot *row, const MomentColumn &from, const MomentColumn &until, Zone zone)
{
    Period period{moment_of(row, from, zone), std::nullopt};
    if (until.number == 0)
        return period;
    bool is_null;
    const Datum value = slot_getattr(row, until.number, &is_null);
    if (is_null)
        return period;
    if (until.type != DATEOID) {
        period.until = moment(value, until.type, zone);
    } else if (const DateADT day = DatumGetDateADT(value); !DATE_IS_NOEND(day)) {
        period.until = DATE_IS_NOBEGIN(day) ? PG_INT64_MIN : start_of_day(day + 1);
    }
    if (period.until == PG_INT64_MAX)
        period.until.reset();
    return period;
}

}  // namespace sc
