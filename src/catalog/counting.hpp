// The SQL of every count: which sessions are counted, and when a subscription agrees with them. The counts view,
// audits, repairs and migrations are built from it; check/scan_counts counts by the rules instead. Makes text, runs
// nothing; the text names columns and built-in operators only, so whoever runs it does so with search_path pinned to
// pg_catalog.
#pragma once

#include "catalog/attachment.hpp"

namespace sc {

// Two tables and how to count one by the other; needs no attachment, so that audit can count before there is one.
struct Counting {
    Oid sessions;
    Oid subscriptions;
    const char *subscription_id;   // the subscriptions' key column that the link refers to
    bool by_member;                // the key is (member, id): the join compares the members too
    Mapping mapping;
};
static_assert(Pod<Counting>);

// The counting of an attachment; 55000 where its foreign key is gone, 42703 where a column of it is.
Counting counting_of(const Attachment &attachment);

// SQL conditions on a sessions row called by that alias (nullptr: columns without one). They are filters: for a NULL
// type or status they may be NULL, which counts nothing. Written so that an index on the column can serve them.
const char *consuming_condition(const Mapping &mapping, const char *alias);
const char *chargeable_condition(const Mapping &mapping, const char *alias);  // whatever the status: may come to count
const char *scheduled_condition(const Mapping &mapping, const char *alias);   // by status alone
const char *completed_condition(const Mapping &mapping, const char *alias);   // by status alone
const char *counted_condition(const Mapping &mapping, const char *alias);     // all that a session needs to count

// The aggregate over counted sessions: what they hold, of those only where the filter is true (nullptr: all).
const char *credits_expression(const Mapping &mapping, const char *alias, const char *filter);

// The member of a sessions row, or of a subscriptions row, called by that alias: NULL where links are given.
const char *member_of_session(const Mapping &mapping, const char *alias);
const char *member_of_subscription(const Mapping &mapping, const char *alias);

// The subscription may be booked on.
const char *active_condition(const Mapping &mapping, const char *alias);

// The total of a subscription called by that alias; a NULL where there is no such column.
const char *total_expression(const Mapping &mapping, const char *alias);

// What of the subscriptions is unique: one active subscription for each member. It follows the table in CREATE INDEX.
const char *active_key(const Mapping &mapping);

// The conditions that attach() enforces, as text.
const char *counter_condition(const Mapping &mapping);       // 0 <= used <= total, where there is one
const char *linked_condition(const Mapping &mapping);        // link IS NOT NULL
const char *link_check_condition(const Mapping &mapping);    // counted => linked

// "t.member = s.member".
const char *same_member(const Counting &counting, const char *session_alias, const char *subscription_alias);

// "t.link = s.id", with the members where the key is composite.
const char *join_condition(const Counting &counting, const char *session_alias, const char *subscription_alias);

// The name of a session, as text, from an SQL expression for each column of its primary key. Of a key of two with the
// member it is the other one, and longer keys are written as a row.
const char *session_name(Names key, const char *member_column, Names expressions);

// The credits of sessions that are not there, which are part of every recount; "0" where there is no such column.
const char *carried_expression(const Mapping &mapping, const char *alias);

// How many credits are gone before any is counted: as a plain remaining column of the subscriptions says, else what is
// carried.
const char *gone_expression(const Mapping &mapping);

// True where a subscription called by that alias agrees with the recount of its sessions (an SQL expression), false
// elsewhere;
// never NULL for a recount that is not. It ends in what may overflow, behind what excludes an overflow.
const char *consistent_condition(const Mapping &mapping, const char *subscription_alias, const char *recount);

// The lateral subquery, called c, that counts the sessions of one subscription called s: completed and scheduled.
const char *counts_of_subscription(const Counting &counting);

// The same for one subscription, as a FROM and a WHERE with its row as s and its counts as c. $1 is its key, of that
// type; of a composite key $2 is the member.
const char *from_one_subscription(const Counting &counting, Oid id_type, Oid member_type);

// A moment of that type, an SQL expression, as it is compared: local where the attachment names a zone.
const char *local_moment(const Mapping &mapping, const char *moment, Oid type);

// True where the period of a subscription covers the start of a session, both SQL expressions, as the rules of a write
// have it; nullptr where there is no period, or nothing to compare it with. NULL is open, as an unknown start is.
const char *covers_condition(const Counting &counting, const char *start, const char *from, const char *until);

// What the counts view selects.
const char *counts_view_query(const Counting &counting);

// The CREATE (OR REPLACE) VIEW command of the counts view, in the subscriptions' schema, under that name.
const char *counts_view_command(const Counting &counting, const char *view_name, bool replaces);

}  // namespace sc
