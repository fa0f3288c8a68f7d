// Checks the columns and values that attach() is given.
#include "catalog/column_rules.hpp"

#include <algorithm>

#include "catalog/draw_order.hpp"
#include "catalog/period.hpp"
#include "server/pg_compat.hpp"
#include "server/relations.hpp"
#include "server/values.hpp"

namespace sc {

namespace {

bool is_text(Oid type)
{
    return type == TEXTOID || type == VARCHAROID;
}

bool is_moment(Oid type)
{
    return type == DATEOID || type == TIMESTAMPOID || type == TIMESTAMPTZOID;
}

bool is_fraction(Oid type)
{
    return type == NUMERICOID || type == FLOAT4OID || type == FLOAT8OID || type == CASHOID;
}

bool fits(FieldKind kind, Oid type, Oid base)
{
    switch (kind) {
    case FieldKind::word:
        // The server compares no domain over an enum: it finds no operator.
        return is_integer(base) || is_text(base) || base == BOOLOID || type_is_enum(type);
    case FieldKind::counter:
        return is_integer(base);
    case FieldKind::moment:
        return is_moment(base);
    default:
        return true;
    }
}

const char *fitting_types(FieldKind kind)
{
    switch (kind) {
    case FieldKind::counter:
        return "smallint, integer, bigint or a domain over one of them";
    case FieldKind::moment:
        return "date, timestamp, timestamptz or a domain over one of them";
    default:
        return "an enum, or text, varchar, boolean, an integer type or a domain over one of them";
    }
}

Oid table_of(const Pair &pair, const Field &field)
{
    return field.side == Side::sessions ? pair.sessions : pair.subscriptions;
}

[[noreturn]] void raise_missing(Oid table, const char *column, const char *argument)
{
    ereport(ERROR, errcode(ERRCODE_UNDEFINED_COLUMN),
            errmsg("column \"%s\" of table \"%s\" does not exist", column, get_rel_name(table)),
            errdetail("The argument \"%s\" of attach() names it.", argument),
            errhint("Name the right column in that argument."));
    pg_unreachable();
}

}  // namespace

void check_key_type(Oid table, const char *name, const char *needed)
{
    const Column column = *find_column(table, name);
    const TypeCacheEntry *entry =
        lookup_type_cache(column.base, TYPECACHE_EQ_OPR | TYPECACHE_CMP_PROC | TYPECACHE_HASH_PROC);
    if (!OidIsValid(entry->eq_opr) || !OidIsValid(entry->cmp_proc) || !OidIsValid(entry->hash_proc))
        ereport(ERROR, errcode(ERRCODE_DATATYPE_MISMATCH),
                errmsg("column \"%s\" of table \"%s\" has type %s", name, get_rel_name(table),
                       format_type_be(column.type)),
                errdetail("%s needs a type with default operator classes for btree and hash.", needed),
                errhint("Give it a type whose values can be compared, sorted and hashed."));
}

namespace {

void check_type(Oid table, const char *name, const Field &field)
{
    const std::optional<Column> column = find_column(table, name);
    if (!column && has(field, added))
        return;
    if (!column)
        raise_missing(table, name, field.name);
    if (column->number < 0)
        ereport(ERROR, errcode(ERRCODE_INVALID_COLUMN_REFERENCE),
                errmsg("\"%s\" is a system column", name),
                errdetail("The server writes it, and nobody else can."),
                errhint("Name another column in the argument \"%s\" of attach().", field.name));
    if (column->generated && !(has(field, computed) && column->stored))
        ereport(ERROR, errcode(ERRCODE_GENERATED_ALWAYS),
                errmsg("column \"%s\" of table \"%s\" is generated", name, get_rel_name(table)),
                errdetail("The argument \"%s\" of attach() needs a plain column.", field.name),
                errhint("Name a column that statements write, or drop what generates it."));
    if (!fits(field.kind, column->type, column->base))
        ereport(ERROR, errcode(ERRCODE_DATATYPE_MISMATCH),
                errmsg("column \"%s\" of table \"%s\" has type %s", name, get_rel_name(table),
                       format_type_be(column->type)),
                errdetail("The argument \"%s\" of attach() needs %s.", field.name, fitting_types(field.kind)),
                field.kind == FieldKind::counter && is_fraction(column->base)
                    ? errhint("Count in the smallest unit, as minutes or quarters of an hour, in an integer column; a"
                              " total may be a stored generated column that says so.")
                    : errhint("Name another column in that argument, or change its type."));
    if (field.kind == FieldKind::key)
        check_key_type(table, name, psprintf("The argument \"%s\" of attach()", field.name));
}

// True where a generated column is computed from the other one.
bool is_computed_from(Oid table, AttrNumber generated, AttrNumber other)
{
    Relation relation = table_open(table, AccessShareLock);
    const TupleConstr *constraints = RelationGetDescr(relation)->constr;
    Bitmapset *columns = nullptr;
    for (int i = 0; constraints != nullptr && i < constraints->num_defval; i++)
        if (constraints->defval[i].adnum == generated)
            pull_varattnos(static_cast<Node *>(stringToNode(constraints->defval[i].adbin)), 1, &columns);
    table_close(relation, NoLock);
    return bms_is_member(other - FirstLowInvalidHeapAttributeNumber, columns);
}

// A generated total follows neither the counter nor, since it is computed after the triggers that would need it, can a
// plain remaining follow it.
void check_generated_total(const Pair &pair, const Mapping &mapping)
{
    const std::optional<Column> found =
        mapping.total_column == nullptr ? std::nullopt : find_column(pair.subscriptions, mapping.total_column);
    if (!found || !found->generated)
        return;
    const Column &total = *found;
    const std::optional<Column> used = find_column(pair.subscriptions, mapping.used_column);
    if (used && is_computed_from(pair.subscriptions, total.number, used->number))
        ereport(ERROR, errcode(ERRCODE_GENERATED_ALWAYS),
                errmsg("column \"%s\" of table \"%s\" is computed from column \"%s\"", mapping.total_column,
                       get_rel_name(pair.subscriptions), mapping.used_column),
                errdetail("A total that changes with what is used of it is none."),
                errhint("Name another column in the argument \"total_column\" of attach()."));
    if (mapping.remaining_column == nullptr)
        return;
    ereport(ERROR, errcode(ERRCODE_GENERATED_ALWAYS),
            errmsg("column \"%s\" of table \"%s\" is generated, and column \"%s\" is not", mapping.total_column,
                   get_rel_name(pair.subscriptions), mapping.remaining_column),
            errdetail("The remaining of a new total would be written before that total is computed."),
            errhint("Generate the remaining, too, or leave it alone with remaining_column => NULL."));
}

// Each column that the mapping names is named by one field.
void check_named_once(const Pair &pair, const Mapping &mapping, const Field &field)
{
    const char *name = mapping.*field.text;
    for (const Field &other : mapping_fields) {
        if (&other == &field)
            return;
        if (!is_column(other) || other.side != field.side || mapping.*other.text == nullptr ||
            strcmp(mapping.*other.text, name) != 0)
            continue;
        ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                errmsg("column \"%s\" is named by both \"%s\" and \"%s\"", name, other.name, field.name),
                errdetail("Both are columns of table \"%s\".", get_rel_name(table_of(pair, field))),
                errhint("Each argument of attach() needs a column of its own."));
    }
}

// One value on its way through its column's input function.
struct ValueInput {
    const char *value;
    const char *argument;
    const char *column;
    const char *type;
    bool boolean;
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
    if (input->boolean)
        errhint("A boolean column holds t or f: list them as '{t}', '{f}' or '{t,f}'.");
    else
        errhint("List only values that the column accepts.");
}

// The value as its column writes it: ' 1' of an integer column is '1'.
const char *accept_value(const char *value, const char *argument, Oid table, const char *column_name)
{
    const Column column = *find_column(table, column_name);
    ValueInput input{value, argument, column_name, format_type_with_typemod(column.type, column.typmod),
                     column.base == BOOLOID};
    ErrorContextCallback context{error_context_stack, report_refused_value, &input};
    error_context_stack = &context;
    Oid function;
    Oid parameter;
    getTypeInputInfo(column.type, &function, &parameter);
    const Datum stored = OidInputFunctionCall(function, const_cast<char *>(value), parameter, column.typmod);
    error_context_stack = context.previous;
    return value_text(stored, column.type);
}

Names accept_values(Names values, const char *argument, Oid table, const char *column)
{
    auto **accepted = static_cast<const char **>(palloc(sizeof(char *) * values.size()));
    std::transform(values.begin(), values.end(), accepted,
                   [=](const char *value) { return accept_value(value, argument, table, column); });
    return Names(accepted, values.size());
}

// No value stands twice among the lists of one column.
void check_listed_once(const Mapping &mapping, const Field &list)
{
    const Names values = mapping.*list.list;
    const auto refuse = [](const char *value, const Field &first, const Field &second) {
        ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                errmsg("value \"%s\" of \"%s\" is listed twice", value, second.name),
                errdetail("\"%s\" lists it already.", first.name),
                errhint("One mention would contradict or repeat the other: leave one of them."));
    };
    for (const Field &other : mapping_fields) {
        const bool itself = &other == &list;
        if (other.kind != FieldKind::list || other.words_of != list.words_of)
            continue;
        const Names earlier = mapping.*other.list;
        for (auto value = values.begin(); value != values.end(); ++value)
            if (std::any_of(earlier.begin(), itself ? earlier.begin() + (value - values.begin()) : earlier.end(),
                            [value](const char *known) { return strcmp(known, *value) == 0; }))
                refuse(*value, other, list);
        if (itself)
            return;
    }
}

