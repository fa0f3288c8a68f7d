// Reads the catalogs about a relation.
#include "server/relations.hpp"

#include <algorithm>

#include "server/pg_compat.hpp"

namespace sc {

std::optional<Column> find_column(Oid relation, const char *name)
{
    HeapTuple tuple = SearchSysCacheAttName(relation, name);
    if (!HeapTupleIsValid(tuple))
        return std::nullopt;
    const auto *form = reinterpret_cast<Form_pg_attribute>(GETSTRUCT(tuple));
    Column column{};
    column.number = form->attnum;
    column.type = form->atttypid;
    column.base = getBaseType(form->atttypid);
    column.typmod = form->atttypmod;
    column.collation = form->attcollation;
    column.generated = form->attgenerated != '\0' || form->attidentity != '\0';
    column.stored = is_stored(form);
    column.nullable = !form->attnotnull;
    ReleaseSysCache(tuple);
    return column;
}

AttrNumber column_number(Oid relation, const char *name)
{
    return name == nullptr ? InvalidAttrNumber : get_attnum(relation, name);
}

AttrNumber bound_column(Relation relation, const char *name)
{
    const AttrNumber column = get_attnum(RelationGetRelid(relation), name);
    if (column <= InvalidAttrNumber)
        ereport(ERROR, errcode(ERRCODE_UNDEFINED_COLUMN),
                errmsg("column \"%s\" of relation \"%s\" is gone, and session_consistency needs it", name,
                       RelationGetRelationName(relation)),
                errdetail("The triggers of the attachment name the column."),
                errhint("Give the column its name back, or detach and attach again with the new name."),
                errtable(relation));
    return column;
}

Oid owner_of(Oid relation)
{
    HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
    if (!HeapTupleIsValid(tuple))
        elog(ERROR, "cache lookup failed for relation %u", relation);
    const Oid owner = reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple))->relowner;
    ReleaseSysCache(tuple);
    return owner;
}

void require_owner(Oid relation)
{
    if (!owns_relation(relation, GetUserId()))
        aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, get_rel_name(relation));
}

bool may_read(Oid relation, Oid role)
{
    const bool granted = pg_class_aclcheck(relation, role, ACL_SELECT) == ACLCHECK_OK ||
                         pg_attribute_aclcheck_all(relation, role, ACL_SELECT, ACLMASK_ALL) == ACLCHECK_OK;
    return granted && check_enable_rls(relation, role, true) != RLS_ENABLED;
}

bool may_update(Oid relation, AttrNumber column, Oid role)
{
    return pg_class_aclcheck(relation, role, ACL_UPDATE) == ACLCHECK_OK ||
           pg_attribute_aclcheck(relation, column, role, ACL_UPDATE) == ACLCHECK_OK;
}

Oid root_table(Relation relation)
{
    return relation->rd_rel->relispartition ? llast_oid(get_partition_ancestors(RelationGetRelid(relation)))
                                            : RelationGetRelid(relation);
}

bool is_view_of(Oid view, const char *query)
{
    auto *parsed = linitial_node(RawStmt, raw_parser(query, RAW_PARSE_DEFAULT));
    const char *wanted = pg_get_querydef(parse_analyze_fixedparams(parsed, query, nullptr, 0, nullptr), false);
    Relation relation = relation_open(view, AccessShareLock);
    auto *stored = static_cast<Query *>(copyObjectImpl(get_view_query(relation)));
    relation_close(relation, AccessShareLock);
    return strcmp(wanted, pg_get_querydef(stored, false)) == 0;
}

bool is_rewritten_since(Oid relation, Snapshot snapshot)
{
    ScanKeyData key;
    ScanKeyInit(&key, Anum_pg_class_oid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relation));
    Relation classes = table_open(RelationRelationId, AccessShareLock);
    SysScanDesc scan = systable_beginscan(classes, ClassOidIndexId, true, snapshot, 1, &key);
    bool rewritten = false;
    HeapTuple tuple;
    HeapTuple present = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
    while (HeapTupleIsValid(present) && HeapTupleIsValid(tuple = systable_getnext(scan)))
        rewritten = reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple))->relfilenode !=
                    reinterpret_cast<Form_pg_class>(GETSTRUCT(present))->relfilenode;
    if (HeapTupleIsValid(present))
        ReleaseSysCache(present);
    systable_endscan(scan);
    table_close(classes, AccessShareLock);
    return rewritten;
}

Oids partition_tree(Oid relation, LOCKMODE lock)
{
    List *tree = find_all_inheritors(relation, lock, nullptr);
    auto *relations = static_cast<Oid *>(palloc(sizeof(Oid) * list_length(tree)));
    size_t count = 0;
    ListCell *cell;
    foreach (cell, tree)
        relations[count++] = lfirst_oid(cell);
    return Oids(relations, count);
}

