// PURE: what a change of a session means for its link and for the credits of its subscriptions. Knows no table, no
// server and no PostgreSQL header, so that it can be tested alone.
#pragma once

#include <cstdint>
#include <optional>

namespace sc {

// What a status stands for; any status that is in neither list, and NULL, is none.
enum class Status : uint8_t { none, scheduled, completed };

// A session as the rules see it.
struct Session {
    bool consuming;
    bool linked;
    Status status;
    int64_t cost = 1;          // in credits; 0: it holds nothing
    bool completed_needs_active = false;    // no status stands for scheduled: R3 holds for completed ones
};

// Counted: consuming, with a status that holds a credit and a cost. Only a linked one really holds it.
constexpr bool counted(Session session)
{
    return session.consuming && session.status != Status::none && session.cost > 0;
}

// Credits of one subscription. used covers scheduled and completed ones; scheduled are those that only an active
// subscription may begin to give.
struct Credits {
    int64_t used;
    int64_t scheduled;
};

constexpr Credits operator-(Credits left, Credits right)
{
    return {left.used - right.used, left.scheduled - right.scheduled};
}

constexpr Credits &operator+=(Credits &left, Credits right)
{
    left.used += right.used;
    left.scheduled += right.scheduled;
    return left;
}

// R3. True if only an active subscription, within its period, may begin to give what the session holds.
constexpr bool needs_active(Session session)
{
    return session.status == Status::scheduled || session.completed_needs_active;
}

// What a session holds of the subscription that it is linked to.
constexpr Credits credits_of(Session session)
{
    if (!counted(session) || !session.linked)
        return {0, 0};
    return {session.cost, needs_active(session) ? session.cost : 0};
}

// One row event. before is absent for INSERT, after for DELETE; the same_ flags matter only if both are there.
struct Change {
    std::optional<Session> before;
    std::optional<Session> after;
    bool same_member;
    bool same_link;
    bool same_need;            // nothing else changed that says which subscription could pay: the start
};

// True if a session begins to be counted: it did not hold a credit, linked or not, and is to hold one now.
constexpr bool starts(const Change &change)
{
    return change.after && counted(*change.after) && !(change.before && counted(*change.before));
}

// True if NULL was written over the link of a session that stays with its member.
constexpr bool emptied(const Change &change)
{
    return change.before && change.after && change.before->linked && !change.after->linked && change.same_member;
}

// True if the link was given, or the member or the link changed.
constexpr bool relinked(const Change &change)
{
    return !change.before || !change.same_link || !change.same_member;
}

// True if a session that held a credit before needs something else of its subscription now, or more.
constexpr bool needs_more(const Change &change)
{
    return change.before && change.after && counted(*change.before) && counted(*change.after) &&
           (!change.same_need || change.after->cost > change.before->cost);
}

// True if the session holds what it held before, and only its member is another one: its link stays if that is the
// member of the subscription, whatever the status and the period of that are by now.
constexpr bool only_member_changed(const Change &change)
{
    return change.before && change.after && counted(*change.before) && change.same_link && !change.same_member &&
           !needs_more(change);
}

// True if the session claims what it holds: its subscription is judged for it, not only for the sum of the statement.
constexpr bool claims(const Change &change)
{
    return change.after && counted(*change.after) && (starts(change) || relinked(change) || needs_more(change));
}

// What a BEFORE trigger does with a link that the extension searches.
enum class Fill : uint8_t {
    keep,
    clear,
    put_back,                  // the link that NULL was written over, if that subscription is there
    clear_unfit,               // unless it leads to the session's member
    look_up,                   // unless it leads to the session's member
};

constexpr Fill fill_link(const Change &change)
{
    const Session after = *change.after;
    if (!after.consuming)
        return after.linked ? Fill::clear : Fill::keep;                     // R8
    if (emptied(change))
        return Fill::put_back;                                              // R1
    if (change.before && !change.same_member && change.same_link) {         // R7
        if (counted(after))
            return Fill::look_up;
        return after.linked ? Fill::clear_unfit : Fill::keep;
    }
    if (after.linked || !counted(after))
        return Fill::keep;
    // R1. A legacy row, counted without a link before and now, stays as it is.
    return starts(change) || relinked(change) ? Fill::look_up : Fill::keep;
}

// What a BEFORE trigger does with a link that is drawn.
enum class Draw : uint8_t {
    keep,
    clear,
    put_back,                  // as with Fill
    clear_unfit,
    keep_or_draw,              // the link that it had, if that allows what the session needs, else a new one
    draw,
};

// named: the statement itself has set the link, and that counts. If it has set none, after says the link that the
// session keeps; emptied: NULL was written over that.
constexpr Draw draw_link(const Change &change, bool named, bool emptied)
{
    const Session after = *change.after;
    if (!after.consuming)
        return after.linked ? Draw::clear : Draw::keep;                     // R8
    if (named)
        return Draw::keep;                                                  // R7: judged, never replaced
    if (!counted(after)) {
        if (emptied)
            return Draw::put_back;                                          // R1
        const bool other_member = change.before && !change.same_member && after.linked;
        return other_member ? Draw::clear_unfit : Draw::keep;               // R7
    }
    const bool other_member = change.before && !change.same_member;
    if (after.linked && (starts(change) || needs_more(change) || other_member))
        return Draw::keep_or_draw;                                          // R7
    if (after.linked)
        return emptied ? Draw::put_back : Draw::keep;                       // R1
    return starts(change) || relinked(change) ? Draw::draw : Draw::keep;    // R1
}

// What an AFTER trigger must judge of a searched link on the row as stored, beside the credits.
struct Judgement {
    bool member;         // R2: the link must lead to a subscription of the session's member
    bool missing_link;   // R1: counted, and nothing has linked it
    bool needless_link;  // R8: not consuming, and something has linked it
    bool moved_member;   // R7: the member changed and the link could not follow
    bool emptied_link;   // R1: another trigger took the link away, or its subscription is gone
};

constexpr Judgement judge(const Change &change)
{
    Judgement judgement{};
    if (!change.after)
        return judgement;
    const Session after = *change.after;
    if (!after.consuming) {
        const bool kept = change.before && !change.before->consuming && change.same_link;
        judgement.needless_link = after.linked && !kept;
        return judgement;
    }
    const bool judged = relinked(change) || starts(change);
    judgement.emptied_link = emptied(change);
    judgement.missing_link = counted(after) && !after.linked && !judgement.emptied_link && judged;
    judgement.member = after.linked && judged;
    judgement.moved_member = judgement.member && change.before && !change.same_member && change.same_link;
    return judgement;
}

// The verdict on what a statement adds in sum to one subscription. total is absent where it is unlimited.
enum class Verdict : uint8_t { fine, inactive, no_credit };

constexpr Verdict judge_sum(Credits added, int64_t used, std::optional<int64_t> total, bool active)
{
    if (added.scheduled > 0 && !active)
        return Verdict::inactive;                                           // R3
    if (added.used > 0 && total && (*total < 0 || used > *total - added.used))
        return Verdict::no_credit;                                          // R4
    return Verdict::fine;
}

// What a maintained remaining column shows once total and used have changed. A row that was inconsistent before the
// attachment keeps its difference until it is treated. Absent: unlimited.
constexpr std::optional<int64_t> follow_remaining(std::optional<int64_t> remaining, std::optional<int64_t> total_before,
                                                  int64_t used_before, std::optional<int64_t> total, int64_t used)
{
    if (!total)
        return std::nullopt;
    const int64_t difference = remaining && total_before ? *remaining - (*total_before - used_before) : 0;
    return *total - used + difference;
}

// How far a counter lies outside 0 … total; a change may only make it smaller (R10).
constexpr int64_t excess(int64_t used, std::optional<int64_t> total)
{
    if (used < 0)
        return -used;
    return total && used > *total ? used - *total : 0;
}

}  // namespace sc
