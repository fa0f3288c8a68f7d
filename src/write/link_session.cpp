// BEFORE ROW trigger of the sessions: fills in a missing link, puts one back or clears one, as fill_link() decides.
// Never refuses a row: another trigger may still change it, and ON CONFLICT may drop it. charge_sessions judges what is
// stored.
#include "server/triggers.hpp"
#include "store/subscription_row.hpp"
#include "write/drawn_links.hpp"
#include "write/link_cache.hpp"
#include "write/mend_link.hpp"
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
    return id ? link_to(binding, *id) : std::nullopt;
}

// Drawn links --------------------------------------------------------------------------------------------------------

// A row whose link is drawn.
struct DrawnRow {
    const RowAtHand *row;
    const SessionRow *before;          // nullptr: the row is new
    SessionRow after;                  // with the link that it keeps, if the statement names none
    bool named;
    bool emptied;                      // NULL was written over the link that it keeps
    bool pays_differently;             // a value that pays_when reads has changed
};
static_assert(Pod<DrawnRow>);

// What the session needs more than it holds of the subscription with that link.
int64_t additional_cost(const DrawnRow &drawn)
{
    const bool held_before = drawn.before != nullptr && counted(drawn.before->session) &&
                             drawn.before->session.linked;
    return drawn.after.session.cost - (held_before ? drawn.before->session.cost : 0);
}

// True if the link that the session keeps allows what it needs now. What is completed may stay with any subscription of
// its member that has room, which the statement's end judges.
bool allows(const DrawnRow &drawn, const Change &change, Relation subscriptions, Datum member)
{
    const Binding &binding = *drawn.row->binding;
    // In a composite key the same number is another subscription, unless the old one has followed to the new member.
    const bool followed = only_member_changed(change) && (!binding.subscriptions.by_member ||
                                                          is_left_behind(binding, *drawn.before));
    if ((credits_of(drawn.after.session).scheduled == 0 || followed) &&
        leads_to_member(binding, subscriptions, drawn.after))
        return true;
    const std::optional<Datum> id = link_key(binding, drawn.after);
    const Need need{drawn.after.start, Max(additional_cost(drawn), int64_t{0}), drawn.row->slot};
    return id && may_keep(binding, subscriptions, member, *id, need, drawn.row->depth);
}

// The link to the subscription that is drawn for the row; absent if nothing is drawn. A kept link that is not allowed
// stays if no subscription could pay: the statement's end says why.
std::optional<Datum> draw(const DrawnRow &drawn, const Change &change)
{
    const Binding &binding = *drawn.row->binding;
    const SubscriptionShape &shape = binding.subscriptions;
    const std::optional<Datum> member = member_key(binding, drawn.after);
    if (!member)
        return std::nullopt;
    Relation subscriptions = table_open(shape.relation, AccessShareLock);
    const Candidate *candidate = nullptr;
    if (!drawn.after.session.linked || !allows(drawn, change, subscriptions, *member))
        candidate = draw_candidate(binding, subscriptions, *member,
                                   {drawn.after.start, drawn.after.session.cost, drawn.row->slot}, drawn.row->depth);
    table_close(subscriptions, AccessShareLock);
    return candidate == nullptr ? std::nullopt : link_to(binding, candidate->id);
}

// Sets *link if the row gets another one than it keeps or names.
HeapTuple fill_drawn(const DrawnRow &drawn, std::optional<Datum> *link)
{
    const RowAtHand &row = *drawn.row;
    Change change = change_between(row.binding->sessions, drawn.before, &drawn.after);
    change.same_need &= !drawn.pays_differently;
    const auto kept = [&] {
        return drawn.emptied && !is_left_behind(*row.binding, drawn.after) ? with_link(row, drawn.after.link)
                                                                           : row.tuple;
    };
    switch (draw_link(change, drawn.named, drawn.emptied)) {
        case Draw::keep:
            return row.tuple;
        case Draw::clear:
            return with_link(row, std::nullopt);
        case Draw::put_back:
            return kept();
        case Draw::clear_unfit:
            return is_left_behind(*row.binding, drawn.after) ? with_link(row, std::nullopt) : row.tuple;
        case Draw::keep_or_draw:
        case Draw::draw:
            *link = draw(drawn, change);
            if (*link)
                return with_link(row, *link);
            // A composite foreign key would refuse the row before the statement ends, and say less.
            if (row.binding->subscriptions.by_member && drawn.before != nullptr && !change.same_member &&
                is_left_behind(*row.binding, drawn.after))
                return with_link(row, std::nullopt);
            return kept();
    }
    return row.tuple;
}

// The row without the link that the application has written, if such links do not count.
RowAtHand ignore_named_link(const RowAtHand &row, const SessionRow *before, SessionRow &after)
{
    RowAtHand ignored = row;
    const bool linked = before != nullptr && before->session.linked;
    after.session.linked = linked;
    after.link = linked ? before->link : Datum{0};
    ignored.tuple = with_link(row, linked ? std::optional(before->link) : std::nullopt);
    return ignored;
}

