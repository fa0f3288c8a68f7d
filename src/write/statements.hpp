// What the statements in progress will change, until each of them ends: one for each trigger depth, with a part for
// each attachment that it touches. The state of the backend lives here, and is forgotten when a (sub)transaction
// aborts. Judges and writes nothing.
#pragma once

#include "store/session_row.hpp"
#include "write/changed_keys.hpp"
#include "write/statement_ledger.hpp"

namespace sc {

// The row of a partition that an UPDATE moves to another one, between its AFTER DELETE and its AFTER INSERT event. The
// next event of its part says what it was: an INSERT is its arrival, anything else makes it a deletion.
struct DepartedRow {
    Relation relation;         // where it was; open as long as the statement runs. nullptr: there is none
    const Binding *binding;
    SessionRow row;            // copied
    CommandId stored;          // by which command of this transaction; InvalidCommandId: before it
    const char *session;       // what the ledger calls it; nullptr without a ledger
};
static_assert(Pod<DepartedRow>);

// A subscription that the statement has deleted, or that it has given another member or key: no session may be left
// behind, see subscription_in_use.hpp.
struct Departure {
    Departure *next;
    enum class Kind : uint8_t { deleted, other_member, other_key } kind;
    Key key;                   // as sessions call it that are left behind
    Datum member;              // the new one, if it has one
    bool has_member;
    int64_t held;              // by sessions that have not given it back so far; of a deleted one
};
static_assert(Pod<Departure>);

// A stored session whose link is not right yet: it is looked at again when the statement ends.
struct Unplaced {
    Unplaced *next;
    Oid relation;
    const Binding *binding;
    ItemPointerData place;
    std::optional<Datum> lost; // the link that NULL was written over
};
static_assert(Pod<Unplaced>);

// What one statement does to one attachment.
struct Part {
    Part *next;                // in the order in which they are settled
    const Binding *binding;    // of a trigger of its sessions; they all lead to the same subscriptions
    SumTable sums;
    LineList lines;
    DepartedRow departed;
    Departure *departures;
    Unplaced *unplaced;
};
static_assert(Pod<Part>);

struct Statement {
    Statement *enclosing;      // of a lower depth
    int depth;
    int nest_level;            // of the subtransaction that it runs in
    CommandId command;         // that writes its rows
    MemoryContext context;
    bool single;               // the client's INSERT of one row: it ends with that row's last trigger
    bool inserts_only;         // so far
    int postponed;             // how often its end has been put off, see settle_statement.hpp
    Oid marker_trigger;        // the event that is its end: this trigger, for this row, as an INSERT
    Oid marker_relation;
    ItemPointerData marker;
    Part *parts;               // searched links before given ones, then by the subscriptions
};
static_assert(Pod<Statement>);

// The statement of that trigger depth; nullptr: none so far.
Statement *find_statement(int depth);

// Opens one at the event at hand, and queues its end unless it is single.
Statement *open_statement(int depth, TriggerData *data, bool single);

// Queues the end of the statement behind all events that are queued by now.
void queue_end(Statement *statement, TriggerData *data);

// True if the event is the one that queue_end() has queued.
bool is_end(const Statement &statement, const TriggerData *data);

// What the statement does to the attachment of that binding.
Part *find_part(const Statement &statement, Oid subscriptions);
Part *make_part(Statement *statement, const Binding &binding);

// Takes the statement off the list; its memory goes with close_statement().
void detach_statement(Statement *statement);
void close_statement(Statement *statement);

// What the enclosing statements in progress are about to add to the subscription, as far as it is known by now.
int64_t enclosing_credits(int depth, const SubscriptionShape &shape, Datum id, Datum member);

// What nested statements could not settle, since an enclosing one had not been charged yet for the same row, or had not
// given back what they take. It is settled by whoever writes that counter next, with its lines of the ledger, all of it
// or nothing. The transaction cannot commit before.
int64_t owed_credits(const SubscriptionShape &shape, Datum id, Datum member);
bool is_anything_owed();
void owe(const SubscriptionShape &shape, const Sum &sum, std::span<const Line> lines);

// It is settled now: it is owed no more. Returns the given lines and the owed ones, in the order of their events.
std::span<Line> take_owed(const SubscriptionShape &shape, const Sum &sum, std::span<Line> lines);

// Registers the transaction callbacks.
void init_statements();

}  // namespace sc
