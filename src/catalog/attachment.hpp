// Finds attachments: which tables carry the triggers, joined by which foreign key. Reads catalogs, writes nothing.
#pragma once

#include "catalog/made.hpp"
#include "server/relations.hpp"
#include "server/triggers.hpp"

namespace sc {

// The SQL trigger functions; their names are those of the C functions.
namespace function {
constexpr const char *link = "link_session";          // sessions, BEFORE INSERT OR UPDATE, each row
constexpr const char *charge = "charge_sessions";     // sessions, AFTER INSERT OR UPDATE OR DELETE, each row
constexpr const char *carry = "carry_expressions";    // sessions, never: it carries expressions in its WHEN clause
constexpr const char *reset = "reset_counters";       // sessions, AFTER TRUNCATE, statement
constexpr const char *keep = "keep_counter";          // subscriptions, BEFORE INSERT OR UPDATE, each row
constexpr const char *guard = "guard_counter";        // subscriptions, AFTER INSERT OR UPDATE, each row
constexpr const char *keep_ledger = "keep_ledger";    // the extension's own ledger, BEFORE everything, statement
}  // namespace function

// The triggers that make an attachment, in the order in which they are made: the subscriptions are guarded before
// anything is charged.
struct TriggerRule {
    const char *name;            // what the names of such triggers begin with
    const char *function;
    const char *when;            // for CREATE TRIGGER
    const char *level;
    int16 type;                  // pg_trigger.tgtype
    bool on_sessions;            // else on the subscriptions
    bool on_partitions;          // row triggers are cloned to every partition
};
extern const std::array<TriggerRule, 6> trigger_rules;
const TriggerRule &charge_rule();      // the one that carries the attachment
bool carries_expressions(const TriggerRule &rule);    // the one that is there only if the attachment has some

// True if an attachment with that mapping has the trigger: nobody fills in a link that the application gives.
bool is_needed(const TriggerRule &rule, const Mapping &mapping);

// A trigger that calls one of the extension's functions, whatever its own name.
struct OwnTrigger {
    Oid trigger;
    const char *name;
    const TriggerRule *rule;
    int16 type;
    char enabled;
    bool cloned;                 // from the partitioned table above
    bool narrowed;               // by WHEN or a list of columns
    const char *condition;       // the tree of its WHEN clause, nullptr: it has none
    std::span<char *const> arguments;
};
static_assert(Pod<OwnTrigger>);

std::span<const OwnTrigger> find_own_triggers(Oid relation);

// The column of the link, which no two attachments of the same sessions share, tells whose a trigger is.
bool is_of_link(std::span<char *const> arguments, const char *link_column);

// The oid of one of the extension's trigger functions; InvalidOid where the extension is not installed.
Oid trigger_function(const char *name);

// The function around the expressions in a WHEN clause.
Oid carrying_function();

// Those of every rule.
Oids own_trigger_functions();

// The foreign key that joins the link column of a sessions relation (a table, a partition, a shard).
struct LinkKey {
    Oid constraint;
    Oid sessions;
    Oid subscriptions;
    Oid index;                   // the index of the subscriptions that the key refers to
    int columns;                 // 1: (link); 2: (member, link) in either order
    AttrNumber link;             // in sessions
    AttrNumber subscription_id;  // in subscriptions: what the link refers to
    AttrNumber member_key;       // in subscriptions: the key's member column, 0 where columns is 1
};

// Finds the one foreign key on the link column; std::nullopt where there is none or where it has another shape.
// several is set where more than one foreign key holds the link column.
std::optional<LinkKey> find_link_key(Relation sessions, AttrNumber link, AttrNumber member, bool *several);

// One attachment, as its charge trigger describes it.
struct Attachment {
    Oid sessions;
    Oid subscriptions;           // InvalidOid where the foreign key is gone
    Oid charge_trigger;
    const char *fault;           // why the trigger's argument cannot be read, a clause; nullptr: it can
    Mapping mapping;             // with a fault: as far as it can be read
};
static_assert(Pod<Attachment>);

// Every attachment of the database, or those of a table of sessions, to a table of subscriptions; ordered by name, also
// those that cannot be read. Partitions are not attachments of their own.
std::span<const Attachment> find_attachments(Oid sessions, Oid subscriptions = InvalidOid);

// The trigger that carries the attachment with the link of that mapping; nullptr where the relation has none.
const Trigger *find_charge_trigger(Relation relation, const Mapping &mapping);

// The only attachment of the sessions, of the subscriptions, of both, or with InvalidOid for both of the database.
// 55000 with a hint where there is none or it cannot be read, 42P08 where there are several, which it names.
const Attachment &require_attachment(Pair pair);
[[noreturn]] void raise_no_ledger(Oid sessions);
void require_readable(const Attachment &attachment);

// Why nobody looks at the rows of these tables, which is done as the owner of the sessions: code of somebody who is not
// trusted with that role would run so. nullptr where there is no reason. lock: of the partitions.
const char *find_distrust(Oid sessions, Oid subscriptions, LOCKMODE lock = AccessShareLock);

// The triggers of the sessions that none of those attachments has; with one among them that cannot be read, none.
std::span<const OwnTrigger> find_triggers_beside(Oid sessions, std::span<const Attachment> others);

// What is left of an attachment whose charge trigger is gone; nothing where no other trigger is left either.
std::optional<Attachment> find_remnant(Oid sessions);

// The tables that may be the subscriptions of an attachment: the one that its foreign key leads to; where the key is
// gone, all that carry a guard with the same mapping and that no other attachment's key leads to.
Oids find_subscriptions(const Attachment &attachment);

// The charge trigger of the attachment, as the relation that it is on has it; nullptr where it is gone.
const Trigger *charge_trigger_of(Relation sessions, const Attachment &attachment);

// The counts view that attach() made, wherever it is now; InvalidOid where there is none or it was renamed.
Oid find_counts_view(const Attachment &attachment);

}  // namespace sc
