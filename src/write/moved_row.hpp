// What the BEFORE triggers of a statement remember of the row at hand. Two things come as two events: a row that moves
// to another partition (an UPDATE, then an INSERT there), and an upsert (an INSERT that is proposed, then the UPDATE of
// the row that is there already).
#pragma once

#include "store/session_row.hpp"

namespace sc {

// The command that writes the rows of the statement at hand.
CommandId statement_command();

// BEFORE UPDATE: the row at that place may move to another partition.
void note_moving_row(int depth, Relation partition, const ItemPointerData &place);

// BEFORE INSERT: reads the row as it was in the partition that it has just left; false if it comes from none. row is
// made for that partition, which is to be closed by close_moved_row().
struct MovedRow {
    Relation partition;
    TupleTableSlot *row;
};
bool open_moved_row(int depth, const TriggerData *data, MovedRow *moved);
void close_moved_row(const MovedRow &moved);

// BEFORE INSERT: the extension has searched the link of the proposed row, or (false) has not.
void note_searched_link(int depth, bool searched);

// BEFORE UPDATE: true if the row at hand was proposed with a link that the extension has searched.
bool was_proposed_with_searched_link(int depth);

// What transactions and aborted subtransactions do to it.
void forget_moving_rows();
void abort_moving_rows(int level);

}  // namespace sc
