// Writes keys as the ledger does.
#include "store/ledger_names.hpp"

extern "C" {
PG_FUNCTION_INFO_V1(sc_key_text);
}

namespace sc {

namespace {

const char *key_text(Datum value, Oid type, FmgrInfo *output)
{
    if (type == BPCHAROID) {
        // As the cast to text writes it.
        char *text = OutputFunctionCall(output, value);
        size_t length = strlen(text);
        while (length > 0 && text[length - 1] == ' ')
            length--;
        text[length] = '\0';
        return text;
    }
    if (type != DATEOID && type != TIMESTAMPOID && type != TIMESTAMPTZOID)
        return OutputFunctionCall(output, value);
    constexpr int utc = 0;
    auto *text = static_cast<char *>(palloc(MAXDATELEN + 1));
    return JsonEncodeDateTime(text, value, type, type == TIMESTAMPTZOID ? &utc : nullptr);
}

}  // namespace

const char *key_text(Datum value, Oid type)
{
    Oid function;
    bool varlena;
    FmgrInfo output;
    getTypeOutputInfo(type, &function, &varlena);
    fmgr_info(function, &output);
    return key_text(value, type, &output);
}

Account account_of(const SubscriptionShape &shape, Datum id, Datum member)
{
    return {key_text(id, shape.id_key.type), shape.by_member ? key_text(member, shape.member_key.type) : nullptr};
}

Account account_of(const SubscriptionShape &shape, TupleTableSlot *row)
{
    bool is_null;
    return account_of(shape, slot_getattr(row, shape.id, &is_null),
                      subscription_member(shape, row).value_or(Datum{0}));
}

namespace {

// A value as the server writes it within a row.
void append_field(StringInfo text, const char *value)
{
    bool quote = value[0] == '\0';
    for (const char *at = value; *at != '\0' && !quote; at++)
        quote = strchr("\"\\(),", *at) != nullptr || isspace(static_cast<unsigned char>(*at));
    if (!quote) {
        appendStringInfoString(text, value);
        return;
    }
    appendStringInfoChar(text, '"');
    for (const char *at = value; *at != '\0'; at++) {
        if (*at == '"' || *at == '\\')
            appendStringInfoChar(text, *at);
        appendStringInfoChar(text, *at);
    }
    appendStringInfoChar(text, '"');
}

// One field stands for itself, several are written as a row.
const char *join_fields(std::span<const char *const> fields)
{
    if (fields.empty())
        return nullptr;
    if (fields.size() == 1)
        return fields[0];
    StringInfoData text;
    initStringInfo(&text);
    for (size_t i = 0; i < fields.size(); i++) {
        appendStringInfoChar(&text, i == 0 ? '(' : ',');
        append_field(&text, fields[i]);
    }
    appendStringInfoChar(&text, ')');
    return text.data;
}

const char *field_text(const NameColumn &column, Datum value)
{
    return key_text(value, column.type, const_cast<FmgrInfo *>(&column.output));
}

}  // namespace

const char *name_session(const SessionShape &shape, TupleTableSlot *row, MemoryContext context)
{
    MemoryContext caller = MemoryContextSwitchTo(context);
    std::array<const char *, INDEX_MAX_KEYS> fields;
    for (size_t i = 0; i < shape.name.size(); i++) {
        bool is_null;
        const Datum value = slot_getattr(row, shape.name[i].column, &is_null);
        fields[i] = is_null ? "" : field_text(shape.name[i], value);
    }
    const char *name = join_fields(std::span(fields.data(), shape.name.size()));
    MemoryContextSwitchTo(caller);
    return name;
}

const char *name_session(const SessionShape &shape, const Datum *key)
{
    std::array<const char *, INDEX_MAX_KEYS> fields;
    for (size_t i = 0; i < shape.name.size(); i++)
        fields[i] = field_text(shape.name[i], key[shape.name[i].place]);
    return join_fields(std::span(fields.data(), shape.name.size()));
}

}  // namespace sc

// _key_text(): the same for whoever reads keys by SQL.
extern "C" Datum sc_key_text(PG_FUNCTION_ARGS)
{
    const Oid type = getBaseType(get_fn_expr_argtype(fcinfo->flinfo, 0));
    PG_RETURN_TEXT_P(cstring_to_text(sc::key_text(PG_GETARG_DATUM(0), type)));
}
