// Binds a trigger to the relation it fires on: its arguments and the relation's foreign key become column numbers,
// values and comparison functions. Kept by trigger until a relation cache invalidation; reads catalogs only.
#pragma once

#include "catalog/attachment.hpp"
#include "catalog/shapes.hpp"

namespace sc {

struct Binding {
    Oid trigger;               // that it was built for
    int triggers;              // of the same relation that share it
    bool valid;
    MemoryContext context;
    Guard guard;
    Oid link_constraint;       // the foreign key; InvalidOid in the subscriptions' own triggers
    bool link_deferrable;
    bool searched;             // the extension searches the links; else the application gives them
    bool is_last;              // of the attachments whose triggers fire for one row of the sessions
    SubscriptionShape subscriptions;
    SessionShape sessions;     // relation is InvalidOid in the subscriptions' own triggers
};
static_assert(Pod<Binding>);

// The binding of a trigger of the sessions, or of the subscriptions. 42703 where a column of the arguments is gone,
// 55000 where not exactly one foreign key joins the link, each with a hint.
const Binding &bind_sessions(Relation relation, const Trigger *trigger);
const Binding &bind_subscriptions(Relation relation, const Trigger *trigger);

// Frees what was replaced; called when a transaction ends.
void forget_replaced_bindings();

// Registers the invalidation callback.
void init_bindings();

}  // namespace sc
