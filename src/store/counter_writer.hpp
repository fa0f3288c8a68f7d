// Writes counters of the subscriptions, opened once for a statement. Locks and writes as it is told, judges nothing.
#pragma once

#include "rules/ledger_rule.hpp"
#include "store/subscription_row.hpp"

namespace sc {

struct CounterWriter;
// newest: looks at the newest committed rows in every isolation level, as what follows a TRUNCATE must.
CounterWriter *open_counter_writer(Relation subscriptions, const SubscriptionShape &shape, bool newest);
void close_counter_writer(CounterWriter *writer);   // fires the user's AFTER triggers

// Makes a subscription current, as those of a cursor do. What triggers of the user's have written since is seen.
TupleTableSlot *find_subscription(CounterWriter *writer, Datum id, Datum member,
                                  std::optional<ItemPointerData> place = std::nullopt);
TupleTableSlot *lock_found(CounterWriter *writer);
TupleTableSlot *lock_subscription(CounterWriter *writer, Datum id, Datum member);
TupleTableSlot *lock_next_used(CounterWriter *writer);   // every subscription that is not unused, in turn

// Writes the counter of the current subscription, which is locked. A maintained remaining column follows the change,
// or, where exact is true, becomes total - used whatever it was.
//
// An exact write is no sum of what sessions did: where there is a ledger, it gets a line of its own with the cause
// that explain_exact() gave; repaired, unless it was called. None: the caller writes the lines.
void explain_exact(CounterWriter *writer, std::optional<Cause> cause);
void write_counter(CounterWriter *writer, int64_t used, bool exact);

// Writes the counters of the current subscription, which is locked, whatever they are: for putting a row back.
void restore_counter(CounterWriter *writer, std::optional<int64_t> used, std::optional<int64_t> remaining);

// Writes the counter of the current subscription past the executor, locked or not; false, and nothing is written, if
// that table or that counter may not be written so plainly, or if the row is not locked and has changed since.
bool try_write_counter(CounterWriter *writer, int64_t used);

}  // namespace sc
