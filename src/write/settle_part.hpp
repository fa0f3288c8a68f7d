// The end of a statement for one attachment.
#pragma once

#include "store/counter_writer.hpp"
#include "write/statements.hpp"

namespace sc {

struct Settling {
    Statement *statement;
    Part *part;
    Relation subscriptions;
    CounterWriter *writer;
    StatementLedger *ledger;
    bool raises;                   // a refusal is final; else the end is put off
    const Sum *locked;             // whose row is the writer's current one, and locked already; nullptr: none
};
static_assert(Pod<Settling>);


// Opens and closes what a part needs. Closing fires the user's own triggers on the subscriptions, which may write
// sessions.
Settling open_settling(Statement *statement, Part *part, bool raises);
void close_settling(const Settling &settling);

// Settles a part and all behind it; true if every one is settled.
using SettleRest = bool (*)(Statement *statement, Part *part, bool raises);

// Settles every subscription of the part, then the parts behind. False if one refuses, and the refusal is not final.
bool settle_with_rest(const Settling &settling, SettleRest rest);

// Lets the sums follow the keys that have changed since; a second time is nothing.
void follow_changed_keys(const Statement &statement, Part *part);

const SubscriptionShape &shape_of(const Settling &settling);

// False if the statement adds nothing to the subscription, and nothing has to be judged or written.
bool is_due(const Settling &settling, const Sum &sum);

// The subscription as the snapshot sees it; nullptr if there is none.
TupleTableSlot *find_summed(const Settling &settling, Sum &sum);

// Its newest version, locked; nullptr if it is gone.
TupleTableSlot *lock_summed(const Settling &settling, Sum &sum);

// What the statement adds to the counter, as far as it can be judged now: with what is owed, and with what an enclosing
// statement gives back.
int64_t judged_amount(const Settling &settling, const Sum &sum);

}  // namespace sc
