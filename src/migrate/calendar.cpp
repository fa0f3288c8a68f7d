// Finds the columns with moments.
#include "migrate/calendar.hpp"

namespace sc {

MomentColumn find_moment_column(Oid relation, const char *name)
{
    if (name == nullptr)
        return {};
    const AttrNumber number = get_attnum(relation, name);
    if (number == InvalidAttrNumber)
        ereport(ERROR, errcode(ERRCODE_UNDEFINED_COLUMN),
                errmsg("column \"%s\" of table \"%s\" is gone", name, get_rel_name(relation)),
                errdetail("It was there when the migration began."),
                errhint("Call migrate() again with the columns as they are now."));
    return {number, getBaseType(get_atttype(relation, number))};
}

namespace {

// Something has a zone and something else has none.
bool is_mixed(const Calendar &calendar)
{
    bool zoned = false;
    bool local = false;
    for (const MomentColumn &column : {calendar.start, calendar.valid_from, calendar.valid_until})
        if (column.number != 0)
            (column.type == TIMESTAMPTZOID ? zoned : local) = true;
    return zoned && local;
}

}  // namespace

Calendar make_calendar(Oid sessions, Oid subscriptions, const CalendarNames &names, const char *time_zone)
{
    Calendar calendar{};
    calendar.start = find_moment_column(sessions, names.start);
    calendar.valid_from = find_moment_column(subscriptions, names.valid_from);
    calendar.valid_until = find_moment_column(subscriptions, names.valid_until);
    calendar.created = find_moment_column(subscriptions, names.created);
    calendar.zone = time_zone != nullptr ? make_zone(time_zone) : is_mixed(calendar) ? session_timezone : nullptr;
    return calendar;
}

std::optional<int64_t> creation_of(TupleTableSlot *row, const Calendar &calendar)
{
    return moment_of(row, calendar.created, nullptr);
}

}  // namespace sc
