// Writes links of sessions.
#include "store/link_writer.hpp"

#include <algorithm>

#include "server/search.hpp"

namespace sc {

namespace {

// The columns of the primary key by the numbers of that relation; the root says which they are.
Columns find_key(Relation root, Relation relation)
{
    bool deferrable = false;
    const Columns of_root = primary_key_of(root, &deferrable);
    auto *key = static_cast<int16 *>(palloc(sizeof(int16) * Max(of_root.size(), size_t{1})));
    for (size_t i = 0; i < of_root.size(); i++)
        key[i] = get_attnum(RelationGetRelid(relation), get_attname(RelationGetRelid(root), of_root[i], false));
    return Columns(key, of_root.size());
}

bool belongs_to(Relation relation, Oid root)
{
    return RelationGetRelid(relation) == root ||
           (relation->rd_rel->relispartition &&
            list_member_oid(get_partition_ancestors(RelationGetRelid(relation)), root));
}

// A column of a key that others may refer to is changed under a stronger lock. The server would take it when it writes,
// and wait for it while other rows are locked.
LockTupleMode update_lock(Relation relation, AttrNumber column)
{
    const Bitmapset *keys = RelationGetIndexAttrBitmap(relation, INDEX_ATTR_BITMAP_KEY);
    return bms_is_member(column - FirstLowInvalidHeapAttributeNumber, keys) ? LockTupleExclusive
                                                                            : LockTupleNoKeyExclusive;
}

Leaf open_leaf(Relation root, const Mapping &mapping, Oid oid)
{
    Leaf leaf{};
    leaf.oid = oid;
    Relation relation = try_relation_open(oid, RowExclusiveLock);
    if (relation == nullptr)
        return leaf;
    if (!belongs_to(relation, RelationGetRelid(root))) {
        relation_close(relation, NoLock);
        return leaf;
    }
    const Trigger *charge = find_charge_trigger(relation, mapping);
    if (charge == nullptr)
        ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                errmsg("partition \"%s\" has no trigger that charges sessions", RelationGetRelationName(relation)),
                errhint("session_consistency.attachments names what else is missing; detach and attach again."));
    CheckCmdReplicaIdentity(relation, CMD_UPDATE);
    leaf.relation = relation;
    leaf.binding = &bind_sessions(relation, charge);
    leaf.key = find_key(root, relation);
    leaf.lock = update_lock(relation, leaf.binding->sessions.link);
    leaf.blocks = RelationGetNumberOfBlocks(relation);
    leaf.row = table_slot_create(relation, nullptr);
    leaf.changed = MakeSingleTupleTableSlot(RelationGetDescr(relation), &TTSOpsVirtual);
    return leaf;
}

// How the values of the primary key are ordered.
void set_key_order(SessionTables *tables)
{
    const Columns key = find_key(tables->root, tables->root);
    const size_t count = key.size();
    auto *compare = static_cast<FmgrInfo *>(palloc0(sizeof(FmgrInfo) * count));
    auto *collations = static_cast<Oid *>(palloc(sizeof(Oid) * count));
    for (size_t i = 0; i < count; i++) {
        const Form_pg_attribute column = TupleDescAttr(RelationGetDescr(tables->root), key[i] - 1);
        TypeCacheEntry *entry = lookup_type_cache(getBaseType(column->atttypid), TYPECACHE_CMP_PROC_FINFO);
        if (OidIsValid(entry->cmp_proc_finfo.fn_oid))
            fmgr_info_copy(&compare[i], &entry->cmp_proc_finfo, CurrentMemoryContext);
        collations[i] = column->attcollation;
    }
    tables->compare = std::span<const FmgrInfo>(compare, count);
    tables->collations = std::span<const Oid>(collations, count);
}

}  // namespace

Leaf *find_leaf(SessionTables *tables, Oid oid)
{
    Leaf *leaf = std::lower_bound(tables->leaves.data(), tables->leaves.data() + tables->leaves.size(), oid,
                                  [](const Leaf &left, Oid right) { return left.oid < right; });
    return leaf->relation == nullptr ? nullptr : leaf;
}

SessionTables *open_session_tables(Relation root, const Mapping &mapping, std::span<const Place> places)
{
    auto *tables = static_cast<SessionTables *>(palloc0(sizeof(SessionTables)));
    tables->root = root;
    tables->link = get_attnum(RelationGetRelid(root), mapping.subscription_column);
    set_key_order(tables);
    List *oids = NIL;
    for (const Place &place : places)
        if (oids == NIL || llast_oid(oids) != place.relation)
            oids = list_append_unique_oid(oids, place.relation);
    // Every table's lock before the first row's: nothing is waited for while rows are locked.
    list_sort(oids, list_oid_cmp);
    auto *leaves = static_cast<Leaf *>(palloc(sizeof(Leaf) * Max(list_length(oids), 1)));
    size_t count = 0;
    ListCell *cell;
    foreach (cell, oids)
        leaves[count++] = open_leaf(root, mapping, lfirst_oid(cell));
    tables->leaves = std::span<Leaf>(leaves, count);
    return tables;
}

