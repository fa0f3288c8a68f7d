// Reads arguments by their names.
#include "catalog/arguments.hpp"

#include <algorithm>

#include "server/shards.hpp"

namespace sc {

namespace {

[[noreturn]] void raise_null(const Arguments &arguments, const char *name)
{
    const Field *field = find_field(name);
    ereport(ERROR, errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
            errmsg("argument \"%s\" of %s() must not be null", name, arguments.function),
            field == nullptr ? errdetail("It was given as NULL.") : errdetail("Its default is %s.", field->fallback),
            errhint("Give it a value, or leave it out if it has a default."));
    pg_unreachable();
}

void refuse_empty(const Arguments &arguments, const Field &field, const char *value)
{
    if (value[0] == '\0')
        ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                errmsg("argument \"%s\" of %s() must not be empty", field.name, arguments.function),
                errdetail("It is an empty string."), errhint("Leave it out to get its default."));
}

const char *join_words(Names words)
{
    StringInfoData text;
    initStringInfo(&text);
    for (size_t i = 0; i < words.size(); i++)
        appendStringInfo(&text, "%s%s", i == 0 ? "" : i + 1 == words.size() ? " and " : ", ", words[i]);
    return text.data;
}

const char *read_choice(const Arguments &arguments, const Field &field, const char *value)
{
    for (const char *choice : field.choices)
        if (strcmp(choice, value) == 0)
            return choice;
    ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
            errmsg("argument \"%s\" of %s() cannot be \"%s\"", field.name, arguments.function, value),
            errdetail("It is one of %s.", join_words(field.choices)),
            errhint("Leave it out to get its default, \"%s\".", field.fallback));
    pg_unreachable();
}

Names read_list(const Arguments &arguments, const Field &field, ArrayType *array)
{
    Datum *items;
    bool *nulls;
    int count;
    deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &items, &nulls, &count);
    const bool empty = ARR_NDIM(array) == 0;
    if (empty ? !has(field, may_be_empty) : ARR_NDIM(array) != 1)
        ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                errmsg("argument \"%s\" of %s() must be a list of at least one value", field.name,
                       arguments.function),
                errdetail("It has %d dimensions and %d values.", ARR_NDIM(array), count),
                errhint("Write it as '{first,second}'."));
    auto **values = static_cast<const char **>(palloc(sizeof(char *) * count));
    for (int i = 0; i < count; i++) {
        if (nulls[i])
            ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("argument \"%s\" of %s() must not contain a null value", field.name, arguments.function),
                    errdetail("Its value %d is null.", i + 1),
                    errhint("A row that has NULL there is never among those listed, and needs no mention."));
        values[i] = TextDatumGetCString(items[i]);
    }
    return Names(values, count);
}

void read_field(const Arguments &arguments, const Field &field, Datum value, Mapping &mapping)
{
    switch (field.kind) {
    case FieldKind::list:
        mapping.*field.list = read_list(arguments, field, DatumGetArrayTypeP(value));
        break;
    case FieldKind::flag:
        mapping.*field.flag = DatumGetBool(value);
        break;
    case FieldKind::choice:
        mapping.*field.text = read_choice(arguments, field, TextDatumGetCString(value));
        break;
    case FieldKind::expression:
    case FieldKind::text:
        mapping.*field.text = TextDatumGetCString(value);
        refuse_empty(arguments, field, mapping.*field.text);
        break;
    default:
        mapping.*field.text = pstrdup(NameStr(*DatumGetName(value)));
        refuse_empty(arguments, field, mapping.*field.text);
    }
}

}  // namespace

Arguments arguments_of(FunctionCallInfo fcinfo)
{
    HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(fcinfo->flinfo->fn_oid));
    if (!HeapTupleIsValid(tuple))
        elog(ERROR, "cache lookup failed for function %u", fcinfo->flinfo->fn_oid);
    Oid *types;
    char **names;
    char *modes;
    const int total = get_func_arg_info(tuple, &types, &names, &modes);
    auto **inputs = static_cast<const char **>(palloc(sizeof(char *) * Max(total, 1)));
    size_t count = 0;
    for (int i = 0; i < total && names != nullptr; i++)
        if (modes == nullptr || modes[i] == FUNC_PARAM_IN || modes[i] == FUNC_PARAM_INOUT)
            inputs[count++] = names[i];
    const char *function = pstrdup(NameStr(reinterpret_cast<Form_pg_proc>(GETSTRUCT(tuple))->proname));
    ReleaseSysCache(tuple);
    return Arguments{fcinfo, function, Names(inputs, count)};
}

