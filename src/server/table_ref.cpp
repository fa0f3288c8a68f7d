// The SQL type table_ref: a table by its OID and the name that it had. It is written as its present name, and read from
// one, so that what is dumped or replicated means the same table elsewhere, or none.
#include "server/pg_compat.hpp"

extern "C" {
PG_FUNCTION_INFO_V1(sc_table_ref_in);
PG_FUNCTION_INFO_V1(sc_table_ref_out);
PG_FUNCTION_INFO_V1(sc_table_ref_recv);
PG_FUNCTION_INFO_V1(sc_table_ref_send);
PG_FUNCTION_INFO_V1(sc_table_ref);
PG_FUNCTION_INFO_V1(sc_table_ref_regclass);
PG_FUNCTION_INFO_V1(sc_table_ref_oid);
}

namespace sc {

namespace {

// As it is stored: a header of four bytes, and a name that ends with the datum.
struct TableRef {
    int32 header;
    Oid relation;                // InvalidOid: the name led nowhere
    char name[FLEXIBLE_ARRAY_MEMBER];
};

constexpr std::string_view gone{"gone: "};

Datum make(Oid relation, const char *name)
{
    const size_t length = strlen(name);
    const size_t size = offsetof(TableRef, name) + length;
    auto *made = static_cast<TableRef *>(palloc0(size));
    SET_VARSIZE(made, size);
    made->relation = relation;
    memcpy(made->name, name, length);
    return PointerGetDatum(made);
}

const TableRef *argument(FunctionCallInfo fcinfo)
{
    return reinterpret_cast<const TableRef *>(PG_DETOAST_DATUM(PG_GETARG_DATUM(0)));
}

// nullptr where there is no such relation any more.
const char *name_of(Oid relation)
{
    const char *name = OidIsValid(relation) ? get_rel_name(relation) : nullptr;
    const char *schema = name == nullptr ? nullptr : get_namespace_name(get_rel_namespace(relation));
    return schema == nullptr ? nullptr : quote_qualified_identifier(schema, name);
}

// Whatever the path and the rights of whoever loads a dump are.
Oid find_table(const char *name)
{
    const List *parts = parse_qualified_name(name);
    if (list_length(parts) != 2)
        return InvalidOid;
    const Oid schema = get_namespace_oid(strVal(linitial(parts)), true);
    const Oid relation = OidIsValid(schema) ? get_relname_relid(strVal(lsecond(parts)), schema) : InvalidOid;
    const char kind = OidIsValid(relation) ? get_rel_relkind(relation) : '\0';
    return kind == RELKIND_RELATION || kind == RELKIND_PARTITIONED_TABLE ? relation : InvalidOid;
}

Datum read(const char *text)
{
    const std::string_view written{text};
    if (written.substr(0, gone.size()) == gone)
        return make(InvalidOid, text + gone.size());
    return make(find_table(text), text);
}

const char *write(const TableRef *table)
{
    const char *name = name_of(table->relation);
    if (name != nullptr)
        return name;
    const int length = static_cast<int>(VARSIZE(table) - offsetof(TableRef, name));
    return psprintf("%s%.*s", gone.data(), length, table->name);
}

}  // namespace

}  // namespace sc

extern "C" Datum sc_table_ref_in(PG_FUNCTION_ARGS)
{
    return sc::read(PG_GETARG_CSTRING(0));
}

extern "C" Datum sc_table_ref_out(PG_FUNCTION_ARGS)
{
    PG_RETURN_CSTRING(sc::write(sc::argument(fcinfo)));
}

extern "C" Datum sc_table_ref_recv(PG_FUNCTION_ARGS)
{
    auto *message = reinterpret_cast<StringInfo>(PG_GETARG_POINTER(0));
    int length;
    return sc::read(pq_getmsgtext(message, message->len - message->cursor, &length));
}

extern "C" Datum sc_table_ref_send(PG_FUNCTION_ARGS)
{
    const char *text = sc::write(sc::argument(fcinfo));
    StringInfoData message;
    pq_begintypsend(&message);
    pq_sendtext(&message, text, static_cast<int>(strlen(text)));
    PG_RETURN_BYTEA_P(pq_endtypsend(&message));
}

extern "C" Datum sc_table_ref(PG_FUNCTION_ARGS)
{
    const Oid relation = PG_GETARG_OID(0);
    const char *name = sc::name_of(relation);
    if (name == nullptr)
        PG_RETURN_NULL();
    return sc::make(relation, name);
}

extern "C" Datum sc_table_ref_regclass(PG_FUNCTION_ARGS)
{
    const Oid relation = sc::argument(fcinfo)->relation;
    if (sc::name_of(relation) == nullptr)
        PG_RETURN_NULL();
    PG_RETURN_OID(relation);
}

extern "C" Datum sc_table_ref_oid(PG_FUNCTION_ARGS)
{
    const Oid relation = sc::argument(fcinfo)->relation;
    if (!OidIsValid(relation))
        PG_RETURN_NULL();
    PG_RETURN_OID(relation);
}
