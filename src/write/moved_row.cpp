// What the BEFORE triggers remember of one row from one event to the next.
#include "write/moved_row.hpp"

#include "write/per_depth.hpp"

namespace sc {

namespace {

struct RowAtHand : StatementMemory {
    Oid partition;                 // of the last row that a BEFORE UPDATE has seen; InvalidOid: none
    ItemPointerData place;         // of that row
    Oid arrival;                   // the first trigger that has seen that row arrive; InvalidOid: none so far
    bool searched;                 // the link of the last row that a BEFORE INSERT has seen is the extension's choice
};
static_assert(Pod<RowAtHand>);

PerDepth<RowAtHand> rows_at_hand;

void keep_nothing(RowAtHand &) {}

bool has_moved(TupleTableSlot *row)
{
    bool owned;
    HeapTuple tuple = ExecFetchSlotHeapTuple(row, false, &owned);
    const bool moved = HeapTupleHeaderIndicatesMovedPartitions(tuple->t_data);
    if (owned)
        heap_freetuple(tuple);
    return moved;
}

}  // namespace

CommandId statement_command()
{
    return ActiveSnapshotSet() ? GetActiveSnapshot()->curcid : InvalidCommandId;
}

void note_moving_row(int depth, Relation partition, const ItemPointerData &place)
{
    RowAtHand &row = rows_at_hand.make(depth, keep_nothing);
    row.partition = RelationGetRelid(partition);
    row.place = place;
    row.arrival = InvalidOid;
    row.searched = false;
}

bool open_moved_row(int depth, const TriggerData *data, MovedRow *moved)
{
    RowAtHand *row = rows_at_hand.find(depth);
    if (row == nullptr || !OidIsValid(row->partition))
        return false;
    // One trigger sees the arrival of a row once. If it is called a second time, this is another row, which is
    // inserted.
    if (row->arrival == data->tg_trigger->tgoid) {
        row->partition = InvalidOid;
        return false;
    }
    moved->partition = table_open(row->partition, NoLock);
    moved->row = table_slot_create(moved->partition, nullptr);
    if (!table_tuple_fetch_row_version(moved->partition, &row->place, SnapshotAny, moved->row) ||
        !has_moved(moved->row)) {
        close_moved_row(*moved);
        return false;
    }
    if (!OidIsValid(row->arrival))
        row->arrival = data->tg_trigger->tgoid;
    return true;
}

void close_moved_row(const MovedRow &moved)
{
    ExecDropSingleTupleTableSlot(moved.row);
    table_close(moved.partition, NoLock);
}

void note_searched_link(int depth, bool searched)
{
    if (searched || rows_at_hand.find(depth) != nullptr)
        rows_at_hand.make(depth, keep_nothing).searched = searched;
}

bool was_proposed_with_searched_link(int depth)
{
    const RowAtHand *row = rows_at_hand.find(depth);
    return row != nullptr && row->searched;
}

void forget_moving_rows()
{
    rows_at_hand.abort(0, keep_nothing);
}

void abort_moving_rows(int level)
{
    rows_at_hand.abort(level, keep_nothing);
}

}  // namespace sc
