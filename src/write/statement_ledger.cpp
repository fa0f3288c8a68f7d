// What a statement writes to the ledger.
#include "write/statement_ledger.hpp"

#include <algorithm>

namespace sc {

namespace {

uint32 last_number = 0;            // of this transaction

bool by_sum(const Line &left, const Line &right)
{
    return left.sum != right.sum ? left.sum < right.sum : left.number < right.number;
}

// What is taken before what is given back: in this order no balance falls below 0.
bool by_gift(const Line &left, const Line &right)
{
    return left.delta != right.delta ? left.delta > right.delta : left.number < right.number;
}

}  // namespace

uint32 note_line(LineList *lines, MemoryContext context, const Sum *sum, const char *session, int64_t delta,
                 Cause cause)
{
    if (lines->count == lines->room) {
        const uint32 room = Max(lines->room * 2, uint32{8});
        const Size size = sizeof(Line) * static_cast<Size>(room);
        lines->items = static_cast<Line *>(lines->items == nullptr ? MemoryContextAllocHuge(context, size)
                                                                   : repalloc_huge(lines->items, size));
        lines->room = room;
    }
    lines->items[lines->count++] = Line{sum, session, delta, ++last_number, cause};
    lines->sorted = false;
    return last_number;
}

std::span<Line> lines_of(LineList *lines, const Sum *sum)
{
    Line *end = lines->items + lines->count;
    if (!lines->sorted) {
        std::sort(lines->items, end, by_sum);
        lines->sorted = true;
    }
    Line *first = std::lower_bound(lines->items, end, sum,
                                   [](const Line &line, const Sum *key) { return line.sum < key; });
    Line *last = first;
    while (last != end && last->sum == sum)
        last++;
    return std::span<Line>(first, last);
}

void order_lines(std::span<Line> lines, int64_t balance)
{
    for (const Line &line : lines)
        balance -= line.delta;
    for (const Line &line : lines) {
        balance += line.delta;
        if (balance < 0) {
            std::sort(lines.data(), lines.data() + lines.size(), by_gift);
            return;
        }
    }
}

void restart_line_numbers()
{
    last_number = 0;
}

// Writing ------------------------------------------------------------------------------------------------------------

struct StatementLedger {
    const SubscriptionShape *shape;
    LedgerWriter *ledger;          // opened for the first line
};
static_assert(Pod<StatementLedger>);

StatementLedger *open_statement_ledger(const SubscriptionShape &shape)
{
    if (!OidIsValid(shape.ledger))
        return nullptr;
    auto *ledger = static_cast<StatementLedger *>(palloc0(sizeof(StatementLedger)));
    ledger->shape = &shape;
    return ledger;
}

void close_statement_ledger(StatementLedger *ledger)
{
    if (ledger != nullptr && ledger->ledger != nullptr)
        close_ledger_writer(ledger->ledger);
}

namespace {

LedgerWriter *open_once(StatementLedger *ledger)
{
    if (ledger->ledger == nullptr)
        ledger->ledger = open_ledger_writer(*ledger->shape);
    return ledger->ledger;
}

int64_t sum_of(std::span<const Line> lines)
{
    int64_t total = 0;
    for (const Line &line : lines)
        total += line.delta;
    return total;
}

void write_account(StatementLedger *ledger, std::span<Line> lines, const Account &account, int64_t counter)
{
    order_lines(lines, counter);
    int64_t balance = counter - sum_of(lines);
    for (Line &line : lines) {
        balance += line.delta;
        write_entry(open_once(ledger), account, {line.session, line.delta, balance, line.cause});
    }
    if (!ledger->shape->plain)
        flush_ledger(open_once(ledger));    // the user's triggers on the next counter may write sessions, and lines
}

}  // namespace

void write_lines(StatementLedger *ledger, std::span<Line> lines, TupleTableSlot *row, int64_t counter)
{
    if (ledger == nullptr || lines.empty())
        return;
    // The key as the subscription's own row has it: a link may be equal to it and look different (numeric 1 and 1.0).
    write_account(ledger, lines, account_of(*ledger->shape, row), counter);
}

void write_last_lines(StatementLedger *ledger, std::span<Line> lines, const Sum &sum)
{
    if (ledger == nullptr || lines.empty())
        return;
    const Account account = account_of(*ledger->shape, sum.id, sum.member);
    write_account(ledger, lines, account, replay(open_once(ledger), account) + sum_of(lines));
}

}  // namespace sc
