// Compiles and evaluates expressions.
#include "catalog/evaluation.hpp"

#include <algorithm>

#include "catalog/expressions.hpp"
#include "server/pg_compat.hpp"

namespace sc {

// What an expression needs to be evaluated.
struct Compiled {
    MemoryContext context;
    ExprContext *rows;
    ExprState *counts_when;
    ExprState *cost;
    ExprState *pays_when;
    Oid role;                  // whose right to call functions was checked
    uint64 generation;
    uint64 busy;               // the transaction in which a function is in the midst of it; else 0
};
static_assert(Pod<Compiled>);

struct Evaluation {
    MemoryContext context;
    Oid subscriptions;         // whose columns they name; InvalidOid: none
    Expr *counts_when;         // in terms of what is stored, generated columns resolved; nullptr: not given
    Expr *cost;
    Expr *pays_when;
    bool is_constant;          // the cost
    int64 constant;
    AttrNumber cost_column;    // the cost is that column's value; 0: it is not
    Oid cost_type;             // below any domain
    std::span<const AttrNumber> columns;
    std::span<const AttrNumber> payment_columns;
    Compiled *compiled;
};
static_assert(Pod<Evaluation>);

namespace {

uint64 generation = 1;         // what functions and types mean changes with each
uint64 transactions = 1;       // of this backend

bool is_busy(const Compiled &compiled)
{
    return compiled.busy == transactions;
}

void invalidate(Datum, SyscacheId, uint32)
{
    generation++;
}

// What is read -------------------------------------------------------------------------------------------------------

struct Resolving {
    std::array<Relation, 3> relations;    // by the number of their variables
};

// What a generated column is made of, since a row that is about to be stored has no value of it yet. It names no other
// generated column.
Node *resolve_generated(Node *node, void *context)
{
    if (node == nullptr)
        return nullptr;
    const auto *variable = reinterpret_cast<const Var *>(node);
    if (!IsA(node, Var))
        return mutate_expression(node, resolve_generated, context);
    Relation relation = static_cast<Resolving *>(context)->relations[variable->varno];
    if (column_of(relation, variable->varattno)->attgenerated == '\0')
        return node;
    Node *made_of = build_column_default(relation, variable->varattno);
    ChangeVarNodes(made_of, 1, variable->varno, 0);
    return made_of;
}

bool collect_columns(Node *node, void *context)
{
    if (node == nullptr)
        return false;
    const auto *variable = reinterpret_cast<const Var *>(node);
    if (!IsA(node, Var))
        return walk_expression(node, collect_columns, context);
    auto *columns = static_cast<List **>(context);
    if (variable->varno == session_variables)
        *columns = list_append_unique_int(*columns, variable->varattno);
    return false;
}

std::span<const AttrNumber> columns_of(std::span<Expr *const> expressions)
{
    List *found = NIL;
    for (Expr *expression : expressions)
        collect_columns(reinterpret_cast<Node *>(expression), &found);
    auto *columns = static_cast<AttrNumber *>(palloc(sizeof(AttrNumber) * Max(list_length(found), 1)));
    size_t count = 0;
    ListCell *cell;
    foreach (cell, found)
        columns[count++] = static_cast<AttrNumber>(lfirst_int(cell));
    return std::span<const AttrNumber>(columns, count);
}

// A column, or a constant, is read without the executor.
void settle_cost(Evaluation *evaluation)
{
    if (evaluation->cost == nullptr) {
        evaluation->is_constant = true;
        evaluation->constant = 1;
        return;
    }
    const auto *value = reinterpret_cast<const Const *>(evaluation->cost);
    evaluation->cost_type = getBaseType(exprType(reinterpret_cast<const Node *>(evaluation->cost)));
    if (IsA(value, Const) && !value->constisnull) {
        evaluation->is_constant = true;
        evaluation->constant = counter_value(value->constvalue, evaluation->cost_type);
    }
    if (IsA(evaluation->cost, Var))
        evaluation->cost_column = reinterpret_cast<const Var *>(evaluation->cost)->varattno;
}

Expr *resolve(const Resolving &resolving, Node *tree)
{
    return reinterpret_cast<Expr *>(resolve_generated(tree, const_cast<Resolving *>(&resolving)));
}

// Compiling ----------------------------------------------------------------------------------------------------------

// The executor has a place of its own for the rows of a second relation.
Node *place_subscription(Node *node, void *context)
{
    if (node == nullptr)
        return nullptr;
    const auto *variable = reinterpret_cast<const Var *>(node);
    if (!IsA(node, Var))
        return mutate_expression(node, place_subscription, context);
    auto *placed = static_cast<Var *>(copyObjectImpl(variable));
    if (placed->varno == subscription_variables)
        placed->varno = OUTER_VAR;
    return reinterpret_cast<Node *>(placed);
}

ExprState *compile_one(Expr *expression)
{
    if (expression == nullptr)
        return nullptr;
    Node *placed = place_subscription(reinterpret_cast<Node *>(expression), nullptr);
    return ExecInitExpr(expression_planner(reinterpret_cast<Expr *>(placed)), nullptr);
}

Compiled *compile(const Evaluation &evaluation)
{
    MemoryContext context = AllocSetContextCreate(evaluation.context, "session_consistency expressions",
                                                  ALLOCSET_SMALL_SIZES);
    MemoryContext caller = MemoryContextSwitchTo(context);
    auto *compiled = static_cast<Compiled *>(palloc0(sizeof(Compiled)));
    compiled->context = context;
    compiled->role = GetUserId();
    compiled->generation = generation;
    compiled->rows = CreateStandaloneExprContext();
    compiled->counts_when = compile_one(evaluation.counts_when);
    if (!evaluation.is_constant && evaluation.cost_column == 0)
        compiled->cost = compile_one(evaluation.cost);
    compiled->pays_when = compile_one(evaluation.pays_when);
    MemoryContextSwitchTo(caller);
    return compiled;
}

// The compiled expressions, of a caller who says afterwards that he is done. If a function of an expression comes here
// again, it gets some of its own.
Compiled *begin(Evaluation *evaluation)
{
    Compiled *compiled = evaluation->compiled;
    if (compiled != nullptr && !is_busy(*compiled) &&
        (compiled->generation != generation || compiled->role != GetUserId())) {
        evaluation->compiled = nullptr;
        MemoryContextDelete(compiled->context);
        compiled = nullptr;
    }
    if (compiled == nullptr || is_busy(*compiled))
        compiled = compile(*evaluation);
    if (evaluation->compiled == nullptr)
        evaluation->compiled = compiled;
    compiled->busy = transactions;
    return compiled;
}

void end(const Evaluation *evaluation, Compiled *compiled)
{
    compiled->busy = 0;
    if (evaluation->compiled != compiled)
        MemoryContextDelete(compiled->context);
    else
        ResetExprContext(compiled->rows);
}

struct Value {
    Datum value;
    bool is_null;
};
static_assert(Pod<Value>);

// The value of an expression of a type that is passed by value.
Value evaluate(Evaluation *evaluation, ExprState *Compiled::*which, TupleTableSlot *session,
               TupleTableSlot *subscription)
{
    Compiled *compiled = begin(evaluation);
    compiled->rows->ecxt_scantuple = session;
    compiled->rows->ecxt_outertuple = subscription;
    Value value{};
    value.value = ExecEvalExprSwitchContext(compiled->*which, compiled->rows, &value.is_null);
    end(evaluation, compiled);
    return value;
}

}  // namespace

Evaluation *make_evaluation(Relation sessions, const Expressions &expressions)
{
    auto *evaluation = static_cast<Evaluation *>(palloc0(sizeof(Evaluation)));
    evaluation->context = CurrentMemoryContext;
    evaluation->subscriptions = expressions.subscriptions;
    Relation subscriptions =
        OidIsValid(expressions.subscriptions) ? table_open(expressions.subscriptions, AccessShareLock) : nullptr;
    const Resolving resolving{{nullptr, sessions, subscriptions}};
    evaluation->counts_when = resolve(resolving, expressions.counts_when);
    evaluation->cost = resolve(resolving, expressions.cost);
    evaluation->pays_when = resolve(resolving, expressions.pays_when);
    if (subscriptions != nullptr)
        table_close(subscriptions, NoLock);
    settle_cost(evaluation);
    evaluation->columns =
        columns_of(std::array{evaluation->counts_when, evaluation->cost, evaluation->pays_when});
    evaluation->payment_columns = columns_of(std::array{evaluation->pays_when});
    return evaluation;
}

namespace {

std::span<const AttrNumber> copy_columns(std::span<const AttrNumber> columns)
{
    auto *copy = static_cast<AttrNumber *>(palloc(sizeof(AttrNumber) * Max(columns.size(), size_t{1})));
    std::copy(columns.begin(), columns.end(), copy);
    return std::span<const AttrNumber>(copy, columns.size());
}

}  // namespace

Evaluation *copy_evaluation(const Evaluation &evaluation)
{
    auto *copy = static_cast<Evaluation *>(palloc(sizeof(Evaluation)));
    *copy = evaluation;
    copy->context = CurrentMemoryContext;
    for (Expr **expression : {&copy->counts_when, &copy->cost, &copy->pays_when})
        *expression = static_cast<Expr *>(copyObjectImpl(*expression));
    copy->columns = copy_columns(evaluation.columns);
    copy->payment_columns = copy_columns(evaluation.payment_columns);
    copy->compiled = nullptr;
    return copy;
}

void end_evaluations()
{
    transactions++;
}

bool counts_when(const SessionShape &shape, TupleTableSlot *session)
{
    Evaluation *evaluation = shape.evaluation;
    if (evaluation == nullptr || evaluation->counts_when == nullptr)
        return true;
    const Value value = evaluate(evaluation, &Compiled::counts_when, session, nullptr);
    return !value.is_null && DatumGetBool(value.value);
}

Cost cost_of(const SessionShape &shape, TupleTableSlot *session)
{
    Evaluation *evaluation = shape.evaluation;
    if (evaluation == nullptr)
        return {1, false};
    if (evaluation->is_constant)
        return {evaluation->constant, false};
    if (evaluation->cost_column != 0) {
        bool is_null;
        const Datum value = slot_getattr(session, evaluation->cost_column, &is_null);
        return is_null ? Cost{0, true} : Cost{counter_value(value, evaluation->cost_type), false};
    }
    const Value value = evaluate(evaluation, &Compiled::cost, session, nullptr);
    return value.is_null ? Cost{0, true} : Cost{counter_value(value.value, evaluation->cost_type), false};
}

bool pays_when(const SessionShape &shape, TupleTableSlot *session, TupleTableSlot *subscription)
{
    if (!has_pays_when(shape))
        return true;
    const Value value = evaluate(shape.evaluation, &Compiled::pays_when, session, subscription);
    return value.is_null || DatumGetBool(value.value);
}

bool has_pays_when(const SessionShape &shape)
{
    return shape.evaluation != nullptr && shape.evaluation->pays_when != nullptr;
}

Oid named_subscriptions(const SessionShape &shape)
{
    return shape.evaluation == nullptr ? InvalidOid : shape.evaluation->subscriptions;
}

std::span<const AttrNumber> read_columns(const SessionShape &shape)
{
    return shape.evaluation == nullptr ? std::span<const AttrNumber>{} : shape.evaluation->columns;
}

std::span<const AttrNumber> payment_columns(const SessionShape &shape)
{
    return shape.evaluation == nullptr ? std::span<const AttrNumber>{} : shape.evaluation->payment_columns;
}

void init_evaluation()
{
    CacheRegisterSyscacheCallback(PROCOID, invalidate, 0);
    CacheRegisterSyscacheCallback(TYPEOID, invalidate, 0);
}

}  // namespace sc
