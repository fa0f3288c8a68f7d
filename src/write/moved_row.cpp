// What the BEFORE triggers remember of one row from one event to the next.
#include "write/moved_row.hpp"

namespace sc {

namespace {

// The note of one trigger depth. A nested statement has a depth of its own, and so a note of its own.
struct RowAtHand {
    int nest_level;                // of the subtransaction that its statement runs in
    CommandId command;             // of its statement; InvalidCommandId: there is none
    Oid partition;                 // of the last row that a BEFORE UPDATE has seen; InvalidOid: none
    ItemPointerData place;         // of that row
    Oid arrival;                   // the first trigger that has seen that row arrive; InvalidOid: none so far
    bool searched;                 // the link of the last row that a BEFORE INSERT has seen is the extension's choice
};
static_assert(Pod<RowAtHand>);

RowAtHand *rows_at_hand = nullptr; // by depth, in TopMemoryContext
int depths = 0;

RowAtHand *find_row(int depth)
{
    if (depth >= depths || rows_at_hand[depth].command != statement_command())
        return nullptr;
    return &rows_at_hand[depth];
}

RowAtHand &make_row(int depth)
{
    if (depth >= depths) {
        const int count = Max(depth + 1, 8);
        const Size size = sizeof(RowAtHand) * count;
        rows_at_hand = static_cast<RowAtHand *>(rows_at_hand == nullptr ? MemoryContextAlloc(TopMemoryContext, size)
                                                                        : repalloc(rows_at_hand, size));
        for (; depths < count; depths++)
            rows_at_hand[depths].command = InvalidCommandId;
    }
    RowAtHand &row = rows_at_hand[depth];
    if (row.command != statement_command()) {
        row = RowAtHand{};
        row.command = statement_command();
    }
    row.nest_level = GetCurrentTransactionNestLevel();
    return row;
}

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
    RowAtHand &row = make_row(depth);
    row.partition = RelationGetRelid(partition);
    row.place = place;
    row.arrival = InvalidOid;
    row.searched = false;
}

bool open_moved_row(int depth, const TriggerData *data, MovedRow *moved)
{
    RowAtHand *row = find_row(depth);
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
    if (searched || find_row(depth) != nullptr)
        make_row(depth).searched = searched;
}

bool was_proposed_with_searched_link(int depth)
{
    const RowAtHand *row = find_row(depth);
    return row != nullptr && row->searched;
}

void forget_moving_rows()
{
    for (int depth = 0; depth < depths; depth++)
        rows_at_hand[depth].command = InvalidCommandId;
}

void abort_moving_rows(int level)
{
    for (int depth = 0; depth < depths; depth++)
        if (rows_at_hand[depth].nest_level >= level)
            rows_at_hand[depth].command = InvalidCommandId;
}

}  // namespace sc
