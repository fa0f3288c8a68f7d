// Locks listed sessions.
#include "migrate/sessions.hpp"

#include "catalog/evaluation.hpp"
#include "store/session_row.hpp"

namespace sc {

namespace {

// A place may hold another row by now: the server uses the room of dead ones again.
bool is_as_listed(const Leaf &leaf, const MemberType &type, const ListedMember &member)
{
    const SessionRow row = read_session(leaf.binding->sessions, leaf.row);
    if (row.session.linked || !row.session.consuming || row.member_is_null || member.is_null ||
        !counts_when(leaf.binding->sessions, leaf.row))
        return false;
    const std::optional<Datum> value = convert_key(row.member, leaf.binding->sessions.member_type, type.type);
    return value && DatumGetBool(FunctionCall2Coll(const_cast<FmgrInfo *>(&type.equal), type.collation, *value,
                                                   member.value));
}

void read_held(const SessionReader &reader, const Leaf &leaf, HeldSession *session)
{
    const SessionTables *tables = reader.tables;
    const MomentColumn &start_column = reader.start[&leaf - tables->leaves.data()];
    const SessionRow row = read_session(leaf.binding->sessions, leaf.row);
    session->cost = counted(row.session) ? row.session.cost : 0;
    session->scheduled = row.session.status == Status::scheduled;
    session->start = moment_of(leaf.row, start_column, reader.calendar->zone);
    bool is_null;
    auto *key = static_cast<Datum *>(palloc(sizeof(Datum) * tables->compare.size()));
    for (size_t i = 0; i < tables->compare.size(); i++) {
        const Form_pg_attribute column = TupleDescAttr(RelationGetDescr(leaf.relation), leaf.key[i] - 1);
        key[i] = datumCopy(slot_getattr(leaf.row, leaf.key[i], &is_null), column->attbyval, column->attlen);
    }
    session->key = key;
    session->row = has_pays_when(leaf.binding->sessions) ? ExecCopySlotHeapTuple(leaf.row) : nullptr;
}

}  // namespace

std::span<const MomentColumn> find_start_columns(const SessionTables *tables, const char *start_column)
{
    const std::span<const Leaf> leaves = tables->leaves;
    auto *columns = static_cast<MomentColumn *>(palloc0(sizeof(MomentColumn) * Max(leaves.size(), size_t{1})));
    for (size_t i = 0; i < leaves.size(); i++)
        if (leaves[i].relation != nullptr)
            columns[i] = find_moment_column(leaves[i].oid, start_column);
    return std::span<const MomentColumn>(columns, leaves.size());
}

// The server's own search for the newest version would end the migration with an error where the row has moved to
// another partition: a version at a time, then. Each is read, which pins its page, before it is locked by its place.
Grip hold_session(const SessionReader &reader, const ListedMember &member, HoldMode mode, HeldSession *session)
{
    const Leaf *leaf = find_leaf(reader.tables, session->place.relation);
    ItemPointerData place = session->place.row;
    // No row is read beyond the table's end, which may have come nearer since. The locked table is not cut any more.
    if (leaf == nullptr || ItemPointerGetBlockNumber(&place) >= leaf->blocks)
        return Grip::gone;
    const Snapshot seen = mode.follow ? SnapshotAny : GetActiveSnapshot();
    TM_FailureData failure;
    for (;;) {
        if (!table_tuple_fetch_row_version(leaf->relation, &place, seen, leaf->row) ||
            !is_as_listed(*leaf, *reader.type, member))
            return Grip::gone;
        const TM_Result result =
            table_tuple_lock(leaf->relation, &place, GetActiveSnapshot(), leaf->row, GetCurrentCommandId(false),
                             leaf->lock, mode.wait ? LockWaitBlock : LockWaitSkip, 0, &failure);
        if (result == TM_WouldBlock)
            return Grip::busy;
        if (result == TM_Ok)
            break;
        if (!mode.follow || result != TM_Updated || ItemPointerIndicatesMovedPartitions(&failure.ctid))
            return Grip::gone;
        place = failure.ctid;
        CHECK_FOR_INTERRUPTS();
    }
    session->place.row = leaf->row->tts_tid;
    read_held(reader, *leaf, session);
    return Grip::held;
}

bool is_older(const SessionTables *tables, const HeldSession &left, const HeldSession &right)
{
    if (left.start.has_value() != right.start.has_value())
        return left.start.has_value();
    if (left.start != right.start)
        return left.start < right.start;
    for (size_t i = 0; i < tables->compare.size(); i++) {
        if (!OidIsValid(tables->compare[i].fn_oid))
            continue;
        const int32 order = DatumGetInt32(FunctionCall2Coll(const_cast<FmgrInfo *>(&tables->compare[i]),
                                                            tables->collations[i], left.key[i], right.key[i]));
        if (order != 0)
            return order < 0;
    }
    return false;
}

}  // namespace sc
