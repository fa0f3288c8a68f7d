// What the BEFORE triggers remember of one row from one event to the next. Two actions come as two events each:
// - A row that moves to another partition: BEFORE UPDATE in the old partition, then BEFORE INSERT in the new one.
// - An upsert: BEFORE INSERT of the proposed row, then BEFORE UPDATE of the row that is there already.
#pragma once

#include "store/session_row.hpp"

namespace sc {

// The command that writes the rows of the statement in progress.
CommandId statement_command();

// At BEFORE UPDATE: notes that the row at that place may be about to move to another partition.
void note_moving_row(int depth, Relation partition, const ItemPointerData &place);

// At BEFORE INSERT: reads the row as it was in the partition that it has just left; false if it comes from no other
// partition. close_moved_row() closes what moved holds.
struct MovedRow {
    Relation partition;
    TupleTableSlot *row;
};
bool open_moved_row(int depth, const TriggerData *data, MovedRow *moved);
void close_moved_row(const MovedRow &moved);

// At BEFORE INSERT: notes if the link of the proposed row is the extension's own choice.
void note_searched_link(int depth, bool searched);

// At BEFORE UPDATE: true if this is an upsert, and the link of the proposed row was the extension's own choice.
bool was_proposed_with_searched_link(int depth);

// Called at the end of the transaction, and when a subtransaction aborts.
void forget_moving_rows();
void abort_moving_rows(int level);

}  // namespace sc
