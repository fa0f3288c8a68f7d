// Writes session_consistency.ledger, straight into the table as the server writes its catalogs, or, where the table has
// triggers and the like, by INSERT as its owner: no right of the caller's is needed. Knows what a line looks like, not
// when one is due.
#pragma once

#include "store/ledger_names.hpp"
#include "rules/ledger_rule.hpp"

namespace sc {

// Opened once for a statement; lines are buffered. A subscription's lines are numbered in their order without a gap,
// since whoever writes one holds the lock of the subscription.
struct LedgerWriter;
LedgerWriter *open_ledger_writer(const SubscriptionShape &shape);
void close_ledger_writer(LedgerWriter *ledger);

// session is nullptr where the line is of no single session.
struct Entry {
    const char *session;
    int64_t delta;
    int64_t balance;               // after it
    Cause cause;
};
static_assert(Pod<Entry>);
void write_entry(LedgerWriter *ledger, const Account &account, const Entry &entry);

// Writes what is buffered, where code runs next that may write lines of its own.
void flush_ledger(LedgerWriter *ledger);

// The balance by replay of the lines, from where the books were last opened.
int64_t replay(LedgerWriter *ledger, const Account &account);

// The counter was set, whatever it was: a line that makes the replay equal to it. A recount that agrees with every line
// has none.
void restate(LedgerWriter *ledger, const Account &account, int64_t balance, Cause cause);

// Every subscription of the attachment that has lines, but none since the ledger was opened here, is unused or gone.
void restate_rest_unused(LedgerWriter *ledger, Cause cause);

// Defines the setting session_consistency.actor.
void init_ledger();

}  // namespace sc
