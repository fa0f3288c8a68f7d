// What of an attachment is there already.
#include "catalog/equivalents.hpp"

#include <algorithm>

namespace sc {

Oid find_active_index(Relation subscriptions, AttrNumber member, const char *active_condition, Oid except)
{
    List *active = parse_condition(subscriptions, active_condition, false);
    return find_index(subscriptions, [=](Relation index) {
        const Form_pg_index form = index->rd_index;
        return form->indexrelid != except && is_usable_btree(index) && form->indisunique && form->indimmediate &&
               form->indnkeyatts == 1 && form->indkey.values[0] == member && covers(index, active);
    });
}

Oid find_member_index(Relation subscriptions, AttrNumber member)
{
    return find_index(subscriptions, [=](Relation index) {
        return is_usable_btree(index) && index->rd_index->indkey.values[0] == member &&
               index_predicate(index) == NIL;
    });
}

Oid find_link_index(Relation sessions, AttrNumber link, AttrNumber member, const char *linked_condition)
{
    List *linked = parse_condition(sessions, linked_condition, false);
    return find_index(sessions, [=](Relation index) {
        const Form_pg_index form = index->rd_index;
        const int16 *keys = form->indkey.values;
        const bool leads = keys[0] == link || (member != 0 && form->indnkeyatts > 1 && keys[0] == member &&
                                               keys[1] == link);
        return is_usable_btree(index) && leads && covers(index, linked);
    });
}

std::optional<ForeignKey> find_counter_key(Oid subscriptions, const Mapping &mapping)
{
    for (const char *name : {mapping.used_column, mapping.remaining_column, mapping.carried_column}) {
        const std::optional<Column> column = name == nullptr ? std::nullopt : find_column(subscriptions, name);
        if (!column)
            continue;
        const std::span<const ForeignKey> keys = foreign_keys_on(subscriptions, column->number);
        if (!keys.empty())
            return keys.front();
    }
    return std::nullopt;
}

const char *key_fault(const ForeignKey &key, AttrNumber link)
{
    const auto sets = [](char action) {
        return action == FKCONSTR_ACTION_SETNULL || action == FKCONSTR_ACTION_SETDEFAULT;
    };
    if (!key.enforced)
        return "is not enforced";
    if (key.on_delete == FKCONSTR_ACTION_SETDEFAULT)
        return "gives sessions another link when their subscription is deleted";
    if (sets(key.on_update))
        return "takes the link from sessions when the key of their subscription changes";
    if (key.match == FKCONSTR_MATCH_FULL)
        return "is MATCH FULL, which refuses a session without a link";
    const bool link_alone = key.set_on_delete.size() == 1 && key.set_on_delete.front() == link;
    if (key.on_delete == FKCONSTR_ACTION_SETNULL && key.columns.size() > 1 && !link_alone)
        return "takes the member from sessions, too, when their subscription is deleted";
    return nullptr;
}

const char *find_blocking_index(Relation subscriptions, const Mapping &mapping)
{
    const Oid table = RelationGetRelid(subscriptions);
    // The condition is the server's own for a key that a foreign key may refer to.
    const Oid blocking = find_index(subscriptions, [&](Relation index) {
        const Form_pg_index form = index->rd_index;
        if (!form->indisunique || !heap_attisnull(index->rd_indextuple, Anum_pg_index_indexprs, nullptr) ||
            !heap_attisnull(index->rd_indextuple, Anum_pg_index_indpred, nullptr))
            return false;
        const std::span keys(form->indkey.values, form->indnkeyatts);
        const auto holds = [&](const char *column) {
            return column != nullptr && std::find(keys.begin(), keys.end(), get_attnum(table, column)) != keys.end();
        };
        return holds(mapping.used_column) || holds(mapping.remaining_column) || holds(mapping.carried_column);
    });
    return OidIsValid(blocking) ? get_rel_name(blocking) : nullptr;
}

}  // namespace sc
