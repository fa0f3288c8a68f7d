// The end of a statement that wrote sessions.
//
// One path. settle_sum() treats one subscription: it finds the row, locks it, judges its newest version and writes the
// counter. try_write_counter() writes past the executor; if that table does not allow it (see plain_write.hpp),
// write_counter() updates the row in the server's general way. The early end and the late one take the same path.
//
// Early. An INSERT of one row is settled right after that row's last trigger, before the server looks at the foreign
// key. Otherwise each of 16 clients that book on one subscription would hold a KEY SHARE lock on it while it waits for
// the counter, and whoever writes the counter would have to store the list of all these holders (a multixact) in the
// row. Measured: early settlement has 2.3 times the throughput under that contention, and makes no multixacts.
//
// Late. Any other statement is settled behind its last row event. If a cascade has more rows to come, that end may
// still be too early: a DELETE of a member may delete his subscription in one event and his sessions in a later one. A
// refusal that later rows could make good is therefore not raised; the end is queued again behind them.
#include "write/settle_statement.hpp"

#include "write/charge_row.hpp"
#include "write/recount.hpp"
#include "write/settle_drawn.hpp"

namespace sc {

namespace {

// A foreign key's cascade reaches the sessions over a few tables at most (members, subscriptions, sessions). Each time
// that the end is put off, the cascade gets one table further.
constexpr int most_postponements = 8;

// Settles this part and all behind it; true if every one is settled. The writers are closed in the reverse order of
// their opening, as the server closes what it has opened for them. The statement leaves the list before the
// first writer is closed: sessions that the user's triggers write then belong to a new statement.
bool settle_parts(Statement *statement, Part *part, bool raises)
{
    if (part == nullptr) {
        detach_statement(statement);
        return true;
    }
    if (part->movable_claims > 0)
        return settle_drawn(statement, part, raises, settle_parts);
    const Settling settling = open_settling(statement, part, raises);
    const bool all = settle_with_rest(settling, settle_parts);
    if (all)
        recount_part(*statement, *part);
    close_settling(settling);
    return all;
}

}  // namespace

void settle_statement(Statement *statement, TriggerData *data)
{
    for (Part *part = statement->parts; part != nullptr; part = part->next)
        charge_departed(statement, part);
    const bool raises = statement->inserts_only || statement->postponed >= most_postponements;
    if (settle_parts(statement, statement->parts, raises)) {
        close_statement(statement);
        return;
    }
    statement->postponed++;
    queue_end(statement, data);
}

void settle_early(Statement *statement, const Binding &binding, TriggerData *data)
{
    if (!binding.is_last)
        return;
    if (settle_parts(statement, statement->parts, false))
        close_statement(statement);
    else
        queue_end(statement, data);
}

}  // namespace sc
