// What the statements in progress will change, until each of them ends: sums by subscription, kept by trigger depth.
// The state of the backend lives here, and is forgotten when a (sub)transaction aborts. Judges nothing.
#pragma once

#include "catalog/binding.hpp"
#include "write/statement_ledger.hpp"

namespace sc {

struct Statement;

// The statement of that trigger depth that writes sessions of these subscriptions; nullptr: none so far.
Statement *find_statement(int depth, Oid subscriptions);

// Opens one. marker is the row whose event has queued the statement's end, see write/charge_sessions.cpp.
Statement *open_statement(int depth, const Binding &binding, Oid relation, const ItemPointerData &marker);
bool is_marker(const Statement &statement, Oid relation, const ItemPointerData &row);

// What it adds, by subscription.
SumTable *sums_of(Statement *statement);

// What it will write to the ledger.
LineList *lines_of(Statement *statement);

// Takes the statement off the list; its memory goes with close_statement().
void detach_statement(Statement *statement);
void close_statement(Statement *statement);

// Credits that a nested statement returned before the enclosing one had been charged for them, or took from what the
// enclosing one is about to return. They are settled when the enclosing statement ends.
int64_t carried_credits(const SubscriptionShape &shape, Datum id, Datum member);
void carry_credits(const SubscriptionShape &shape, Datum id, Datum member, int64_t credits);

// What the enclosing statements in progress are about to add to the subscription, as far as it is known by now.
int64_t enclosing_credits(int depth, const SubscriptionShape &shape, Datum id, Datum member);

// A row that moves between partitions is one row: what it was before, so that its arrival is judged as an update. The
// BEFORE triggers note an update that may move its row, the AFTER triggers the delete of a row that has moved.
struct Departure {
    bool armed;
    int depth;
    int nest_level;            // of the subtransaction that its statement runs in
    CommandId command;         // that its statement's snapshot sees: the next statement has another one
    Oid subscriptions;
    Oid partition;             // where it was
    ItemPointerData place;
    Session session;
    uint32 member_hash;
    uint32 link_hash;
};
static_assert(Pod<Departure>);
extern Departure departed_before;
extern Departure departed_after;

// Notes one of the statement at hand; forgets that of its depth, or of one that has ended, and leaves that of an
// enclosing statement; true where there is one of the statement at hand.
void arm(Departure *departure, int depth, const SubscriptionShape &shape);
void disarm(Departure *departure, int depth);
bool is_armed(const Departure &departure, int depth, const SubscriptionShape &shape);

// Registers the transaction callbacks.
void init_pending_charges();

}  // namespace sc
