// What a statement writes to the ledger: a line for each session that changed what it holds, noted at its event and
// written once the counter of its subscription is, while that one's lock is held: no other transaction's line comes
// between. Only if the attachment has a ledger.
#pragma once

#include "store/ledger.hpp"
#include "write/sum_table.hpp"

namespace sc {

struct Line {
    const Sum *sum;                // of the subscription; nullptr: the line is written
    const char *session;           // nullptr: it has no primary key any more
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

// session and the list go with the context.
void note_line(LineList *lines, MemoryContext context, const Sum *sum, const char *session, int64_t delta, Cause cause);

// Those of one subscription, in order.
std::span<Line> lines_of(LineList *lines, const Sum *sum);

// Some order of lines that lead to that balance in which it does not fall below 0 on the way, if theirs is none.
void order_lines(std::span<Line> lines, int64_t balance);

// Numbers begin anew with each transaction.
void restart_line_numbers();

// Writing ------------------------------------------------------------------------------------------------------------

// The ledger that a statement writes to; every function takes nullptr: then the attachment has none.
struct StatementLedger;
StatementLedger *open_statement_ledger(const SubscriptionShape &shape);
void close_statement_ledger(StatementLedger *ledger);

// The counter has become that: the lines lead to it. row is the subscription's, in any version.
void write_lines(StatementLedger *ledger, std::span<Line> lines, TupleTableSlot *row, int64_t counter);

// The subscription is gone, its counter with it: the lines go on where the last one ended.
void write_last_lines(StatementLedger *ledger, std::span<Line> lines, const Sum &sum);

}  // namespace sc
