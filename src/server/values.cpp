// Compares and converts values.
#include "server/values.hpp"

namespace sc {

Form_pg_attribute column_of(Relation relation, AttrNumber column)
{
    return TupleDescAttr(RelationGetDescr(relation), column - 1);
}

Oid base_type(Relation relation, AttrNumber column)
{
    return getBaseType(column_of(relation, column)->atttypid);
}

namespace {

void copy_function(FmgrInfo *target, FmgrInfo *source, Oid type)
{
    if (!OidIsValid(source->fn_oid))
        ereport(ERROR, errcode(ERRCODE_UNDEFINED_FUNCTION),
                errmsg("type %s cannot be compared, sorted and hashed", format_type_be(type)),
                errhint("Keys need a type with default btree and hash operator classes."));
    fmgr_info_copy(target, source, CurrentMemoryContext);
}

}  // namespace

KeyType make_key_type(Relation relation, AttrNumber column)
{
    KeyType key{};
    key.type = base_type(relation, column);
    key.collation = column_of(relation, column)->attcollation;
    get_typlenbyval(key.type, &key.length, &key.by_value);
    TypeCacheEntry *entry = lookup_type_cache(
        key.type, TYPECACHE_EQ_OPR_FINFO | TYPECACHE_HASH_PROC_FINFO | TYPECACHE_CMP_PROC_FINFO);
    copy_function(&key.equal, &entry->eq_opr_finfo, key.type);
    copy_function(&key.hash, &entry->hash_proc_finfo, key.type);
    copy_function(&key.compare, &entry->cmp_proc_finfo, key.type);
    return key;
}

bool equal_keys(const KeyType &key, Datum left, Datum right)
{
    return DatumGetBool(FunctionCall2Coll(const_cast<FmgrInfo *>(&key.equal), key.collation, left, right));
}

uint32 hash_of(const KeyType &key, Datum value)
{
    return DatumGetUInt32(FunctionCall1Coll(const_cast<FmgrInfo *>(&key.hash), key.collation, value));
}

int compare_keys(const KeyType &key, Datum left, Datum right)
{
    return DatumGetInt32(FunctionCall2Coll(const_cast<FmgrInfo *>(&key.compare), key.collation, left, right));
}

namespace {

// An enum's label may have been renamed since the trigger's arguments were written.
void require_label(Relation relation, AttrNumber column, const char *word)
{
    const Oid type = base_type(relation, column);
    if (!type_is_enum(type) ||
        SearchSysCacheExists2(ENUMTYPOIDNAME, ObjectIdGetDatum(type), CStringGetDatum(word)))
        return;
    ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
            errmsg("enum %s has no label \"%s\" any more, and session_consistency needs it", format_type_be(type),
                   word),
            errdetail("The triggers of the attachment name the label."),
            errhint("Give the label its name back, or detach and attach again with the new one."),
            errtablecol(relation, column));
}

}  // namespace

Words make_words(Relation relation, AttrNumber column, Names names)
{
    Words words{};
    const Form_pg_attribute attribute = column_of(relation, column);
    get_typlenbyval(attribute->atttypid, &words.length, &words.by_value);
    words.collation = attribute->attcollation;
    if (!words.by_value) {
        TypeCacheEntry *entry = lookup_type_cache(base_type(relation, column), TYPECACHE_EQ_OPR_FINFO);
        copy_function(&words.equal, &entry->eq_opr_finfo, attribute->atttypid);
    }
    Oid input;
    Oid parameter;
    getTypeInputInfo(attribute->atttypid, &input, &parameter);
    auto *values = static_cast<Datum *>(palloc(sizeof(Datum) * Max(names.size(), size_t{1})));
    for (size_t i = 0; i < names.size(); i++) {
        require_label(relation, column, names[i]);
        values[i] = OidInputFunctionCall(input, const_cast<char *>(names[i]), parameter, attribute->atttypmod);
    }
    words.values = std::span<const Datum>(values, names.size());
    return words;
}

bool contains(const Words &words, Datum value)
{
    for (Datum word : words.values) {
        if (words.by_value ? word == value
                           : DatumGetBool(FunctionCall2Coll(const_cast<FmgrInfo *>(&words.equal), words.collation,
                                                            word, value)))
            return true;
    }
    return false;
}

bool is_integer(Oid type)
{
    return type == INT2OID || type == INT4OID || type == INT8OID;
}

bool are_convertible(Oid left, Oid right)
{
    const auto is_text = [](Oid type) { return type == TEXTOID || type == VARCHAROID; };
    return left == right || (is_integer(left) && is_integer(right)) || (is_text(left) && is_text(right));
}

namespace {

bool fits_integer(int64_t value, Oid type)
{
    switch (type) {
        case INT2OID: return value >= PG_INT16_MIN && value <= PG_INT16_MAX;
        case INT4OID: return value >= PG_INT32_MIN && value <= PG_INT32_MAX;
        default: return true;
    }
}

Datum integer_datum(int64_t value, Oid type)
{
    switch (type) {
        case INT2OID: return Int16GetDatum(static_cast<int16>(value));
        case INT4OID: return Int32GetDatum(static_cast<int32>(value));
        default: return Int64GetDatum(value);
    }
}

}  // namespace

std::optional<Datum> convert_key(Datum value, Oid from, Oid to)
{
    if (from == to || !is_integer(to))
        return value;
    const int64_t number = counter_value(value, from);
    return fits_integer(number, to) ? std::optional(integer_datum(number, to)) : std::nullopt;
}

int64_t counter_value(Datum value, Oid type)
{
    switch (type) {
        case INT2OID: return DatumGetInt16(value);
        case INT4OID: return DatumGetInt32(value);
        default: return DatumGetInt64(value);
    }
}

Datum counter_datum(int64_t value, Oid type, Relation relation, AttrNumber column)
{
    if (!fits_integer(value, type))
        ereport(ERROR, errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
                errmsg("counter %lld is out of range for type %s", static_cast<long long>(value),
                       format_type_be(type)),
                errdetail("Column \"%s\" of relation \"%s\" cannot hold it.",
                          NameStr(column_of(relation, column)->attname), RelationGetRelationName(relation)),
                errhint("Give the column a wider type."), errtablecol(relation, column));
    const Datum counter = integer_datum(value, type);
    if (const Oid declared = column_of(relation, column)->atttypid; declared != type)
        domain_check(counter, false, declared, nullptr, nullptr);
    return counter;
}

bool same_value(TupleTableSlot *before, TupleTableSlot *after, AttrNumber column)
{
    bool before_null;
    bool after_null;
    const Datum left = slot_getattr(before, column, &before_null);
    const Datum right = slot_getattr(after, column, &after_null);
    if (before_null || after_null)
        return before_null == after_null;
    const Form_pg_attribute attribute = TupleDescAttr(before->tts_tupleDescriptor, column - 1);
    return datum_image_eq(left, right, attribute->attbyval, attribute->attlen);
}

const char *value_text(Datum value, Oid type)
{
    Oid output;
    bool varlena;
    getTypeOutputInfo(type, &output, &varlena);
    return OidOutputFunctionCall(output, value);
}

}  // namespace sc
