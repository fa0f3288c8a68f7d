// What an audit can find: each category with its words for people and its SQL. Data, and no more than that.
#pragma once

#include "check/audit_scope.hpp"

namespace sc {

// Which rows a category is about, and with that which columns its SQL may name; check/audit.cpp builds them.
//   session      one of the sessions: member, subscription (its link), owner (the member of the subscription that the
//                link leads to), start, valid_from, valid_until (of that subscription), and the flags member_gone,
//                linked, found, own, consuming, counted, outside (the period does not cover the start), unpaid (counted
//                and left without a link), has_subscription (of a session without a link)
//   member       a member with active subscriptions: member, active (how many)
//   subscription one of the subscriptions, or a member's in sum: member, subscription, total, used, remaining, owed
//                (what remaining should be), counted; by_member: the row is a sum; mixed: the row is one subscription
//                of a member who is compared in sum; known: the counter is stored somewhere; active, valid_from
//   period       the ends of all periods: ends, midnights (how many)
//   enforcement  a gap of an attachment: thing
//   trigger      a trigger of the subscriptions: thing
//   refusal      what stands in the way of attach(): thing, advice
enum class Family : uint8_t { session, member, subscription, period, enforcement, trigger, refusal };

struct Category {
    Family family;
    const char *code;
    const char *severity;
    const char *description;
    const char *recommendation;
    const char *applies;    // SQL condition; of a session, the first category that applies
    const char *expected;   // SQL text
    const char *actual;     // SQL text
    const char *repairable; // SQL condition: there is one right answer, which the family's repair gives
    const char *(*unknown)(const AuditScope &scope);  // why it cannot be told here; nullptr where it can
};

// In the order of their precedence and of the answer; a category's number is its place, from 1.
extern const std::array<Category, 19> categories;

// False for what only a link that the extension searches can be.
bool applies(const AuditScope &scope, const Category &category);

}  // namespace sc
