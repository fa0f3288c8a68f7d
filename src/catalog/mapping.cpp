// Reads and writes the argument of the triggers. Touches no table and no catalog.
#include "catalog/mapping.hpp"

#include <algorithm>

extern "C" {
#include "catalog/pg_type_d.h"
}

namespace sc {

namespace {

struct GuardWord {
    Guard guard;
    const char *word;
};
constexpr std::array guard_words{
    GuardWord{Guard::reject, "reject"},
    GuardWord{Guard::ignore, "ignore"},
    GuardWord{Guard::off, "off"},
};

// The scalar and list arguments by the name that attach() gives them; an empty value stands for NULL.
struct ScalarField {
    const char *name;
    const char *Mapping::*member;
    bool nullable;
};
constexpr std::array scalar_fields{
    ScalarField{"member_column", &Mapping::member_column, false},
    ScalarField{"subscription_column", &Mapping::subscription_column, false},
    ScalarField{"type_column", &Mapping::type_column, true},
    ScalarField{"status_column", &Mapping::status_column, false},
    ScalarField{"subscription_member_column", &Mapping::subscription_member_column, false},
    ScalarField{"subscription_status_column", &Mapping::subscription_status_column, false},
    ScalarField{"active_status", &Mapping::active_status, false},
    ScalarField{"total_column", &Mapping::total_column, false},
    ScalarField{"used_column", &Mapping::used_column, false},
    ScalarField{"remaining_column", &Mapping::remaining_column, true},
};

struct ListField {
    const char *name;
    Names Mapping::*member;
};
constexpr std::array list_fields{
    ListField{"consuming_types", &Mapping::consuming_types},
    ListField{"scheduled_statuses", &Mapping::scheduled_statuses},
    ListField{"completed_statuses", &Mapping::completed_statuses},
};

// The value behind "name=", or nullptr where the item is another one.
const char *value_of(const char *item, const char *name)
{
    const size_t length = strlen(name);
    return strncmp(item, name, length) == 0 && item[length] == '=' ? item + length + 1 : nullptr;
}

const char *find_value(Names items, const char *name)
{
    for (const char *item : items)
        if (const char *value = value_of(item, name))
            return value;
    return nullptr;
}

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

// A list as format_names() writes it; std::nullopt for anything else.
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

std::optional<Guard> read_guard(const char *word)
{
    for (const GuardWord &known : guard_words)
        if (strcmp(known.word, word) == 0)
            return known.guard;
    return std::nullopt;
}

std::optional<bool> read_flag(const char *word)
{
    if (strcmp(word, "true") == 0 || strcmp(word, "false") == 0)
        return word[0] == 't';
    return std::nullopt;
}

// The items of the one argument; none where it is something else.
Names items_of(std::span<char *const> arguments)
{
    return arguments.size() == 1 ? read_names(arguments[0]).value_or(Names{}) : Names{};
}

// Reads the items into the mapping; returns the name of one that is missing or wrong, nullptr where all is well.
const char *read_items(Names items, Mapping &mapping)
{
    for (const ScalarField &field : scalar_fields) {
        const char *value = find_value(items, field.name);
        if (value == nullptr || (value[0] == '\0' && !field.nullable))
            return field.name;
        mapping.*field.member = value[0] == '\0' ? nullptr : pstrdup(value);
    }
    for (const ListField &field : list_fields) {
        const char *value = find_value(items, field.name);
        const std::optional<Names> names = value == nullptr ? std::nullopt : read_names(value);
        if (!names)
            return field.name;
        mapping.*field.member = *names;
    }
    const char *word = find_value(items, "guard");
    const std::optional<Guard> guard = word == nullptr ? std::nullopt : read_guard(word);
    if (!guard)
        return "guard";
    mapping.guard = *guard;
    const char *flag = find_value(items, "ledger");
    const std::optional<bool> ledger = flag == nullptr ? std::nullopt : read_flag(flag);
    if (!ledger)
        return "ledger";
    mapping.ledger = *ledger;
    const char *made = find_value(items, "made");
    const std::optional<Names> names = made == nullptr ? Names{} : read_names(made);
    if (!names)
        return "made";
    mapping.made = *names;
    return nullptr;
}

}  // namespace

Guard parse_guard(const char *word)
{
    const std::optional<Guard> guard = read_guard(word);
    if (!guard)
        ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("guard mode \"%s\" does not exist", word),
                errdetail("The modes are reject, ignore and off."),
                errhint("Take reject, unless the application still writes the counters itself."));
    return *guard;
}

const char *guard_word(Guard guard)
{
    return guard_words[static_cast<size_t>(guard)].word;
}

Names parse_names(const char *literal)
{
    const std::optional<Names> names = read_names(literal);
    if (!names)
        ereport(ERROR, errcode(ERRCODE_INVALID_TEXT_REPRESENTATION), errmsg("\"%s\" is no list of names", literal));
    return *names;
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

Mapping parse_mapping(std::span<char *const> arguments)
{
    Mapping mapping{};
    if (const char *wrong = read_items(items_of(arguments), mapping))
        ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                errmsg("the argument of a trigger of session_consistency says no \"%s\" that it can read", wrong),
                errhint("Triggers are made by session_consistency.attach(); detach and attach again."));
    return mapping;
}

std::optional<Mapping> find_mapping(std::span<char *const> arguments)
{
    Mapping mapping{};
    return read_items(items_of(arguments), mapping) == nullptr ? std::optional(mapping) : std::nullopt;
}

namespace {

Names list_items(const Mapping &mapping, bool made)
{
    auto **items =
        static_cast<const char **>(palloc(sizeof(char *) * (scalar_fields.size() + list_fields.size() + 3)));
    size_t count = 0;
    for (const ScalarField &field : scalar_fields) {
        const char *value = mapping.*field.member;
        items[count++] = psprintf("%s=%s", field.name, value == nullptr ? "" : value);
    }
    for (const ListField &field : list_fields)
        items[count++] = psprintf("%s=%s", field.name, format_names(mapping.*field.member));
    items[count++] = psprintf("guard=%s", guard_word(mapping.guard));
    items[count++] = mapping.ledger ? "ledger=true" : "ledger=false";
    if (made)
        items[count++] = psprintf("made=%s", format_names(mapping.made));
    return Names(items, count);
}

}  // namespace

const char *format_mapping(const Mapping &mapping, bool made)
{
    return format_names(list_items(mapping, made));
}

bool says_the_same(std::span<char *const> arguments, const Mapping &mapping)
{
    const Names items = items_of(arguments);
    const Names expected = list_items(mapping, false);
    return items.size() >= expected.size() &&
           std::equal(expected.begin(), expected.end(), items.begin(),
                      [](const char *left, const char *right) { return strcmp(left, right) == 0; });
}

}  // namespace sc
