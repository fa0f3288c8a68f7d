// Binds a trigger to the relation it fires on.
#include "catalog/binding.hpp"

#include "catalog/plain_write.hpp"
#include "server/pg_compat.hpp"

namespace sc {

namespace {

HTAB *bindings = nullptr;          // trigger oid -> BindingSlot
List *replaced = NIL;              // contexts of bindings that were rebuilt while a caller may still hold the old one

struct BindingSlot {
    Oid trigger;
    Binding *binding;
};

void invalidate(Datum, Oid relation)
{
    if (bindings == nullptr)
        return;
    HASH_SEQ_STATUS scan;
    hash_seq_init(&scan, bindings);
    while (auto *slot = static_cast<BindingSlot *>(hash_seq_search(&scan))) {
        Binding *binding = slot->binding;
        if (binding != nullptr && (relation == InvalidOid || relation == binding->subscriptions.relation ||
                                   relation == binding->sessions.relation))
            binding->valid = false;
    }
}

// A renamed label changes what the words mean.
void invalidate_all(Datum, SyscacheId, uint32)
{
    invalidate(Datum{0}, InvalidOid);
}

[[noreturn]] void raise_no_single_key(Relation relation, const char *link, bool several)
{
    ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
            errmsg(several ? "column \"%s\" of relation \"%s\" has more than one foreign key"
                           : "column \"%s\" of relation \"%s\" has no foreign key to the subscriptions",
                   link, RelationGetRelationName(relation)),
            errdetail("The foreign key says which table holds the subscriptions."),
            errhint(several ? "Keep the one to the subscriptions."
                            : "Add it again, or detach and attach again."),
            errtable(relation));
    pg_unreachable();
}

// A key whose updates or deletions would give sessions another link than a subscription of theirs, or none while they
// are told to keep it, is none to count by.
void require_countable_key(Relation relation, Binding *binding)
{
    HeapTuple tuple = SearchSysCache1(CONSTROID, ObjectIdGetDatum(binding->link_constraint));
    if (!HeapTupleIsValid(tuple))
        elog(ERROR, "cache lookup failed for constraint %u", binding->link_constraint);
    auto *key = reinterpret_cast<Form_pg_constraint>(GETSTRUCT(tuple));
    if (key->confupdtype == FKCONSTR_ACTION_SETNULL || key->confupdtype == FKCONSTR_ACTION_SETDEFAULT ||
        key->confdeltype == FKCONSTR_ACTION_SETDEFAULT || key->confmatchtype == FKCONSTR_MATCH_FULL ||
        !is_enforced(key))
        ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                errmsg("foreign key \"%s\" of relation \"%s\" sets defaults, sets NULL when a key is updated, is "
                       "MATCH FULL or is not enforced",
                       NameStr(key->conname), RelationGetRelationName(relation)),
                errhint("Make it NO ACTION, CASCADE or, when a subscription is deleted, SET NULL."),
                errtable(relation));
    binding->link_deferrable = key->condeferrable;
    ReleaseSysCache(tuple);
}

// True if no other attachment's charge trigger is sure to fire after this one for the same row.
bool is_last_of_row(Relation relation, Oid own)
{
    const TriggerDesc *triggers = copy_triggers(relation);
    const Oid charge = trigger_function(function::charge);
    bool last = true;
    for (int i = 0; triggers != nullptr && i < triggers->numtriggers; i++) {
        const Trigger &trigger = triggers->triggers[i];
        if (trigger.tgoid == own)
            last = true;
        else if (trigger.tgfoid == charge && trigger.tgqual == nullptr && trigger.tgnattr == 0 &&
                 (trigger.tgenabled == TRIGGER_FIRES_ON_ORIGIN || trigger.tgenabled == TRIGGER_FIRES_ALWAYS))
            last = false;
    }
    return last;
}

// The counters are written as the subscriptions' owner: only for sessions that are as trusted. Whoever may merely
// refer to the subscriptions must not reach their counters through a table and triggers of his own.
void require_trusted(Relation relation, Relation subscriptions)
{
    // A partition is as trusted as the table that it belongs to.
    const Oid owner = relation->rd_rel->relispartition
                          ? owner_of(llast_oid(get_partition_ancestors(RelationGetRelid(relation))))
                          : relation->rd_rel->relowner;
    if (has_privs_of_role(owner, subscriptions->rd_rel->relowner))
        return;
    ereport(ERROR, errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
            errmsg("the owner of relation \"%s\" has no rights of the owner of the subscriptions",
                   RelationGetRelationName(relation)),
            errhint("Give both tables the same owner."), errtable(relation));
}

