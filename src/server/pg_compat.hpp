// The only place that asks for the server's version: one name for what differs between 15 and 19.
#pragma once

#include "server/postgres_api.hpp"

namespace sc {

inline IndexScanDesc begin_index_scan(Relation table, Relation index, Snapshot snapshot, int keys)
{
#if PG_VERSION_NUM >= 190000
    return index_beginscan(table, index, snapshot, nullptr, keys, 0, SO_NONE);
#elif PG_VERSION_NUM >= 180000
    return index_beginscan(table, index, snapshot, nullptr, keys, 0);
#else
    return index_beginscan(table, index, snapshot, keys, 0);
#endif
}

inline TableScanDesc begin_table_scan(Relation table, Snapshot snapshot, int count, ScanKey keys)
{
#if PG_VERSION_NUM >= 190000
    return table_beginscan(table, snapshot, count, keys, SO_NONE);
#else
    return table_beginscan(table, snapshot, count, keys);
#endif
}

// A range table of one relation whose named columns are written.
inline void init_range_table(EState *estate, Relation relation, Bitmapset *updated)
{
    RangeTblEntry *entry = makeNode(RangeTblEntry);
    entry->rtekind = RTE_RELATION;
    entry->relid = RelationGetRelid(relation);
    entry->relkind = relation->rd_rel->relkind;
    entry->rellockmode = RowExclusiveLock;
#if PG_VERSION_NUM >= 160000
    List *permissions = NIL;
    addRTEPermissionInfo(&permissions, entry)->updatedCols = updated;
#if PG_VERSION_NUM >= 180000
    ExecInitRangeTable(estate, list_make1(entry), permissions, bms_make_singleton(1));
#else
    ExecInitRangeTable(estate, list_make1(entry), permissions);
#endif
#else
    entry->updatedCols = updated;
    ExecInitRangeTable(estate, list_make1(entry));
#endif
}

// The first relation of the range table as a target of updates.
inline ResultRelInfo *make_target(Relation relation)
{
    ResultRelInfo *target = makeNode(ResultRelInfo);
    InitResultRelInfo(target, relation, 1, nullptr, 0);
    return target;
}

inline void init_epq(EPQState *epq, EState *estate)
{
#if PG_VERSION_NUM >= 160000
    EvalPlanQualInit(epq, estate, nullptr, NIL, -1, NIL);
#else
    EvalPlanQualInit(epq, estate, nullptr, NIL, -1);
#endif
}

inline bool owns_relation(Oid relation, Oid role)
{
#if PG_VERSION_NUM >= 160000
    return object_ownercheck(RelationRelationId, relation, role);
#else
    return pg_class_ownercheck(relation, role);
#endif
}

inline bool may_create_in(Oid schema, Oid role)
{
#if PG_VERSION_NUM >= 160000
    return object_aclcheck(NamespaceRelationId, schema, role, ACL_CREATE) == ACLCHECK_OK;
#else
    return pg_namespace_aclcheck(schema, role, ACL_CREATE) == ACLCHECK_OK;
#endif
}

inline bool may_use(Oid schema, Oid role)
{
#if PG_VERSION_NUM >= 160000
    return object_aclcheck(NamespaceRelationId, schema, role, ACL_USAGE) == ACLCHECK_OK;
#else
    return pg_namespace_aclcheck(schema, role, ACL_USAGE) == ACLCHECK_OK;
#endif
}

inline bool walk_expression(Node *node, bool (*walker)(Node *, void *), void *context)
{
#if PG_VERSION_NUM >= 160000
    return expression_tree_walker(node, walker, context);
#else
    return expression_tree_walker(node, reinterpret_cast<bool (*)()>(reinterpret_cast<void (*)()>(walker)), context);
#endif
}

inline Node *mutate_expression(Node *node, Node *(*mutator)(Node *, void *), void *context)
{
#if PG_VERSION_NUM >= 160000
    return expression_tree_mutator(node, mutator, context);
#else
    return expression_tree_mutator(node, reinterpret_cast<Node *(*)()>(reinterpret_cast<void (*)()>(mutator)), context);
#endif
}

inline bool domain_has_constraints(Oid type)
{
#if PG_VERSION_NUM >= 190000
    return DomainHasConstraints(type, nullptr);
#else
    return DomainHasConstraints(type);
#endif
}

// NOT ENFORCED came with 18.
inline bool is_enforced(Form_pg_constraint constraint)
{
#if PG_VERSION_NUM >= 180000
    return constraint->conenforced;
#else
    return constraint->oid != InvalidOid;
#endif
}

inline bool is_enforced(const ConstrCheck &check)
{
#if PG_VERSION_NUM >= 180000
    return check.ccenforced;
#else
    return check.ccbin != nullptr;
#endif
}

// Generated columns that no row stores came with 18.
inline bool is_stored(const FormData_pg_attribute *column)
{
#if PG_VERSION_NUM >= 180000
    return column->attgenerated != ATTRIBUTE_GENERATED_VIRTUAL;
#else
    return column->attnum > 0;
#endif
}

// A foreign key of a partitioned table can be NOT VALID since 18.
constexpr bool partitioned_key_may_be_not_valid = PG_VERSION_NUM >= 180000;

// Which indexes an update has to enter anew: none after one that stayed on its page.
#if PG_VERSION_NUM >= 160000
using IndexesToEnter = TU_UpdateIndexes;
constexpr IndexesToEnter no_indexes = TU_None;
#else
using IndexesToEnter = bool;
constexpr IndexesToEnter no_indexes = false;
#endif

inline TM_Result update_row(Relation relation, ItemPointer place, TupleTableSlot *row, CommandId command,
                            Snapshot snapshot, TM_FailureData *failure, IndexesToEnter *indexes)
{
    LockTupleMode mode;
#if PG_VERSION_NUM >= 190000
    return table_tuple_update(relation, place, row, command, 0, snapshot, InvalidSnapshot, true, failure, &mode,
                              indexes);
#else
    return table_tuple_update(relation, place, row, command, snapshot, InvalidSnapshot, true, failure, &mode, indexes);
#endif
}

// Fires the BEFORE UPDATE triggers of a row; false if one of them keeps it from being updated.
inline bool fire_before_update(EState *estate, EPQState *epq, ResultRelInfo *target, ItemPointer place,
                               TupleTableSlot *row)
{
    TM_FailureData failure;
#if PG_VERSION_NUM >= 180000
    return ExecBRUpdateTriggers(estate, epq, target, place, nullptr, row, nullptr, &failure, false);
#elif PG_VERSION_NUM >= 160000
    return ExecBRUpdateTriggers(estate, epq, target, place, nullptr, row, nullptr, &failure);
#else
    return ExecBRUpdateTriggers(estate, epq, target, place, nullptr, row, &failure);
#endif
}

// Returns the indexes of which a row has to be checked again at the end.
inline List *enter_indexes(ResultRelInfo *target, EState *estate, TupleTableSlot *row, IndexesToEnter indexes)
{
#if PG_VERSION_NUM >= 190000
    const uint32 flags = EIIT_IS_UPDATE | (indexes == TU_Summarizing ? EIIT_ONLY_SUMMARIZING : 0);
    return ExecInsertIndexTuples(target, estate, flags, row, NIL, nullptr);
#elif PG_VERSION_NUM >= 160000
    return ExecInsertIndexTuples(target, row, estate, true, false, nullptr, NIL, indexes == TU_Summarizing);
#else
    (void) indexes;
    return ExecInsertIndexTuples(target, row, estate, true, false, nullptr, NIL);
#endif
}

// What the executor keeps of targets outside of them.
inline List *&kept_apart(EState *estate)
{
#if PG_VERSION_NUM >= 160000
    static List *none = NIL;
    (void) estate;
    return none;
#else
    return estate->es_resultrelinfo_extra;
#endif
}

// The parts of a name as SQL writes it.
inline List *parse_qualified_name(const char *name)
{
#if PG_VERSION_NUM >= 160000
    return stringToQualifiedNameList(name, nullptr);
#else
    return stringToQualifiedNameList(name);
#endif
}

// Whether that means a time zone by an abbreviation; in small letters.
inline bool is_zone_abbreviation(const char *name)
{
    int offset;
    pg_tz *zone;
#if PG_VERSION_NUM >= 160000
    int type;
    DateTimeErrorExtra extra;
    return DecodeTimezoneAbbrev(0, name, &type, &offset, &zone, &extra) == 0 && type != UNKNOWN_FIELD;
#else
    return DecodeTimezoneAbbrev(0, pstrdup(name), &offset, &zone) != UNKNOWN_FIELD;
#endif
}

// The second argument of a system cache callback.
#if PG_VERSION_NUM >= 190000
using SyscacheId = SysCacheIdentifier;
#else
using SyscacheId = int;
#endif

}  // namespace sc
