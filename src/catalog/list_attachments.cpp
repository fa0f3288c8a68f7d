// The rows of the view session_consistency.attachments.
#include "catalog/counting.hpp"
#include "catalog/gaps.hpp"
#include "attach/steps.hpp"

extern "C" {
PG_FUNCTION_INFO_V1(sc_list_attachments);
}

namespace sc {

namespace {

constexpr int row_width = 21;

// One row, filled from left to right in the order of the view's columns.
struct Row {
    Datum values[row_width];
    bool nulls[row_width];
    int width;
};
static_assert(Pod<Row>);

void put(Row &row, Datum value)
{
    row.values[row.width++] = value;
}

void put_relation(Row &row, Oid relation)
{
    row.nulls[row.width] = !OidIsValid(relation);
    put(row, ObjectIdGetDatum(relation));
}

void put_name(Row &row, const char *name)
{
    row.nulls[row.width] = name == nullptr;
    put(row, name == nullptr ? Datum{0} : DirectFunctionCall1(namein, CStringGetDatum(name)));
}

void put_list(Row &row, Names names)
{
    auto *items = static_cast<Datum *>(palloc(sizeof(Datum) * Max(names.size(), size_t{1})));
    for (size_t i = 0; i < names.size(); i++)
        items[i] = CStringGetTextDatum(names[i]);
    put(row, PointerGetDatum(construct_array(items, names.size(), TEXTOID, -1, false, TYPALIGN_INT)));
}

void put_mapping(Row &row, const Mapping &mapping)
{
    put_name(row, mapping.member_column);
    put_name(row, mapping.subscription_column);
    put_name(row, mapping.type_column);
    put_name(row, mapping.status_column);
    put_list(row, mapping.consuming_types);
    put_list(row, mapping.scheduled_statuses);
    put_list(row, mapping.completed_statuses);
    put_name(row, mapping.subscription_member_column);
    put_name(row, mapping.subscription_status_column);
    put(row, CStringGetTextDatum(mapping.active_status));
    put_name(row, mapping.total_column);
    put_name(row, mapping.used_column);
    put_name(row, mapping.remaining_column);
}

Row row_of(const Attachment &attachment)
{
    Row row{};
    put_relation(row, attachment.sessions);
    put_relation(row, attachment.subscriptions);
    put_mapping(row, attachment.mapping);
    put_relation(row, find_counts_view(attachment));
    put(row, CStringGetTextDatum(guard_word(attachment.mapping.guard)));
    put(row, BoolGetDatum(attachment.mapping.ledger));
    put(row, BoolGetDatum(find_made(attachment.mapping.made, "link_check") != nullptr));
    const Names gaps = find_gaps(attachment);
    put(row, BoolGetDatum(gaps.empty()));
    put_list(row, gaps);
    return row;
}

}  // namespace

}  // namespace sc

extern "C" Datum sc_list_attachments(PG_FUNCTION_ARGS)
{
    InitMaterializedSRF(fcinfo, 0);
    auto *result = reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo);
    const int level = sc::enter_pinned_path();
    for (const sc::Attachment &attachment : sc::find_attachments(InvalidOid)) {
        sc::Row row = sc::row_of(attachment);
        Assert(row.width == sc::row_width);
        tuplestore_putvalues(result->setResult, result->setDesc, row.values, row.nulls);
    }
    sc::leave_pinned_path(level);
    PG_RETURN_NULL();
}
