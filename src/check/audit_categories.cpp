// The categories of an audit.
#include "check/audit_categories.hpp"

namespace sc {

namespace {

const char *always_known(const AuditScope &)
{
    return nullptr;
}

const char *needs_search(const AuditScope &scope)
{
    return is_searched(scope.counting.mapping) ? nullptr
                                               : "Does not apply: the application names the links, and no member is"
                                                 " known.";
}

const char *needs_members(const AuditScope &scope)
{
    if (const char *unsought = needs_search(scope))
        return unsought;
    return OidIsValid(scope.members) ? nullptr
                                     : "Cannot be determined: no members table is given, and no foreign key leads"
                                       " to one.";
}

const char *needs_counter(const AuditScope &scope)
{
    return scope.has_used || scope.has_remaining
               ? nullptr
               : "Cannot be determined: the subscriptions have neither a used nor a remaining column.";
}

const char *needs_used(const AuditScope &scope)
{
    const bool remains_alone = scope.has_remaining && scope.counting.mapping.total_column == nullptr;
    return scope.has_used || !remains_alone ? needs_counter(scope)
                                            : "Cannot be determined: only what remains is stored.";
}

// With a period no session is booked on one that has not begun.
const char *needs_valid_from(const AuditScope &scope)
{
    const Mapping &mapping = scope.counting.mapping;
    return mapping.valid_from_column == nullptr ? "Cannot be determined: no valid_from_column is given."
           : mapping.start_column != nullptr    ? "It is none here: sessions are paid for by what covers their start."
                                                : nullptr;
}

const char *needs_period(const AuditScope &scope)
{
    return covers_condition(scope.counting, "", "", "") != nullptr
               ? nullptr
               : "Cannot be determined: no period is given that can be compared with a start.";
}

const char *needs_valid_until(const AuditScope &scope)
{
    return scope.counting.mapping.valid_until_column != nullptr
               ? nullptr
               : "Cannot be determined: no valid_until_column is given.";
}

const char *needs_one_active(const AuditScope &scope)
{
    return scope.counting.mapping.draw_order == nullptr
               ? needs_search(scope)
               : "It is none here: several are drawn in the order of the attachment.";
}

const char *needs_unpaid(const AuditScope &scope)
{
    return scope.leaves_unpaid ? nullptr
                               : "There is none here: sessions that nobody pays for are not left without a link.";
}

const char *needs_attachment(const AuditScope &scope)
{
    return scope.attachment != nullptr ? nullptr : "Nothing is enforced here: the tables are not attached.";
}

}  // namespace

bool applies(const AuditScope &scope, const Category &category)
{
    return is_searched(scope.counting.mapping) ||
           (category.unknown != needs_search && category.unknown != needs_members);
}

// A link that a session of another type must not have is cleared, wherever it leads (R8). A counter has one right
// answer where the recount fits into the total; what does not fit is first a person's to decide.
const std::array<Category, 19> categories{
    Category{.family = Family::session,
             .code = "orphaned_session",
             .severity = "medium",
             .description = "A session whose member is gone.",
             .recommendation = "Decide what it is worth: bring the member back, or archive or delete the session.",
             .applies = "member_gone",
             .expected = "'a member'",
             .actual = "'none'",
             .repairable = "false",
             .unknown = needs_members},
    Category{.family = Family::session,
             .code = "dangling_subscription",
             .severity = "high",
             .description = "A session whose link leads to no subscription.",
             .recommendation = "Link it to the subscription that it was booked on, or clear the link and let migrate"
                               " attribute it.",
             .applies = "linked AND NOT found",
             .expected = "'a subscription'",
             .actual = "'none'",
             .repairable = "searched AND NOT consuming",
             .unknown = always_known},
    Category{.family = Family::session,
             .code = "foreign_subscription",
             .severity = "critical",
             .description = "A session that is linked to another member's subscription: expected is the member of the"
                            " session, actual the member of the subscription.",
             .recommendation = "Decide whose session it is, and put its member or its link right.",
             .applies = "linked AND NOT own",
             .expected = "member::text",
             .actual = "owner::text",
             .repairable = "NOT consuming",
             .unknown = needs_search},
    Category{.family = Family::session,
             .code = "linked_non_consuming",
             .severity = "medium",
             .description = "A session of a type that consumes no credit, and yet is linked to a subscription.",
             .recommendation = "Clear the link, or correct its type if it was meant to consume.",
             .applies = "linked AND NOT consuming",
             .expected = "'no link'",
             .actual = "subscription::text",
             .repairable = "true",
             .unknown = needs_search},
    Category{.family = Family::session,
             .code = "no_subscription",
             .severity = "medium",
             .description = "A consuming session whose member has no subscription at all.",
             .recommendation = "Enter the subscription that it belongs to, or change the type of the session.",
             .applies = "consuming AND wanting AND NOT unpaid AND NOT linked AND NOT has_subscription",
             .expected = "'a subscription'",
             .actual = "'none'",
             .repairable = "false",
             .unknown = needs_search},
    Category{.family = Family::session,
             .code = "unlinked_session",
             .severity = "high",
             .description = "A counted session that is linked to no subscription, though its member has some.",
             .recommendation = "Attach and call migrate, which attributes history; what it leaves needs a person.",
             .applies = "consuming AND counted AND NOT unpaid AND NOT linked",
             .expected = "'a link'",
             .actual = "'none'",
             .repairable = "false",
             .unknown = needs_search},
    Category{.family = Family::session,
             .code = "unpaid_session",
             .severity = "low",
             .description = "A counted session that no subscription could pay for, and that when_none => 'leave' let"
                            " stand without a link.",
             .recommendation = "Sell a subscription and set the link, or cancel the session.",
             .applies = "unpaid",
             .expected = "'a link'",
             .actual = "'none'",
             .repairable = "false",
             .unknown = needs_unpaid},
    Category{.family = Family::session,
             .code = "outside_period",
             .severity = "low",
             .description = "A counted session that the period of its subscription does not cover: the period was"
                            " changed, or it was linked by name when it was completed.",
             .recommendation = "Leave it, move the session, or link it to a subscription that covers it.",
             .applies = "counted AND outside",
             .expected = "concat_ws(' ', 'from ' || (to_jsonb(valid_from) #>> '{}'), 'until ' || (to_jsonb(valid_until)"
                         " #>> '{}'))",
             .actual = "to_jsonb(start) #>> '{}'",
             .repairable = "false",
             .unknown = needs_period},
    Category{.family = Family::member,
             .code = "multiple_active_subscriptions",
             .severity = "critical",
             .description = "A member with several active subscriptions: nobody can say which one a booking takes.",
             .recommendation = "Leave one of them active, or attach with a draw_order; attach refuses until then.",
             .applies = "true",
             .expected = "'1'",
             .actual = "active::text",
             .repairable = "false",
             .unknown = needs_one_active},
    Category{.family = Family::subscription,
             .code = "negative_remaining",
             .severity = "critical",
             .description = "A subscription that has less than nothing left: total minus used, or its stored remaining,"
                            " is below 0. Expected is the least that is allowed.",
             .recommendation = "If it is overdrawn, too, decide as advised there; otherwise set the counter to the"
                               " recount.",
             .applies = "NOT by_member AND least(total - used, remaining) < 0",
             .expected = "'0'",
             .actual = "least(total - used, remaining)::text",
             .repairable = "NOT mixed AND known AND (total IS NULL OR counted <= total)",
             .unknown = needs_counter},
    Category{.family = Family::subscription,
             .code = "overdrawn",
             .severity = "critical",
             .description = "More counted sessions than the total allows, of a subscription or in sum of a member:"
                            " expected is the total, actual the recount.",
             .recommendation = "Raise the total, cancel or move sessions; no new booking is taken until it fits.",
             .applies = "NOT mixed AND counted > total",
             .expected = "total::text",
             .actual = "counted::text",
             .repairable = "false",
             .unknown = always_known},
    Category{.family = Family::subscription,
             .code = "count_mismatch",
             .severity = "high",
             .description = "A counter that is not the number of counted sessions, of a subscription or in sum of a"
                            " member; or a stored remaining that is not total minus used. Expected is the recount.",
             .recommendation = "Set the counter to the recount; for a member with sessions that are not linked, attach"
                               " and call migrate first.",
             .applies = "NOT mixed AND known AND (used IS DISTINCT FROM counted OR remaining_off)",
             .expected = "CASE WHEN used IS DISTINCT FROM counted THEN counted::text"
                         " ELSE concat('remaining ', coalesce(owed::text, 'NULL')) END",
             .actual = "CASE WHEN used IS DISTINCT FROM counted THEN used::text"
                       " ELSE concat('remaining ', coalesce(remaining::text, 'NULL')) END",
             .repairable = "NOT by_member AND (total IS NULL OR counted <= total)",
             .unknown = needs_used},
    Category{.family = Family::subscription,
             .code = "zero_total",
             .severity = "low",
             .description = "A subscription whose total is 0: nothing can be booked on it.",
             .recommendation = "Enter its total, NULL if it is unlimited, or end it.",
             .applies = "NOT by_member AND total = 0",
             .expected = "'above 0'",
             .actual = "total::text",
             .repairable = "false",
             .unknown = always_known},
    Category{.family = Family::subscription,
             .code = "future_subscription",
             .severity = "low",
             .description = "A subscription that is active before it begins: sessions are booked on it already.",
             .recommendation = "Activate it when it begins, or put its beginning right.",
             .applies = "NOT by_member AND active AND valid_from > now()",
             .expected = "concat('not active before ', to_jsonb(valid_from) #>> '{}')",
             .actual = "'active'",
             .repairable = "false",
             .unknown = needs_valid_from},
    Category{.family = Family::period,
             .code = "ends_at_midnight",
             .severity = "low",
             .description = "Nearly all periods end at midnight, as timestamps do that were meant as days: the day"
                            " that begins with that midnight is no part of the period.",
             .recommendation = "If that day is meant to count, name a column of dates as valid_until_column, a stored"
                               " generated one, too.",
             .applies = "true",
             .expected = "'dates, or ends that are meant'",
             .actual = "format('%s of %s ends are midnights', midnights, ends)",
             .repairable = "false",
             .unknown = needs_valid_until},
    Category{.family = Family::enforcement,
             .code = "enforcement_gap",
             .severity = "critical",
             .description = "Something that enforces the rules is missing or switched off.",
             .recommendation = "Put it back, then check the counts: what was written meanwhile was not judged.",
             .applies = "true",
             .expected = "'enforced'",
             .actual = "thing",
             .repairable = "false",
             .unknown = needs_attachment},
    Category{.family = Family::trigger,
             .code = "unpinned_trigger",
             .severity = "low",
             .description = "A trigger of the subscriptions whose function has no search_path of its own. When a"
                            " counter is written, it finds names in the schema of the subscriptions alone.",
             .recommendation = "Give the function the search_path that it means, or name schemas in it.",
             .applies = "true",
             .expected = "'a search_path of its own'",
             .actual = "thing",
             .repairable = "false",
             .unknown = always_known},
    Category{.family = Family::refusal,
             .code = "key_refuses",
             .severity = "high",
             .description = "A foreign key with which attach() refuses these tables, before anything is attached.",
             .recommendation = "Do what the finding expects; attach() with dry_run says the same.",
             .applies = "is_key",
             .expected = "advice",
             .actual = "thing",
             .repairable = "false",
             .unknown = always_known},
    Category{.family = Family::refusal,
             .code = "attach_refuses",
             .severity = "high",
             .description = "Something else for which attach() refuses these tables, before anything is attached.",
             .recommendation = "Do what the finding expects; attach() with dry_run says the same.",
             .applies = "NOT is_key",
             .expected = "advice",
             .actual = "thing",
             .repairable = "false",
             .unknown = always_known},
};

}  // namespace sc
