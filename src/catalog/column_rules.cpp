// Checks the columns and values that attach() is given.
#include "catalog/column_rules.hpp"

#include <algorithm>

#include "catalog/binding.hpp"

namespace sc {

namespace {

enum class Kind : uint8_t { key, word, counter };

// What each column of the mapping must be.
struct ColumnRule {
    const char *Mapping::*member;
    const char *argument;
    bool on_sessions;
    Kind kind;
    bool may_be_missing;     // attach() then adds it
};
constexpr std::array column_rules{
    ColumnRule{&Mapping::member_column, "member_column", true, Kind::key, false},
    ColumnRule{&Mapping::subscription_column, "subscription_column", true, Kind::key, true},
    ColumnRule{&Mapping::type_column, "type_column", true, Kind::word, false},
    ColumnRule{&Mapping::status_column, "status_column", true, Kind::word, false},
    ColumnRule{&Mapping::subscription_member_column, "subscription_member_column", false, Kind::key, false},
    ColumnRule{&Mapping::subscription_status_column, "subscription_status_column", false, Kind::word, false},
    ColumnRule{&Mapping::total_column, "total_column", false, Kind::counter, false},
    ColumnRule{&Mapping::used_column, "used_column", false, Kind::counter, true},
    ColumnRule{&Mapping::remaining_column, "remaining_column", false, Kind::counter, true},
};

bool is_text(Oid type)
{
    return type == TEXTOID || type == VARCHAROID;
}

bool fits(Kind kind, Oid type, Oid base)
{
    switch (kind) {
    case Kind::word:
        // The server compares no domain over an enum: it finds no operator.
        return is_integer(base) || is_text(base) || type_is_enum(type);
    case Kind::counter:
        return is_integer(base);
    case Kind::key:
        break;
    }
    return true;
}

const char *fitting_types(Kind kind)
{
    return kind == Kind::counter ? "smallint, integer, bigint or a domain over one of them"
                                 : "an enum, or text, varchar, an integer type or a domain over one of them";
}

Oid table_of(const Request &request, const ColumnRule &rule)
{
    return rule.on_sessions ? request.sessions : request.subscriptions;
}

[[noreturn]] void raise_missing(Oid table, const char *column, const char *argument)
{
    ereport(ERROR, errcode(ERRCODE_UNDEFINED_COLUMN),
            errmsg("column \"%s\" of table \"%s\" does not exist", column, get_rel_name(table)),
            errdetail("The argument \"%s\" of attach() names it.", argument),
            errhint("Name the right column in that argument."));
    pg_unreachable();
}

void check_column(Oid table, const char *name, const ColumnRule &rule)
{
    const std::optional<Column> column = find_column(table, name);
    if (!column && rule.may_be_missing && name[0] != '\0')
        return;
    if (!column)
        raise_missing(table, name, rule.argument);
    if (column->number < 0)
        ereport(ERROR, errcode(ERRCODE_INVALID_COLUMN_REFERENCE),
                errmsg("\"%s\" is a system column", name),
                errdetail("The server writes it, and nobody else can."),
                errhint("Name another column in the argument \"%s\" of attach().", rule.argument));
    if (column->generated)
        ereport(ERROR, errcode(ERRCODE_GENERATED_ALWAYS),
                errmsg("column \"%s\" of table \"%s\" is generated", name, get_rel_name(table)),
                errdetail("The argument \"%s\" of attach() needs a plain column.", rule.argument),
                errhint("Name a column that statements write, or drop what generates it."));
    if (!fits(rule.kind, column->type, column->base))
        ereport(ERROR, errcode(ERRCODE_DATATYPE_MISMATCH),
                errmsg("column \"%s\" of table \"%s\" has type %s", name, get_rel_name(table),
                       format_type_be(column->type)),
                errdetail("The argument \"%s\" of attach() needs %s.", rule.argument, fitting_types(rule.kind)),
                errhint("Name another column in that argument, or change its type."));
}

void check_named_once(const Mapping &mapping, const ColumnRule &rule, Oid table)
{
    const char *name = mapping.*rule.member;
    for (const ColumnRule &other : column_rules) {
        if (&other == &rule)
            return;
        const char *other_name = mapping.*other.member;
        if (other.on_sessions == rule.on_sessions && other_name != nullptr && strcmp(other_name, name) == 0)
            ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("column \"%s\" is named by both \"%s\" and \"%s\"", name, other.argument,
                           rule.argument),
                    errdetail("Both are columns of table \"%s\".", get_rel_name(table)),
                    errhint("Each argument of attach() needs a column of its own."));
    }
}

// One value on its way through its column's input function.
struct ValueInput {
    const char *value;
    const char *argument;
    const char *column;
    const char *type;
};

// An error context: what the input function refuses is reported as a wrong argument.
void report_refused_value(void *argument)
{
    const int category = ERRCODE_TO_CATEGORY(geterrcode());
    if (category != ERRCODE_DATA_EXCEPTION && category != ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION)
        return;
    const auto *input = static_cast<const ValueInput *>(argument);
    errcode(ERRCODE_INVALID_PARAMETER_VALUE);
    errmsg("column \"%s\" cannot hold the value \"%s\" of \"%s\"", input->column, input->value, input->argument);
    errdetail("The column has type %s.", input->type);
    errhint("List only values that the column accepts.");
}

// The value as its column writes it: ' 1' of an integer column is '1'.
const char *accept_value(const char *value, const char *argument, Oid table, const char *column_name)
{
    const Column column = *find_column(table, column_name);
    ValueInput input{value, argument, column_name, format_type_with_typemod(column.type, column.typmod)};
    ErrorContextCallback context{error_context_stack, report_refused_value, &input};
    error_context_stack = &context;
    Oid function;
    Oid parameter;
    getTypeInputInfo(column.type, &function, &parameter);
    const Datum stored = OidInputFunctionCall(function, const_cast<char *>(value), parameter, column.typmod);
    error_context_stack = context.previous;

    bool varlena;
    getTypeOutputInfo(column.type, &function, &varlena);
    return OidOutputFunctionCall(function, stored);
}

Names accept_values(Names values, const char *argument, Oid table, const char *column)
{
    auto **accepted = static_cast<const char **>(palloc(sizeof(char *) * values.size()));
    std::transform(values.begin(), values.end(), accepted,
                   [=](const char *value) { return accept_value(value, argument, table, column); });
    return Names(accepted, values.size());
}

// No value of the list from first on stands anywhere before it.
void check_listed_once(Names earlier, Names values, const char *what)
{
    for (auto value = values.begin(); value != values.end(); ++value) {
        const auto same = [=](const char *other) { return strcmp(other, *value) == 0; };
        if (std::any_of(earlier.begin(), earlier.end(), same) || std::any_of(values.begin(), value, same))
            ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("%s \"%s\" is listed twice", what, *value),
                    errdetail("One mention would contradict or repeat the other."),
                    errhint("A type is listed once; a status is either scheduled or completed."));
    }
}

}  // namespace

