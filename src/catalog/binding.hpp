// Binds a trigger to the relation it fires on: its arguments and the relation's foreign key become column numbers,
// values and comparison functions. Kept by trigger until a relation cache invalidation; reads catalogs only.
#pragma once

#include "catalog/attachment.hpp"
#include "server/values.hpp"
#include "rules/credit_rule.hpp"

namespace sc {

// The subscriptions of an attachment.
struct SubscriptionShape {
    Oid relation;
    AttrNumber id;             // what the link refers to; 0 in the subscriptions' own triggers
    AttrNumber member;
    AttrNumber status;
    AttrNumber total;
    AttrNumber used;
    AttrNumber remaining;      // 0: not maintained
    Oid total_type;            // int2, int4 or int8
    Oid used_type;
    Oid remaining_type;
    KeyType id_key;
    KeyType member_key;
    Words active;
    bool by_member;            // the key is (member, id)
    bool plain;                // writing a counter within 0 … total runs no code of the user's, see writes_plainly()
    Oid key_index;             // of the foreign key
    Oid member_index;          // one that finds a member's active subscriptions; InvalidOid: a scan
    bool one_active;           // and that lets a member have only one
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

// The relation of the sessions that a trigger fires on: the table, a partition, a shard.
struct SessionShape {
    Oid relation;
    AttrNumber member;
    AttrNumber link;
    AttrNumber type;           // 0: every session is consuming
    AttrNumber status;
    Oid member_type;           // base types
    Oid link_type;
    int16 member_length;
    int16 link_length;
    bool member_by_value;
    bool link_by_value;
    Words consuming;
    Words scheduled;
    Words completed;
    std::span<const NameColumn> name;    // only where there is a ledger
};
static_assert(Pod<SessionShape>);

struct Binding {
    Oid trigger;               // the cache's key
    bool valid;
    MemoryContext context;
    Guard guard;
    Oid link_constraint;       // the foreign key; InvalidOid in the subscriptions' own triggers
    SubscriptionShape subscriptions;
    SessionShape sessions;     // relation is InvalidOid in the subscriptions' own triggers
};
static_assert(Pod<Binding>);

// What the mapping names, in that relation: without the key of the link, and without what finds an active subscription.
SubscriptionShape make_subscription_shape(Relation relation, const Mapping &mapping);
SessionShape make_session_shape(Relation relation, const Mapping &mapping);

// The binding of a trigger of the sessions, or of the subscriptions. 42703 where a column of the arguments is gone,
// 55000 where not exactly one foreign key joins the link, each with a hint.
const Binding &bind_sessions(Relation relation, const Trigger *trigger);
const Binding &bind_subscriptions(Relation relation, const Trigger *trigger);

// Raises 42804 where a key column of the sessions has a type that is not convertible with the subscriptions' own.
void require_convertible(Relation sessions, AttrNumber column, Oid key_type);

// Frees what was replaced; called when a transaction ends.
void forget_replaced_bindings();

// Registers the invalidation callback.
void init_bindings();

}  // namespace sc