// True if the application has written another link, and such links do not count. If the subscription that the session
// had is gone, the foreign key has written this one.
bool is_named_in_vain(const Binding &binding, const SessionRow &before, const SessionRow &after)
{
    return !binding.sessions.named_links && after.session.linked &&
           !(before.session.linked && is_left_behind(binding, before));
}

// The same row with the link that it keeps, if NULL was written over it.
void put_back_kept(DrawnRow &drawn)
{
    const Change change = change_between(drawn.row->binding->sessions, drawn.before, &drawn.after);
    drawn.emptied = emptied(change);
    if (!drawn.emptied)
        return;
    drawn.after.session.linked = true;
    drawn.after.link = drawn.before->link;
}

HeapTuple draw_update(const RowAtHand &row, const SessionRow &before, SessionRow after)
{
    const Change change = change_between(row.binding->sessions, &before, &after);
    const bool own_choice = after.session.linked && was_proposed_with_searched_link(row.depth) &&
                            take_back_proposed(*row.binding, after.link, row.depth);
    RowAtHand filled = row;
    if (!change.same_link && (own_choice || is_named_in_vain(*row.binding, before, after)))
        filled = ignore_named_link(row, &before, after);
    DrawnRow drawn{&filled, &before, after, false, false,
                   touches_payment(row.binding->sessions, row.data->tg_trigslot, row.data->tg_newslot)};
    put_back_kept(drawn);
    drawn.named = !drawn.emptied && after.session.linked &&
                  !change_between(row.binding->sessions, &before, &after).same_link;
    std::optional<Datum> link;
    HeapTuple tuple = fill_drawn(drawn, &link);
    if (link)
        note_redrawn(row.data->tg_relation, row.data->tg_trigtuple->t_self, row.depth);
    return tuple;
}

// Notes the link with which a row is proposed, which the extension has not drawn just now.
void note_link(const RowAtHand &row, HeapTuple tuple, bool was_drawn)
{
    bool is_null = false;
    const Datum link =
        heap_getattr(tuple, row.binding->sessions.link, RelationGetDescr(row.data->tg_relation), &is_null);
    if (!is_null)
        note_proposed(*row.binding, link, was_drawn, row.slot, row.depth);
}

HeapTuple draw_insert(const RowAtHand &row, SessionRow after)
{
    RowAtHand filled = row;
    if (after.session.linked && !row.binding->sessions.named_links)
        filled = ignore_named_link(row, nullptr, after);
    const DrawnRow drawn{&filled, nullptr, after, after.session.linked, false, false};
    std::optional<Datum> link;
    HeapTuple tuple = fill_drawn(drawn, &link);
    note_searched_link(row.depth, link.has_value());
    if (link)
        note_proposed(*row.binding, *link, true, row.slot, row.depth);
    else if (after.session.linked)
        note_link(row, tuple, false);
    return tuple;
}

// A row that arrives from another partition: if its link was drawn there, that stays.
HeapTuple draw_arrival(const RowAtHand &row, const MovedRow &moved, const SessionRow &before, SessionRow after)
{
    const SessionShape &shape = row.binding->sessions;
    const bool redrawn = was_redrawn(moved.partition, moved.row->tts_tid, row.depth);
    const Change change = change_between(shape, &before, &after);
    DrawnRow drawn{&row, &before, after, redrawn || (!change.same_link && after.session.linked), false,
                   false};
    put_back_kept(drawn);
    std::optional<Datum> link;
    HeapTuple tuple = fill_drawn(drawn, &link);
    if (link)
        note_proposed(*row.binding, *link, true, row.slot, row.depth);
    else
        note_link(row, tuple, redrawn);
    return tuple;
}

HeapTuple fill(const RowAtHand &row, const SessionRow *before, const SessionRow &after)
{
    switch (fill_link(change_between(row.binding->sessions, before, &after))) {
        case Fill::keep:
            break;
        case Fill::clear:
            return with_link(row, std::nullopt);
        case Fill::clear_unfit:
            return is_left_behind(*row.binding, after) ? with_link(row, std::nullopt) : row.tuple;
        case Fill::put_back:
            // If that subscription is gone, the NULL was written by the foreign key's ON DELETE SET NULL. It stays: the
            // session is not moved to another subscription.
            return is_left_behind(*row.binding, *before) ? row.tuple : with_link(row, before->link);
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
    SessionRow before = read_session(shape, row.data->tg_trigslot);
    SessionRow after = read_session(shape, row.data->tg_newslot);
    if (follows_key(*row.binding, before, stored_by(row.data->tg_trigtuple), after))
        before.link = after.link;
    if (row.binding->subscriptions.draws)
        return draw_update(row, before, after);
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
        HeapTuple filled = row.binding->subscriptions.draws && shape != nullptr
                               ? draw_arrival(row, moved, before, after)
                               : fill(row, shape == nullptr ? nullptr : &before, after);
        close_moved_row(moved);
        return filled;
    }
    if (row.binding->subscriptions.draws)
        return draw_insert(row, after);
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
