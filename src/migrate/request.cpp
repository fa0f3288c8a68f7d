// Reads the arguments of migrate().
#include "migrate/request.hpp"

#include "catalog/arguments.hpp"
#include "catalog/counting.hpp"

namespace sc {

namespace {

// One of the words that an argument knows, in the order of the enum.
template <typename Choice>
Choice parse_choice(const Arguments &arguments, const char *argument, const std::array<const char *, 3> &words)
{
    const char *word = TextDatumGetCString(require_argument(arguments, argument));
    for (size_t i = 0; i < words.size(); i++)
        if (strcmp(word, words[i]) == 0)
            return static_cast<Choice>(i);
    ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
            errmsg("choice \"%s\" of \"%s\" does not exist", word, argument),
            errhint("The choices are %s, %s and %s.", words[0], words[1], words[2]));
    pg_unreachable();
}

void check_moment_column(Oid relation, const char *name, const char *argument)
{
    if (name == nullptr)
        return;
    HeapTuple tuple = SearchSysCacheAttName(relation, name);
    if (!HeapTupleIsValid(tuple))
        ereport(ERROR, errcode(ERRCODE_UNDEFINED_COLUMN),
                errmsg("column \"%s\" of table \"%s\" does not exist", name, get_rel_name(relation)),
                errhint("Name the right column in the argument \"%s\" of migrate().", argument));
    const Form_pg_attribute column = reinterpret_cast<Form_pg_attribute>(GETSTRUCT(tuple));
    const Oid base = getBaseType(column->atttypid);
    if (base != DATEOID && base != TIMESTAMPOID && base != TIMESTAMPTZOID)
        ereport(ERROR, errcode(ERRCODE_DATATYPE_MISMATCH),
                errmsg("column \"%s\" of table \"%s\" has type %s", name, get_rel_name(relation),
                       format_type_be(column->atttypid)),
                errdetail("The argument \"%s\" of migrate() needs a date or a timestamp.", argument));
    // A virtual column is not in the row that is read.
    if (column->attgenerated != '\0' && column->attgenerated != ATTRIBUTE_GENERATED_STORED)
        ereport(ERROR, errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                errmsg("column \"%s\" of table \"%s\" is a virtual generated column", name, get_rel_name(relation)),
                errhint("Name a stored column in the argument \"%s\" of migrate().", argument));
    ReleaseSysCache(tuple);
}

}  // namespace

MigrateRequest read_migrate_request(FunctionCallInfo fcinfo)
{
    const Arguments arguments = arguments_of(fcinfo);
    MigrateRequest request{};
    require_argument(arguments, "sessions");
    request.batch_size = DatumGetInt32(require_argument(arguments, "batch_size"));
    request.calendar.start = name_argument(arguments, "start_column");
    request.calendar.valid_from = name_argument(arguments, "valid_from_column");
    request.calendar.valid_until = name_argument(arguments, "valid_until_column");
    request.calendar.created = name_argument(arguments, "created_column");
    request.when_ambiguous = parse_choice<WhenAmbiguous>(arguments, "when_ambiguous", when_ambiguous_words);
    request.opening = parse_choice<Opening>(arguments, "opening", opening_words);
    if (request.batch_size < 1)
        ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                errmsg("batch_size is %d, and must be at least 1", request.batch_size),
                errhint("A batch is one transaction; it treats whole members with about so many sessions."));
    const Pair pair = pair_arguments(arguments);
    request.sessions = pair.sessions;
    request.subscriptions = pair.subscriptions;
    return request;
}

void check_opening(const MigrateRequest &request, const Mapping &mapping)
{
    if (request.opening == Opening::carry && mapping.carried_column == nullptr)
        ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                errmsg("table \"%s\" is attached without a column for carried credits",
                       get_rel_name(request.sessions)),
                errdetail("opening => 'carry' writes opening balances into that column."),
                errhint("Detach, and attach with a carried_column; opening => 'report' leaves them, 'give_back' sets "
                        "the counters to what is linked."));
}

void settle_calendar(MigrateRequest &request, const Mapping &mapping)
{
    CalendarNames &names = request.calendar;
    names.start = names.start != nullptr ? names.start : mapping.start_column;
    names.valid_from = names.valid_from != nullptr ? names.valid_from : mapping.valid_from_column;
    names.valid_until = names.valid_until != nullptr ? names.valid_until : mapping.valid_until_column;
}

void check_moment_columns(const MigrateRequest &request, Oid subscriptions)
{
    check_moment_column(request.sessions, request.calendar.start, "start_column");
    check_moment_column(subscriptions, request.calendar.valid_from, "valid_from_column");
    check_moment_column(subscriptions, request.calendar.valid_until, "valid_until_column");
    check_moment_column(subscriptions, request.calendar.created, "created_column");
}

}  // namespace sc