void close_session_tables(SessionTables *tables)
{
    for (const Leaf &leaf : tables->leaves) {
        if (leaf.relation == nullptr)
            continue;
        ExecDropSingleTupleTableSlot(leaf.row);
        ExecDropSingleTupleTableSlot(leaf.changed);
        relation_close(leaf.relation, NoLock);
    }
}

// Writing ------------------------------------------------------------------------------------------------------------

struct LinkWriter {
    SessionTables *tables;
    RowWriter *rows;
};
static_assert(Pod<LinkWriter>);

namespace {

// A trigger that hides history from a change of its link cannot be migrated past.
[[noreturn]] void raise_suppressed(const Leaf &leaf)
{
    ereport(ERROR, errcode(ERRCODE_TRIGGERED_ACTION_EXCEPTION),
            errmsg("a trigger of relation \"%s\" changed or suppressed the link of a session",
                   RelationGetRelationName(leaf.relation)),
            errhint("Let BEFORE UPDATE triggers of the sessions leave the link alone and return NEW, or disable them "
                    "while migrate() runs."),
            errtablecol(leaf.relation, leaf.binding->sessions.link));
    pg_unreachable();
}

Datum link_of(const Leaf &leaf, Datum subscription)
{
    const Oid type = leaf.binding->subscriptions.id_key.type;
    const std::optional<Datum> link = convert_key(subscription, type, leaf.binding->sessions.link_type);
    if (!link)
        ereport(ERROR, errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
                errmsg("subscription %s does not fit into the link of relation \"%s\"",
                       value_text(subscription, type), RelationGetRelationName(leaf.relation)),
                errhint("Give the link the type of the subscriptions' key."));
    return *link;
}

void require_written(const Leaf &leaf, Datum link)
{
    const SessionShape &shape = leaf.binding->sessions;
    bool is_null = true;
    const Datum stored = ItemPointerIsValid(&leaf.changed->tts_tid)
                             ? slot_getattr(leaf.changed, shape.link, &is_null)
                             : Datum{0};
    if (is_null || !datum_image_eq(stored, link, shape.link_by_value, shape.link_length))
        raise_suppressed(leaf);
}

}  // namespace

LinkWriter *open_link_writer(SessionTables *tables)
{
    auto *writer = static_cast<LinkWriter *>(palloc0(sizeof(LinkWriter)));
    writer->tables = tables;
    push_newest_snapshot();
    writer->rows = open_row_writer(tables->root, std::span(&tables->link, 1), own_trigger_functions);
    // The lock of the subscription keeps the link's own key.
    for (Leaf &leaf : tables->leaves)
        if (leaf.relation != nullptr)
            leaf.target = open_row_target(writer->rows, leaf.relation, leaf.binding->link_constraint);
    begin_writing(writer->rows);
    return writer;
}

void write_link(LinkWriter *writer, const Place &place, Datum subscription)
{
    Leaf &leaf = *find_leaf(writer->tables, place.relation);
    const SessionShape &shape = leaf.binding->sessions;
    ItemPointerData where = place.row;
    if (!table_tuple_fetch_row_version(leaf.relation, &where, SnapshotAny, leaf.row))
        elog(ERROR, "a locked session of relation \"%s\" is gone", RelationGetRelationName(leaf.relation));
    const Datum link = link_of(leaf, subscription);
    TupleTableSlot *changed = leaf.changed;
    begin_change(changed, leaf.row);
    changed->tts_values[shape.link - 1] = link;
    changed->tts_isnull[shape.link - 1] = false;
    end_change(changed);
    write_row(writer->rows, leaf.target, leaf.row, changed);
    require_written(leaf, link);
}

bool close_link_writer(LinkWriter *writer)
{
    const bool fired = end_writing(writer->rows);
    for (Leaf &leaf : writer->tables->leaves) {
        if (leaf.relation == nullptr)
            continue;
        ExecClearTuple(leaf.row);
        ExecClearTuple(leaf.changed);
    }
    close_row_writer(writer->rows);
    PopActiveSnapshot();
    CommandCounterIncrement();
    return fired;
}

}  // namespace sc
