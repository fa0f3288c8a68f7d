// Reads the arguments of migrate().
#include "migrate/request.hpp"

#include "catalog/counting.hpp"

namespace sc {

namespace {

[[noreturn]] void raise_null(const char *argument)
{
    ereport(ERROR, errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("argument \"%s\" must not be null", argument));
    pg_unreachable();
}

const char *column_argument(FunctionCallInfo fcinfo, int position)
{
    return PG_ARGISNULL(position) ? nullptr : pstrdup(NameStr(*PG_GETARG_NAME(position)));
}

// One of the words that an argument knows, in the order of the enum.
template <typename Choice>
Choice parse_choice(FunctionCallInfo fcinfo, int position, const char *argument,
                    const std::array<const char *, 3> &words)
{
    const char *word = text_to_cstring(PG_GETARG_TEXT_PP(position));
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
    constexpr std::pair<int, const char *> required[] = {{0, "sessions"}, {1, "batch_size"}, {6, "when_ambiguous"},
                                                      {7, "opening"}};
    for (const auto &[position, argument] : required)
        if (PG_ARGISNULL(position))
            raise_null(argument);
    MigrateRequest request{};
    request.sessions = PG_GETARG_OID(0);
    request.batch_size = PG_GETARG_INT32(1);
    request.calendar.start = column_argument(fcinfo, 2);
    request.calendar.valid_from = column_argument(fcinfo, 3);
    request.calendar.valid_until = column_argument(fcinfo, 4);
    request.calendar.created = column_argument(fcinfo, 5);
    request.when_ambiguous = parse_choice<WhenAmbiguous>(fcinfo, 6, "when_ambiguous", when_ambiguous_words);
    request.opening = parse_choice<Opening>(fcinfo, 7, "opening", opening_words);
    if (request.batch_size < 1)
        ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                errmsg("batch_size is %d, and must be at least 1", request.batch_size),
                errhint("A batch is one transaction; it treats whole members with about so many sessions."));
    if (get_rel_name(request.sessions) == nullptr)
        ereport(ERROR, errcode(ERRCODE_UNDEFINED_TABLE),
                errmsg("relation with OID %u does not exist", request.sessions));
    return request;
}

void check_opening(const MigrateRequest &request)
{
    if (request.opening == Opening::carry)
        ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                errmsg("table \"%s\" is attached without a column for carried credits",
                       get_rel_name(request.sessions)),
                errdetail("opening => 'carry' writes opening balances into that column."),
                errhint("opening => 'report' leaves them, 'give_back' sets the counters to what is linked."));
}

void check_moment_columns(const MigrateRequest &request, Oid subscriptions)
{
    check_moment_column(request.sessions, request.calendar.start, "start_column");
    check_moment_column(subscriptions, request.calendar.valid_from, "valid_from_column");
    check_moment_column(subscriptions, request.calendar.valid_until, "valid_until_column");
    check_moment_column(subscriptions, request.calendar.created, "created_column");
}

}  // namespace sc