std::optional<int> find_argument(const Arguments &arguments, const char *name)
{
    for (size_t i = 0; i < arguments.names.size(); i++)
        if (strcmp(arguments.names[i], name) == 0)
            return static_cast<int>(i);
    return std::nullopt;
}

namespace {

NullableDatum argument_of(const Arguments &arguments, const char *name)
{
    const std::optional<int> position = find_argument(arguments, name);
    if (!position)
        elog(ERROR, "function %s() has no argument \"%s\"", arguments.function, name);
    return arguments.call->args[*position];
}

}  // namespace

Datum require_argument(const Arguments &arguments, const char *name)
{
    const NullableDatum argument = argument_of(arguments, name);
    if (argument.isnull)
        raise_null(arguments, name);
    return argument.value;
}

const char *name_argument(const Arguments &arguments, const char *name)
{
    const NullableDatum argument = argument_of(arguments, name);
    return argument.isnull ? nullptr : pstrdup(NameStr(*DatumGetName(argument.value)));
}

namespace {

Oid table_argument(const Arguments &arguments, const char *name)
{
    const std::optional<int> position = find_argument(arguments, name);
    if (!position || arguments.call->args[*position].isnull)
        return InvalidOid;
    const Oid table = DatumGetObjectId(arguments.call->args[*position].value);
    if (get_rel_name(table) == nullptr)
        ereport(ERROR, errcode(ERRCODE_UNDEFINED_TABLE), errmsg("relation with OID %u does not exist", table),
                errdetail("The argument \"%s\" of %s() names it.", name, arguments.function),
                errhint("It has been dropped, or never existed: name a table."));
    return table;
}

// Where the application gives the links, what says how one is searched would say nothing.
void require_nothing_drawn(const Mapping &mapping)
{
    const char *argument = mapping.draw_order != nullptr                ? "draw_order"
                           : !mapping.named_links                       ? "named_links"
                           : when_none_of(mapping) != WhenNone::refuse ? "when_none"
                                                                        : nullptr;
    if (argument != nullptr)
        ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                errmsg("argument \"%s\" needs a member_column", argument),
                errdetail("Without one the application gives the links, and none is searched."),
                errhint("Leave it out, or name the member in member_column."));
}

}  // namespace

Pair pair_arguments(const Arguments &arguments)
{
    return {table_argument(arguments, "sessions"), table_argument(arguments, "subscriptions")};
}

const char *call_on_shard(const Arguments &arguments, const char *subscriptions, const char *function)
{
    StringInfoData call;
    initStringInfo(&call);
    appendStringInfo(&call, "session_consistency.%s(sessions => '%%1$s', subscriptions => %s",
                     function == nullptr ? arguments.function : function, subscriptions);
    for (size_t i = 0; i < arguments.names.size(); i++) {
        const char *name = arguments.names[i];
        const NullableDatum &argument = arguments.call->args[i];
        if (strcmp(name, "sessions") == 0 || strcmp(name, "subscriptions") == 0)
            continue;
        const Oid type = get_fn_expr_argtype(arguments.call->flinfo, static_cast<int>(i));
        if (type == REGCLASSOID && !argument.isnull)
            ereport(ERROR, errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                    errmsg("argument \"%s\" of %s() cannot name a table for the shards of another", name,
                           arguments.function),
                    errdetail("Each shard has a table of its own in its place."),
                    errhint("Leave it out: a foreign key leads to it."));
        Oid output;
        bool varies;
        getTypeOutputInfo(type, &output, &varies);
        const char *value =
            argument.isnull ? "NULL" : quote_literal_cstr(OidOutputFunctionCall(output, argument.value));
        appendStringInfo(&call, ", %s => %s::%s", quote_identifier(name), doubled_percents(value),
                         format_type_be_qualified(type));
    }
    appendStringInfoChar(&call, ')');
    return call.data;
}

Mapping read_fields(const Arguments &arguments, const Mapping *own)
{
    const Mapping defaults = default_mapping();
    Mapping mapping = own == nullptr ? defaults : *own;
    for (const Field &field : mapping_fields) {
        const std::optional<int> position = find_argument(arguments, field.name);
        if (!position)
            continue;
        Mapping given{};
        const NullableDatum &argument = arguments.call->args[*position];
        if (argument.isnull && !has(field, nullable))
            raise_null(arguments, field.name);
        if (!argument.isnull)
            read_field(arguments, field, argument.value, given);
        if (own == nullptr || !is_same(given, defaults, field))
            copy_field(mapping, given, field);
    }
    settle_members(mapping);
    if (is_searched(mapping) && mapping.subscription_member_column == nullptr)
        raise_null(arguments, "subscription_member_column");
    if (!is_searched(mapping))
        require_nothing_drawn(mapping);
    return mapping;
}

}  // namespace sc