// Keys and indexes ---------------------------------------------------------------------------------------------------

namespace {

Columns column_numbers(HeapTuple tuple, AttrNumber attribute)
{
    bool null;
    const Datum stored = SysCacheGetAttr(CONSTROID, tuple, attribute, &null);
    if (null)
        return {};
    ArrayType *array = DatumGetArrayTypePCopy(stored);
    return Columns(reinterpret_cast<const int16 *>(ARR_DATA_PTR(array)), ARR_DIMS(array)[0]);
}

ForeignKey read_foreign_key(HeapTuple tuple)
{
    auto *form = reinterpret_cast<Form_pg_constraint>(GETSTRUCT(tuple));
    ForeignKey key{};
    key.constraint = form->oid;
    key.name = pstrdup(NameStr(form->conname));
    key.references = form->confrelid;
    key.columns = column_numbers(tuple, Anum_pg_constraint_conkey);
    key.referenced = column_numbers(tuple, Anum_pg_constraint_confkey);
    key.set_on_delete = column_numbers(tuple, Anum_pg_constraint_confdelsetcols);
    key.on_update = form->confupdtype;
    key.on_delete = form->confdeltype;
    key.match = form->confmatchtype;
    key.deferrable = form->condeferrable;
    key.validated = form->convalidated;
    key.enforced = is_enforced(form);
    key.inherited = OidIsValid(form->conparentid);
    return key;
}

}  // namespace

std::span<const ForeignKey> foreign_keys_of(Oid relation)
{
    ScanKeyData scan_key;
    ScanKeyInit(&scan_key, Anum_pg_constraint_conrelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relation));
    Relation constraints = table_open(ConstraintRelationId, AccessShareLock);
    SysScanDesc scan =
        systable_beginscan(constraints, ConstraintRelidTypidNameIndexId, true, nullptr, 1, &scan_key);
    size_t capacity = 4;
    size_t count = 0;
    auto *keys = static_cast<ForeignKey *>(palloc(sizeof(ForeignKey) * capacity));
    HeapTuple tuple;
    while (HeapTupleIsValid(tuple = systable_getnext(scan))) {
        if (reinterpret_cast<Form_pg_constraint>(GETSTRUCT(tuple))->contype != CONSTRAINT_FOREIGN)
            continue;
        if (count == capacity)
            keys = static_cast<ForeignKey *>(repalloc(keys, sizeof(ForeignKey) * (capacity *= 2)));
        keys[count++] = read_foreign_key(tuple);
    }
    systable_endscan(scan);
    table_close(constraints, AccessShareLock);
    return std::span<const ForeignKey>(keys, count);
}

std::span<const ForeignKey> foreign_keys_on(Oid relation, AttrNumber column)
{
    const std::span<const ForeignKey> keys = foreign_keys_of(relation);
    auto *holding = static_cast<ForeignKey *>(palloc(sizeof(ForeignKey) * Max(keys.size(), size_t{1})));
    const auto *end = std::copy_if(keys.begin(), keys.end(), holding, [column](const ForeignKey &key) {
        return std::find(key.columns.begin(), key.columns.end(), column) != key.columns.end();
    });
    return std::span<const ForeignKey>(holding, end - holding);
}

Columns primary_key_of(Relation relation, bool *deferrable)
{
    Columns columns;
    const Oid index = find_index(relation, [&](Relation candidate) {
        const Form_pg_index form = candidate->rd_index;
        if (!form->indisprimary || !form->indisvalid)
            return false;
        auto *copy = static_cast<int16 *>(palloc(sizeof(int16) * form->indnkeyatts));
        std::copy_n(form->indkey.values, form->indnkeyatts, copy);
        columns = Columns(copy, form->indnkeyatts);
        *deferrable = !form->indimmediate;
        return true;
    });
    return OidIsValid(index) ? columns : Columns{};
}

bool is_usable_btree(Relation index)
{
    const Form_pg_index form = index->rd_index;
    return form->indisvalid && form->indisready && index->rd_rel->relam == BTREE_AM_OID;
}

bool covers(Relation index, List *condition)
{
    List *predicate = index_predicate(index);
    return predicate == NIL || predicate_implied_by(predicate, condition, false);
}

bool has_adoptable_index(Relation relation, AttrNumber column)
{
    return OidIsValid(find_index(relation, [=](Relation index) {
        return !index->rd_rel->relispartition && index->rd_index->indnkeyatts == 1 &&
               index->rd_index->indkey.values[0] == column;
    }));
}

// Conditions ---------------------------------------------------------------------------------------------------------

