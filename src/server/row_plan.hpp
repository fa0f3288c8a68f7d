// What is read and compiled of a table in order to update its rows: trigger descriptions, the functions that triggers
// call, WHEN clauses, generated columns, CHECKs, expressions of indexes. A backend keeps it from one statement to the
// next, until something that it was made of changes.
//
// Nothing that is kept is open: each statement has relations, slots and an executor state of its own, and puts them in.
#pragma once

#include "server/pg_compat.hpp"
#include "server/relations.hpp"

namespace sc {

// One relation whose rows are updated.
struct RowTarget {
    Relation relation;                 // as this statement has opened it
    MemoryContext context;             // of what is compiled for it
    ResultRelInfo *before;             // row triggers that fire BEFORE; nullptr: there are none
    ResultRelInfo *rows;               // those that fire AFTER, where nothing captures
    ResultRelInfo *after;              // those that fire AFTER, where transition tables capture rows; else nullptr
    bool fires_triggers;               // of the user's
    bool indexes_open;
    std::span<const Oid> indexes;      // once they have been opened
};
static_assert(Pod<RowTarget>);

struct RowPlan {
    RowPlan *next;
    MemoryContext context;
    MemoryContextCallback abandon;     // when the memory of the statement that uses it goes, be it by an error
    Oid table;
    bool is_partition;
    bool valid;                        // to be kept for the next statement
    bool busy;
    Size size;                         // after its first statement
    std::span<const AttrNumber> columns;
    Oid role;                          // whose right to call functions was checked
    const char *path;                  // by which functions in SQL, taken into an expression, were read
    Oids passed;
    TriggerDesc *triggers;             // of the table; nullptr: none
    bool fires_triggers;               // of the user's, of any kind
    ResultRelInfo *statement;          // the table that a statement would name: its statement triggers
    RowTarget *target;                 // the table itself; nullptr until it is first written
    Oid constraint;                    // of the target
    List *extra;                       // what the server keeps apart from the others
};
static_assert(Pod<RowPlan>);

// The plan for a statement that writes these columns; its statement is nullptr where nothing is known of the table yet.
// end_row_plan() frees the statement's executor state, too.
//
// Another plan, which is not kept, is made for a statement inside of one that uses the kept one. Example: a trigger of
// the user's books a session while a counter is written.
RowPlan *begin_row_plan(Relation table, std::span<const AttrNumber> columns, const EState *estate);
void end_row_plan(RowPlan *plan, EState *estate);

// Calls the functions of the triggers by way of what is kept with a plan.
void keep_functions(const ResultRelInfo *target, MemoryContext context);

// Forgets the functions that were found while the statement ran, in its memory.
void forget_functions(const ResultRelInfo *target, MemoryContext context);

// Registers the invalidation callbacks.
void init_row_plans();

}  // namespace sc
