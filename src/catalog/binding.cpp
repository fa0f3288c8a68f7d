// Binds a trigger to the relation it fires on.
#include "catalog/binding.hpp"

#include "catalog/equivalents.hpp"
#include "server/pg_compat.hpp"
#include "catalog/plain_write.hpp"

#include <algorithm>
#include <limits>

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

// The number of a column that the trigger's arguments name, looked up in this very relation.
AttrNumber bound_column(Relation relation, const char *name)
{
    const AttrNumber column = get_attnum(RelationGetRelid(relation), name);
    if (column <= InvalidAttrNumber)
        ereport(ERROR, errcode(ERRCODE_UNDEFINED_COLUMN),
                errmsg("column \"%s\" of relation \"%s\" is gone, and session_consistency needs it", name,
                       RelationGetRelationName(relation)),
                errdetail("The triggers of the attachment name the column."),
                errhint("Give the column its name back, or detach and attach again with the new name."),
                errtable(relation));
    return column;
}

// The type of a column may have been changed since attach() has looked at it.
[[noreturn]] void raise_other_type(Relation relation, AttrNumber column, const char *needed)
{
    const Form_pg_attribute attribute = column_of(relation, column);
    ereport(ERROR, errcode(ERRCODE_DATATYPE_MISMATCH),
            errmsg("column \"%s\" of relation \"%s\" has type %s, and session_consistency needs %s",
                   NameStr(attribute->attname), RelationGetRelationName(relation),
                   format_type_be(attribute->atttypid), needed),
            errdetail("A type has changed since the tables were attached."),
            errhint("Change it back, or detach and attach again."), errtablecol(relation, column));
    pg_unreachable();
}

Oid counter_type(Relation relation, AttrNumber column)
{
    const Oid type = base_type(relation, column);
    if (!is_integer(type))
        raise_other_type(relation, column, "an integer");
    return type;
}

// The condition "column = word".
Node *make_equality(Relation relation, AttrNumber status, Datum word)
{
    const Form_pg_attribute attribute = column_of(relation, status);
    const Oid base = getBaseType(attribute->atttypid);
    TypeCacheEntry *entry = lookup_type_cache(base, TYPECACHE_EQ_OPR);
    int16 length;
    bool by_value;
    get_typlenbyval(base, &length, &by_value);
    Oid compared;
    Oid right;
    op_input_types(entry->eq_opr, &compared, &right);
    if (IsPolymorphicType(compared))
        compared = base;
    Node *column = reinterpret_cast<Node *>(
        makeVar(1, status, attribute->atttypid, attribute->atttypmod, attribute->attcollation, 0));
    if (compared != attribute->atttypid)
        column = reinterpret_cast<Node *>(makeRelabelType(reinterpret_cast<Expr *>(column), compared, -1,
                                                          attribute->attcollation, COERCE_IMPLICIT_CAST));
    Const *value = makeConst(compared, -1, attribute->attcollation, length, word, false, by_value);
    Expr *clause = make_opclause(entry->eq_opr, BOOLOID, false, reinterpret_cast<Expr *>(column),
                                 reinterpret_cast<Expr *>(value), InvalidOid, attribute->attcollation);
    set_opfuncid(reinterpret_cast<OpExpr *>(clause));
    return reinterpret_cast<Node *>(clause);
}

// True where the index finds the rows of a member, and leaves out at most rows that are not active.
bool finds_active(Relation relation, Relation index, AttrNumber member, AttrNumber status,
                  const Words &active)
{
    if (!index->rd_index->indisvalid || index->rd_rel->relam != BTREE_AM_OID ||
        index->rd_index->indkey.values[0] != member)
        return false;
    List *predicate = index_predicate(index);
    return predicate == NIL || std::all_of(active.values.begin(), active.values.end(), [=](Datum word) {
        return predicate_implied_by(predicate, list_make1(make_equality(relation, status, word)), false);
    });
}

// Looks for the index that finds a member's active subscriptions: rather one that allows only one, rather a partial
// one, which holds the fewest rows to look at.
void choose_member_index(SubscriptionShape *shape, Relation relation)
{
    int best = 0;
    ListCell *cell;
    foreach (cell, RelationGetIndexList(relation)) {
        Relation index = index_open(lfirst_oid(cell), AccessShareLock);
        if (finds_active(relation, index, shape->member, shape->status, shape->active)) {
            const Form_pg_index form = index->rd_index;
            const bool unique = form->indisunique && form->indimmediate && form->indnkeyatts == 1;
            const int rank = 1 + (index_predicate(index) != NIL ? 1 : 0) + (unique ? 2 : 0);
            if (rank > best) {
                best = rank;
                shape->member_index = RelationGetRelid(index);
                shape->one_active = unique;
            }
        }
        index_close(index, AccessShareLock);
    }
}

}  // namespace

