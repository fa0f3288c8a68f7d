// The expressions of an attachment, between text, tree and trigger.
#include "catalog/expressions.hpp"

#include <algorithm>

#include "server/pg_compat.hpp"
#include "server/settings.hpp"
#include "server/subtransaction.hpp"
#include "server/values.hpp"

extern "C" {
PG_FUNCTION_INFO_V1(sc_expressions);
PG_FUNCTION_INFO_V1(sc_carry_expressions);
}

namespace sc {

namespace {

constexpr const char *session_alias = "session";
constexpr const char *subscription_alias = "subscription";

struct Part {
    const char *field;
    Node *Expressions::*tree;
    bool names_both;           // rows of both tables
};
constexpr std::array parts{
    Part{"counts_when", &Expressions::counts_when, false},
    Part{"cost", &Expressions::cost, false},
    Part{"pays_when", &Expressions::pays_when, true},
};

const char *text_of(const Mapping &mapping, const Part &part)
{
    return mapping.*find_field(part.field)->text;
}

// From text to tree --------------------------------------------------------------------------------------------------

[[noreturn]] void raise_no_expression(const Part &part)
{
    ereport(ERROR, errcode(ERRCODE_SYNTAX_ERROR),
            errmsg("argument \"%s\" of attach() is no single expression", part.field),
            errdetail("It must be what could stand in a CHECK of the table."),
            errhint("Leave out what is not part of the expression, such as a name, FROM or WHERE."));
    pg_unreachable();
}

// The grammar that PL/pgSQL uses for its expressions: of a whole query nothing but the expression may be there.
Node *parse_raw(const Part &part, const char *text)
{
    List *parsed = raw_parser(text, RAW_PARSE_PLPGSQL_EXPR);
    const auto *select = reinterpret_cast<const SelectStmt *>(linitial_node(RawStmt, parsed)->stmt);
    if (!IsA(select, SelectStmt) || list_length(select->targetList) != 1 || select->distinctClause != NIL ||
        select->fromClause != NIL || select->whereClause != nullptr || select->groupClause != NIL ||
        select->havingClause != nullptr || select->windowClause != NIL || select->sortClause != NIL ||
        select->limitOffset != nullptr || select->limitCount != nullptr || select->lockingClause != NIL ||
        select->op != SETOP_NONE)
        raise_no_expression(part);
    const ResTarget *target = linitial_node(ResTarget, select->targetList);
    const auto *column = reinterpret_cast<const ColumnRef *>(target->val);
    if (target->name != nullptr || target->indirection != NIL ||
        (IsA(column, ColumnRef) && IsA(llast(column->fields), A_Star)))
        raise_no_expression(part);
    return target->val;
}

void add_relation(ParseState *state, Relation relation, const char *alias)
{
    ParseNamespaceItem *item =
        addRangeTableEntryForRelation(state, relation, AccessShareLock, makeAlias(alias, NIL), false, false);
    addNSItemToQuery(state, item, false, true, true);
}

// A cost is counted as a bigint; nothing else than an integer is rounded to one in silence.
Node *coerce_cost(ParseState *state, Node *cost)
{
    const Oid type = exprType(cost);
    if (!is_integer(getBaseType(type)) && type != UNKNOWNOID)
        ereport(ERROR, errcode(ERRCODE_DATATYPE_MISMATCH),
                errmsg("argument \"cost\" of attach() must be of type smallint, integer or bigint, not of type %s",
                       format_type_be(type)),
                errdetail("Credits are counted in whole numbers."),
                errhint("Count in the smallest unit, or cast the expression to an integer."));
    return coerce_to_target_type(state, cost, type, INT8OID, -1, COERCION_IMPLICIT, COERCE_IMPLICIT_CAST, -1);
}

Node *coerce_condition(ParseState *state, const Part &part, Node *condition)
{
    const Oid type = exprType(condition);
    if (getBaseType(type) != BOOLOID && type != UNKNOWNOID)
        ereport(ERROR, errcode(ERRCODE_DATATYPE_MISMATCH),
                errmsg("argument \"%s\" of attach() must be of type boolean, not of type %s", part.field,
                       format_type_be(type)),
                errdetail("It is a condition."), errhint("Compare it with something, as in \"column = 'value'\"."));
    return coerce_to_boolean(state, condition, part.field);
}

// The cast to the argument's type at the top of a tree. The server hides one that nobody has written, and a dump writes
// it: without it both read the same.
Node *without_cast(Node *tree)
{
    for (;;) {
        const auto *call = reinterpret_cast<const FuncExpr *>(tree);
        const auto *label = reinterpret_cast<const RelabelType *>(tree);
        if (IsA(tree, FuncExpr) && (call->funcid == F_INT8_INT4 || call->funcid == F_INT8_INT2))
            tree = static_cast<Node *>(linitial(call->args));
        else if (IsA(tree, RelabelType) && (is_integer(label->resulttype) || label->resulttype == BOOLOID))
            tree = reinterpret_cast<Node *>(label->arg);
        else
            return tree;
    }
}

// "(NULL::subscriptions).column" stands for a column of the subscription where SQL knows one row only.
Node *name_subscription(Node *node, void *context)
{
    if (node == nullptr)
        return nullptr;
    if (IsA(node, FieldSelect)) {
        auto *select = reinterpret_cast<FieldSelect *>(node);
        const auto *row = reinterpret_cast<const Const *>(select->arg);
        const Oid table = IsA(row, Const) && row->constisnull ? get_typ_typrelid(row->consttype) : InvalidOid;
        if (OidIsValid(table)) {
            *static_cast<Oid *>(context) = table;
            return reinterpret_cast<Node *>(makeVar(subscription_variables, select->fieldnum, select->resulttype,
                                                    select->resulttypmod, select->resultcollid, 0));
        }
    }
    return mutate_expression(node, name_subscription, context);
}

Node *parse_tree(Relation sessions, Relation subscriptions, const Part &part, const char *text)
{
    Node *raw = parse_raw(part, text);
    ParseState *state = make_parsestate(nullptr);
    state->p_sourcetext = text;
    add_relation(state, sessions, session_alias);
    if (part.names_both)
        add_relation(state, subscriptions, subscription_alias);
    Node *tree = transformExpr(state, raw, EXPR_KIND_TRIGGER_WHEN);
    tree = part.tree == &Expressions::cost ? coerce_cost(state, tree) : coerce_condition(state, part, tree);
    assign_expr_collations(state, tree);
    free_parsestate(state);
    Oid subscriptions_table;
    return without_cast(name_subscription(tree, &subscriptions_table));
}

// What a tree may name -----------------------------------------------------------------------------------------------

bool check_variable(Node *node, void *context)
{
    if (node == nullptr)
        return false;
    if (!IsA(node, Var))
        return walk_expression(node, check_variable, context);
    const auto *variable = reinterpret_cast<const Var *>(node);
    const auto *part = static_cast<const Part *>(context);
    if (variable->varattno < 0)
        ereport(ERROR, errcode(ERRCODE_INVALID_COLUMN_REFERENCE),
                errmsg("argument \"%s\" of attach() names a system column", part->field),
                errdetail("The server writes it, and gives it another value when it copies the row."),
                errhint("Name a column that statements write."));
    if (variable->varattno == 0)
        ereport(ERROR, errcode(ERRCODE_INVALID_COLUMN_REFERENCE),
                errmsg("argument \"%s\" of attach() names a whole row", part->field),
                errdetail("It would change with every column that is added to the table."),
                errhint("Name the columns that it depends on."));
    if (variable->varno != session_variables && !part->names_both)
        ereport(ERROR, errcode(ERRCODE_INVALID_COLUMN_REFERENCE),
                errmsg("argument \"%s\" of attach() names a column of the subscriptions", part->field),
                errdetail("It is about a session alone."), errhint("Say in \"pays_when\" what is about both."));
    return false;
}

// Default arguments of functions show once it is planned. That may evaluate a function of constants: the caller has
// become the owner for that.
void check_immutable(const Part &part, Node *tree)
{
    if (!contain_mutable_functions(tree) &&
        !contain_mutable_functions(reinterpret_cast<Node *>(
            expression_planner(static_cast<Expr *>(copyObjectImpl(tree))))))
        return;
    ereport(ERROR, errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
            errmsg("argument \"%s\" of attach() is not immutable", part.field),
            errdetail("It would say something else of the same row at another time, in another session or with other "
                      "settings, as now(), current_user and casts of timestamps do."),
            errhint("Use immutable functions alone, and keep what depends on the time in a column."));
}

// As the server writes it ---------------------------------------------------------------------------------------------

List *name_relations(const Expressions &expressions, const char *session, const char *subscription)
{
    auto *statement = makeNode(PlannedStmt);
    List *names = NIL;
    const auto add = [&](Oid relation, const char *alias) {
        RangeTblEntry *entry = makeNode(RangeTblEntry);
        entry->rtekind = RTE_RELATION;
        entry->relid = relation;
        entry->relkind = get_rel_relkind(relation);
        entry->rellockmode = AccessShareLock;
        entry->alias = makeAlias(alias, NIL);
        entry->eref = entry->alias;
        entry->inFromCl = true;
        statement->rtable = lappend(statement->rtable, entry);
        names = lappend(names, pstrdup(alias));
    };
    add(expressions.sessions, session == nullptr ? session_alias : session);
    if (OidIsValid(expressions.subscriptions) && subscription != nullptr)
        add(expressions.subscriptions, subscription);
    return deparse_context_for_plan_tree(statement, names);
}

// The server writes an expression in a way that it may read as a slightly different tree (IN on a varchar): again and
// again, until nothing changes, so that what a dump brings back is the same.
Node *settle(const Expressions &expressions, const Part &part, Relation sessions, Relation subscriptions, Node *tree)
{
    constexpr int most_rounds = 4;
    Expressions named = expressions;
    named.subscriptions = part.names_both ? RelationGetRelid(subscriptions) : InvalidOid;
    for (int round = 0; round < most_rounds; round++) {
        Node *again = parse_tree(sessions, subscriptions, part,
                                 expression_text(named, tree, session_alias, subscription_alias));
        if (equal(again, tree))
            break;
        tree = again;
    }
    return tree;
}

// What the server says of a mistake, with the argument in which it is.
[[noreturn]] void raise_mistake(const Part &part, const char *text, const ErrorData &error)
{
    const bool missing =
        error.sqlerrcode == ERRCODE_UNDEFINED_FUNCTION || error.sqlerrcode == ERRCODE_UNDEFINED_OBJECT;
    const char *hint =
        missing ? "Names are looked up in pg_catalog alone: give a function, a type or an operator its schema."
        : part.names_both ? "Write a condition on the columns session.x and subscription.y."
                          : "Write an expression on the columns of one session.";
    ereport(ERROR, errcode(error.sqlerrcode), errmsg_internal("%s", error.message),
            // If a name is missing, newer servers say what our hint says.
            error.detail != nullptr && !missing ? errdetail_internal("%s", error.detail)
                                                : errdetail("The argument \"%s\" of attach() is: %s", part.field, text),
            errhint("%s", error.hint != nullptr && !missing ? error.hint : hint));
    pg_unreachable();
}

bool is_mistake(const ErrorData &error)
{
    return error.sqlerrcode != ERRCODE_INTERNAL_ERROR &&
           ERRCODE_TO_CATEGORY(error.sqlerrcode) != ERRCODE_TO_CATEGORY(ERRCODE_OPERATOR_INTERVENTION);
}

Node *parse_part(const Expressions &expressions, const Part &part, const char *text, Relation sessions,
                 Relation subscriptions)
{
    Node *tree = nullptr;
    const ErrorData *error = try_and_catch(
        [&] {
            tree = parse_tree(sessions, subscriptions, part, text);
            check_variable(tree, const_cast<Part *>(&part));
            check_immutable(part, tree);
            tree = settle(expressions, part, sessions, subscriptions, tree);
        },
        is_mistake);
    if (error != nullptr)
        raise_mistake(part, text, *error);
    return tree;
}

// From trigger to tree -----------------------------------------------------------------------------------------------

struct Reading {
    Oid subscriptions;
    bool altered;              // it is nothing that attach() has written
};

Node *read_new_row(Node *node, void *context)
{
    if (node == nullptr)
        return nullptr;
    auto *reading = static_cast<Reading *>(context);
    if (!IsA(node, Var))
        return mutate_expression(node, read_new_row, context);
    const auto *variable = reinterpret_cast<const Var *>(node);
    reading->altered |= variable->varno != PRS2_NEW_VARNO || variable->varattno <= 0;
    return reinterpret_cast<Node *>(makeVar(session_variables, variable->varattno, variable->vartype,
                                            variable->vartypmod, variable->varcollid, 0));
}

Node *read_tree(Node *stored, Reading &reading)
{
    // The row of the trigger first: what stands for the subscription gets a number that NEW has.
    Node *tree = read_new_row(stored, &reading);
    return without_cast(name_subscription(tree, &reading.subscriptions));
}

// "expressions(…) AND false".
const FuncExpr *find_call(Node *condition)
{
    const auto *both = reinterpret_cast<const BoolExpr *>(condition);
    if (!IsA(both, BoolExpr) || both->boolop != AND_EXPR || list_length(both->args) != 2)
        return nullptr;
    const auto *never = static_cast<const Const *>(lsecond(both->args));
    const auto *call = static_cast<const FuncExpr *>(linitial(both->args));
    const bool right = IsA(never, Const) && !never->constisnull && !DatumGetBool(never->constvalue) &&
                       IsA(call, FuncExpr) && call->funcid == carrying_function();
    return right ? call : nullptr;
}

bool read_call(const FuncExpr &call, const Mapping &mapping, Expressions &expressions)
{
    Reading reading{};
    ListCell *cell;
    foreach (cell, call.args) {
        const auto *argument = static_cast<const NamedArgExpr *>(lfirst(cell));
        const auto *part = !IsA(argument, NamedArgExpr)
                               ? parts.end()
                               : std::find_if(parts.begin(), parts.end(), [argument](const Part &known) {
                                     return strcmp(known.field, argument->name) == 0;
                                 });
        if (part == parts.end())
            return false;
        expressions.*part->tree = read_tree(reinterpret_cast<Node *>(argument->arg), reading);
    }
    expressions.subscriptions = reading.subscriptions;
    const bool all = std::all_of(parts.begin(), parts.end(), [&](const Part &part) {
        return (expressions.*part.tree != nullptr) == (text_of(mapping, part) != nullptr);
    });
    return all && !reading.altered;
}

const OwnTrigger *find_carrier(Oid relation, const Mapping &mapping)
{
    for (const OwnTrigger &trigger : find_own_triggers(relation))
        if (carries_expressions(*trigger.rule) && says_the_same(trigger.arguments, mapping))
            return &trigger;
    return nullptr;
}

// A column of the subscription as SQL writes it where there is one row only.
Node *select_from_null(Node *node, void *context)
{
    if (node == nullptr)
        return nullptr;
    const auto *variable = reinterpret_cast<const Var *>(node);
    if (!IsA(node, Var) || variable->varno != subscription_variables)
        return mutate_expression(node, select_from_null, context);
    const Oid row = get_rel_type_id(*static_cast<const Oid *>(context));
    auto *select = makeNode(FieldSelect);
    select->arg = reinterpret_cast<Expr *>(makeNullConst(row, -1, InvalidOid));
    select->fieldnum = variable->varattno;
    select->resulttype = variable->vartype;
    select->resulttypmod = variable->vartypmod;
    select->resultcollid = variable->varcollid;
    return reinterpret_cast<Node *>(select);
}

}  // namespace

const Expressions *parse_expressions(const Pair &pair, const Mapping &mapping)
{
    if (!has_expressions(mapping))
        return nullptr;
    auto *expressions = static_cast<Expressions *>(palloc0(sizeof(Expressions)));
    expressions->sessions = pair.sessions;
    Relation sessions = table_open(pair.sessions, AccessShareLock);
    Relation subscriptions = table_open(pair.subscriptions, AccessShareLock);
    for (const Part &part : parts)
        if (const char *text = text_of(mapping, part)) {
            expressions->*part.tree = parse_part(*expressions, part, text, sessions, subscriptions);
            if (part.names_both)
                expressions->subscriptions = pair.subscriptions;
        }
    table_close(subscriptions, NoLock);
    table_close(sessions, NoLock);
    return expressions;
}

const Expressions *find_expressions(Oid relation, const Mapping &mapping, const char **fault)
{
    *fault = nullptr;
    if (!has_expressions(mapping))
        return nullptr;
    const OwnTrigger *carrier = find_carrier(relation, mapping);
    if (carrier == nullptr) {
        *fault = "has no trigger that carries its expressions";
        return nullptr;
    }
    auto *expressions = static_cast<Expressions *>(palloc0(sizeof(Expressions)));
    expressions->sessions = relation;
    const FuncExpr *call =
        carrier->condition == nullptr ? nullptr : find_call(static_cast<Node *>(stringToNode(carrier->condition)));
    if (call != nullptr && read_call(*call, mapping, *expressions))
        return expressions;
    *fault = psprintf("has trigger \"%s\", whose expressions were altered", carrier->name);
    return nullptr;
}

const Expressions *require_expressions(Oid relation, const Mapping &mapping)
{
    const char *fault;
    const Expressions *expressions = find_expressions(relation, mapping, &fault);
    if (fault != nullptr)
        ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                errmsg("the expressions of attached table \"%s\" cannot be read", get_rel_name(relation)),
                errdetail_internal("It %s.", fault),
                errhint("Call session_consistency.attach() again with its arguments: it makes the trigger anew."));
    return expressions;
}

