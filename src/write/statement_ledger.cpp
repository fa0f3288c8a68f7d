// What the statements in progress will write to the ledger.
#include "write/statement_ledger.hpp"

#include <algorithm>

#include "store/subscription_row.hpp"

namespace sc {

namespace {

uint32 last_number = 0;            // of this transaction

}  // namespace

void note_line(LineList *lines, MemoryContext context, const Sum *sum, const char *session, int delta, Cause cause,
               bool departing)
{
    if (lines->count == lines->room) {
        const uint32 room = Max(lines->room * 2, uint32{8});
        const Size size = sizeof(Line) * static_cast<Size>(room);
        lines->items = static_cast<Line *>(lines->items == nullptr ? MemoryContextAllocHuge(context, size)
                                                                   : repalloc_huge(lines->items, size));
        lines->room = room;
    }
    lines->items[lines->count++] =
        Line{sum, session, ++last_number, static_cast<int8_t>(delta), cause, departing};
}

const Sum *take_departed(LineList *lines)
{
    if (lines->count == 0 || !lines->items[lines->count - 1].departing)
        return nullptr;
    return lines->items[--lines->count].sum;
}

namespace {

bool by_sum(const Line &left, const Line &right)
{
    return left.sum != right.sum ? left.sum < right.sum : left.number < right.number;
}

// Some order in which no balance falls below 0, where that of the events is none: credits first.
bool by_gift(const Line &left, const Line &right)
{
    return left.delta != right.delta ? left.delta > right.delta : left.number < right.number;
}

bool by_number(const Line &left, const Line &right)
{
    return left.number < right.number;
}

}  // namespace

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

// Carried lines ------------------------------------------------------------------------------------------------------

namespace {

// As rare as carried credits are. Taken lines stay in the list, so that an aborted subtransaction gives them back.
struct CarriedLine {
    CarriedLine *next;
    int nest_level;
    int taken_level;               // 0: not taken
    const SubscriptionShape *shape;
    Datum id;
    Datum member;
    Line line;
};
static_assert(Pod<CarriedLine>);

CarriedLine *carried_lines = nullptr;   // newest first, in TopTransactionContext

bool is_of(const CarriedLine &carried, const SubscriptionShape &shape, const Sum &sum)
{
    return carried.taken_level == 0 && carried.shape->relation == shape.relation &&
           equal_keys(shape.id_key, carried.id, sum.id) &&
           (!shape.by_member || equal_keys(shape.member_key, carried.member, sum.member));
}

}  // namespace

void carry_lines(const SubscriptionShape &shape, const Sum &sum, std::span<Line> lines)
{
    MemoryContext caller = MemoryContextSwitchTo(TopTransactionContext);
    for (const Line &line : lines) {
        auto *carried = static_cast<CarriedLine *>(palloc0(sizeof(CarriedLine)));
        carried->next = carried_lines;
        carried->nest_level = GetCurrentTransactionNestLevel();
        carried->shape = &shape;
        carried->id = datumCopy(sum.id, shape.id_key.by_value, shape.id_key.length);
        if (shape.by_member)
            carried->member = datumCopy(sum.member, shape.member_key.by_value, shape.member_key.length);
        carried->line = line;
        carried->line.session = line.session == nullptr ? nullptr : pstrdup(line.session);
        carried_lines = carried;
    }
    MemoryContextSwitchTo(caller);
}

std::span<Line> with_carried(const SubscriptionShape &shape, const Sum &sum, std::span<Line> lines)
{
    size_t count = 0;
    for (const CarriedLine *carried = carried_lines; carried != nullptr; carried = carried->next)
        count += is_of(*carried, shape, sum);
    if (count == 0)
        return lines;
    auto *all = static_cast<Line *>(palloc_extended(sizeof(Line) * (lines.size() + count), MCXT_ALLOC_HUGE));
    std::copy(lines.begin(), lines.end(), all);
    size_t place = lines.size();
    for (CarriedLine *carried = carried_lines; carried != nullptr; carried = carried->next) {
        if (!is_of(*carried, shape, sum))
            continue;
        all[place++] = carried->line;
        carried->taken_level = GetCurrentTransactionNestLevel();
    }
    std::sort(all, all + place, by_number);
    return std::span<Line>(all, place);
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

void forget_carried_lines()
{
    carried_lines = nullptr;       // their memory goes with the transaction's
    last_number = 0;
}

void commit_carried_lines(int level)
{
    for (CarriedLine *carried = carried_lines; carried != nullptr; carried = carried->next) {
        carried->nest_level = Min(carried->nest_level, level - 1);
        carried->taken_level = Min(carried->taken_level, level - 1);
    }
}

void abort_carried_lines(int level)
{
    while (carried_lines != nullptr && carried_lines->nest_level >= level)
        carried_lines = carried_lines->next;
    for (CarriedLine *carried = carried_lines; carried != nullptr; carried = carried->next)
        if (carried->taken_level >= level)
            carried->taken_level = 0;
}

}  // namespace sc
