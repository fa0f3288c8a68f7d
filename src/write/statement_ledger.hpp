// What the statements in progress will write to the ledger: a line for each session that changed what it holds, kept
// until the counter of its subscription has been written. Only there where an attachment has a ledger. Writes nothing.
#pragma once

#include "store/ledger.hpp"
#include "write/sum_table.hpp"

namespace sc {

struct Line {
    const Sum *sum;                // of the subscription
    const char *session;           // nullptr: it has no primary key any more
    uint32 number;                 // in the order of the row events
    int8_t delta;
    Cause cause;
    bool departing;                // the session may have moved to another partition: then it arrives next
};
static_assert(Pod<Line> && sizeof(Line) == 24);

// The lines of one statement.
struct LineList {
    Line *items;
    uint32 count;
    uint32 room;
    bool sorted;
};
static_assert(Pod<LineList>);

// session and the list go with the context.
void note_line(LineList *lines, MemoryContext context, const Sum *sum, const char *session, int delta, Cause cause,
               bool departing);

// The session that has departed has arrived: takes its last line back. nullptr: it held nothing.
const Sum *take_departed(LineList *lines);

// Those of one subscription, in order. Once asked, the list does not grow any more.
std::span<Line> lines_of(LineList *lines, const Sum *sum);

// Lines of a nested statement whose credits are carried to the enclosing one, see write/statements.hpp.
void carry_lines(const SubscriptionShape &shape, const Sum &sum, std::span<Line> lines);

// These lines and the carried ones of their subscription, which are carried no more.
std::span<Line> with_carried(const SubscriptionShape &shape, const Sum &sum, std::span<Line> lines);

// Puts lines that lead to that balance into an order in which it does not fall below 0 on the way, where it would.
void order_lines(std::span<Line> lines, int64_t balance);

// What (sub)transactions do to carried lines.
void forget_carried_lines();
void commit_carried_lines(int level);
void abort_carried_lines(int level);

}  // namespace sc
