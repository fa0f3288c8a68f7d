// Counts sessions by the keys of their subscriptions.
#include "store/recount.hpp"

#include "catalog/counting.hpp"
#include "catalog/equivalents.hpp"
#include "server/operators.hpp"
#include "server/settings.hpp"
#include "server/spi.hpp"

namespace sc {

namespace {

bool has_link_index(Relation sessions, const Mapping &mapping, bool by_member)
{
    const AttrNumber link = get_attnum(RelationGetRelid(sessions), mapping.subscription_column);
    const AttrNumber member = by_member ? get_attnum(RelationGetRelid(sessions), mapping.member_column) : 0;
    return OidIsValid(find_link_index(sessions, link, member, linked_condition(mapping)));
}

// One scan counts them all for less than looking up each, once there are so many. A table that was never analyzed has
// no number of rows.
bool is_worth_scan(Relation sessions, size_t subscriptions)
{
    constexpr double rows_of_one_lookup = 10;
    const double rows = sessions->rd_rel->reltuples;
    return rows > 0 && static_cast<double>(subscriptions) * rows_of_one_lookup >= rows;
}

// The planner knows nothing of links that are being written. With an index: subscription by subscription, which is what
// an aggregate at the side makes sure of, and never by a scan of the table; else in whatever way it finds.
const char *recount_query(Relation table, const Mapping &mapping, const Binding &binding, bool by_index)
{
    const SessionShape &shape = binding.sessions;
    const Oid sessions_table = RelationGetRelid(table);
    const bool by_member = binding.subscriptions.by_member;
    const char *keys = by_member ? "unnest($1, $2) WITH ORDINALITY AS u (id, member, number)"
                                 : "unnest($1) WITH ORDINALITY AS u (id, number)";
    const char *same_link = equals(column_operand("t", sessions_table, mapping.subscription_column),
                                   list_element("u.id", shape.link_type));
    const char *same_member =
        by_member ? psprintf(" AND %s", equals(column_operand("t", sessions_table, mapping.member_column),
                                               list_element("u.member", shape.member_type)))
                  : "";
    const char *sessions = psprintf("%s AS t WHERE %s%s AND %s", qualified_name(sessions_table), same_link,
                                    same_member, counted_condition(mapping, "t"));
    const char *held = credits_expression(mapping, "t", nullptr);
    return by_index ? psprintf("SELECT u.number, c.counted FROM %s, LATERAL (SELECT %s AS counted FROM %s) AS c", keys,
                               held, sessions)
                    : psprintf("SELECT u.number, %s FROM %s, %s GROUP BY u.number", held, keys, sessions);
}

// The keys as the sessions have them; NULL where they can have none such.
ListParameter keys_of(std::span<const Recounted> subscriptions, bool members, Oid from, Oid to)
{
    auto *values = static_cast<Datum *>(palloc(sizeof(Datum) * subscriptions.size()));
    auto *nulls = static_cast<bool *>(palloc(sizeof(bool) * subscriptions.size()));
    for (size_t i = 0; i < subscriptions.size(); i++) {
        const Recounted &one = subscriptions[i];
        const bool is_null = members && one.member_is_null;
        const std::optional<Datum> value =
            is_null ? std::nullopt : convert_key(members ? one.member : one.id, from, to);
        values[i] = value.value_or(Datum{0});
        nulls[i] = !value;
    }
    return list_parameter(std::span<const Datum>(values, subscriptions.size()), nulls, to);
}

}  // namespace

void recount(Relation sessions, const Mapping &mapping, const Binding &binding, std::span<Recounted> subscriptions)
{
    const SessionShape &shape = binding.sessions;
    const SubscriptionShape &keys = binding.subscriptions;
    if (subscriptions.empty())
        return;
    for (Recounted &one : subscriptions)
        one.counted = 0;
    const int level = enter_pinned_path();
    const bool by_scan = is_worth_scan(sessions, subscriptions.size());
    const bool by_index = !by_scan && has_link_index(sessions, mapping, keys.by_member);
    if (by_scan)
        join_by_hash();
    set_locally("enable_seqscan", by_index ? "off" : "on");
    set_locally("jit", "off");
    set_locally("max_parallel_workers_per_gather", "0");
    const ListParameter links = keys_of(subscriptions, false, keys.id_key.type, shape.link_type);
    const ListParameter members =
        keys.by_member ? keys_of(subscriptions, true, keys.member_key.type, shape.member_type) : ListParameter{};
    Oid types[] = {links.type, members.type};
    Datum values[] = {links.value, members.value};
    const size_t parameters = keys.by_member ? 2 : 1;
    ask(recount_query(sessions, mapping, binding, by_index),
        {.types = std::span(types).first(parameters), .values = std::span(values).first(parameters)});
    for (uint64 i = 0; i < SPI_processed; i++) {
        bool is_null;
        const int64 number =
            DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &is_null));
        subscriptions[number - 1].counted =
            DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 2, &is_null));
    }
    SPI_freetuptable(SPI_tuptable);
    leave_pinned_path(level);
}

}  // namespace sc
