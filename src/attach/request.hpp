// What the caller of attach() asked for. Refuses arguments that are wrong by themselves; looks at no table.
#pragma once

#include "catalog/mapping.hpp"

namespace sc {

struct Request {
    Oid sessions;
    Oid subscriptions;
    Mapping mapping;           // as the arguments say; made is empty
    bool dry_run;
};
static_assert(Pod<Request>);

inline Pair pair_of(const Request &request)
{
    return {request.sessions, request.subscriptions};
}

// 22004 for NULL where a value is needed, 22023 for a wrong one.
Request read_request(FunctionCallInfo fcinfo);

}  // namespace sc
