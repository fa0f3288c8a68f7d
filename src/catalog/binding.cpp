// Binds a trigger to the relation it fires on.
#include "catalog/binding.hpp"

#include "catalog/evaluation.hpp"
#include "catalog/plain_write.hpp"
#include "server/pg_compat.hpp"

namespace sc {

namespace {

struct BindingSlot {
    Oid trigger;
    Binding *binding;
};

// By the triggers' oids. Those of one relation that have the same arguments share one binding.
struct Bindings {
    HTAB *slots;
    uint64 invalidations;      // that have arrived so far
    bool any_invalid;          // since the last transaction ended
    List *replaced;            // contexts of bindings that were built anew while a caller may still hold the old one
};
Bindings bindings;

void invalidate(Datum, Oid relation)
{
    if (bindings.slots == nullptr)
        return;
    bindings.invalidations++;
    HASH_SEQ_STATUS scan;
    hash_seq_init(&scan, bindings.slots);
    while (auto *slot = static_cast<BindingSlot *>(hash_seq_search(&scan))) {
        Binding *binding = slot->binding;
        if (binding == nullptr || (OidIsValid(relation) && relation != binding->subscriptions.relation &&
                                   relation != binding->sessions.relation))
            continue;
        binding->valid = false;
        bindings.any_invalid = true;
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

std::span<char *const> arguments_of(const Trigger &trigger)
{
    return std::span<char *const>(trigger.tgargs, trigger.tgnargs);
}

// True if no other attachment's charge trigger is sure to fire after this attachment's for the same row.
bool is_last_of_row(Relation relation, const Mapping &own)
{
    const TriggerDesc *triggers = copy_triggers(relation);
    const Oid charge = trigger_function(function::charge);
    bool last = true;
    for (int i = 0; triggers != nullptr && i < triggers->numtriggers; i++) {
        const Trigger &trigger = triggers->triggers[i];
        if (trigger.tgfoid != charge)
            continue;
        if (says_the_same(arguments_of(trigger), own))
            last = true;
        else if (trigger.tgqual == nullptr && trigger.tgnattr == 0 &&
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
            errmsg("the owner of relation \"%s\" does not have the privileges of the owner of the subscriptions",
                   RelationGetRelationName(relation)),
            errhint("Give both tables the same owner."), errtable(relation));
}

void require_same_subscriptions(Relation relation, const SessionShape &shape, Oid subscriptions)
{
    const Oid named = named_subscriptions(shape);
    if (OidIsValid(named) && named != subscriptions)
        ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                errmsg("the expressions of relation \"%s\" name columns of table %s", RelationGetRelationName(relation),
                       qualified_name(named)),
                errdetail("Its foreign key leads to table %s.", qualified_name(subscriptions)),
                errhint("Detach and attach again."), errtable(relation));
}

// Everything about a trigger of the sessions, in the current memory context.
void fill_sessions_binding(Binding *binding, Relation relation, const Mapping &mapping)
{
    binding->sessions = make_session_shape(relation, mapping);
    binding->searched = is_searched(mapping);
    bool several = false;
    const std::optional<LinkKey> key =
        find_link_key(relation, binding->sessions.link, binding->sessions.member, &several);
    if (!key)
        raise_no_single_key(relation, mapping.subscription_column, several);
    binding->link_constraint = key->constraint;
    require_countable_key(relation, binding);
    require_same_subscriptions(relation, binding->sessions, key->subscriptions);
    binding->is_last = is_last_of_row(relation, mapping);
    Relation subscriptions = table_open(key->subscriptions, AccessShareLock);
    require_trusted(relation, subscriptions);
    SubscriptionShape &shape = binding->subscriptions;
    shape = make_subscription_shape(subscriptions, mapping);
    shape.id = key->subscription_id;
    shape.id_key = make_key_type(subscriptions, shape.id);
    shape.by_member = key->columns == 2;
    shape.key_index = key->index;
    require_convertible(relation, binding->sessions.link, shape.id_key.type);
    if (binding->searched) {
        require_convertible(relation, binding->sessions.member, shape.member_key.type);
        choose_member_index(&shape, subscriptions);
    }
    choose_plain_write(&shape, subscriptions);
    table_close(subscriptions, AccessShareLock);
    if (mapping.ledger)
        shape.ledger = root_table(relation);
    if (mapping.ledger || shape.draws)
        binding->sessions.name = make_name(relation, binding->sessions);
}

using Fill_binding = void (*)(Binding *, Relation, const Mapping &);

void fill_subscriptions_binding(Binding *binding, Relation relation, const Mapping &mapping)
{
    binding->subscriptions = make_subscription_shape(relation, mapping);
}

// What a binding points to, in a context of its own. What was read to build it is a multiple of that.
Words copy_words(const Words &words, MemoryContext context)
{
    Words copy = words;
    auto *values = static_cast<Datum *>(palloc(sizeof(Datum) * Max(words.values.size(), size_t{1})));
    for (size_t i = 0; i < words.values.size(); i++)
        values[i] = datumCopy(words.values[i], words.by_value, words.length);
    copy.values = std::span<const Datum>(values, words.values.size());
    if (OidIsValid(words.equal.fn_oid))
        fmgr_info_copy(&copy.equal, const_cast<FmgrInfo *>(&words.equal), context);
    return copy;
}

void adopt_key(KeyType &key, MemoryContext context)
{
    for (FmgrInfo *function : {&key.equal, &key.hash, &key.compare})
        if (OidIsValid(function->fn_oid)) {
            const FmgrInfo built = *function;
            fmgr_info_copy(function, const_cast<FmgrInfo *>(&built), context);
        }
}

std::span<const DrawColumn> copy_draw_order(std::span<const DrawColumn> order, MemoryContext context)
{
    auto *columns = static_cast<DrawColumn *>(palloc(sizeof(DrawColumn) * Max(order.size(), size_t{1})));
    for (size_t i = 0; i < order.size(); i++) {
        columns[i] = order[i];
        adopt_key(columns[i].key, context);
    }
    return std::span<const DrawColumn>(columns, order.size());
}

std::span<const NameColumn> copy_name(std::span<const NameColumn> name, MemoryContext context)
{
    auto *columns = static_cast<NameColumn *>(palloc(sizeof(NameColumn) * Max(name.size(), size_t{1})));
    for (size_t i = 0; i < name.size(); i++) {
        columns[i] = name[i];
        fmgr_info_copy(&columns[i].output, const_cast<FmgrInfo *>(&name[i].output), context);
    }
    return std::span<const NameColumn>(columns, name.size());
}

Binding *copy_binding(const Binding &built)
{
    MemoryContext context =
        AllocSetContextCreate(CacheMemoryContext, "session_consistency binding", 0, 2048, ALLOCSET_SMALL_MAXSIZE);
    MemoryContext caller = MemoryContextSwitchTo(context);
    auto *binding = static_cast<Binding *>(palloc(sizeof(Binding)));
    *binding = built;
    binding->context = context;
    adopt_key(binding->subscriptions.id_key, context);
    adopt_key(binding->subscriptions.member_key, context);
    binding->subscriptions.active = copy_words(built.subscriptions.active, context);
    binding->subscriptions.draw_order = copy_draw_order(built.subscriptions.draw_order, context);
    if (built.subscriptions.computed != nullptr)
        binding->subscriptions.computed = copy_computed(*built.subscriptions.computed);
    binding->sessions.consuming = copy_words(built.sessions.consuming, context);
    binding->sessions.scheduled = copy_words(built.sessions.scheduled, context);
    binding->sessions.completed = copy_words(built.sessions.completed, context);
    binding->sessions.name = copy_name(built.sessions.name, context);
    if (built.sessions.evaluation != nullptr)
        binding->sessions.evaluation = copy_evaluation(*built.sessions.evaluation);
    MemoryContextSwitchTo(caller);
    return binding;
}

// Reading the catalogs takes in what others have changed meanwhile: then what was read before may be out of date, and
// nobody would ever say so again.
Binding *build(Relation relation, const Trigger *trigger, Fill_binding fill)
{
    MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "session_consistency binding in the making",
                                                  ALLOCSET_DEFAULT_SIZES);
    MemoryContext caller = MemoryContextSwitchTo(scratch);
    Binding built{};
    uint64 before;
    do {
        CHECK_FOR_INTERRUPTS();
        before = bindings.invalidations;
        built = Binding{};
        const Mapping mapping = parse_mapping(*trigger);
        built.trigger = trigger->tgoid;
        built.guard = guard_of(mapping);
        fill(&built, relation, mapping);
    } while (bindings.invalidations != before);
    built.valid = true;
    MemoryContextSwitchTo(caller);
    Binding *binding = copy_binding(built);
    MemoryContextDelete(scratch);
    return binding;
}

// The binding of another trigger of the relation that says the same: what links a session and what charges it.
Binding *find_shared(Relation relation, const Trigger &trigger)
{
    const TriggerDesc *triggers = copy_triggers(relation);
    Mapping mapping{};
    if (read_mapping(arguments_of(trigger), mapping) != nullptr)
        return nullptr;
    for (int i = 0; triggers != nullptr && i < triggers->numtriggers; i++) {
        const Trigger &other = triggers->triggers[i];
        const auto *slot =
            static_cast<const BindingSlot *>(hash_search(bindings.slots, &other.tgoid, HASH_FIND, nullptr));
        if (slot != nullptr && slot->binding != nullptr && slot->binding->valid &&
            says_the_same(arguments_of(other), mapping))
            return slot->binding;
    }
    return nullptr;
}

void let_go(Binding *binding)
{
    Assert(binding == nullptr || binding->triggers > 0);
    if (binding == nullptr || --binding->triggers > 0)
        return;
    MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);
    bindings.replaced = lappend(bindings.replaced, binding->context);
    MemoryContextSwitchTo(caller);
}

const Binding &find_or_build(Relation relation, const Trigger *trigger, Fill_binding fill)
{
    bool found;
    auto *slot = static_cast<BindingSlot *>(hash_search(bindings.slots, &trigger->tgoid, HASH_ENTER, &found));
    if (!found)
        slot->binding = nullptr;
    if (slot->binding != nullptr && slot->binding->valid)
        return *slot->binding;
    Binding *binding = find_shared(relation, *trigger);
    if (binding == nullptr)
        binding = build(relation, trigger, fill);
    // The slot itself stays where it is, whatever building has invalidated.
    let_go(slot->binding);
    slot->binding = binding;
    binding->triggers++;
    return *binding;
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

namespace {

// Of what is out of date nothing is kept: its table may be gone.
void forget_invalid_bindings()
{
    HASH_SEQ_STATUS scan;
    hash_seq_init(&scan, bindings.slots);
    while (auto *slot = static_cast<BindingSlot *>(hash_seq_search(&scan))) {
        if (slot->binding != nullptr && slot->binding->valid)
            continue;
        let_go(slot->binding);
        hash_search(bindings.slots, &slot->trigger, HASH_REMOVE, nullptr);
    }
}

}  // namespace

void forget_replaced_bindings()
{
    if (bindings.any_invalid)
        forget_invalid_bindings();
    bindings.any_invalid = false;
    end_evaluations();
    ListCell *cell;
    foreach (cell, bindings.replaced)
        MemoryContextDelete(static_cast<MemoryContext>(lfirst(cell)));
    list_free(bindings.replaced);
    bindings.replaced = NIL;
}

void init_bindings()
{
    HASHCTL control{};
    control.keysize = sizeof(Oid);
    control.entrysize = sizeof(BindingSlot);
    bindings.slots = hash_create("session_consistency bindings", 32, &control, HASH_ELEM | HASH_BLOBS);
    CacheRegisterRelcacheCallback(invalidate, 0);
    CacheRegisterSyscacheCallback(ENUMOID, invalidate_all, 0);
}

}  // namespace sc