std::optional<Column> find_column(Oid relation, const char *name)
{
    HeapTuple tuple = SearchSysCacheAttName(relation, name);
    if (!HeapTupleIsValid(tuple))
        return std::nullopt;
    const auto *form = reinterpret_cast<Form_pg_attribute>(GETSTRUCT(tuple));
    Column column{};
    column.number = form->attnum;
    column.type = form->atttypid;
    column.base = getBaseType(form->atttypid);
    column.typmod = form->atttypmod;
    column.collation = form->attcollation;
    column.generated = form->attgenerated != '\0' || form->attidentity != '\0';
    ReleaseSysCache(tuple);
    return column;
}

void settle_remaining_column(const Request &request, Mapping &mapping)
{
    if (mapping.remaining_column == nullptr)
        return;
    const std::optional<Column> column = find_column(request.subscriptions, mapping.remaining_column);
    if (!column && strcmp(mapping.remaining_column, default_remaining_column) != 0)
        raise_missing(request.subscriptions, mapping.remaining_column, "remaining_column");
    if (!column || column->generated)
        mapping.remaining_column = nullptr;
}

void check_columns(const Request &request, const Mapping &mapping)
{
    for (const ColumnRule &rule : column_rules) {
        const char *name = mapping.*rule.member;
        if (name == nullptr)
            continue;
        check_column(table_of(request, rule), name, rule);
        check_named_once(mapping, rule, table_of(request, rule));
    }
}

void check_values(const Request &request, Mapping &mapping)
{
    if (mapping.type_column != nullptr)
        mapping.consuming_types =
            accept_values(mapping.consuming_types, "consuming_types", request.sessions, mapping.type_column);
    mapping.scheduled_statuses =
        accept_values(mapping.scheduled_statuses, "scheduled_statuses", request.sessions, mapping.status_column);
    mapping.completed_statuses =
        accept_values(mapping.completed_statuses, "completed_statuses", request.sessions, mapping.status_column);
    mapping.active_status = accept_value(mapping.active_status, "active_status", request.subscriptions,
                                         mapping.subscription_status_column);
    check_listed_once({}, mapping.consuming_types, "type");
    check_listed_once({}, mapping.scheduled_statuses, "status");
    check_listed_once(mapping.scheduled_statuses, mapping.completed_statuses, "status");
}

void check_joined(Oid first, const char *first_column, Oid second, const char *second_column)
{
    const Column left = *find_column(first, first_column);
    const Column right = *find_column(second, second_column);
    if (!are_convertible(left.base, right.base))
        ereport(ERROR, errcode(ERRCODE_DATATYPE_MISMATCH),
                errmsg("column \"%s\" of table \"%s\" does not match column \"%s\" of table \"%s\"", first_column,
                       get_rel_name(first), second_column, get_rel_name(second)),
                errdetail("One has type %s, the other %s.", format_type_be(left.type), format_type_be(right.type)),
                errhint("Give both the same type; integers may differ in width, and text and varchar are alike."));
    if (left.collation != right.collation)
        ereport(ERROR, errcode(ERRCODE_COLLATION_MISMATCH),
                errmsg("columns \"%s\" of table \"%s\" and \"%s\" of table \"%s\" have different collations",
                       first_column, get_rel_name(first), second_column, get_rel_name(second)),
                errdetail("Neither index nor comparison would be the same for both."),
                errhint("Give both the same collation."));
}

}  // namespace sc
