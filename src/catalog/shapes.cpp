// Looks up what a mapping names.
#include "catalog/shapes.hpp"

#include <algorithm>

#include "catalog/evaluation.hpp"
#include "catalog/expressions.hpp"

namespace sc {

namespace {

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

}  // namespace

SubscriptionShape make_subscription_shape(Relation relation, const Mapping &mapping)
{
    SubscriptionShape shape{};
    shape.relation = RelationGetRelid(relation);
    if (is_searched(mapping)) {
        shape.member = bound_column(relation, mapping.subscription_member_column);
        shape.member_key = make_key_type(relation, shape.member);
    }
    shape.used = bound_column(relation, mapping.used_column);
    shape.used_type = counter_type(relation, shape.used);
    if (mapping.total_column != nullptr) {
        shape.total = bound_column(relation, mapping.total_column);
        shape.total_type = counter_type(relation, shape.total);
        shape.total_added = mapping.total_added;
    }
    if (mapping.remaining_column != nullptr) {
        shape.remaining = bound_column(relation, mapping.remaining_column);
        shape.remaining_type = counter_type(relation, shape.remaining);
    }
    if (mapping.carried_column != nullptr) {
        shape.carried = bound_column(relation, mapping.carried_column);
        shape.carried_type = counter_type(relation, shape.carried);
    }
    if (mapping.subscription_status_column != nullptr) {
        shape.status = bound_column(relation, mapping.subscription_status_column);
        shape.active = make_words(relation, shape.status, mapping.active_statuses);
    }
    shape.notifies = mapping.notify;
    shape.valid_from = make_moment_column(relation, mapping.valid_from_column);
    shape.valid_until = make_moment_column(relation, mapping.valid_until_column);
    shape.zone = make_zone(mapping.time_zone);
    if (mapping.draw_order != nullptr)
        shape.draw_order = make_draw_order(relation, mapping.draw_order);
    shape.draws = is_searched(mapping) &&
                  (mapping.draw_order != nullptr || when_none_of(mapping) == WhenNone::leave || !mapping.named_links);
    return shape;
}

SessionShape make_session_shape(Relation relation, const Mapping &mapping)
{
    SessionShape shape{};
    shape.relation = RelationGetRelid(relation);
    if (is_searched(mapping)) {
        shape.member = bound_column(relation, mapping.member_column);
        shape.member_type = base_type(relation, shape.member);
        get_typlenbyval(shape.member_type, &shape.member_length, &shape.member_by_value);
    }
    shape.link = bound_column(relation, mapping.subscription_column);
    shape.link_type = base_type(relation, shape.link);
    get_typlenbyval(shape.link_type, &shape.link_length, &shape.link_by_value);
    if (mapping.type_column != nullptr) {
        shape.type = bound_column(relation, mapping.type_column);
        shape.consuming = make_words(relation, shape.type, mapping.consuming_types);
    }
    if (mapping.status_column != nullptr) {
        shape.status = bound_column(relation, mapping.status_column);
        shape.scheduled = make_words(relation, shape.status, mapping.scheduled_statuses);
        shape.completed = make_words(relation, shape.status, mapping.completed_statuses);
        shape.completed_needs_active = mapping.scheduled_statuses.empty();
    }
    if (const Expressions *expressions = require_expressions(shape.relation, mapping))
        shape.evaluation = make_evaluation(relation, *expressions);
    if (mapping.valid_from_column != nullptr || mapping.valid_until_column != nullptr)
        shape.start = make_moment_column(relation, mapping.start_column);
    shape.zone = make_zone(mapping.time_zone);
    shape.named_links = mapping.named_links;
    shape.leaves_unpaid = when_none_of(mapping) == WhenNone::leave;
    return shape;
}

std::optional<Datum> subscription_member(const SubscriptionShape &shape, TupleTableSlot *row)
{
    if (shape.member == 0)
        return std::nullopt;
    bool is_null;
    const Datum member = slot_getattr(row, shape.member, &is_null);
    return is_null ? std::nullopt : std::optional(member);
}

void require_convertible(Relation sessions, AttrNumber column, Oid key_type)
{
    if (!are_convertible(base_type(sessions, column), key_type))
        raise_other_type(sessions, column, psprintf("%s, as in the subscriptions", format_type_be(key_type)));
}

namespace {

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
    return predicate == NIL || (status != 0 && std::all_of(active.values.begin(), active.values.end(), [=](Datum word) {
        return predicate_implied_by(predicate, prepare_clauses(make_equality(relation, status, word), false), false);
    }));
}

}  // namespace

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

std::span<const NameColumn> make_name(Relation relation, const SessionShape &shape)
{
    bool deferrable;
    const Columns key = primary_key_of(relation, &deferrable);
    auto *columns = static_cast<NameColumn *>(palloc0(sizeof(NameColumn) * Max(key.size(), size_t{1})));
    size_t count = 0;
    for (size_t place = 0; place < key.size(); place++) {
        if (!is_in_name(key.size(), key[place] == shape.member))
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

}  // namespace sc
