// The rows of the view session_consistency.attachments.
#include "catalog/arguments.hpp"
#include "catalog/counting.hpp"
#include "catalog/expressions.hpp"
#include "catalog/gaps.hpp"
#include "catalog/treated.hpp"
#include "server/settings.hpp"

extern "C" {
PG_FUNCTION_INFO_V1(sc_list_attachments);
PG_FUNCTION_INFO_V1(sc_shard_gaps);
PG_FUNCTION_INFO_V1(sc_shard_treated);
}

namespace sc {

namespace {

struct Cell {
    Datum value;
    bool is_null;
};
static_assert(Pod<Cell>);

Cell relation_cell(Oid relation)
{
    return {ObjectIdGetDatum(relation), !OidIsValid(relation)};
}

Cell list_cell(Names names)
{
    auto *items = static_cast<Datum *>(palloc(sizeof(Datum) * Max(names.size(), size_t{1})));
    for (size_t i = 0; i < names.size(); i++)
        items[i] = CStringGetTextDatum(names[i]);
    return {PointerGetDatum(construct_array(items, names.size(), TEXTOID, -1, false, TYPALIGN_INT)), false};
}

Cell expression_cell(const Mapping &mapping, const Field &field)
{
    if (mapping.*field.text == nullptr || mapping.expressions == nullptr)
        return {Datum{0}, true};
    const Expressions &expressions = *mapping.expressions;
    return {CStringGetTextDatum(expression_text(expressions, tree_of(expressions, field))), false};
}

Cell field_cell(const Mapping &mapping, const Field &field)
{
    if (field.kind == FieldKind::expression)
        return expression_cell(mapping, field);
    if (field.kind == FieldKind::list)
        return list_cell(mapping.*field.list);
    if (field.kind == FieldKind::flag)
        return {BoolGetDatum(mapping.*field.flag), false};
    const char *text = mapping.*field.text;
    if (text == nullptr)
        return {Datum{0}, true};
    const bool is_text = field.kind == FieldKind::choice || field.kind == FieldKind::text;
    return {is_text ? CStringGetTextDatum(text) : DirectFunctionCall1(namein, CStringGetDatum(text)), false};
}

// The columns that are no fields of the mapping, and the view, of which the oid is shown instead of the name.
Cell find_cell(const Attachment &attachment, Names gaps, const char *column)
{
    if (strcmp(column, "sessions") == 0)
        return relation_cell(attachment.sessions);
    if (strcmp(column, "subscriptions") == 0)
        return relation_cell(attachment.subscriptions);
    if (strcmp(column, "counts_view") == 0)
        return relation_cell(find_counts_view(attachment));
    if (strcmp(column, "enforced") == 0)
        return {BoolGetDatum(gaps.empty()), false};
    if (strcmp(column, "gaps") == 0)
        return list_cell(gaps);
    if (attachment.fault != nullptr)
        return {Datum{0}, true};
    return field_cell(attachment.mapping, *find_field(column));
}

void store_attachment(const Attachment &attachment, const ReturnSetInfo *result)
{
    const int width = result->setDesc->natts;
    auto *values = static_cast<Datum *>(palloc(sizeof(Datum) * width));
    auto *nulls = static_cast<bool *>(palloc(sizeof(bool) * width));
    const Names gaps = find_gaps(attachment);
    for (int i = 0; i < width; i++) {
        const Cell cell = find_cell(attachment, gaps, NameStr(TupleDescAttr(result->setDesc, i)->attname));
        values[i] = cell.value;
        nulls[i] = cell.is_null;
    }
    tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

}  // namespace

}  // namespace sc

extern "C" Datum sc_list_attachments(PG_FUNCTION_ARGS)
{
    InitMaterializedSRF(fcinfo, 0);
    const auto *result = reinterpret_cast<const ReturnSetInfo *>(fcinfo->resultinfo);
    const int level = sc::enter_pinned_path();
    for (const sc::Attachment &attachment : sc::find_attachments(InvalidOid))
        sc::store_attachment(attachment, result);
    sc::leave_pinned_path(level);
    PG_RETURN_NULL();
}

namespace sc {

namespace {

// "_102008", the number of a shard at the end of its name.
const char *suffix_of(Oid shard)
{
    const char *name = OidIsValid(shard) ? get_rel_name(shard) : nullptr;
    const char *suffix = name == nullptr ? nullptr : strrchr(name, '_');
    return suffix == nullptr || strspn(suffix + 1, "0123456789") != strlen(suffix + 1) ? "_" : suffix;
}

// Citus puts the number of the shard behind the name of each table, trigger, index and constraint there.
const char *without_suffix(const char *text, const char *suffix)
{
    const size_t length = strlen(suffix);
    StringInfoData rest;
    initStringInfo(&rest);
    while (*text != '\0') {
        if (length > 1 && strncmp(text, suffix, length) == 0 && !isdigit(static_cast<unsigned char>(text[length]))) {
            text += length;
            continue;
        }
        appendStringInfoChar(&rest, *text++);
    }
    return rest.data;
}

}  // namespace

}  // namespace sc

// The gaps of one attachment of a shard, as they would be of its table.
extern "C" Datum sc_shard_gaps(PG_FUNCTION_ARGS)
{
    const sc::Arguments arguments = sc::arguments_of(fcinfo);
    const Oid sessions = DatumGetObjectId(sc::require_argument(arguments, "sessions"));
    const char *link = sc::name_argument(arguments, "subscription_column");
    const bool treated = DatumGetBool(sc::require_argument(arguments, "treated"));
    const int level = sc::enter_pinned_path();
    List *found = NIL;
    bool attached = false;
    for (const sc::Attachment &attachment : sc::find_attachments(sessions)) {
        const char *own = attachment.mapping.subscription_column;
        if (own != nullptr && (link == nullptr || strcmp(own, link) != 0))
            continue;
        attached = true;
        for (const char *gap : sc::find_gaps(attachment, !treated))
            found = lappend(found, const_cast<char *>(sc::without_suffix(
                sc::without_suffix(gap, sc::suffix_of(attachment.sessions)), sc::suffix_of(attachment.subscriptions))));
    }
    if (!attached)
        found = list_make1(psprintf("table %s has no trigger that calls %s()",
                                    sc::without_suffix(sc::qualified_name(sessions), sc::suffix_of(sessions)),
                                    sc::function::charge));
    sc::leave_pinned_path(level);
    const int count = list_length(found);
    auto *items = static_cast<Datum *>(palloc(sizeof(Datum) * Max(count, 1)));
    for (int i = 0; i < count; i++)
        items[i] = CStringGetTextDatum(static_cast<const char *>(list_nth(found, i)));
    PG_RETURN_ARRAYTYPE_P(construct_array(items, count, TEXTOID, -1, false, TYPALIGN_INT));
}

// What migrate() left to resolve on a shard; NULL where it left nothing, and has noted nothing.
extern "C" Datum sc_shard_treated(PG_FUNCTION_ARGS)
{
    const sc::Arguments arguments = sc::arguments_of(fcinfo);
    const Oid sessions = DatumGetObjectId(sc::require_argument(arguments, "sessions"));
    const char *link = sc::name_argument(arguments, "subscription_column");
    for (const sc::Attachment &attachment : sc::find_attachments(sessions)) {
        const char *own = attachment.mapping.subscription_column;
        const std::optional<sc::Treated> treated = sc::find_treated(attachment.charge_trigger);
        if (!treated || own == nullptr || link == nullptr || strcmp(own, link) != 0)
            continue;
        Datum items[] = {Int64GetDatum(treated->opening), Int64GetDatum(treated->excess),
                         Int64GetDatum(treated->hidden)};
        PG_RETURN_ARRAYTYPE_P(construct_array(items, 3, INT8OID, sizeof(int64), true, TYPALIGN_DOUBLE));
    }
    PG_RETURN_NULL();
}
