// Reads moments.
#include "migrate/calendar.hpp"

namespace sc {

namespace {

// The day of a moment, as the server casts to date.
Datum day_of(Datum value, Oid type)
{
    switch (type) {
    case TIMESTAMPOID:
        return DirectFunctionCall1(timestamp_date, value);
    case TIMESTAMPTZOID:
        return DirectFunctionCall1(timestamptz_date, value);
    default:
        return value;
    }
}

int64_t moment_of(const Calendar &calendar, Datum value, Oid type)
{
    if (type == DATEOID)
        value = DirectFunctionCall1(calendar.zoned ? date_timestamptz : date_timestamp, value);
    else if (type == TIMESTAMPOID && calendar.zoned)
        value = DirectFunctionCall1(timestamp_timestamptz, value);
    return DatumGetTimestamp(value);
}

}  // namespace

MomentColumn find_moment_column(Oid relation, const char *name)
{
    if (name == nullptr)
        return {};
    const AttrNumber number = get_attnum(relation, name);
    if (number == InvalidAttrNumber)
        ereport(ERROR, errcode(ERRCODE_UNDEFINED_COLUMN),
                errmsg("column \"%s\" of table \"%s\" is gone", name, get_rel_name(relation)),
                errhint("Call migrate() again with the columns as they are now."));
    return {number, getBaseType(get_atttype(relation, number))};
}

Calendar make_calendar(Oid sessions, Oid subscriptions, const CalendarNames &names)
{
    Calendar calendar{};
    calendar.start = find_moment_column(sessions, names.start);
    calendar.valid_from = find_moment_column(subscriptions, names.valid_from);
    calendar.valid_until = find_moment_column(subscriptions, names.valid_until);
    calendar.created = find_moment_column(subscriptions, names.created);
    for (const MomentColumn &column : {calendar.start, calendar.valid_from, calendar.valid_until})
        calendar.zoned |= column.type == TIMESTAMPTZOID;
    return calendar;
}

int64_t start_moment(const Calendar &calendar, Datum value)
{
    return moment_of(calendar, value, calendar.start.type);
}

int64_t first_moment(const Calendar &calendar, Datum valid_from)
{
    const Oid type = calendar.valid_from.type;
    if (calendar.start.type == DATEOID && type != DATEOID)
        return moment_of(calendar, day_of(valid_from, type), DATEOID);
    return moment_of(calendar, valid_from, type);
}

int64_t last_moment(const Calendar &calendar, Datum valid_until)
{
    const Oid type = calendar.valid_until.type;
    if (calendar.start.type != DATEOID && type != DATEOID)
        return moment_of(calendar, valid_until, type);
    const DateADT day = DatumGetDateADT(day_of(valid_until, type));
    if (DATE_NOT_FINITE(day))
        return moment_of(calendar, DateADTGetDatum(day), DATEOID);
    // The last microsecond of that day.
    return moment_of(calendar, DateADTGetDatum(day + 1), DATEOID) - 1;
}

int64_t creation_moment(const Calendar &calendar, Datum created)
{
    return calendar.created.type == DATEOID ? int64_t{DatumGetDateADT(created)} : DatumGetTimestamp(created);
}

}  // namespace sc
