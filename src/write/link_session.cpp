// BEFORE ROW trigger of the sessions: fills in a missing link, puts one back or clears one, as fill_link() decides.
// Never refuses a row: another trigger may still change it, and ON CONFLICT may drop it. charge_sessions judges what is
// stored.
#include "server/triggers.hpp"
#include "store/subscription_row.hpp"
#include "write/link_cache.hpp"
#include "write/moved_row.hpp"

extern "C" {
PG_FUNCTION_INFO_V1(sc_link_session);
}

namespace sc {

namespace {

struct RowAtHand {
    TriggerData *data;
    const Binding *binding;
    int depth;
    HeapTuple tuple;               // the row as it would be stored
    TupleTableSlot *slot;
};
static_assert(Pod<RowAtHand>);

HeapTuple with_link(const RowAtHand &row, std::optional<Datum> link)
{
    int column = row.binding->sessions.link;
    Datum value = link.value_or(Datum{0});
    bool is_null = !link;
    return heap_modify_tuple_by_cols(row.tuple, RelationGetDescr(row.data->tg_relation), 1, &column, &value, &is_null);
}

// The one active subscription of a member; absent if there is none, or more than one: that is judged later.
std::optional<Datum> look_up_active(const Binding &binding, Relation subscriptions, Datum member, int depth)
{
    if (const std::optional<Datum> known = recall_link(binding, member, depth))
        return known;
    const ActiveSubscription active = find_active_subscription(subscriptions, binding.subscriptions, member);
    if (active.count != 1)
        return std::nullopt;
    remember_link(binding, member, active, depth);
    return active.id;
}

// True if the session's link leads to a subscription of its member. That can be so after the session's member has
// changed, too: if the key of a member changes, the cascade may have reached his subscription first.
bool leads_to_member(const Binding &binding, Relation subscriptions, const SessionRow &session)
{
    const std::optional<Datum> member = member_key(binding, session);
    const std::optional<Datum> link = link_key(binding, session);
    return member && link && subscription_has_member(subscriptions, binding.subscriptions, *link, *member);
}

// The link that the session gets; absent: it keeps the one that it has.
std::optional<Datum> look_up_link(const RowAtHand &row, const SessionRow &session)
{
    const Binding &binding = *row.binding;
    const std::optional<Datum> member = member_key(binding, session);
    if (!member)
        return std::nullopt;
    const SubscriptionShape &shape = binding.subscriptions;
    Relation subscriptions = table_open(shape.relation, AccessShareLock);
    std::optional<Datum> id;
    if (!leads_to_member(binding, subscriptions, session))
        id = look_up_active(binding, subscriptions, *member, row.depth);
    table_close(subscriptions, AccessShareLock);
    return id ? convert_key(*id, shape.id_key.type, binding.sessions.link_type) : std::nullopt;
}

bool is_unfit(const RowAtHand &row, const SessionRow &session)
{
    Relation subscriptions = table_open(row.binding->subscriptions.relation, AccessShareLock);
    const bool fits = leads_to_member(*row.binding, subscriptions, session);
    table_close(subscriptions, AccessShareLock);
    return !fits;
}

HeapTuple fill(const RowAtHand &row, const SessionRow *before, const SessionRow &after)
{
    switch (fill_link(change_between(row.binding->sessions, before, &after))) {
        case Fill::keep:
            break;
        case Fill::clear:
            return with_link(row, std::nullopt);
        case Fill::clear_unfit:
            return is_unfit(row, after) ? with_link(row, std::nullopt) : row.tuple;
        case Fill::put_back:
            // If that subscription is gone, the NULL was written by the foreign key's ON DELETE SET NULL. It stays: the
            // session is not moved to another subscription.
            return is_unfit(row, *before) ? row.tuple : with_link(row, before->link);
        case Fill::look_up:
            if (const std::optional<Datum> link = look_up_link(row, after))
                return with_link(row, link);
    }
    return row.tuple;
}

// True in ON CONFLICT DO UPDATE SET link = EXCLUDED.link: the statement writes the link that the extension has chosen
// for the proposed row, so it does not name one itself.
bool is_own_choice(const RowAtHand &row, const SessionRow &before, const SessionRow &after)
{
    const Change change = change_between(row.binding->sessions, &before, &after);
    if (!before.session.linked || !after.session.linked || !change.same_member || change.same_link ||
        !was_proposed_with_searched_link(row.depth))
        return false;
    SessionRow unlinked = after;
    unlinked.session.linked = false;
    const std::optional<Datum> searched = look_up_link(row, unlinked);
    const SessionShape &shape = row.binding->sessions;
    return searched && datum_image_eq(*searched, after.link, shape.link_by_value, shape.link_length);
}

HeapTuple fill_update(const RowAtHand &row)
{
    const SessionShape &shape = row.binding->sessions;
    if (row.data->tg_relation->rd_rel->relispartition)
        note_moving_row(row.depth, row.data->tg_relation, row.data->tg_trigtuple->t_self);
    if (!touches_rules(shape, row.data->tg_trigslot, row.data->tg_newslot))
        return row.tuple;
    const SessionRow before = read_session(shape, row.data->tg_trigslot);
    SessionRow after = read_session(shape, row.data->tg_newslot);
    if (is_own_choice(row, before, after))
        after.session.linked = false;
    return fill(row, &before, after);
}

// The shape of the partition that the row has left, for the same attachment; nullptr if that one has no such trigger.
const SessionShape *shape_there(const RowAtHand &row, Relation partition)
{
    const TriggerDesc *triggers = copy_triggers(partition);
    for (int i = 0; triggers != nullptr && i < triggers->numtriggers; i++)
        if (strcmp(triggers->triggers[i].tgname, row.data->tg_trigger->tgname) == 0)
            return &bind_sessions(partition, &triggers->triggers[i]).sessions;
    return nullptr;
}

HeapTuple fill_insert(const RowAtHand &row)
{
    const SessionRow after = read_session(row.binding->sessions, row.slot);
    MovedRow moved;
    if (row.data->tg_relation->rd_rel->relispartition && open_moved_row(row.depth, row.data, &moved)) {
        const SessionShape *shape = shape_there(row, moved.partition);
        SessionRow before{};
        if (shape != nullptr)
            before = read_session(*shape, moved.row);
        HeapTuple filled = fill(row, shape == nullptr ? nullptr : &before, after);
        close_moved_row(moved);
        return filled;
    }
    HeapTuple filled = fill(row, nullptr, after);
    note_searched_link(row.depth, filled != row.tuple && !after.session.linked);
    return filled;
}

}  // namespace

}  // namespace sc

extern "C" PGDLLEXPORT Datum sc_link_session(PG_FUNCTION_ARGS)
{
    using namespace sc;
    TriggerData *data = row_trigger_call(fcinfo, "link_session", Timing::before, false);
    const Binding &binding = bind_sessions(data->tg_relation, data->tg_trigger);
    if (TRIGGER_FIRED_BY_UPDATE(data->tg_event))
        return PointerGetDatum(fill_update({data, &binding, trigger_depth(), data->tg_newtuple, data->tg_newslot}));
    return PointerGetDatum(fill_insert({data, &binding, trigger_depth(), data->tg_trigtuple, data->tg_trigslot}));
}
