// The words of rules/ledger_rule.hpp without a server: why a credit changed hands, each case named after what a reader
// of the ledger is told. Prints TAP.
#include <cstring>
#include <iterator>

#include "rules/ledger_rule.hpp"
#include "sessions.hpp"
#include "tap.hpp"

using namespace sc;

namespace {

bool says(Cause cause, const char *word)
{
    return std::strcmp(cause_word(cause), word) == 0;
}

void test_giving()
{
    ok(says(given_because(deleted(booked)), "deleted"), "a deleted session gave its credit back as deleted");
    ok(says(given_because(updated(booked, cancelled)), "cancelled"), "one of a status that holds none: cancelled");
    ok(says(given_because(updated(done, cancelled)), "cancelled"), "a completed one, too");
    ok(says(given_because(updated(booked, trial)), "type changed"), "one that consumes no more: type changed");
    ok(says(given_because(updated(booked, linked_trial)), "type changed"), "also where its link is not cleared yet");
    ok(says(given_because(updated(booked, unlinked)), "unlinked"), "one that lost its link: unlinked");
    ok(says(given_because(updated(booked, booked, true, false)), "moved"), "one with another link: moved");
    ok(says(given_because(updated(booked, booked, false, false)), "member changed"), "another member: member changed");
    ok(says(given_because(updated(booked, cancelled, false, false)), "cancelled"),
       "cancelled says more than whose it is now");
}

void test_taking()
{
    ok(says(taken_because(inserted(booked)), "booked"), "a new session took its credit as booked");
    ok(says(taken_because(inserted(done)), "booked"), "a new completed one, too");
    ok(says(taken_because(updated(cancelled, booked)), "reopened"), "one of a status that held none: reopened");
    ok(says(taken_because(updated(cancelled, done)), "reopened"), "completed, too");
    ok(says(taken_because(updated(trial, booked)), "type changed"), "one that consumed nothing: type changed");
    ok(says(taken_because(updated(unlinked, booked)), "linked"), "one that had no link: linked");
    ok(says(taken_because(updated(done_unlinked, done)), "linked"), "history, too");
    ok(says(taken_because(updated(booked, booked, true, false)), "moved"), "one that had another link: moved");
    ok(says(taken_because(updated(done, done, false, false)), "member changed"), "another member: member changed");
}

void test_turning()
{
    ok(turned_because(updated(booked, done)) == Cause::completed, "scheduled became completed");
    ok(turned_because(updated(done, booked)) == Cause::reopened, "completed became scheduled");
    ok(!turned_because(updated(booked, booked)) && !turned_because(updated(done, done)), "what stays has no line");
}

// Every change that there is: both sides say why in words that fit each other and what is held.
void test_every_change()
{
    bool giving = true;
    bool taking = true;
    bool moving = true;
    for (int bits = 0; bits < 1 << 10; bits++) {
        const auto session = [](int s) {
            return Session{(s & 1) != 0, (s & 2) != 0, static_cast<Status>((s >> 2) % 3)};
        };
        const Change change =
            updated(session(bits & 15), session(bits >> 4 & 15), (bits & 256) != 0, (bits & 512) != 0);
        const bool held_before = credits_of(*change.before).used == 1;
        const bool holds_after = credits_of(*change.after).used == 1;
        const auto is_move = [](Cause cause) { return cause == Cause::moved || cause == Cause::member_changed; };
        if (held_before && !holds_after)
            giving &= !is_move(given_because(change));
        if (!held_before && holds_after)
            taking &= !is_move(taken_because(change)) && taken_because(change) != Cause::booked;
        if (held_before && holds_after)
            moving &= is_move(given_because(change)) && given_because(change) == taken_because(change);
    }
    ok(giving, "what holds nothing any more has not moved");
    ok(taking, "what held nothing before has not moved, and is not new");
    ok(moving, "what holds a credit elsewhere says the same on both sides");
}

void test_words()
{
    bool distinct = true;
    for (size_t i = 0; i < std::size(cause_words); i++)
        for (size_t j = 0; j < i; j++)
            distinct &= std::strcmp(cause_words[i], cause_words[j]) != 0;
    ok(distinct, "each cause has a word of its own");
    ok(std::size(cause_words) == static_cast<size_t>(Cause::purged) + 1, "and none is without");
    ok(says(Cause::opened, "opened") && says(Cause::recounted, "recounted") && says(Cause::repaired, "repaired") &&
           says(Cause::repair_undone, "repair undone") && says(Cause::truncated, "truncated"),
       "lines of no single session are called as the gaps' query knows them");
}

}  // namespace

int main()
{
    test_giving();
    test_taking();
    test_turning();
    test_every_change();
    test_words();
    return finish();
}
