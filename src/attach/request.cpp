// Reads the arguments of attach().
#include "attach/request.hpp"

namespace sc {

namespace {

// The arguments in the order of the SQL function.
enum Argument : int {
    sessions,
    subscriptions,
    member_column,
    subscription_column,
    type_column,
    status_column,
    consuming_types,
    scheduled_statuses,
    completed_statuses,
    subscription_member_column,
    subscription_status_column,
    active_status,
    total_column,
    used_column,
    remaining_column,
    counts_view,
    guard,
    ledger,
    link_check,
    dry_run,
    arguments,
};

constexpr std::array<const char *, arguments> argument_names{
    "sessions",           "subscriptions",      "member_column",
    "subscription_column", "type_column",       "status_column",
    "consuming_types",    "scheduled_statuses", "completed_statuses",
    "subscription_member_column", "subscription_status_column", "active_status",
    "total_column",       "used_column",        "remaining_column",
    "counts_view",        "guard",              "ledger",
    "link_check",         "dry_run",
};

struct NameArgument {
    Argument argument;
    const char *Mapping::*member;
};
constexpr std::array name_arguments{
    NameArgument{member_column, &Mapping::member_column},
    NameArgument{subscription_column, &Mapping::subscription_column},
    NameArgument{type_column, &Mapping::type_column},
    NameArgument{status_column, &Mapping::status_column},
    NameArgument{subscription_member_column, &Mapping::subscription_member_column},
    NameArgument{subscription_status_column, &Mapping::subscription_status_column},
    NameArgument{total_column, &Mapping::total_column},
    NameArgument{used_column, &Mapping::used_column},
    NameArgument{remaining_column, &Mapping::remaining_column},
};

struct ListArgument {
    Argument argument;
    Names Mapping::*member;
};
constexpr std::array list_arguments{
    ListArgument{consuming_types, &Mapping::consuming_types},
    ListArgument{scheduled_statuses, &Mapping::scheduled_statuses},
    ListArgument{completed_statuses, &Mapping::completed_statuses},
};

bool may_be_null(int argument)
{
    return argument == type_column || argument == remaining_column || argument == counts_view;
}

void refuse_nulls(FunctionCallInfo fcinfo)
{
    for (int argument = 0; argument < arguments; argument++)
        if (PG_ARGISNULL(argument) && !may_be_null(argument))
            ereport(ERROR, errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
                    errmsg("argument \"%s\" of attach() must not be null", argument_names[argument]),
                    errdetail("Only type_column, remaining_column and counts_view may be null."),
                    errhint("Leave it out to get its default, where it has one."));
}

[[noreturn]] void refuse_empty(Argument argument)
{
    ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
            errmsg("argument \"%s\" of attach() must not be empty", argument_names[argument]),
            errdetail("It is an empty string."), errhint("Leave it out to get its default."));
    pg_unreachable();
}

Names read_list(FunctionCallInfo fcinfo, int argument)
{
    ArrayType *array = PG_GETARG_ARRAYTYPE_P(argument);
    Datum *items;
    bool *nulls;
    int count;
    deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &items, &nulls, &count);
    if (count == 0 || ARR_NDIM(array) != 1)
        ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                errmsg("argument \"%s\" of attach() must be a list of at least one value", argument_names[argument]),
                errdetail("It has %d dimensions and %d values.", ARR_NDIM(array), count),
                errhint("Write it as '{first,second}'."));
    auto **values = static_cast<const char **>(palloc(sizeof(char *) * count));
    for (int i = 0; i < count; i++) {
        if (nulls[i])
            ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("argument \"%s\" of attach() must not contain a null value", argument_names[argument]),
                    errdetail("Its value %d is null.", i + 1),
                    errhint("A session whose type or status is NULL holds no credit, and needs no mention."));
        values[i] = TextDatumGetCString(items[i]);
    }
    return Names(values, count);
}

Mapping read_mapping(FunctionCallInfo fcinfo)
{
    Mapping mapping{};
    for (const NameArgument &name : name_arguments)
        if (!PG_ARGISNULL(name.argument))
            mapping.*name.member = pstrdup(NameStr(*PG_GETARG_NAME(name.argument)));
    for (const ListArgument &list : list_arguments)
        mapping.*list.member = read_list(fcinfo, list.argument);
    mapping.active_status = text_to_cstring(PG_GETARG_TEXT_PP(active_status));
    if (mapping.active_status[0] == '\0')
        refuse_empty(active_status);
    mapping.guard = parse_guard(text_to_cstring(PG_GETARG_TEXT_PP(guard)));
    mapping.ledger = PG_GETARG_BOOL(ledger);
    return mapping;
}

}  // namespace

Request read_request(FunctionCallInfo fcinfo)
{
    refuse_nulls(fcinfo);
    Request request{};
    request.sessions = PG_GETARG_OID(sessions);
    request.subscriptions = PG_GETARG_OID(subscriptions);
    request.mapping = read_mapping(fcinfo);
    if (!PG_ARGISNULL(counts_view))
        request.counts_view = pstrdup(NameStr(*PG_GETARG_NAME(counts_view)));
    if (request.counts_view != nullptr && request.counts_view[0] == '\0')
        refuse_empty(counts_view);
    request.link_check = PG_GETARG_BOOL(link_check);
    request.dry_run = PG_GETARG_BOOL(dry_run);
    if (request.sessions == request.subscriptions)
        ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                errmsg("sessions and subscriptions must be two tables"),
                errdetail("Both arguments name the same relation."),
                errhint("Name the table of the bookings first, then that of the packs that pay for them."));
    return request;
}

}  // namespace sc