void check_something_counts(const Mapping &mapping)
{
    if (mapping.status_column == nullptr || !mapping.scheduled_statuses.empty() || !mapping.completed_statuses.empty())
        return;
    ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
            errmsg("\"scheduled_statuses\" and \"completed_statuses\" are both empty"),
            errdetail("No session would ever hold a credit."),
            errhint("List a status in one of them; status_column => NULL counts every session."));
}

// Whether bookings write that column of the subscriptions, or what it is computed from.
bool moves_with_counters(const Pair &pair, const Mapping &mapping, const char *name)
{
    const std::optional<Column> column = find_column(pair.subscriptions, name);
    for (const Field &field : mapping_fields) {
        const char *counter = field.kind == FieldKind::counter ? mapping.*field.text : nullptr;
        if (counter == nullptr || field.text == &Mapping::total_column)
            continue;
        const std::optional<Column> written = find_column(pair.subscriptions, counter);
        if (strcmp(counter, name) == 0 ||
            (column && written && column->generated && is_computed_from(pair.subscriptions, column->number,
                                                                        written->number)))
            return true;
    }
    return false;
}

void check_drawn_column(const Pair &pair, const Mapping &mapping, const char *name)
{
    const char *table = get_rel_name(pair.subscriptions);
    if (moves_with_counters(pair, mapping, name))
        ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                errmsg("draw_order names column \"%s\", which changes with every booking", name),
                errdetail("An order of table \"%s\" that bookings change would draw now from one subscription, now "
                          "from another.", table),
                errhint("Order by what bookings leave as it is, such as the end of the period."));
    const std::optional<Column> column = find_column(pair.subscriptions, name);
    if (!column)
        raise_missing(pair.subscriptions, name, "draw_order");
    if (column->number < 0)
        ereport(ERROR, errcode(ERRCODE_INVALID_COLUMN_REFERENCE), errmsg("\"%s\" is a system column", name),
                errdetail("The server changes it with every write."),
                errhint("Name another column in the argument \"draw_order\" of attach()."));
    if (column->generated && !column->stored)
        ereport(ERROR, errcode(ERRCODE_GENERATED_ALWAYS),
                errmsg("column \"%s\" of table \"%s\" is generated when it is read", name, table),
                errdetail("The argument \"draw_order\" of attach() needs columns that are stored."),
                errhint("Generate it STORED."));
    check_key_type(pair.subscriptions, name, "The argument \"draw_order\" of attach()");
}

