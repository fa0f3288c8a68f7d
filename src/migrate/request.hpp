// What the caller of migrate() asked for, and the columns with dates that were named. Refuses; looks at no row.
#pragma once

#include "catalog/mapping.hpp"
#include "rules/attribution_rule.hpp"
#include "migrate/calendar.hpp"
#include "rules/opening_rule.hpp"

namespace sc {

struct MigrateRequest {
    Oid sessions;
    Oid subscriptions;                 // InvalidOid: the only ones, until migrate() has looked
    int batch_size;
    CalendarNames calendar;
    WhenAmbiguous when_ambiguous;
    Opening opening;
};
static_assert(Pod<MigrateRequest>);

inline Pair pair_of(const MigrateRequest &request)
{
    return {request.sessions, request.subscriptions};
}

// 22004 for NULL where a value is needed, 22023 for a wrong one, 42P01 for a table that does not exist.
MigrateRequest read_migrate_request(FunctionCallInfo fcinfo);

// 55000 where a choice needs what the attachment does not have.
void check_opening(const MigrateRequest &request, const Mapping &mapping);

// What is not named is what the attachment names.
void settle_calendar(MigrateRequest &request, const Mapping &mapping);

// 42703 for a column that does not exist, 42804 for one that is no date or timestamp.
void check_moment_columns(const MigrateRequest &request, Oid subscriptions);

}  // namespace sc
