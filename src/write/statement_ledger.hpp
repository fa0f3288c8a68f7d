// What a statement writes to the ledger, if the attachment has one: a line for each session that changed what it holds.
// The line is noted at the row event of the session, and written right after the counter of its subscription, under the
// lock of the subscription: no line of another transaction comes between.
#pragma once

#include "store/ledger.hpp"
#include "write/sum_table.hpp"

namespace sc {

struct Line {
    const Sum *sum;                // of the subscription; nullptr: the line is written
    const char *session;           // nullptr: the table of the sessions has no primary key any more
    int64_t delta;
    uint32 number;                 // in the order of the row events of this transaction
    Cause cause;
};
static_assert(Pod<Line> && sizeof(Line) == 32);

// The lines of one statement for one attachment.
struct LineList {
    Line *items;
    uint32 count;
    uint32 room;
    bool sorted;
};
static_assert(Pod<LineList>);

// Appends a line, and returns its number. session and the list live as long as the context.
uint32 note_line(LineList *lines, MemoryContext context, const Sum *sum, const char *session, int64_t delta,
                 Cause cause);

// The lines of one subscription, in the order of their events.
std::span<Line> lines_of(LineList *lines, const Sum *sum);

// If the lines, in their order, let the balance fall below 0 on the way to the given one, puts what is taken before
// what is given back. Example: the counter is 0, and one of the user's triggers, which fires before charge_sessions,
// cancels the session that the statement books. The line with -1 is noted before the one with 1.
void order_lines(std::span<Line> lines, int64_t balance);

// Called at the end of a transaction: the numbers of the lines begin with 1 in each.
void restart_line_numbers();

// Writing ------------------------------------------------------------------------------------------------------------

// The ledger that a statement writes to; nullptr, which every function takes, if the attachment has none.
struct StatementLedger;
StatementLedger *open_statement_ledger(const SubscriptionShape &shape);
void close_statement_ledger(StatementLedger *ledger);

// Writes the lines that lead to the counter, which has been written. row is any version of the subscription.
void write_lines(StatementLedger *ledger, std::span<Line> lines, TupleTableSlot *row, int64_t counter);

// Writes the lines of a subscription that has been deleted, and its counter with it: they start from the balance of the
// last line in the ledger.
void write_last_lines(StatementLedger *ledger, std::span<Line> lines, const Sum &sum);

}  // namespace sc
