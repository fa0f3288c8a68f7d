// The rows of the view session_consistency.attachments.
#include "catalog/counting.hpp"
#include "catalog/expressions.hpp"
#include "catalog/gaps.hpp"
#include "server/settings.hpp"

extern "C" {
PG_FUNCTION_INFO_V1(sc_list_attachments);
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
