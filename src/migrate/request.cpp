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

WhenAmbiguous parse_when_ambiguous(const char *word)
{
    for (size_t i = 0; i < when_ambiguous_words.size(); i++)
        if (strcmp(word, when_ambiguous_words[i]) == 0)
            return static_cast<WhenAmbiguous>(i);
    ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
            errmsg("choice \"%s\" of \"when_ambiguous\" does not exist", word),
            errhint("The choices are leave, fill and active."));
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
    constexpr std::pair<int, const char *> required[] = {{0, "sessions"}, {1, "batch_size"}, {6, "when_ambiguous"}};
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
    request.when_ambiguous = parse_when_ambiguous(text_to_cstring(PG_GETARG_TEXT_PP(6)));
    if (request.batch_size < 1)
        ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                errmsg("batch_size is %d, and must be at least 1", request.batch_size),
                errhint("A batch is one transaction; it treats whole members with about so many sessions."));
    if (get_rel_name(request.sessions) == nullptr)
        ereport(ERROR, errcode(ERRCODE_UNDEFINED_TABLE),
                errmsg("relation with OID %u does not exist", request.sessions));
    return request;
}

void check_moment_columns(const MigrateRequest &request, Oid subscriptions)
{
    check_moment_column(request.sessions, request.calendar.start, "start_column");
    check_moment_column(subscriptions, request.calendar.valid_from, "valid_from_column");
    check_moment_column(subscriptions, request.calendar.valid_until, "valid_until_column");
    check_moment_column(subscriptions, request.calendar.created, "created_column");
}

}  // namespace sc
