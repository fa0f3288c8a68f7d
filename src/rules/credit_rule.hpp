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
};

// Counted: consuming with a status that holds a credit. Only a linked one really holds it.
constexpr bool counted(Session session)
{
    return session.consuming && session.status != Status::none;
}

// Credits of one subscription. used covers scheduled and completed ones.
struct Credits {
    int64_t used;
    int64_t scheduled;
};

// What a session holds of the subscription that it is linked to.
constexpr Credits held(Session session)
{
    if (!counted(session) || !session.linked)
        return {0, 0};
    return {1, session.status == Status::scheduled ? 1 : 0};
}

// One row event. before is absent for INSERT, after for DELETE; the same_ flags matter only where both are there.
struct Change {
    std::optional<Session> before;
    std::optional<Session> after;
    bool same_member;
    bool same_link;
};

// True where a session begins to be consuming or to hold a credit.
constexpr bool starts(const Change &change)
{
    if (!change.after || !change.after->consuming)
        return false;
    if (!change.before || !change.before->consuming)
        return true;
    return counted(*change.after) && !counted(*change.before);
}

// What a BEFORE trigger does with the link.
enum class Fill : uint8_t { keep, clear, look_up };

constexpr Fill fill_link(const Change &change)
{
    const Session after = *change.after;
    if (!after.consuming)
        return after.linked ? Fill::clear : Fill::keep;                     // R8
    if (change.before && !change.same_member && change.same_link)
        return Fill::look_up;                                               // R7
    if (after.linked)
        return Fill::keep;
    const bool emptied = change.before && (!change.same_link || !change.same_member);
    return starts(change) || emptied ? Fill::look_up : Fill::keep;          // R1; a legacy row stays as it is
}

// What an AFTER trigger must judge on the row as stored, beside the credits.
struct Judgement {
    bool member;         // R2: the link must lead to a subscription of the session's member
    bool missing_link;   // R1: consuming, and nothing has linked it
    bool needless_link;  // R8: not consuming, and something has linked it
    bool moved_member;   // R7: the member changed and the link could not follow
};

constexpr Judgement judge(const Change &change)
{
    Judgement judgement{};
    if (!change.after)
        return judgement;
    const Session after = *change.after;
    const bool relinked = !change.before || !change.same_link || !change.same_member;
    if (!after.consuming) {
        const bool kept = change.before && !change.before->consuming && change.same_link;
        judgement.needless_link = after.linked && !kept;
        return judgement;
    }
    judgement.missing_link = !after.linked && (relinked || starts(change));
    judgement.member = after.linked && (relinked || starts(change));
    judgement.moved_member = judgement.member && change.before && !change.same_member && change.same_link;
    return judgement;
}

// The verdict on what a statement adds in sum to one subscription. total is absent where it is unlimited.
enum class Verdict : uint8_t { fine, inactive, no_credit };

constexpr Verdict judge_sum(Credits added, int64_t used, std::optional<int64_t> total, bool active)
{
    if (added.scheduled > 0 && !active)
        return Verdict::inactive;                                           // R3
    if (added.used > 0 && total && used > *total - added.used)
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
