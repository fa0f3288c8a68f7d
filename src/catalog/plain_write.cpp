// Decides whether a counter may be written past the server's general way of updating a row.
#include "catalog/plain_write.hpp"

#include "catalog/attachment.hpp"
#include "server/row_writer.hpp"

namespace sc {

namespace {

// A condition that a row with a counter within 0 … total meets, or that does not look at the counters, needs no check
// when a counter is written: the rest of the row stays as it was.
bool needs_check(const SubscriptionShape &shape, Relation relation, List *facts, const char *stored)
{
    auto *expression = static_cast<Node *>(stringToNode(stored));
    Bitmapset *columns = nullptr;
    pull_varattnos(expression, 1, &columns);
    if (!bms_is_member(shape.used - FirstLowInvalidHeapAttributeNumber, columns) &&
        (shape.remaining == 0 || !bms_is_member(shape.remaining - FirstLowInvalidHeapAttributeNumber, columns)) &&
        !bms_is_member(-FirstLowInvalidHeapAttributeNumber, columns))
        return false;
    return !predicate_implied_by(prepare_clauses(expression, true), facts, true);
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

}  // namespace

bool writes_plainly(const SubscriptionShape &shape, Relation relation)
{
    const TriggerDesc *triggers = copy_triggers(relation);
    const Oids own = own_trigger_functions();
    for (int i = 0; triggers != nullptr && i < triggers->numtriggers; i++)
        if (is_users_trigger(triggers->triggers[i], own))
            return false;
    const TupleConstr *constraints = RelationGetDescr(relation)->constr;
    if (constraints != nullptr && constraints->has_generated_stored)
        return false;
    const bool domains = column_of(relation, shape.used)->atttypid != shape.used_type ||
                         (shape.remaining != 0 &&
                          column_of(relation, shape.remaining)->atttypid != shape.remaining_type) ||
                         (shape.total != 0 && column_of(relation, shape.total)->atttypid != shape.total_type);
    if (domains)
        return false;
    List *facts = written_facts(shape, relation);
    for (int i = 0; constraints != nullptr && i < constraints->num_check; i++)
        if (needs_check(shape, relation, facts, constraints->check[i].ccbin))
            return false;
    return true;
}

}  // namespace sc