namespace {

bool is_users_function(Oid function, void *)
{
    return function >= FirstNormalObjectId;
}

// True where an expression has code of somebody's in it: a function that is not the server's own, or a domain.
bool has_users_code(Node *node, void *context)
{
    if (node == nullptr)
        return false;
    return check_functions_in_node(node, is_users_function, context) || IsA(node, CoerceToDomain) ||
           walk_expression(node, has_users_code, context);
}

// Computes what is constant, clause by clause, and calls nobody's functions for it: what falsely says that it is
// immutable would run as whoever looks at a catalog.
Node *fold_constants(Node *expression)
{
    if (!is_andclause(expression))
        return has_users_code(expression, nullptr) ? expression : eval_const_expressions(nullptr, expression);
    List *folded = NIL;
    ListCell *cell;
    foreach (cell, reinterpret_cast<BoolExpr *>(expression)->args)
        folded = lappend(folded, fold_constants(static_cast<Node *>(lfirst(cell))));
    return reinterpret_cast<Node *>(make_andclause(folded));
}

}  // namespace

List *prepare_clauses(Node *expression, bool is_check)
{
    expression = fold_constants(expression);
    expression = reinterpret_cast<Node *>(canonicalize_qual(reinterpret_cast<Expr *>(expression), is_check));
    return make_ands_implicit(reinterpret_cast<Expr *>(expression));
}

// From the catalog: RelationGetIndexPredicate() computes what is constant.
List *index_predicate(Relation index)
{
    bool is_null;
    const Datum stored = SysCacheGetAttr(INDEXRELID, index->rd_indextuple, Anum_pg_index_indpred, &is_null);
    return is_null ? NIL : prepare_clauses(static_cast<Node *>(stringToNode(TextDatumGetCString(stored))), false);
}

List *parse_condition(Relation relation, const char *condition, bool is_check)
{
    List *parsed = raw_parser(psprintf("SELECT %s", condition), RAW_PARSE_DEFAULT);
    auto *select = reinterpret_cast<SelectStmt *>(linitial_node(RawStmt, parsed)->stmt);
    Node *expression = linitial_node(ResTarget, select->targetList)->val;

    ParseState *state = make_parsestate(nullptr);
    ParseNamespaceItem *item =
        addRangeTableEntryForRelation(state, relation, AccessShareLock, nullptr, false, true);
    addNSItemToQuery(state, item, true, true, true);
    expression = transformExpr(state, expression, EXPR_KIND_CHECK_CONSTRAINT);
    expression = coerce_to_boolean(state, expression, "CHECK");
    assign_expr_collations(state, expression);
    free_parsestate(state);
    return prepare_clauses(expression, is_check);
}

namespace {

// True for "column IS NULL" beside a comparison of that column: where the one holds, the other is NULL.
bool says_null_again(Node *arm, List *arms)
{
    if (!IsA(arm, NullTest) || reinterpret_cast<NullTest *>(arm)->nulltesttype != IS_NULL)
        return false;
    Node *tested = reinterpret_cast<Node *>(reinterpret_cast<NullTest *>(arm)->arg);
    ListCell *cell;
    foreach (cell, arms) {
        auto *other = static_cast<OpExpr *>(lfirst(cell));
        if (IsA(other, OpExpr) && list_member(other->args, tested) && op_strict(other->opno))
            return true;
    }
    return false;
}

// A CHECK passes where it is NULL: "total IS NULL OR used <= total" says what "used <= total" says.
List *without_null_arms(List *clauses)
{
    List *shorter = NIL;
    ListCell *cell;
    foreach (cell, clauses) {
        auto *clause = static_cast<Node *>(lfirst(cell));
        List *arms = is_orclause(clause) ? reinterpret_cast<BoolExpr *>(clause)->args : list_make1(clause);
        List *kept = NIL;
        ListCell *arm;
        foreach (arm, arms)
            if (!says_null_again(static_cast<Node *>(lfirst(arm)), arms))
                kept = lappend(kept, lfirst(arm));
        shorter = lappend(shorter, list_length(kept) == 1 ? linitial(kept) : make_orclause(kept));
    }
    return shorter;
}

}  // namespace

bool is_checked(Relation relation, const char *condition, bool validated_only)
{
    const TupleConstr *constraints = RelationGetDescr(relation)->constr;
    List *known = NIL;
    for (int i = 0; constraints != nullptr && i < constraints->num_check; i++) {
        const ConstrCheck &check = constraints->check[i];
        if (is_enforced(check) && (check.ccvalid || !validated_only))
            known = list_concat(known, prepare_clauses(static_cast<Node *>(stringToNode(check.ccbin)), true));
    }
    // A CHECK passes where it is NULL: weak implication.
    known = without_null_arms(known);
    return known != NIL && predicate_implied_by(parse_condition(relation, condition, true), known, true);
}

}  // namespace sc
