// Updates rows of a table, or of its partitions, one by one as the server's own replication does: indexes, generated
// columns, constraints and triggers stay right. It passes by the triggers that are named, for a caller who has done
// what they do. Decides nothing, and runs as whoever the caller is.
//
// A writer is what the catalogs say of the table; what lies between begin_writing() and end_writing() is one statement
// of it.
#pragma once

#include "server/pg_compat.hpp"
#include "server/relations.hpp"

namespace sc {

struct RowWriter;

// columns: those that are written. passed: triggers that call one of the functions that it returns do not fire.
RowWriter *open_row_writer(Relation table, std::span<const AttrNumber> columns, Oids (*passed)());
void close_row_writer(RowWriter *writer);

// The table itself or a partition of it, opened before the statement begins. constraint: triggers of that foreign key
// do not fire either; InvalidOid: of none. Where no trigger of the user's fires, none of any foreign key does: a key
// changes only where such a trigger changes it.
struct RowTarget;
RowTarget *open_row_target(RowWriter *writer, Relation relation, Oid constraint);

// Fire the triggers of the statement, the first those that come BEFORE it, the second those that come AFTER it and its
// rows. The rows are written into the snapshot that is active at the beginning. end_writing() returns true where there
// were triggers of the user's.
void begin_writing(RowWriter *writer);
bool end_writing(RowWriter *writer);

// What the triggers of the user's have written since is seen from here on.
void see_own_writes(RowWriter *writer);

// Makes one row a copy of another, whose values are then changed in tts_values and tts_isnull, up to end_change().
void begin_change(TupleTableSlot *changed, TupleTableSlot *row);
void end_change(TupleTableSlot *changed);

// Stores the changed row in the place of the other one. A trigger may have changed it again, or kept it from being
// written: its place is invalid then. It is as written until the next one is.
void write_row(RowWriter *writer, RowTarget *target, TupleTableSlot *row, TupleTableSlot *changed);

// Enters a row that was written otherwise into the indexes, as update_row() has said.
void enter_row(RowWriter *writer, RowTarget *target, TupleTableSlot *changed, IndexesToEnter indexes);

// True for a trigger that an UPDATE may fire, which calls none of these functions and is no foreign key's: the server
// skips those where the key stays the same.
bool is_users_trigger(const Trigger &trigger, Oids passed);

}  // namespace sc
