// Decides whether a counter may be written past the server's general way of updating a row.
#include "catalog/plain_write.hpp"

#include "catalog/attachment.hpp"
#include "server/owner.hpp"
#include "server/pg_compat.hpp"
#include "server/row_writer.hpp"

namespace sc {

namespace {

struct GeneratedColumn {
    AttrNumber column;
    bool required;
    Expr *expression;
    ExprState *compiled;       // when a counter is first written
};

}  // namespace

struct Computed {
    MemoryContext context;
    std::span<GeneratedColumn> columns;
};
static_assert(Pod<Computed>);

namespace {

bool is_users_function(Oid function, void *)
{
    return function >= FirstUnpinnedObjectId;
}

// A row or a type of the user's may have operators of the user's.
bool is_users_type(Oid type)
{
    return type >= FirstUnpinnedObjectId || type_is_rowtype(type) || type == RECORDARRAYOID;
}

// False if an expression is known to run nothing but what came with the server.
bool may_run_users_code(Node *node, void *context)
{
    if (node == nullptr)
        return false;
    switch (nodeTag(node)) {
        case T_List:
        case T_CaseWhen:
            break;
        case T_Var:
        case T_Const:
        case T_FuncExpr:
        case T_OpExpr:
        case T_DistinctExpr:
        case T_NullIfExpr:
        case T_ScalarArrayOpExpr:
        case T_BoolExpr:
        case T_CaseExpr:
        case T_CaseTestExpr:
        case T_CoalesceExpr:
        case T_MinMaxExpr:
        case T_NullTest:
        case T_BooleanTest:
        case T_RelabelType:
            if (is_users_type(exprType(node)))
                return true;
            break;
        default:
            return true;
    }
    return check_functions_in_node(node, is_users_function, context) ||
           walk_expression(node, may_run_users_code, context);
}

int bit_of(AttrNumber column)
{
    return column - FirstLowInvalidHeapAttributeNumber;
}

bool reads(Node *expression, const Bitmapset *columns)
{
    Bitmapset *read = nullptr;
    pull_varattnos(expression, 1, &read);
    return bms_overlap(read, columns) || bms_is_member(bit_of(0), read);
}

Bitmapset *counter_columns(const SubscriptionShape &shape)
{
    Bitmapset *columns = bms_make_singleton(bit_of(shape.used));
    return shape.remaining == 0 ? columns : bms_add_member(columns, bit_of(shape.remaining));
}

// Adds the generated columns that are made of the counters to the columns that change with them; those that are stored
// to what is computed. False if one of those may run code of the user's.
bool add_generated(Relation relation, Computed *computed, Bitmapset **changing)
{
    const TupleDesc descriptor = RelationGetDescr(relation);
    const Bitmapset *counters = bms_copy(*changing);
    auto *columns = static_cast<GeneratedColumn *>(palloc0(sizeof(GeneratedColumn) * descriptor->natts));
    size_t count = 0;
    for (AttrNumber number = 1; number <= descriptor->natts; number++) {
        const FormData_pg_attribute *column = TupleDescAttr(descriptor, number - 1);
        if (column->attgenerated == '\0' || column->attisdropped)
            continue;
        Node *expression = build_column_default(relation, number);
        if (!reads(expression, counters))
            continue;
        *changing = bms_add_member(*changing, bit_of(number));
        if (!is_stored(column))
            continue;
        if (getBaseType(column->atttypid) != column->atttypid || may_run_users_code(expression, nullptr))
            return false;
        columns[count++] = {number, column->attnotnull, reinterpret_cast<Expr *>(expression), nullptr};
    }
    computed->columns = std::span<GeneratedColumn>(columns, count);
    return true;
}

// A condition that a row with a counter within 0 … total meets, or that does not look at what changes, needs no check
// when a counter is written: the rest of the row stays as it was.
bool needs_check(const Bitmapset *changing, List *facts, const char *stored)
{
    auto *expression = static_cast<Node *>(stringToNode(stored));
    return reads(expression, changing) && !predicate_implied_by(prepare_clauses(expression, true), facts, true);
}

Expr *compare_columns(Oid comparison, const SubscriptionShape &shape, Relation relation, bool with_total)
{
    const Form_pg_attribute used = column_of(relation, shape.used);
    Node *left = reinterpret_cast<Node *>(makeVar(1, shape.used, used->atttypid, used->atttypmod, InvalidOid, 0));
    Node *right = nullptr;
    if (with_total) {
        const Form_pg_attribute total = column_of(relation, shape.total);
        right = reinterpret_cast<Node *>(makeVar(1, shape.total, total->atttypid, total->atttypmod, InvalidOid, 0));
    } else {
        right = reinterpret_cast<Node *>(makeConst(INT4OID, -1, InvalidOid, 4, Int32GetDatum(0), false, true));
    }
    Expr *clause = make_opclause(comparison, BOOLOID, false, reinterpret_cast<Expr *>(left),
                                 reinterpret_cast<Expr *>(right), InvalidOid, InvalidOid);
    set_opfuncid(reinterpret_cast<OpExpr *>(clause));
    return clause;
}

// What the rules have made sure of before a counter is written: 0 <= used and, where there is a total, used <= total.
List *written_facts(const SubscriptionShape &shape, Relation relation)
{
    const Oid family = lookup_type_cache(INT4OID, TYPECACHE_BTREE_OPFAMILY)->btree_opf;
    const Oid not_below = get_opfamily_member(family, shape.used_type, INT4OID, BTGreaterEqualStrategyNumber);
    Expr *positive = compare_columns(not_below, shape, relation, false);
    if (shape.total == 0)
        return list_make1(positive);
    const Oid not_above =
        get_opfamily_member(family, shape.used_type, shape.total_type, BTLessEqualStrategyNumber);
    return list_make2(positive, compare_columns(not_above, shape, relation, true));
}

bool has_users_triggers(Relation relation)
{
    const TriggerDesc *triggers = copy_triggers(relation);
    const Oids own = own_trigger_functions();
    for (int i = 0; triggers != nullptr && i < triggers->numtriggers; i++)
        if (is_users_trigger(triggers->triggers[i], own))
            return true;
    return false;
}

bool is_of_domain(Relation relation, AttrNumber column, Oid type)
{
    return column != 0 && column_of(relation, column)->atttypid != type;
}

bool writes_plainly(const SubscriptionShape &shape, Relation relation, Computed *computed)
{
    if (has_users_triggers(relation) || is_of_domain(relation, shape.used, shape.used_type) ||
        is_of_domain(relation, shape.remaining, shape.remaining_type) ||
        is_of_domain(relation, shape.total, shape.total_type))
        return false;
    const TupleConstr *constraints = RelationGetDescr(relation)->constr;
    if (constraints == nullptr)
        return true;
    Bitmapset *changing = counter_columns(shape);
    if (!add_generated(relation, computed, &changing))
        return false;
    List *facts = written_facts(shape, relation);
    for (int i = 0; i < constraints->num_check; i++)
        if (needs_check(changing, facts, constraints->check[i].ccbin))
            return false;
    return true;
}

}  // namespace

void choose_plain_write(SubscriptionShape *shape, Relation relation)
{
    Computed computed{};
    shape->plain = writes_plainly(*shape, relation, &computed);
    shape->computed = shape->plain && !computed.columns.empty() ? copy_computed(computed) : nullptr;
}

Computed *copy_computed(const Computed &computed)
{
    auto *copy = static_cast<Computed *>(palloc(sizeof(Computed)));
    auto *columns = static_cast<GeneratedColumn *>(palloc(sizeof(GeneratedColumn) * computed.columns.size()));
    for (size_t i = 0; i < computed.columns.size(); i++) {
        columns[i] = computed.columns[i];
        columns[i].expression = static_cast<Expr *>(copyObjectImpl(columns[i].expression));
        columns[i].compiled = nullptr;
    }
    copy->context = CurrentMemoryContext;
    copy->columns = std::span<GeneratedColumn>(columns, computed.columns.size());
    return copy;
}

namespace {

// As the owner: it is the one who needs the right to call the functions.
void compile(const Computed &computed, Relation relation)
{
    const Caller caller = enter_owner(relation);
    MemoryContext before = MemoryContextSwitchTo(computed.context);
    for (GeneratedColumn &column : computed.columns)
        column.compiled = ExecInitExpr(expression_planner(column.expression), nullptr);
    MemoryContextSwitchTo(before);
    leave_owner(caller);
}

}  // namespace

bool compute_generated(Computed *computed, Relation relation, ExprContext *context, TupleTableSlot *changed)
{
    if (computed->columns.back().compiled == nullptr)
        compile(*computed, relation);
    context->ecxt_scantuple = changed;
    for (const GeneratedColumn &column : computed->columns) {
        bool is_null;
        changed->tts_values[column.column - 1] = ExecEvalExprSwitchContext(column.compiled, context, &is_null);
        changed->tts_isnull[column.column - 1] = is_null;
        if (is_null && column.required)
            return false;
    }
    return true;
}

}  // namespace sc
