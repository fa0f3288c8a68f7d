// The rules of rules/credit_rule.hpp without a server, each case named after the promise that it keeps. Prints TAP.
#include <limits>

#include "rules/credit_rule.hpp"
#include "sessions.hpp"
#include "tap.hpp"

using namespace sc;

namespace {

bool holds(Session session, int64_t used, int64_t scheduled)
{
    const Credits credits = credits_of(session);
    return credits.used == used && credits.scheduled == scheduled;
}

bool fine(const Change &change)
{
    const Judgement judgement = judge(change);
    return !judgement.member && !judgement.missing_link && !judgement.needless_link && !judgement.moved_member &&
           !judgement.emptied_link;
}

void test_holding()
{
    ok(holds(booked, 1, 1), "a scheduled session holds one credit, as scheduled");
    ok(holds(done, 1, 0), "a completed session holds one credit, not as scheduled");
    Session paid_when_done = done;
    paid_when_done.completed_needs_active = true;
    ok(holds(paid_when_done, 1, 1), "R3 where nothing is scheduled, a completed one needs an active subscription");
    ok(holds(cancelled, 0, 0), "R6 a cancelled session holds none");
    ok(holds(linked_trial, 0, 0), "R8 a session of another type holds none");
    ok(holds(unlinked, 0, 0), "a session without a link holds none");
    ok(holds(workshop, 2, 2), "a session holds what it costs");
    ok(holds(free_booked, 0, 0) && !counted(free_booked), "one that costs nothing holds nothing");
    ok(counted(unlinked) && !counted(cancelled) && !counted(trial), "only a consuming one can be counted");
}

void test_linking()
{
    ok(fill_link(inserted(unlinked)) == Fill::look_up, "R1 a new session is linked");
    ok(fill_link(inserted(cancelled_unlinked)) == Fill::keep, "R1 what holds no credit needs no link");
    ok(fill_link(inserted(booked)) == Fill::keep, "a link that the writer gives is kept");
    ok(fill_link(inserted(trial)) == Fill::keep, "R8 a new trial session has no link");
    ok(fill_link(inserted(linked_trial)) == Fill::clear, "R8 a link of a trial session is cleared");
    ok(fill_link(updated(booked, linked_trial)) == Fill::clear, "R8 a session that turns into a trial loses its link");
    ok(fill_link(updated(trial, unlinked)) == Fill::look_up, "R1 a session that starts to be consuming is linked");
    ok(fill_link(updated(trial, cancelled_unlinked)) == Fill::keep, "R1 unless it holds no credit");
    ok(fill_link(inserted(free_unlinked)) == Fill::keep, "R1 a session that costs nothing needs no link");
    ok(fill_link(updated(cancelled_unlinked, unlinked)) == Fill::look_up, "R1 so is one that starts to hold a credit");
    ok(fill_link(updated(unlinked, done_unlinked)) == Fill::keep, "a legacy one without a link may be completed");
    ok(fill_link(updated(unlinked, cancelled_unlinked)) == Fill::keep, "a legacy one may be cancelled");
    ok(fill_link(updated(booked, booked, false, true)) == Fill::look_up, "R7 a changed member links anew");
    ok(fill_link(updated(booked, booked, false, false)) == Fill::keep, "R7 unless the writer changed the link, too");
    ok(fill_link(updated(cancelled, cancelled, false, true)) == Fill::clear_unfit, "R7 what holds nothing loses it");
    ok(fill_link(updated(booked, unlinked, true, false)) == Fill::put_back, "R1 a link that is emptied is put back");
    ok(fill_link(updated(cancelled, cancelled_unlinked, true, false)) == Fill::put_back, "R6 a cancelled one's, too");
    ok(fill_link(updated(booked, unlinked, false, false)) == Fill::look_up, "R7 with another member it is looked up");
    ok(fill_link(updated(cancelled, booked)) == Fill::keep, "R6 un-cancelling keeps the link");
}

void test_judging()
{
    ok(fine(deleted(booked)), "a deleted session is not judged");
    ok(judge(inserted(booked)).member, "R2 a new link must lead to the member's own subscription");
    ok(judge(updated(booked, booked, true, false)).member, "R2 so must a changed one");
    ok(judge(updated(cancelled, booked)).member, "R2 so must one that holds a credit again");
    ok(fine(updated(booked, booked)), "an update of other columns is not judged");
    ok(fine(updated(booked, done)), "completing is not judged");
    ok(fine(updated(booked, cancelled)), "cancelling is not judged");
    ok(fine(updated(done_unlinked, cancelled_unlinked)), "cancelling a legacy session is not judged");
    ok(judge(inserted(unlinked)).missing_link, "R1 a consuming session that nothing linked is refused");
    ok(judge(updated(trial, unlinked)).missing_link, "R1 so is one that starts to be consuming");
    ok(fine(inserted(cancelled_unlinked)), "R1 what holds no credit never fails for want of a link");
    ok(judge(updated(booked, unlinked, true, false)).emptied_link, "R1 a link that a trigger took away is missed");
    ok(judge(inserted(linked_trial)).needless_link, "R8 a trial session that something linked is refused");
    ok(fine(updated(linked_trial, linked_trial)), "R8 a legacy trial with a link may be written");
    ok(judge(updated(booked, booked, false, true)).moved_member, "R7 a changed member must not keep the link");
    ok(fine(inserted(trial)), "a trial session is not judged");
}

void test_sums()
{
    constexpr auto unlimited = std::optional<int64_t>();
    constexpr auto most = std::numeric_limits<int64_t>::max();
    ok(judge_sum({1, 1}, 9, 10, true) == Verdict::fine, "R4 the last credit is given");
    ok(judge_sum({1, 1}, 10, 10, true) == Verdict::no_credit, "R4 and no further one");
    ok(judge_sum({3, 3}, 8, 10, true) == Verdict::no_credit, "R4 a statement that needs more than is left gets none");
    ok(judge_sum({0, 1}, 12, 10, true) == Verdict::fine, "R4 a statement that adds nothing needs no credit");
    ok(judge_sum({-1, -1}, 12, 10, false) == Verdict::fine, "R5 a credit goes back whatever the status");
    ok(judge_sum({1, 1}, 0, 10, false) == Verdict::inactive, "R3 a scheduled one needs an active subscription");
    ok(judge_sum({1, 0}, 0, 10, false) == Verdict::fine, "R3 history needs none");
    ok(judge_sum({1, 1}, most - 1, unlimited, true) == Verdict::fine, "R10 an unlimited total never refuses");
    ok(judge_sum({1, 1}, most, most, true) == Verdict::no_credit, "R4 holds at the largest total");
    ok(excess(10, 10) == 0 && excess(0, 0) == 0 && excess(5, {}) == 0, "R10 nothing is in excess within the total");
    ok(excess(12, 10) == 2 && excess(-3, 10) == 3, "R10 an excess has a size on either side");
}

}  // namespace

int main()
{
    test_holding();
    test_linking();
    test_judging();
    test_sums();
    return finish();
}