// CET is an offset to AT TIME ZONE, by which the counts view reads, and a zone with a summer to others; some systems do
// not have that zone.
void check_time_zone(const char *name)
{
    if (name == nullptr)
        return;
    char *lowered = pstrdup(name);
    std::transform(name, name + strlen(name), lowered, pg_ascii_tolower);
    if (is_zone_abbreviation(lowered) && strcmp(lowered, "utc") != 0 && strcmp(lowered, "gmt") != 0)
        ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                errmsg("time zone \"%s\" is an abbreviation", name),
                errdetail("It may mean an offset as well as a zone with summer and winter time."),
                errhint("Name a place, such as Europe/Berlin; pg_timezone_names lists them."));
    make_zone(name);
}

// What has a zone and what has none are compared nowhere but in a zone that is named.
void check_comparable(const Pair &pair, const Mapping &mapping)
{
    const std::optional<Column> start = find_column(pair.sessions, mapping.start_column);
    for (const char *end : {mapping.valid_from_column, mapping.valid_until_column}) {
        const std::optional<Column> column = end == nullptr ? std::nullopt : find_column(pair.subscriptions, end);
        if (!start || !column || (start->base == TIMESTAMPTZOID) == (column->base == TIMESTAMPTZOID))
            continue;
        ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                errmsg("columns \"%s\" and \"%s\" can be compared in a time zone only", mapping.start_column, end),
                errdetail("One has type %s, the other %s; which day or hour it is depends on the place.",
                          format_type_be(start->type), format_type_be(column->type)),
                errhint("Name the place where sessions take place: time_zone => 'Europe/Berlin'."));
    }
}

}  // namespace

