// Charges a stored row to its statement.
#include "write/charge_row.hpp"

#include "store/ledger_names.hpp"
#include "write/changed_keys.hpp"
#include "write/claims.hpp"
#include "write/drawn_links.hpp"
#include "write/mend_link.hpp"
#include "write/session_errors.hpp"

namespace sc {

namespace {

// The key of the subscription that the session is linked to; absent if the link leads nowhere: it is NULL or no
// value of the key's type, or the key is composite and that is true of the member.
std::optional<Key> key_of(const Binding &binding, const SessionRow &row)
{
    const std::optional<Datum> id = link_key(binding, row);
    const std::optional<Datum> member = member_key(binding, row);
    if (!id || (binding.subscriptions.by_member && !member))
        return std::nullopt;
    return Key{*id, member.value_or(Datum{0})};
}

Sum &sum_of(Part *part, const Binding &binding, const Key &key, CommandId stored)
{
    const SubscriptionShape &shape = binding.subscriptions;
    const uint32 changed = count_changed_keys();
    const Key present = changed == 0 ? key : follow_key(shape, key, stored);
    return make_sum(&part->sums, shape, present.id, present.member, changed);
}

// The sum of the subscription of which that version of the row holds a credit; nullptr if it holds none.
Sum *find_charged(Part *part, const Binding &binding, const Version *version)
{
    if (version == nullptr || credits_of(version->row.session).used == 0)
        return nullptr;
    const std::optional<Key> key = key_of(binding, version->row);
    return key ? &sum_of(part, binding, *key, version->stored) : nullptr;
}

// Locks the subscription as the server's trigger for the foreign key will lock it next. False if it is not there under
// that key, or not any more.
bool lock_key(Relation subscriptions, const SubscriptionShape &shape, const Sum &sum)
{
    push_newest_snapshot();
    Cursor cursor = open_cursor(subscriptions, shape);
    TupleTableSlot *row = find_subscription(
        cursor, sum.id, sum.member, ItemPointerIsValid(&sum.place) ? std::optional(sum.place) : std::nullopt);
    if (row != nullptr)
        row = lock_found(cursor, LockTupleKeyShare);
    const bool there = row != nullptr && has_key(shape, row, sum.id, sum.member);
    close_cursor(cursor);
    PopActiveSnapshot();
    return there;
}

// If the foreign key is (member, subscription), it refuses another member's subscription as if there were none (23503),
// and does so before the statement ends. So this raises 23SC3 first, under the lock that the server's trigger takes
// next.
void verify_composite(const Reader &reader, const Sum &sum, Datum member)
{
    const SubscriptionShape &shape = reader.binding->subscriptions;
    Relation subscriptions = table_open(shape.relation, RowShareLock);
    if (!lock_key(subscriptions, shape, sum) && subscription_exists(subscriptions, shape, sum.id))
        raise_foreign(reader, sum.id, member);
    table_close(subscriptions, NoLock);
}

// Notes that a session was linked, so that its subscription is locked and its member judged.
void add_link(Part *part, const SessionChange &change, const Version &after)
{
    const Binding &binding = *change.binding;
    const SubscriptionShape &shape = binding.subscriptions;
    const Reader reader{change.relation, &binding, GetUserId()};
    const std::optional<Datum> id = link_key(binding, after.row);
    const std::optional<Datum> member = member_key(binding, after.row);
    if (!id)
        return;                // no subscription can have that key: the foreign key refuses it
    if (!member && shape.by_member)
        raise_foreign(reader, *id, member);
    Sum &sum = sum_of(part, binding, {*id, member.value_or(Datum{0})}, after.stored);
    if (shape.by_member && !sum.verified) {
        verify_composite(reader, sum, *member);
        sum.verified = true;
    }
    if (!sum.linked) {
        sum.linked = true;
        sum.member_is_null = !member;
        if (member && !shape.by_member)
            sum.member = keep_value(part->sums, shape.member_key, *member);
    } else if (sum.member_is_null != !member || (member && !equal_keys(shape.member_key, sum.member, *member))) {
        sum.members_differ = true;
    }
}

const char *session_name(const SessionChange &change, MemoryContext context)
{
    return change.session != nullptr ? change.session
                                     : name_session(change.binding->sessions, change.row, context);
}

// Notes for the ledger what the session held and what it holds now: nothing if that is the same. Returns the number of
// the line that says what it takes; 0: there is none.
uint32 note_change(Part *part, const SessionChange &change, const Change &rule, const Sum *given, const Sum *taken)
{
    const int64_t before = given == nullptr ? 0 : credits_of(*rule.before).used;
    const int64_t after = taken == nullptr ? 0 : credits_of(*rule.after).used;
    const bool same = given == taken && before == after;
    const std::optional<Cause> turned = same && taken != nullptr ? turned_because(rule) : std::nullopt;
    if (same && !turned)
        return 0;
    MemoryContext context = part->sums.context;
    const char *session = session_name(change, context);
    if (turned) {
        note_line(&part->lines, context, taken, session, 0, *turned);
        return 0;
    }
    if (given != nullptr && part->purges)
        note_line(&part->lines, context, given, session, 0, Cause::purged);
    else if (given != nullptr)
        note_line(&part->lines, context, given, session, -before, given_because(rule));
    return taken == nullptr ? 0 : note_line(&part->lines, context, taken, session, after, taken_because(rule));
}

// Adds the change to the sums. linked: the subscription after is judged by the session's member.
void add_change(Part *part, const SessionChange &change, const Change &rule, bool linked)
{
    const Binding &binding = *change.binding;
    Sum *given = find_charged(part, binding, change.before);
    if (given != nullptr) {
        add_credits(&given->given, credits_of(*rule.before));
        given->own_rows |= change.before->stored != InvalidCommandId;
    }
    Sum *taken = find_charged(part, binding, change.after);
    if (taken != nullptr)
        add_credits(&taken->taken, credits_of(*rule.after));
    if (taken != nullptr && change.drawn_from)
        taken->place = *change.drawn_from;
    Claim *claim = note_claim(part, given, taken, change, rule);
    // The member of a link that may become another one is judged with the claim.
    if (linked && (claim == nullptr || !claim->movable))
        add_link(part, change, *change.after);
    if (!OidIsValid(binding.subscriptions.ledger))
        return;
    const uint32 line = note_change(part, change, rule, given, taken);
    if (claim != nullptr)
        claim->line = line;
}

Change rule_of(const SessionChange &change)
{
    Change rule = change_between(change.binding->sessions, change.before == nullptr ? nullptr : &change.before->row,
                                 change.after == nullptr ? nullptr : &change.after->row);
    rule.same_need &= !change.pays_differently;
    if (rule.before && rule.after && !rule.same_link)
        rule.same_link = follows_key(*change.binding, change.before->row, change.before->stored, change.after->row);
    return rule;
}

// What is to be judged beside the credits. A given link is the application's: it may lead to any subscription, and a
// session without one holds nothing. But a credit that a foreign key's SET NULL took from a session is missed (R11).
Judgement judge_link(const Binding &binding, const Change &rule)
{
    if (binding.searched)
        return judge(rule);
    Judgement judgement{};
    judgement.emptied_link = emptied(rule) && counted(*rule.before) && counted(*rule.after);
    return judgement;
}

// The link that NULL was written over.
std::optional<Datum> lost_link(const SessionChange &change, const Judgement &judgement)
{
    return judgement.emptied_link ? std::optional(change.before->row.link) : std::nullopt;
}

void note_unplaced(Part *part, const SessionChange &change, std::optional<Datum> lost)
{
    const SessionShape &shape = change.binding->sessions;
    MemoryContext caller = MemoryContextSwitchTo(part->sums.context);
    auto *unplaced = static_cast<Unplaced *>(palloc0(sizeof(Unplaced)));
    unplaced->next = part->unplaced;
    unplaced->relation = RelationGetRelid(change.relation);
    unplaced->binding = change.binding;
    unplaced->place = change.place;
    if (lost)
        unplaced->lost = datumCopy(*lost, shape.link_by_value, shape.link_length);
    part->unplaced = unplaced;
    MemoryContextSwitchTo(caller);
}

// Charges a row whose link the extension has written again: from what another trigger had made of it to what it is now.
void add_mending(Part *part, const StoredSession &session, const Mending &mending)
{
    const Version before{mending.before, mending.stored};
    const Version after{mending.after, GetCurrentCommandId(false)};
    TupleTableSlot *row = table_slot_create(session.relation, nullptr);
    ItemPointerData place = session.place;
    const bool found = table_tuple_fetch_row_version(session.relation, &place, SnapshotAny, row);
    Assert(found);
    (void) found;
    const SessionChange change{session.relation, session.binding, &before, &after, place, row, nullptr, false, false,
                               std::nullopt};
    add_change(part, change, rule_of(change), mending.after.session.linked);
    ExecDropSingleTupleTableSlot(row);
}

// If the link of the stored row is wrong, has it written again, and charges the row with its new link. False if the
// link is right: then nothing is charged.
bool charge_mended(Part *part, const SessionChange &change, const Judgement &judgement)
{
    // A session that needs a link is given one at the statement's end.
    if (change.binding->subscriptions.draws && (judgement.missing_link || judgement.moved_member) &&
        counted(change.after->row.session))
        return false;
    const bool wanted = judgement.missing_link || judgement.needless_link || judgement.emptied_link ||
                        (judgement.moved_member && is_left_behind(*change.binding, change.after->row));
    if (!wanted)
        return false;
    const StoredSession session{change.relation, change.binding, change.place};
    const std::optional<Datum> lost = lost_link(change, judgement);
    const Mending mending = mend_link(session, lost);
    if (mending.mended == Mended::out_of_reach && !judgement.needless_link && change.binding->searched)
        raise_out_of_reach(session, change.after->row);
    if (mending.mended == Mended::unplaced) {
        // Next the server checks the foreign key. A composite one that is not deferrable would refuse the row, and say
        // less.
        if (change.after->row.session.linked && change.binding->subscriptions.by_member &&
            !change.binding->link_deferrable)
            raise_unplaced(session, change.after->row, lost);
        note_unplaced(part, change, lost);
    }
    if (mending.mended != Mended::rewritten || !mending.is_event_row) {
        add_change(part, change, rule_of(change), false);
        if (mending.mended == Mended::rewritten)
            add_mending(part, session, mending);
        return true;
    }
    const Version after{mending.after, GetCurrentCommandId(false)};
    SessionChange mended = change;
    mended.after = &after;
    add_change(part, mended, rule_of(mended), mending.after.session.linked);
    return true;
}

// Drawn links --------------------------------------------------------------------------------------------------------

// The link to a subscription that is there, and is locked so that it stays; absent if the member has none.
std::optional<Datum> draw_again(Part *part, const SessionChange &change, Relation subscriptions, int depth)
{
    const Binding &binding = *change.binding;
    const SessionRow &row = change.after->row;
    const std::optional<Datum> member = member_key(binding, row);
    while (member) {
        CHECK_FOR_INTERRUPTS();
        forget_candidates(binding, *member, depth);
        const Candidate *candidate =
            draw_candidate(binding, subscriptions, *member, {row.start, row.session.cost, change.row}, depth);
        if (candidate == nullptr)
            break;
        Sum &sum = make_sum(&part->sums, binding.subscriptions, candidate->id, *member, count_changed_keys());
        sum.place = candidate->place;
        sum.verified = lock_key(subscriptions, binding.subscriptions, sum);
        if (sum.verified)
            return link_to(binding, sum.id);
    }
    return std::nullopt;
}

// A drawn link is a guess until the statement ends, and the server looks at the foreign key before that: it would
// refuse a session whose subscription has been deleted since, or got another key or member. Such a session gets another
// link, or none until the statement ends; after is its row then. An INSERT of one row ends before the server looks.
void replace_lost_guess(const Statement &statement, Part *part, SessionChange *change, Version *after)
{
    const Binding &binding = *change->binding;
    const std::optional<Key> key = change->drawn && !statement.single ? key_of(binding, change->after->row)
                                                                      : std::nullopt;
    if (!key)
        return;
    Sum &sum = sum_of(part, binding, *key, change->after->stored);
    if (sum.verified)
        return;
    if (change->drawn_from)
        sum.place = *change->drawn_from;
    Relation subscriptions = table_open(binding.subscriptions.relation, RowShareLock);
    sum.verified = lock_key(subscriptions, binding.subscriptions, sum);
    if (!sum.verified) {
        const std::optional<Datum> link = draw_again(part, *change, subscriptions, statement.depth);
        change->place = rewrite_link({change->relation, &binding, change->place}, link);
        *after = {change->after->row, GetCurrentCommandId(false)};
        after->row.session.linked = link.has_value();
        after->row.link = link.value_or(Datum{0});
        change->after = after;
        change->drawn_from = std::nullopt;
    }
    table_close(subscriptions, NoLock);
}

}  // namespace

bool matters(const Binding &binding, const Change &rule)
{
    const Judgement judgement = judge_link(binding, rule);
    return (rule.before && credits_of(*rule.before).used != 0) || (rule.after && credits_of(*rule.after).used != 0) ||
           judgement.member || judgement.missing_link || judgement.needless_link || judgement.emptied_link;
}

void charge_change(Statement *statement, const SessionChange &change)
{
    Part *part = make_part(statement, *change.binding);
    SessionChange charged = change;
    Version after;
    replace_lost_guess(*statement, part, &charged, &after);
    const Change rule = rule_of(charged);
    const Judgement judgement = judge_link(*charged.binding, rule);
    if (!charge_mended(part, charged, judgement))
        add_change(part, charged, rule, judgement.member);
}

void charge_departed(Statement *statement, Part *part)
{
    const DepartedRow departed = part->departed;
    if (departed.relation == nullptr)
        return;
    part->departed.relation = nullptr;
    const Version before{departed.row, departed.stored};
    charge_change(statement, {departed.relation, departed.binding, &before, nullptr, {}, nullptr, departed.session,
                              false, false, std::nullopt});
}

const Unplaced *place_again(Statement *statement, Part *part)
{
    Unplaced **link = &part->unplaced;
    while (*link != nullptr) {
        Unplaced *unplaced = *link;
        Relation relation = table_open(unplaced->relation, NoLock);
        const StoredSession session{relation, unplaced->binding, unplaced->place};
        const Mending mending = mend_link(session, unplaced->lost);
        if (mending.mended == Mended::rewritten)
            add_mending(part, session, mending);
        else if (mending.mended == Mended::fine && mending.after.session.linked)
            add_mending(part, session, mending);   // the link fits by now: the member is judged under the lock
        table_close(relation, NoLock);
        if (mending.mended == Mended::unplaced)
            return unplaced;
        *link = unplaced->next;
    }
    return nullptr;
}

void raise_still_unplaced(Part *, const Unplaced &unplaced)
{
    Relation relation = table_open(unplaced.relation, NoLock);
    const StoredSession session{relation, unplaced.binding, unplaced.place};
    raise_unplaced(session, mend_link(session, unplaced.lost).before, unplaced.lost);
}

}  // namespace sc
