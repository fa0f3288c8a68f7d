// Reads and writes the argument of the triggers by the table of fields.
#include "catalog/mapping.hpp"

#include <algorithm>

namespace sc {

namespace {

// The first item of a trigger's argument. A later version that gives a key another meaning, or another default, takes
// the next number.
constexpr const char *format_item = "format=1";

// One element of a list literal, up to the comma or brace that ends it: quoted, or bare and not NULL.
const char *read_element(const char *&at)
{
    StringInfoData value;
    initStringInfo(&value);
    const char *start = at;
    const bool quoted = *at == '"';
    if (quoted)
        at++;
    for (; *at != '\0' && (quoted ? *at != '"' : *at != ',' && *at != '}'); at++) {
        if (*at == '\\' && *++at == '\0')
            return nullptr;
        appendStringInfoChar(&value, *at);
    }
    if (quoted)
        return *at++ == '"' ? value.data : nullptr;
    return at == start || pg_strcasecmp(value.data, "NULL") == 0 ? nullptr : value.data;
}

}  // namespace

std::optional<Names> read_names(const char *literal)
{
    const char *at = literal;
    auto **names = static_cast<const char **>(palloc(sizeof(char *) * (strlen(literal) + 1)));
    size_t count = 0;
    if (*at++ != '{')
        return std::nullopt;
    while (*at != '}') {
        const char *name = read_element(at);
        if (name == nullptr || (*at != ',' && *at != '}') || (at[0] == ',' && at[1] == '}'))
            return std::nullopt;
        names[count++] = name;
        if (*at == ',')
            at++;
    }
    return at[1] == '\0' ? std::optional(Names(names, count)) : std::nullopt;
}

const char *format_names(Names names)
{
    auto *items = static_cast<Datum *>(palloc(sizeof(Datum) * Max(names.size(), size_t{1})));
    std::transform(names.begin(), names.end(), items, [](const char *name) { return CStringGetTextDatum(name); });
    ArrayType *array = construct_array(items, names.size(), TEXTOID, -1, false, TYPALIGN_INT);
    Oid output;
    bool varlena;
    getTypeOutputInfo(TEXTARRAYOID, &output, &varlena);
    return OidOutputFunctionCall(output, PointerGetDatum(array));
}

namespace {

// What a mapping says where it names nothing but whether its links are searched.
Mapping defaults_beside(const Mapping &mapping)
{
    Mapping defaults = default_mapping();
    if (!is_searched(mapping))
        defaults.subscription_member_column = nullptr;
    return defaults;
}

// Sets a field to a value in the form of a trigger's argument, where an empty one stands for NULL. False where the
// field cannot have it.
bool set_field(Mapping &mapping, const Field &field, const char *value)
{
    switch (field.kind) {
    case FieldKind::list: {
        const std::optional<Names> names = read_names(value);
        mapping.*field.list = names.value_or(Names{});
        return names.has_value();
    }
    case FieldKind::flag:
        mapping.*field.flag = value[0] == 't';
        return strcmp(value, "true") == 0 || strcmp(value, "false") == 0;
    case FieldKind::expression:
        mapping.*field.text = value[0] == '\0' ? nullptr : value;
        return value[0] == '\0' || strcmp(value, "true") == 0;
    case FieldKind::choice:
        mapping.*field.text = value;
        return std::any_of(field.choices.begin(), field.choices.end(),
                           [value](const char *choice) { return strcmp(choice, value) == 0; });
    default:
        mapping.*field.text = value[0] == '\0' ? nullptr : value;
        return value[0] != '\0' || has(field, nullable);
    }
}

const char *field_value(const Mapping &mapping, const Field &field)
{
    switch (field.kind) {
    case FieldKind::list:
        return format_names(mapping.*field.list);
    case FieldKind::flag:
        return mapping.*field.flag ? "true" : "false";
    case FieldKind::expression:
        return mapping.*field.text == nullptr ? "" : "true";
    default:
        return mapping.*field.text == nullptr ? "" : mapping.*field.text;
    }
}

void set_default(Mapping &mapping, const Field &field)
{
    set_field(mapping, field, field.fallback == nullptr ? "" : field.fallback);
}

// Takes one "name=value" into the mapping; what is wrong with it as a predicate, or nullptr. A field whose value cannot
// be read keeps its default.
const char *read_item(const char *item, Mapping &mapping)
{
    const char *equals = strchr(item, '=');
    const Field *field = equals == nullptr ? nullptr : find_field(pnstrdup(item, equals - item));
    if (field == nullptr)
        return psprintf("says \"%s\", which this version of session_consistency does not know", item);
    if (set_field(mapping, *field, pstrdup(equals + 1)))
        return nullptr;
    set_default(mapping, *field);
    return psprintf("says \"%s\", which is no value of that argument", item);
}

}  // namespace

const Field *find_field(const char *name)
{
    const auto *found = std::find_if(mapping_fields.begin(), mapping_fields.end(),
                                     [name](const Field &field) { return strcmp(field.name, name) == 0; });
    return found == mapping_fields.end() ? nullptr : found;
}

Mapping default_mapping()
{
    Mapping mapping{};
    for (const Field &field : mapping_fields)
        set_default(mapping, field);
    return mapping;
}

void settle_members(Mapping &mapping)
{
    if (!is_searched(mapping))
        mapping.subscription_member_column = nullptr;
}

bool is_same(const Mapping &left, const Mapping &right, const Field &field)
{
    switch (field.kind) {
    case FieldKind::list: {
        const Names names = left.*field.list;
        const Names others = right.*field.list;
        return std::is_permutation(names.begin(), names.end(), others.begin(), others.end(), same_text);
    }
    case FieldKind::flag:
        return left.*field.flag == right.*field.flag;
    case FieldKind::expression:
        return (left.*field.text == nullptr) == (right.*field.text == nullptr);
    default:
        return same_text(left.*field.text, right.*field.text);
    }
}

void copy_field(Mapping &target, const Mapping &source, const Field &field)
{
    switch (field.kind) {
    case FieldKind::list:
        target.*field.list = source.*field.list;
        break;
    case FieldKind::flag:
        target.*field.flag = source.*field.flag;
        break;
    default:
        target.*field.text = source.*field.text;
    }
}

const char *format_mapping(const Mapping &mapping, bool charges)
{
    const Mapping defaults = defaults_beside(mapping);
    std::array<const char *, mapping_fields.size() + 1> items{format_item};
    size_t count = 1;
    for (const Field &field : mapping_fields)
        if ((charges || !has(field, charge_alone)) && !is_same(mapping, defaults, field))
            items[count++] = psprintf("%s=%s", field.name, field_value(mapping, field));
    return format_names(Names(items.data(), count));
}

const char *read_mapping(std::span<char *const> arguments, Mapping &mapping)
{
    mapping = default_mapping();
    const std::optional<Names> items = arguments.size() == 1 ? read_names(arguments[0]) : std::nullopt;
    if (!items)
        return "has an argument that is no list of names and values";
    const char *fault = nullptr;
    if (items->empty() || strcmp(items->front(), format_item) != 0)
        fault = psprintf("does not begin with \"%s\", the format that this version of session_consistency reads",
                         format_item);
    for (const char *item : *items) {
        const char *wrong = strncmp(item, "format=", strlen("format=")) == 0 ? nullptr : read_item(item, mapping);
        fault = fault == nullptr ? wrong : fault;
    }
    settle_members(mapping);
    return fault;
}

Mapping parse_mapping(const Trigger &trigger)
{
    Mapping mapping{};
    if (const char *fault = read_mapping(std::span<char *const>(trigger.tgargs, trigger.tgnargs), mapping))
        ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                errmsg("the argument of trigger \"%s\" cannot be read", trigger.tgname),
                errdetail_internal("It %s.", fault),
                errhint("session_consistency.detach() works all the same; session_consistency.attach() then makes "
                        "the trigger anew."));
    return mapping;
}

bool says_the_same(std::span<char *const> arguments, const Mapping &mapping)
{
    Mapping said{};
    return read_mapping(arguments, said) == nullptr &&
           std::all_of(mapping_fields.begin(), mapping_fields.end(), [&](const Field &field) {
               return has(field, charge_alone) || is_same(said, mapping, field);
           });
}

namespace {

// Where the word stands among them.
template <size_t Count>
int place_of(const char *word, const std::array<const char *, Count> &words)
{
    const auto *found = std::find_if(words.begin(), words.end(),
                                     [word](const char *known) { return strcmp(known, word) == 0; });
    return static_cast<int>(found - words.begin());
}

}  // namespace

Guard guard_of(const Mapping &mapping)
{
    return static_cast<Guard>(place_of(mapping.guard, guard_words));
}

WhenNone when_none_of(const Mapping &mapping)
{
    return static_cast<WhenNone>(place_of(mapping.when_none, when_none_words));
}

}  // namespace sc
