// Opens tables for scans that read heaps without the planner.
#include "check/scan_tables.hpp"

#include "store/subscription_row.hpp"

namespace sc {

namespace {

std::optional<int64> read_counter(TupleTableSlot *row, AttrNumber column, Oid type)
{
    bool is_null = true;
    const Datum value = column == 0 ? Datum{0} : slot_getattr(row, column, &is_null);
    return is_null ? std::nullopt : std::optional<int64>(counter_value(value, type));
}

}  // namespace

size_t words_of(Oid type)
{
    if (type == INT2OID || type == INT4OID || type == INT8OID)
        return 1;
    return type == UUIDOID ? 2 : 0;
}

bool is_plain_heap(Relation relation, std::span<const char *const> columns)
{
    if (relation->rd_rel->relkind != RELKIND_RELATION || relation->rd_rel->relam != HEAP_TABLE_AM_OID)
        return false;
    for (const char *column : columns) {
        const AttrNumber number = column == nullptr ? AttrNumber{0} : get_attnum(RelationGetRelid(relation), column);
        if (number > 0 && !is_stored(TupleDescAttr(RelationGetDescr(relation), number - 1)))
            return false;
    }
    return true;
}

List *list_heaps(const Counting &counting)
{
    const Mapping &mapping = counting.mapping;
    const std::array columns{mapping.member_column, mapping.subscription_column, mapping.type_column,
                             mapping.status_column};
    List *heaps = NIL;
    ListCell *cell;
    foreach (cell, find_all_inheritors(counting.sessions, AccessShareLock, nullptr)) {
        Relation relation = table_open(lfirst_oid(cell), NoLock);
        const bool partitioned = relation->rd_rel->relkind == RELKIND_PARTITIONED_TABLE;
        const bool plain = partitioned || is_plain_heap(relation, columns);
        if (plain && !partitioned)
            heaps = lappend_oid(heaps, lfirst_oid(cell));
        table_close(relation, NoLock);
        if (!plain)
            return NIL;
    }
    return heaps;
}

bool may_scan(const Counting &counting)
{
    return !OidIsValid(get_extension_oid("citus", true)) &&
           pg_class_aclcheck(counting.sessions, GetUserId(), ACL_SELECT) == ACLCHECK_OK &&
           pg_class_aclcheck(counting.subscriptions, GetUserId(), ACL_SELECT) == ACLCHECK_OK;
}

std::optional<Subscriptions> open_subscriptions(const Counting &counting)
{
    const Mapping &mapping = counting.mapping;
    Relation relation = table_open(counting.subscriptions, AccessShareLock);
    Subscriptions result{};
    result.relation = relation;
    result.shape = make_subscription_shape(relation, mapping);
    SubscriptionShape &shape = result.shape;
    shape.id = get_attnum(counting.subscriptions, counting.subscription_id);
    shape.id_key = make_key_type(relation, shape.id);
    result.key = {KeyPart{shape.id, shape.id_key.type}, KeyPart{shape.member, shape.member_key.type}};
    result.words = words_of(shape.id_key.type);
    const std::array columns{counting.subscription_id, mapping.subscription_member_column, mapping.total_column,
                             mapping.used_column, mapping.remaining_column, mapping.carried_column};
    bool fits = result.words > 0 && !relation->rd_rel->relhassubclass && is_plain_heap(relation, columns);
    if (counting.by_member) {
        fits &= words_of(shape.member_key.type) > 0;
        result.words += words_of(shape.member_key.type);
    }
    if (fits)
        return result;
    table_close(relation, NoLock);
    return std::nullopt;
}

Figures read_figures_of(const SubscriptionShape &shape, TupleTableSlot *row, const Credits &credits)
{
    return {.subscription_id = nullptr,
            .member_id = nullptr,
            .total = read_counter(row, shape.total, shape.total_type),
            .used = read_counter(row, shape.used, shape.used_type),
            .stored_remaining = read_counter(row, shape.remaining, shape.remaining_type),
            .carried = read_counter(row, shape.carried, shape.carried_type).value_or(0),
            .completed = credits.used - credits.scheduled,
            .scheduled = credits.scheduled};
}

}  // namespace sc