void check_draw_order(const Pair &pair, Mapping &mapping)
{
    if (mapping.draw_order == nullptr)
        return;
    const std::span<const DrawItem> items = parse_draw_order(mapping.draw_order);
    for (size_t i = 0; i < items.size(); i++) {
        check_drawn_column(pair, mapping, items[i].column);
        for (const DrawItem &earlier : items.first(i))
            if (strcmp(earlier.column, items[i].column) == 0)
                ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("draw_order names column \"%s\" twice", items[i].column),
                        errdetail("Where it decides nothing the first time, it decides nothing the second."),
                        errhint("Leave one of them."));
    }
    mapping.draw_order = format_draw_order(items);
}

void check_period(const Pair &pair, const Mapping &mapping)
{
    check_time_zone(mapping.time_zone);
    if (!has_period(mapping))
        return;
    if (mapping.start_column == nullptr)
        ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                errmsg("a period needs the start of the sessions"),
                errdetail("\"valid_from_column\" or \"valid_until_column\" is given, and \"start_column\" is not."),
                errhint("Name the column of table \"%s\" that says when a session takes place in start_column.",
                        get_rel_name(pair.sessions)));
    if (mapping.time_zone == nullptr)
        check_comparable(pair, mapping);
}

void check_choices(const Mapping &mapping)
{
    if (mapping.link_check && when_none_of(mapping) == WhenNone::leave)
        ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                errmsg("\"when_none\" cannot be \"leave\" with a \"link_check\""),
                errdetail("The CHECK refuses a counted session without a link, which would be left without one."),
                errhint("Leave out one of them."));
}

void settle_remaining_column(const Pair &pair, Mapping &mapping)
{
    if (mapping.total_column == nullptr)
        mapping.remaining_column = nullptr;
    if (mapping.remaining_column == nullptr)
        return;
    const Field &field = *find_field("remaining_column");
    const std::optional<Column> column = find_column(pair.subscriptions, mapping.remaining_column);
    if (!column && !is_same(mapping, default_mapping(), field))
        raise_missing(pair.subscriptions, mapping.remaining_column, field.name);
    if (!column || column->generated)
        mapping.remaining_column = nullptr;
}

void settle_total_column(const Pair &pair, Mapping &mapping)
{
    if (mapping.total_column != nullptr && mapping.remaining_column != nullptr &&
        !find_column(pair.subscriptions, mapping.total_column))
        mapping.total_added = true;
}

void check_column(const Pair &pair, const Mapping &mapping, const Field &field)
{
    if (mapping.*field.text == nullptr)
        return;
    const bool is_added = field.text == &Mapping::total_column && mapping.total_added;
    if (!is_added || find_column(pair.subscriptions, mapping.total_column))
        check_type(table_of(pair, field), mapping.*field.text, field);
    check_named_once(pair, mapping, field);
    if (field.text == &Mapping::total_column)
        check_generated_total(pair, mapping);
}

void check_columns(const Pair &pair, const Mapping &mapping)
{
    for (const Field &field : mapping_fields)
        if (is_column(field))
            check_column(pair, mapping, field);
}

void check_words(const Pair &pair, Mapping &mapping, const Field &field)
{
    if (const char *column = mapping.*field.words_of)
        mapping.*field.list = accept_values(mapping.*field.list, field.name, table_of(pair, field), column);
    check_listed_once(mapping, field);
    if (field.list == &Mapping::completed_statuses)
        check_something_counts(mapping);
}

void check_values(const Pair &pair, Mapping &mapping)
{
    for (const Field &field : mapping_fields)
        if (field.words_of != nullptr)
            check_words(pair, mapping, field);
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
