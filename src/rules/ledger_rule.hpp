// PURE: why a credit changed hands, in the words of the ledger. Knows no table, no server and no PostgreSQL header.
#pragma once

#include "rules/credit_rule.hpp"

namespace sc {

enum class Cause : uint8_t {
    booked,            // a new session took a credit
    completed,         // scheduled became completed: nothing given, nothing taken
    reopened,          // completed became scheduled, or a session holds a credit again that did not
    cancelled,
    deleted,
    type_changed,
    moved,             // to another subscription of the member
    member_changed,    // to another member's
    linked,            // history that had no link got one
    unlinked,
    opened,            // the balance at which the books begin; from here on the subscription is not a session's
    recounted,         // migrate() set the counter
    repaired,          // repair() set the counter
    repair_undone,     // undo_repair() did
    truncated,
    key_changed,       // the subscription goes on under another key
    carried,           // a new subscription brought credits of sessions that are not there
    cost_changed,      // what a session costs, or whether it counts at all
    purged,            // a session went, and what it held is carried from then on
};

constexpr const char *cause_words[] = {
    "booked", "completed", "reopened",  "cancelled", "deleted",       "type changed", "moved", "member changed",
    "linked", "unlinked",  "opened",    "recounted", "repaired",      "repair undone", "truncated",
    "key changed", "carried", "cost changed", "purged",
};

constexpr const char *cause_word(Cause cause)
{
    return cause_words[static_cast<uint8_t>(cause)];
}

// Why a session gave back what it held.
constexpr Cause given_because(const Change &change)
{
    if (!change.after)
        return Cause::deleted;
    if (!change.after->consuming)
        return Cause::type_changed;
    if (change.after->status == Status::none)
        return Cause::cancelled;
    if (!change.after->linked)
        return Cause::unlinked;
    if (change.same_link && change.before->cost != change.after->cost)
        return Cause::cost_changed;
    return change.same_member ? Cause::moved : Cause::member_changed;
}

// Why it took what it holds.
constexpr Cause taken_because(const Change &change)
{
    if (!change.before)
        return Cause::booked;
    if (!change.before->consuming)
        return Cause::type_changed;
    if (change.before->status == Status::none)
        return Cause::reopened;
    if (!change.before->linked)
        return Cause::linked;
    if (change.same_link && change.before->cost != change.after->cost)
        return Cause::cost_changed;
    return change.same_member ? Cause::moved : Cause::member_changed;
}

// Why it holds the same credit in another way; absent where it does not.
constexpr std::optional<Cause> turned_because(const Change &change)
{
    if (change.before->status == change.after->status)
        return std::nullopt;
    return change.after->status == Status::completed ? Cause::completed : Cause::reopened;
}

}  // namespace sc
