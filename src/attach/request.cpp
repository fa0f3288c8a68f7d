// Reads the arguments of attach().
#include "attach/request.hpp"

#include "catalog/arguments.hpp"

namespace sc {

Request read_request(FunctionCallInfo fcinfo)
{
    const Arguments arguments = arguments_of(fcinfo);
    Request request{};
    request.sessions = DatumGetObjectId(require_argument(arguments, "sessions"));
    request.subscriptions = DatumGetObjectId(require_argument(arguments, "subscriptions"));
    request.dry_run = DatumGetBool(require_argument(arguments, "dry_run"));
    request.mapping = read_fields(arguments, nullptr);
    if (request.sessions == request.subscriptions)
        ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                errmsg("sessions and subscriptions must be two tables"),
                errdetail("Both arguments name the same relation."),
                errhint("Name the table of the bookings first, then that of the packs that pay for them."));
    return request;
}

}  // namespace sc
