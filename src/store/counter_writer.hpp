// Writes counters of the subscriptions; opened once for each statement and attachment. Locks and writes what the caller
// says, and judges nothing.
#pragma once

#include "rules/ledger_rule.hpp"
#include "store/subscription_row.hpp"

namespace sc {

struct CounterWriter;

// newest: sees the newest committed rows in every isolation level. TRUNCATE needs that, since it removes sessions that
// the transaction's snapshot does not see.
CounterWriter *open_counter_writer(Relation subscriptions, const SubscriptionShape &shape, bool newest);
void close_counter_writer(CounterWriter *writer);   // fires the user's AFTER triggers

// A writer that has used the server's general way acts as the owner of the table until it is closed. In between these
// the backend is again who it was: what comes next is not the owner's.
void pause_writing(CounterWriter *writer);
void resume_writing(CounterWriter *writer);

// These make a subscription current, as the functions of a cursor do. They see what the user's triggers have written
// since.
TupleTableSlot *find_subscription(CounterWriter *writer, Datum id, Datum member,
                                  std::optional<ItemPointerData> place = std::nullopt);
TupleTableSlot *lock_found(CounterWriter *writer);
bool try_lock_found(CounterWriter *writer);      // only the very version that was found, and without waiting
TupleTableSlot *current_subscription(const CounterWriter *writer);

// Before subscriptions that are locked are locked again, to be written: a newer version that the lock has led to is
// what is found from here on. Who asks for the lock of the old one again may wait for somebody who waits for the new
// one.
void see_locked(CounterWriter *writer);
TupleTableSlot *lock_subscription(CounterWriter *writer, Datum id, Datum member);
TupleTableSlot *lock_next_used(CounterWriter *writer);   // in turn, all but those that look unused already

// Writes the counter of the current subscription, which is locked. A maintained remaining column changes by the same
// amount; if exact is true, it becomes total - used instead, whatever it was.
//
// An exact write sets the counter to a recount instead of adding what sessions did. If there is a ledger, it gets a
// line of its own, with the cause that set_cause() has set (repaired by default). If the cause is absent, the
// caller writes the lines.
void set_cause(CounterWriter *writer, std::optional<Cause> cause);
void write_counter(CounterWriter *writer, int64_t used, bool exact);

// The same, and sets what the subscription carries, and a total that attach() has made. A writer does either this or
// the other.
struct Restated {
    int64_t used;
    int64_t carried;
    std::optional<int64_t> total;
};
void write_restated(CounterWriter *writer, const Restated &restated, bool exact);

// Writes both counters of the current subscription, which is locked, as they are given: undo_repair() puts a row back.
void restore_counter(CounterWriter *writer, std::optional<int64_t> used, std::optional<int64_t> remaining);

// Writes the counter of the current subscription past the executor. False, and nothing is written, if that table or
// that counter cannot be written in this way: write_counter() can. The row need not be locked: if somebody has changed
// it since it was found, this is false, too.
bool try_write_counter(CounterWriter *writer, int64_t used);

}  // namespace sc
