// Writes the ledger's lines of a statement.
#include "write/explain_statement.hpp"

namespace sc {

struct Explainer {
    const SubscriptionShape *shape;
    LineList *lines;
    Ledger *ledger;                // opened for the first line
};
static_assert(Pod<Explainer>);

Explainer *open_explainer(const SubscriptionShape &shape, LineList *lines)
{
    if (!OidIsValid(shape.ledger))
        return nullptr;
    auto *explainer = static_cast<Explainer *>(palloc0(sizeof(Explainer)));
    explainer->shape = &shape;
    explainer->lines = lines;
    return explainer;
}

void close_explainer(Explainer *explainer)
{
    if (explainer != nullptr && explainer->ledger != nullptr)
        close_ledger(explainer->ledger);
}

namespace {

Ledger *ledger_of(Explainer *explainer)
{
    if (explainer->ledger == nullptr)
        explainer->ledger = open_ledger(*explainer->shape);
    return explainer->ledger;
}

int64_t sum_of(std::span<const Line> lines)
{
    int64_t total = 0;
    for (const Line &line : lines)
        total += line.delta;
    return total;
}

void write_lines(Explainer *explainer, std::span<Line> lines, const Account &account, int64_t counter)
{
    order_lines(lines, counter);
    int64_t balance = counter - sum_of(lines);
    for (const Line &line : lines) {
        balance += line.delta;
        write_entry(ledger_of(explainer), account, {line.session, line.delta, balance, line.cause});
    }
    if (!explainer->shape->plain)
        flush_ledger(ledger_of(explainer));    // the next counter's triggers may write sessions
}

// What is to be explained by now, with what was carried.
std::span<Line> take_lines(const Explainer *explainer, const Sum &sum)
{
    return with_carried(*explainer->shape, sum, lines_of(explainer->lines, &sum));
}

}  // namespace

bool is_explained(Explainer *explainer, const Sum &sum)
{
    return explainer != nullptr && !lines_of(explainer->lines, &sum).empty();
}

void explain(Explainer *explainer, const Sum &sum, TupleTableSlot *row, int64_t counter)
{
    if (explainer == nullptr)
        return;
    const std::span<Line> lines = take_lines(explainer, sum);
    if (lines.empty())
        return;
    // As the subscription's own row writes its key: the sessions' may equal it without looking the same.
    const SubscriptionShape &shape = *explainer->shape;
    bool is_null;
    const Datum id = slot_getattr(row, shape.id, &is_null);
    write_lines(explainer, lines, account_of(shape, id, slot_getattr(row, shape.member, &is_null)), counter);
}

void explain_gone(Explainer *explainer, const Sum &sum)
{
    if (explainer == nullptr)
        return;
    const std::span<Line> lines = take_lines(explainer, sum);
    if (lines.empty())
        return;
    const Account account = account_of(*explainer->shape, sum.id, sum.member);
    write_lines(explainer, lines, account, replay(ledger_of(explainer), account) + sum_of(lines));
}

void carry_explanation(Explainer *explainer, const Sum &sum)
{
    if (explainer != nullptr)
        carry_lines(*explainer->shape, sum, lines_of(explainer->lines, &sum));
}

}  // namespace sc