SubscriptionShape make_subscription_shape(Relation relation, const Mapping &mapping)
{
    SubscriptionShape shape{};
    shape.relation = RelationGetRelid(relation);
    shape.member = bound_column(relation, mapping.subscription_member_column);
    shape.status = bound_column(relation, mapping.subscription_status_column);
    shape.total = bound_column(relation, mapping.total_column);
    shape.used = bound_column(relation, mapping.used_column);
    shape.total_type = counter_type(relation, shape.total);
    shape.used_type = counter_type(relation, shape.used);
    if (mapping.remaining_column != nullptr) {
        shape.remaining = bound_column(relation, mapping.remaining_column);
        shape.remaining_type = counter_type(relation, shape.remaining);
    }
    shape.member_key = make_key_type(relation, shape.member);
    shape.active = make_words(relation, shape.status, mapping.active_statuses);
    shape.plain = writes_plainly(shape, relation);
    return shape;
}

SessionShape make_session_shape(Relation relation, const Mapping &mapping)
{
    SessionShape shape{};
    shape.relation = RelationGetRelid(relation);
    shape.member = bound_column(relation, mapping.member_column);
    shape.link = bound_column(relation, mapping.subscription_column);
    shape.status = bound_column(relation, mapping.status_column);
    shape.member_type = base_type(relation, shape.member);
    shape.link_type = base_type(relation, shape.link);
    get_typlenbyval(shape.member_type, &shape.member_length, &shape.member_by_value);
    get_typlenbyval(shape.link_type, &shape.link_length, &shape.link_by_value);
    if (mapping.type_column != nullptr) {
        shape.type = bound_column(relation, mapping.type_column);
        shape.consuming = make_words(relation, shape.type, mapping.consuming_types);
    }
    shape.scheduled = make_words(relation, shape.status, mapping.scheduled_statuses);
    shape.completed = make_words(relation, shape.status, mapping.completed_statuses);
    return shape;
}

namespace {

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

// The key must be of the kind that attach() makes: one that moves or clears links by itself, or looks at them later,
// would change sessions in ways that count as bookings.
void require_plain_key(Relation relation, Oid constraint)
{
    HeapTuple tuple = SearchSysCache1(CONSTROID, ObjectIdGetDatum(constraint));
    if (!HeapTupleIsValid(tuple))
        elog(ERROR, "cache lookup failed for constraint %u", constraint);
    auto *key = reinterpret_cast<Form_pg_constraint>(GETSTRUCT(tuple));
    const auto stays = [](char action) {
        return action == FKCONSTR_ACTION_NOACTION || action == FKCONSTR_ACTION_RESTRICT;
    };
    if (!stays(key->confupdtype) || !stays(key->confdeltype) || key->condeferrable || !is_enforced(key))
        ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                errmsg("foreign key \"%s\" of relation \"%s\" cascades, sets values or is deferred",
                       NameStr(key->conname), RelationGetRelationName(relation)),
                errhint("Make it NO ACTION and NOT DEFERRABLE, as session_consistency.attach() does."),
                errtable(relation));
    ReleaseSysCache(tuple);
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

// The sessions' primary key. Of a key of two columns the member is left out, as in audit_findings().
std::span<const NameColumn> make_name(Relation relation, const SessionShape &shape)
{
    bool deferrable;
    const Columns key = primary_key_of(relation, &deferrable);
    auto *columns = static_cast<NameColumn *>(palloc0(sizeof(NameColumn) * Max(key.size(), size_t{1})));
    size_t count = 0;
    for (size_t place = 0; place < key.size(); place++) {
        if (key.size() == 2 && key[place] == shape.member)
            continue;
        Oid output;
        bool varlena;
        NameColumn &name = columns[count++];
        name.column = key[place];
        name.place = static_cast<uint16>(place);
        name.type = base_type(relation, name.column);
        getTypeOutputInfo(name.type, &output, &varlena);
        fmgr_info(output, &name.output);
    }
    return std::span<const NameColumn>(columns, count);
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
    require_plain_key(relation, key->constraint);
    binding->link_constraint = key->constraint;
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

void require_convertible(Relation sessions, AttrNumber column, Oid key_type)
{
    if (!are_convertible(base_type(sessions, column), key_type))
        raise_other_type(sessions, column, psprintf("%s, as in the subscriptions", format_type_be(key_type)));
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
