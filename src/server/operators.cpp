// Writes comparisons of keys.
#include "server/operators.hpp"

#include "server/values.hpp"

namespace sc {

namespace {

// Integers of two widths have an operator in their common family; text and varchar share that of text.
Oid equality_operator(Oid left, Oid right)
{
    const TypeCacheEntry *entry = lookup_type_cache(left, TYPECACHE_EQ_OPR | TYPECACHE_BTREE_OPFAMILY);
    if (left == right || !OidIsValid(entry->btree_opf))
        return entry->eq_opr;
    const Oid between = get_opfamily_member(entry->btree_opf, left, right, BTEqualStrategyNumber);
    return OidIsValid(between) ? between : entry->eq_opr;
}

// The operator as text; plain: "=", which needs no casts.
struct Operator {
    const char *name;
    bool plain;
    Oid left;
    Oid right;
};

// Whether the server finds the operator for that type by itself. It compares no domain over an enum.
bool is_taken(Oid type, Oid taken)
{
    const Oid base = getBaseType(type);
    return IsPolymorphicType(taken) ? base == type : base == taken || (base == VARCHAROID && taken == TEXTOID);
}

Operator operator_of(Oid left, Oid right)
{
    const Oid oid = equality_operator(getBaseType(left), getBaseType(right));
    HeapTuple tuple = OidIsValid(oid) ? SearchSysCache1(OPEROID, ObjectIdGetDatum(oid)) : nullptr;
    if (!HeapTupleIsValid(tuple))
        ereport(ERROR, errcode(ERRCODE_UNDEFINED_FUNCTION),
                errmsg("types %s and %s cannot be compared", format_type_be(left), format_type_be(right)),
                errhint("Keys need a type with a default btree operator class."));
    const auto *form = reinterpret_cast<Form_pg_operator>(GETSTRUCT(tuple));
    const char *sign = NameStr(form->oprname);
    const bool plain = form->oprnamespace == PG_CATALOG_NAMESPACE && strcmp(sign, "=") == 0 &&
                       is_taken(left, form->oprleft) && is_taken(right, form->oprright);
    const char *schema = quote_identifier(get_namespace_name(form->oprnamespace));
    const Operator found{plain ? "=" : psprintf("OPERATOR(%s.%s)", schema, sign), plain, form->oprleft, form->oprright};
    ReleaseSysCache(tuple);
    return found;
}

// The operand in the type that the operator takes: a domain, and varchar where text is taken, are cast by name.
const char *as_taken(const Operator &named, const Operand &operand, Oid taken)
{
    const Oid type = IsPolymorphicType(taken) ? getBaseType(operand.type) : taken;
    return named.plain || operand.type == type ? operand.text : psprintf("(%s)::%s", operand.text, cast_name(type));
}

}  // namespace

Operand column_operand(const char *alias, Oid relation, const char *column)
{
    return operand_of_type(quoted_column(alias, column), relation, column);
}

Operand operand_of_type(const char *expression, Oid relation, const char *column)
{
    return {expression, get_atttype(relation, get_attnum(relation, column))};
}

Operand literal_operand(const char *value, Oid type)
{
    const Oid base = getBaseType(type);
    return {psprintf("%s::%s", quote_literal_cstr(value), cast_name(base)), base};
}

const char *cast_name(Oid type)
{
    return format_type_extended(type, -1, FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY);
}

const char *equals(const Operand &left, const Operand &right)
{
    const Operand first{left.text, OidIsValid(left.type) ? left.type : right.type};
    const Operand second{right.text, OidIsValid(right.type) ? right.type : left.type};
    const Operator named = operator_of(first.type, second.type);
    return psprintf("%s %s %s", as_taken(named, first, named.left), named.name, as_taken(named, second, named.right));
}

Brackets around_value(const Operand &left)
{
    const Operator named = operator_of(left.type, left.type);
    return {psprintf("%s %s ", as_taken(named, left, named.left), named.name),
            psprintf("::%s", cast_name(getBaseType(left.type)))};
}

namespace {

bool stands_as_text(Oid type)
{
    return !OidIsValid(get_array_type(type));
}

}  // namespace

Oid list_type(Oid type)
{
    return stands_as_text(type) ? TEXTARRAYOID : get_array_type(type);
}

ListParameter list_parameter(std::span<const Datum> values, const bool *nulls, Oid type)
{
    const bool as_text = stands_as_text(type);
    auto *items = static_cast<Datum *>(palloc(sizeof(Datum) * Max(values.size(), size_t{1})));
    for (size_t i = 0; i < values.size(); i++) {
        const bool is_null = nulls != nullptr && nulls[i];
        items[i] = is_null ? Datum{0} : as_text ? CStringGetTextDatum(value_text(values[i], type)) : values[i];
    }
    const Oid element = as_text ? TEXTOID : type;
    int16 length;
    bool by_value;
    char align;
    get_typlenbyvalalign(element, &length, &by_value, &align);
    int dimensions[] = {static_cast<int>(values.size())};
    int bounds[] = {1};
    return {list_type(type), PointerGetDatum(construct_md_array(items, const_cast<bool *>(nulls),
                                                                values.empty() ? 0 : 1, dimensions, bounds, element,
                                                                length, by_value, align))};
}

Operand list_element(const char *expression, Oid type)
{
    return {stands_as_text(type) ? psprintf("%s::%s", expression, cast_name(type)) : expression, type};
}

const char *equals_any(const Operand &left, const char *parameter, Oid type)
{
    const Operator named = operator_of(left.type, type);
    const char *list = stands_as_text(type)
                           ? psprintf("SELECT u::%s FROM unnest(%s) AS u", cast_name(type), parameter)
                           : parameter;
    return psprintf("%s %s ANY (%s)", as_taken(named, left, named.left), named.name, list);
}

}  // namespace sc
