// What a migration makes of a counter (rules/opening_rule.hpp) without a server. Prints TAP.
#include <climits>

#include "rules/opening_rule.hpp"
#include "tap.hpp"

using namespace sc;

namespace {

constexpr auto none = std::optional<int64_t>{};

void test_used()
{
    constexpr Found less{10, 2, none, 0, 5};
    ok(treated_counter(less, Opening::report) == 5, "used below the recount is raised to it");
    ok(treated_counter(less, Opening::give_back) == 5 && opening_balance(less) == 0, "whatever was asked for");
    constexpr Found more{10, 7, none, 0, 5};
    ok(treated_counter(more, Opening::report) == 7, "used beyond the recount is left");
    ok(opening_balance(more) == 2, "what is beyond is the opening balance");
    ok(treated_counter(more, Opening::give_back) == 5, "a person may give it back");
    constexpr Found unknown{10, none, none, 0, 3};
    ok(treated_counter(unknown, Opening::report) == 3, "an unknown counter is none used");
    constexpr Found below{10, -4, none, 0, 0};
    ok(treated_counter(below, Opening::report) == 0, "one below 0 is raised to the recount");
    constexpr Found unlimited{none, 9, none, 0, 4};
    ok(treated_counter(unlimited, Opening::report) == 9, "an unlimited one is left, too");
    constexpr Found excess{10, 2, none, 0, 12};
    ok(treated_counter(excess, Opening::report) == 12, "the recount is written beyond the total");
}

void test_remaining()
{
    constexpr Found less{10, 2, 5, 0, 2};
    ok(opening_balance(less) == 3, "a remaining that shows less left says more is gone");
    ok(treated_counter(less, Opening::report) == 5, "and is believed");
    constexpr Found more{10, 2, 9, 0, 2};
    ok(opening_balance(more) == 0 && treated_counter(more, Opening::report) == 2, "one that shows more left is not");
    constexpr Found unlimited{none, 2, 5, 0, 2};
    ok(opening_balance(unlimited) == 0, "without a total it says nothing");
    constexpr Found wide{LLONG_MIN, 0, LLONG_MAX, 0, 0};
    ok(opening_balance(wide) == 0, "figures that cannot be subtracted say nothing");
}

void test_carried()
{
    constexpr Found right{10, 5, none, 3, 2};
    ok(opening_balance(right) == 0, "what is carried is part of the recount");
    ok(treated_counter(right, Opening::give_back) == 5, "and never given back");
    constexpr Found more{10, 9, none, 3, 2};
    ok(treated_counter(more, Opening::carry) == 9, "carried on, an opening balance stays used");
    ok(treated_carried(more, Opening::carry) == 7, "and is carried");
    ok(treated_carried(more, Opening::report) == 3 && treated_carried(more, Opening::give_back) == 3,
       "else it is not");
}

}  // namespace

int main()
{
    test_used();
    test_remaining();
    test_carried();
    return finish();
}