bool is_same(const Expressions *left, const Expressions *right)
{
    if (left == nullptr || right == nullptr)
        return left == right;
    return std::all_of(parts.begin(), parts.end(),
                       [&](const Part &part) { return equal(left->*part.tree, right->*part.tree); });
}

// What is not found in pg_catalog gets its schema, whatever the caller's path is: the text is parsed under another one.
const char *expression_text(const Expressions &expressions, Node *tree, const char *session, const char *subscription)
{
    const int level = enter_pinned_path();
    const char *text =
        deparse_expression(tree, name_relations(expressions, session, subscription), session != nullptr, false);
    leave_pinned_path(level);
    return text;
}

const char *expression_text(const Expressions &expressions, Node *tree)
{
    return tree == expressions.pays_when
               ? expression_text(expressions, tree, session_alias, subscription_alias)
               : expression_text(expressions, tree, nullptr, nullptr);
}

Node *tree_of(const Expressions &expressions, const Field &field)
{
    const auto *part = std::find_if(parts.begin(), parts.end(),
                                    [&](const Part &known) { return strcmp(known.field, field.name) == 0; });
    return part == parts.end() ? nullptr : expressions.*part->tree;
}

Names counting_columns(const Mapping &mapping)
{
    const Expressions *expressions = mapping.expressions;
    if (expressions == nullptr)
        return {};
    Bitmapset *columns = nullptr;
    pull_varattnos(expressions->counts_when, session_variables, &columns);
    pull_varattnos(expressions->cost, session_variables, &columns);
    auto **names = static_cast<const char **>(palloc(sizeof(char *) * Max(bms_num_members(columns), 1)));
    size_t count = 0;
    for (int column = bms_next_member(columns, -1); column >= 0; column = bms_next_member(columns, column))
        names[count++] =
            get_attname(expressions->sessions, column + FirstLowInvalidHeapAttributeNumber, false);
    return Names(names, count);
}

const char *carried_condition(const Expressions &expressions)
{
    Oid subscriptions = expressions.subscriptions;
    StringInfoData text;
    initStringInfo(&text);
    for (const Part &part : parts) {
        if (expressions.*part.tree == nullptr)
            continue;
        Node *tree = select_from_null(expressions.*part.tree, &subscriptions);
        appendStringInfo(&text, "%s%s => %s", text.len == 0 ? "" : ", ", part.field,
                         expression_text(expressions, tree, "new", nullptr));
    }
    return psprintf("session_consistency.expressions(%s) AND false", text.data);
}

}  // namespace sc

// Stands around the expressions in a WHEN clause; nobody calls it.
extern "C" Datum sc_expressions(PG_FUNCTION_ARGS)
{
    (void) fcinfo;
    PG_RETURN_BOOL(false);
}

// The trigger has its WHEN clause to keep, and nothing to do.
extern "C" Datum sc_carry_expressions(PG_FUNCTION_ARGS)
{
    return PointerGetDatum(sc::row_trigger_call(fcinfo, sc::function::carry, sc::Timing::after, false)->tg_newtuple);
}
