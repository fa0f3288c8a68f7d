// Parses the order in which subscriptions are drawn.
#include "catalog/draw_order.hpp"

#include "server/relations.hpp"

namespace sc {

namespace {

constexpr const char *order_takes =
    "It takes columns of the subscriptions with ASC, DESC, NULLS FIRST and NULLS LAST, and no expressions.";

[[noreturn]] void raise_no_order(const char *order)
{
    ereport(ERROR, errcode(ERRCODE_SYNTAX_ERROR), errmsg("draw_order \"%s\" is no list of columns", order),
            errdetail("%s", order_takes),
            errhint("Write it like 'valid_until NULLS LAST, id'. Order by a generated column where an expression is "
                    "needed."));
    pg_unreachable();
}

// An error context: what the parser refuses is reported as a wrong argument.
void report_refused_order(void *order)
{
    errmsg("draw_order \"%s\" is no list of columns", static_cast<const char *>(order));
    errdetail("%s", order_takes);
    errposition(0);
    errhint("Write it like 'valid_until NULLS LAST, id'.");
}

// The ORDER BY that the text makes; NIL if it makes anything else.
List *parse_sort_clause(const char *order)
{
    ErrorContextCallback context{error_context_stack, report_refused_order, const_cast<char *>(order)};
    error_context_stack = &context;
    List *statements = raw_parser(psprintf("SELECT ORDER BY %s", order), RAW_PARSE_DEFAULT);
    error_context_stack = context.previous;
    if (list_length(statements) != 1)
        return NIL;
    const auto *select = reinterpret_cast<const SelectStmt *>(linitial_node(RawStmt, statements)->stmt);
    const bool plain = IsA(select, SelectStmt) && select->op == SETOP_NONE && select->limitCount == nullptr &&
                       select->limitOffset == nullptr && select->lockingClause == NIL;
    return plain ? select->sortClause : NIL;
}

}  // namespace

std::span<const DrawItem> parse_draw_order(const char *order)
{
    List *sort = parse_sort_clause(order);
    if (sort == NIL)
        raise_no_order(order);
    auto *items = static_cast<DrawItem *>(palloc0(sizeof(DrawItem) * list_length(sort)));
    size_t count = 0;
    ListCell *cell;
    foreach (cell, sort) {
        const auto *by = lfirst_node(SortBy, cell);
        const auto *column = reinterpret_cast<const ColumnRef *>(by->node);
        if (!IsA(column, ColumnRef) || list_length(column->fields) != 1 || !IsA(linitial(column->fields), String) ||
            by->sortby_dir == SORTBY_USING)
            raise_no_order(order);
        const bool descending = by->sortby_dir == SORTBY_DESC;
        items[count++] = {strVal(linitial(column->fields)), descending,
                          by->sortby_nulls == SORTBY_NULLS_DEFAULT ? descending
                                                                   : by->sortby_nulls == SORTBY_NULLS_FIRST};
    }
    return std::span<const DrawItem>(items, count);
}

const char *format_draw_order(std::span<const DrawItem> items)
{
    StringInfoData text;
    initStringInfo(&text);
    for (const DrawItem &item : items) {
        appendStringInfo(&text, "%s%s%s", text.len == 0 ? "" : ", ", quote_identifier(item.column),
                         item.descending ? " DESC" : "");
        if (item.nulls_first != item.descending)
            appendStringInfoString(&text, item.nulls_first ? " NULLS FIRST" : " NULLS LAST");
    }
    return text.data;
}

std::span<const DrawColumn> make_draw_order(Relation relation, const char *order)
{
    const std::span<const DrawItem> items = parse_draw_order(order);
    auto *columns = static_cast<DrawColumn *>(palloc0(sizeof(DrawColumn) * items.size()));
    for (size_t i = 0; i < items.size(); i++) {
        const AttrNumber column = bound_column(relation, items[i].column);
        columns[i] = {column, items[i].descending, items[i].nulls_first, make_key_type(relation, column)};
    }
    return std::span<const DrawColumn>(columns, items.size());
}

int compare_drawn(std::span<const DrawColumn> order, TupleDesc shape, HeapTuple left, HeapTuple right)
{
    for (const DrawColumn &column : order) {
        bool left_null;
        bool right_null;
        const Datum first = heap_getattr(left, column.column, shape, &left_null);
        const Datum second = heap_getattr(right, column.column, shape, &right_null);
        if (left_null != right_null)
            return left_null == column.nulls_first ? -1 : 1;
        const int compared = left_null ? 0 : compare_keys(column.key, first, second);
        if (compared != 0)
            return (compared < 0) != column.descending ? -1 : 1;
    }
    return 0;
}

}  // namespace sc
