// The statements in progress, each with what it will change when it ends: one for each trigger depth, with a part for
// each attachment that it touches. This is the state that the write path keeps in the backend; what a (sub)transaction
// has put here is forgotten when it aborts. Judges and writes nothing.
#pragma once

#include "store/session_row.hpp"
#include "write/changed_keys.hpp"
#include "write/statement_ledger.hpp"

namespace sc {

// A row that an UPDATE moves to another partition, between its AFTER DELETE and its AFTER INSERT event. The next event
// of its part decides what became of it: if that is an INSERT, the row has arrived, otherwise it has been deleted.
struct DepartedRow {
    Relation relation;         // its old partition, open as long as the statement runs; nullptr: no row has departed
    const Binding *binding;
    SessionRow row;            // copied
    CommandId stored;          // the command that has stored it; InvalidCommandId: an earlier transaction
    const char *session;       // what the ledger calls it; nullptr without a ledger
    HeapTuple tuple;           // the whole row, copied, where pays_when reads it; else nullptr
};
static_assert(Pod<DepartedRow>);

// A subscription that the statement has deleted, or to which it has given another member or key. At the statement's end
// no session may be left behind, see subscription_in_use.hpp.
struct Departure {
    Departure *next;
    enum class Kind : uint8_t { deleted, other_member, other_key } kind;
    Key key;                   // the old key, by which sessions that are left behind name it
    Datum member;              // the new member; only for other_member
    bool has_member;           // the new member is not NULL
    int64_t held;              // credits that sessions have not given back so far; only for deleted
};
static_assert(Pod<Departure>);

// A stored session that needs a link and has not found one: the statement's end looks again.
struct Unplaced {
    Unplaced *next;
    Oid relation;
    const Binding *binding;
    ItemPointerData place;
    std::optional<Datum> lost; // the link over which NULL was written
};
static_assert(Pod<Unplaced>);

// A stored session that is judged alone, not only in the sum of its subscription: it starts to hold a credit, moves in
// time or costs more, and the attachment has periods, draws links or says which subscription pays.
struct Claim {
    Claim *next;               // of the same sum; or of those that have none
    Sum *sum;                  // of the subscription that it is linked to; nullptr: it has no link so far
    const Binding *binding;
    Oid relation;
    ItemPointerData place;     // of the stored row
    bool movable;              // the application has not named the link: it may become another one
    bool kept;                 // it had that link before
    bool only_member;          // and only its member is another one: nothing else is judged of that subscription
    bool needs_active;         // R3: only an active subscription, within its period
    bool has_member;
    Cause cause;               // why it takes what it holds
    uint32 number;             // in the order of the rows
    uint32 line;               // the number of its line in the ledger; 0: none
    Datum member;              // in the subscriptions' type, copied
    std::optional<int64_t> start;
    int64_t cost;
    int64_t held;              // of the same subscription before
};
static_assert(Pod<Claim>);

// What one statement does to one attachment.
struct Part {
    Part *next;                // in the order in which they are settled
    const Binding *binding;    // of one of the triggers of its sessions: all have the same subscriptions
    bool purges;               // what sessions give back stays used, and is carried from then on
    SumTable sums;
    LineList lines;
    DepartedRow departed;
    Departure *departures;
    Unplaced *unplaced;
    Claim *unlinked;           // claims without a link, newest first
    uint32 claim_count;
    uint32 movable_claims;     // that are not settled
};
static_assert(Pod<Part>);

struct Statement {
    Statement *enclosing;      // the next one of a lower depth
    int depth;
    int nest_level;            // of the subtransaction in which it runs
    CommandId command;         // writes its rows
    Oid role;                  // that of who writes them; counters are written as others
    MemoryContext context;
    bool single;               // the client's INSERT of one row: it ends with that row's last trigger
    bool inserts_only;         // so far
    int postponed;             // how often its end has been put off, see settle_statement.hpp
    Oid marker_trigger;        // its end is a second INSERT event of this trigger for this row
    Oid marker_relation;
    ItemPointerData marker;
    Part *parts;               // searched links before given ones, then by the subscriptions
};
static_assert(Pod<Statement>);

// The statement of that trigger depth; nullptr if none is in progress.
Statement *find_statement(int depth);

// Opens a statement at that event, and queues its end unless it is single.
Statement *open_statement(int depth, TriggerData *data, bool single);

// Queues the statement's end behind all events that are queued by now.
void queue_end(Statement *statement, TriggerData *data);

// True if the event is the one that queue_end() has queued.
bool is_end(const Statement &statement, const TriggerData *data);

// What the statement does to one attachment: nullptr if nothing so far, or a new part.
Part *find_part(const Statement &statement, Oid subscriptions);
Part *make_part(Statement *statement, const Binding &binding);

// From here on, until the call with none or the transaction's end: the sessions that a statement of the transaction
// itself deletes, no trigger's, are purged where they are attached to these subscriptions.
void set_purged(Oids subscriptions);

// Takes the statement off the list; close_statement() frees its memory.
void detach_statement(Statement *statement);
void close_statement(Statement *statement);

// The credits that the enclosing statements in progress will add to the subscription, as far as their rows have come by
// now.
int64_t enclosing_credits(int depth, const SubscriptionShape &shape, Datum id, Datum member);

// Credits that nested statements could not settle, see is_left_to_enclosing() in settle_statement.cpp. Whoever settles
// a sum of that subscription next settles all of them with it, and writes their lines. A transaction that still owes
// credits cannot commit.
int64_t owed_credits(const SubscriptionShape &shape, Datum id, Datum member);
bool is_anything_owed();
void owe(const SubscriptionShape &shape, const Sum &sum, std::span<const Line> lines);

// Marks the owed credits of the subscription as settled. Returns the given lines and theirs, in the order of their
// events.
std::span<Line> take_owed(const SubscriptionShape &shape, const Sum &sum, std::span<Line> lines);

// Registers the transaction callbacks.
void init_statements();

}  // namespace sc