// Everything about a trigger of the sessions, in the current memory context.
void fill_sessions_binding(Binding *binding, Relation relation, const Mapping &mapping)
{
    binding->sessions = make_session_shape(relation, mapping);
    bool several = false;
    const std::optional<LinkKey> key =
        find_link_key(relation, binding->sessions.link, binding->sessions.member, &several);
    if (!key)
        raise_no_single_key(relation, mapping.subscription_column, several);
    binding->link_constraint = key->constraint;
    require_countable_key(relation, binding);
    binding->is_last = is_last_of_row(relation, binding->trigger);
    Relation subscriptions = table_open(key->subscriptions, AccessShareLock);
    require_trusted(relation, subscriptions);
    SubscriptionShape &shape = binding->subscriptions;
    shape = make_subscription_shape(subscriptions, mapping);
    shape.id = key->subscription_id;
    shape.id_key = make_key_type(subscriptions, shape.id);
    shape.by_member = key->columns == 2;
    shape.key_index = key->index;
    require_convertible(relation, binding->sessions.member, shape.member_key.type);
    require_convertible(relation, binding->sessions.link, shape.id_key.type);
    choose_member_index(&shape, subscriptions);
    shape.plain = writes_plainly(shape, subscriptions);
    table_close(subscriptions, AccessShareLock);
    if (mapping.ledger) {
        shape.ledger = root_table(relation);
        binding->sessions.name = make_name(relation, binding->sessions);
    }
}

using Fill_binding = void (*)(Binding *, Relation, const Mapping &);

void fill_subscriptions_binding(Binding *binding, Relation relation, const Mapping &mapping)
{
    binding->subscriptions = make_subscription_shape(relation, mapping);
}

Binding *build(Relation relation, const Trigger *trigger, Fill_binding fill)
{
    // Built in a context of the caller's and handed over when complete, so that an error leaks nothing.
    MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "session_consistency binding",
                                                  ALLOCSET_SMALL_SIZES);
    MemoryContext caller = MemoryContextSwitchTo(context);
    auto *binding = static_cast<Binding *>(palloc0(sizeof(Binding)));
    const Mapping mapping = parse_mapping(*trigger);
    binding->trigger = trigger->tgoid;
    binding->context = context;
    binding->guard = guard_of(mapping);
    fill(binding, relation, mapping);
    binding->valid = true;
    MemoryContextSwitchTo(caller);
    MemoryContextSetParent(context, CacheMemoryContext);
    return binding;
}

const Binding &find_or_build(Relation relation, const Trigger *trigger, Fill_binding fill)
{
    bool found;
    auto *slot = static_cast<BindingSlot *>(hash_search(bindings, &trigger->tgoid, HASH_ENTER, &found));
    if (!found)
        slot->binding = nullptr;
    if (slot->binding != nullptr && slot->binding->valid)
        return *slot->binding;
    Binding *built = build(relation, trigger, fill);
    // Building may have looked at catalogs and invalidated; the slot itself stays where it is.
    if (slot->binding != nullptr) {
        MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);
        replaced = lappend(replaced, slot->binding->context);
        MemoryContextSwitchTo(caller);
    }
    slot->binding = built;
    return *built;
}

}  // namespace

const Binding &bind_sessions(Relation relation, const Trigger *trigger)
{
    for (;;) {
        const Binding &binding = find_or_build(relation, trigger, fill_sessions_binding);
        // The lock, kept as a foreign key's is, takes in what changed before it: an index that was dropped, say.
        LockRelationOid(binding.subscriptions.relation, AccessShareLock);
        if (binding.valid)
            return binding;
    }
}

const Binding &bind_subscriptions(Relation relation, const Trigger *trigger)
{
    return find_or_build(relation, trigger, fill_subscriptions_binding);
}

void forget_replaced_bindings()
{
    ListCell *cell;
    foreach (cell, replaced)
        MemoryContextDelete(static_cast<MemoryContext>(lfirst(cell)));
    list_free(replaced);
    replaced = NIL;
}

void init_bindings()
{
    HASHCTL control{};
    control.keysize = sizeof(Oid);
    control.entrysize = sizeof(BindingSlot);
    bindings = hash_create("session_consistency bindings", 32, &control, HASH_ELEM | HASH_BLOBS);
    CacheRegisterRelcacheCallback(invalidate, 0);
    CacheRegisterSyscacheCallback(ENUMOID, invalidate_all, 0);
}

}  // namespace sc
