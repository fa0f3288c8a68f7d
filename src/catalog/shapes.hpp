// The two tables of an attachment as column numbers, types and comparison functions, for rows of one very relation:
// numbers and types may differ among partitions. Reads the relation cache.
#pragma once

#include "catalog/draw_order.hpp"
#include "catalog/period.hpp"
#include "server/relations.hpp"
#include "server/values.hpp"

namespace sc {

struct Computed;               // generated columns, see catalog/plain_write.hpp

// The subscriptions of an attachment.
struct SubscriptionShape {
    Oid relation;
    AttrNumber id;             // what the link refers to; 0 in the subscriptions' own triggers
    AttrNumber member;         // 0: links are given, see SessionShape
    AttrNumber status;         // 0: every one is active
    AttrNumber total;          // 0: every one is unlimited
    AttrNumber used;
    AttrNumber remaining;      // 0: not maintained
    AttrNumber carried;        // 0: there is none
    Oid total_type;            // int2, int4 or int8
    Oid used_type;
    Oid remaining_type;
    Oid carried_type;
    KeyType id_key;
    KeyType member_key;
    Words active;
    MomentColumn valid_from;   // number is 0: open
    MomentColumn valid_until;
    Zone zone;
    std::span<const DrawColumn> draw_order;    // only if draws
    bool draws;                // a link that nobody has named may become another one, see write/settle_drawn.hpp
    bool by_member;            // the key is (member, id)
    bool total_added;          // attach() has made the total of what remains and what is used
    bool plain;                // writing a counter within 0 … total runs no code of the user's
    Computed *computed;        // then, see choose_plain_write(); nullptr: no generated column is made of the counter
    Oid key_index;             // of the foreign key
    Oid member_index;          // one that finds a member's active subscriptions; InvalidOid: a scan
    bool one_active;           // and that lets a member have only one
    bool notifies;             // changes of the counts are told to listeners
    Oid ledger;                // the attached table, where each change is written to the ledger; else InvalidOid
};
static_assert(Pod<SubscriptionShape>);

// A column of the sessions' primary key, by which the ledger calls them.
struct NameColumn {
    AttrNumber column;
    uint16 place;              // in the key
    Oid type;                  // the base type
    FmgrInfo output;
};
static_assert(Pod<NameColumn>);

struct Evaluation;             // catalog/evaluation.hpp

// The relation of the sessions that a trigger fires on: the table, a partition, a shard.
struct SessionShape {
    Oid relation;
    AttrNumber member;         // 0: the application gives the links, and no member is known
    AttrNumber link;
    AttrNumber type;           // 0: every session is consuming
    AttrNumber status;         // 0: every session counts, as scheduled
    MomentColumn start;        // number is 0: no period is judged
    Zone zone;
    bool named_links;          // a link that the application writes counts
    bool leaves_unpaid;        // if no subscription could pay, the session stays unlinked
    Oid member_type;           // base types
    Oid link_type;
    int16 member_length;
    int16 link_length;
    bool member_by_value;
    bool link_by_value;
    Words consuming;
    Words scheduled;
    Words completed;
    bool completed_needs_active;         // nothing is ever scheduled: R3 holds for what is completed
    std::span<const NameColumn> name;    // only where there is a ledger, or links are drawn
    Evaluation *evaluation;              // of its expressions; nullptr: there are none
};
static_assert(Pod<SessionShape>);

// What the mapping names, in that relation: without the key of the link, and without what finds an active subscription.
SubscriptionShape make_subscription_shape(Relation relation, const Mapping &mapping);
// Of the sessions, with their expressions: 55000 where those cannot be read.
SessionShape make_session_shape(Relation relation, const Mapping &mapping);

// The member of a subscription's row; absent where it is NULL, or where none is known.
std::optional<Datum> subscription_member(const SubscriptionShape &shape, TupleTableSlot *row);

// Looks for the index that finds a member's active subscriptions: rather one that allows only one, rather a partial
// one, which holds the fewest rows to look at.
void choose_member_index(SubscriptionShape *shape, Relation relation);

// Whether a column is in the name of a session whose primary key has so many: the member is not where one other column
// is enough.
constexpr bool is_in_name(size_t columns, bool is_member)
{
    return columns != 2 || !is_member;
}

// The columns that name a session, in the order of the key.
std::span<const NameColumn> make_name(Relation relation, const SessionShape &shape);

// Raises 42804 where a key column of the sessions has a type that is not convertible with the subscriptions' own.
void require_convertible(Relation sessions, AttrNumber column, Oid key_type);

}  // namespace sc
