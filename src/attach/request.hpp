// What the caller of attach() asked for. Refuses arguments that are wrong by themselves; looks at no table.
#pragma once

#include "catalog/mapping.hpp"

namespace sc {

struct Request {
    Oid sessions;
    Oid subscriptions;
    Mapping mapping;           // as the arguments say; made is empty
    const char *counts_view;   // nullptr: the default name
    bool link_check;
    bool dry_run;
};
static_assert(Pod<Request>);

constexpr const char *default_remaining_column = "remaining_sessions";

// 22004 for NULL where a value is needed, 22023 for a wrong one.
Request read_request(FunctionCallInfo fcinfo);

}  // namespace sc
