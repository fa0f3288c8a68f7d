// What of an attachment is there already.
#include "catalog/equivalents.hpp"

#include "catalog/counting.hpp"
#include "server/pg_compat.hpp"

namespace sc {

Oid find_active_index(Relation subscriptions, AttrNumber member, const char *active_condition)
{
    List *active = parse_condition(subscriptions, active_condition, false);
    return find_index(subscriptions, [=](Relation index) {
        const Form_pg_index form = index->rd_index;
        return is_usable_btree(index) && form->indisunique && form->indimmediate && form->indnkeyatts == 1 &&
               form->indkey.values[0] == member && covers(index, active);
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

const char *counter_condition(const Mapping &mapping)
{
    const char *used = quote_identifier(mapping.used_column);
    return psprintf("%s >= 0 AND %s <= %s", used, used, quote_identifier(mapping.total_column));
}

const char *linked_condition(const Mapping &mapping)
{
    return psprintf("%s IS NOT NULL", quote_identifier(mapping.subscription_column));
}

const char *link_check_condition(const Mapping &mapping)
{
    const char *linked = linked_condition(mapping);
    if (mapping.type_column == nullptr)
        return linked;
    return psprintf("%s OR NOT (%s)", linked, consuming_condition(mapping, nullptr));
}

}  // namespace sc
