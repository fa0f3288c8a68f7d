// Which subscription each drawn session gets (rules/draw_rule.hpp), and what a period covers (rules/period_rule.hpp),
// without a server. Prints TAP.
#include <array>
#include <climits>
#include <cstdlib>
#include <vector>

#include "rules/draw_rule.hpp"
#include "rules/period_rule.hpp"
#include "tap.hpp"

using namespace sc;

namespace {

constexpr auto open_end = std::optional<int64_t>{};
constexpr std::array<size_t, 3> every_seat{0, 1, 2};

constexpr auto fits_all = [](size_t, size_t) { return true; };
const auto draws_all = [](size_t) { return std::span<const size_t>(every_seat); };

void test_period()
{
    constexpr Period period{10, 20};
    ok(covers_start(period, 10), "the first moment counts");
    ok(!covers_start(period, 9), "the one before does not");
    ok(covers_start(period, 19) && !covers_start(period, 20), "until is the first moment after it");
    ok(covers_start(period, std::nullopt), "a session without a start is not judged");
    ok(covers_start({open_end, 20}, LLONG_MIN) && covers_start({10, open_end}, LLONG_MAX), "an open end is open");
}

void test_order()
{
    std::array seats{Seat{2}, Seat{10}, Seat{open_end}};
    std::array<DrawnRow, 5> rows{};
    for (DrawnRow &row : rows)
        row = {1, false, no_seat, false};
    ok(!place_rows(std::span<Seat>(seats), std::span<DrawnRow>(rows), fits_all, draws_all), "five find a place");
    ok(rows[1].seat == 0 && rows[2].seat == 1 && rows[4].seat == 1, "two on the first, three on the second");
    ok(seats[0].room == 0 && seats[1].room == 7, "what they cost is taken");
}

void test_provisional()
{
    std::array seats{Seat{1}, Seat{1}, Seat{0}};
    std::array rows{DrawnRow{1, false, 2, false}, DrawnRow{1, false, 0, false}, DrawnRow{1, true, 0, false}};
    const auto misfit = place_rows(std::span<Seat>(seats), std::span<DrawnRow>(rows), fits_all, draws_all);
    ok(rows[2].seat == 0 && rows[2].placed, "who had his link before keeps it first");
    ok(rows[0].seat == 1 && rows[0].placed, "who finds his provisional seat full gets the first with room");
    ok(misfit == 1 && rows[1].seat == no_seat, "nobody who is placed moves for a later row");
}

void test_cost()
{
    std::array seats{Seat{2}, Seat{2}, Seat{0}};
    std::array rows{DrawnRow{3, false, no_seat, false}, DrawnRow{2, false, no_seat, false}};
    const auto misfit = place_rows(std::span<Seat>(seats), std::span<DrawnRow>(rows), fits_all, draws_all);
    ok(misfit == 0, "a cost is never split");
    ok(rows[1].seat == 0 && rows[1].placed, "and what comes later is placed all the same");
    std::array one{DrawnRow{1, false, 0, false}};
    const auto refused = place_rows(std::span<Seat>(seats), std::span<DrawnRow>(one),
                                    [](size_t, size_t seat) { return seat == 1; }, draws_all);
    ok(!refused && one[0].seat == 1, "a provisional seat that does not allow it is left");
}

// No seat is overdrawn, and nobody is refused while a seat that fits had room for him at the end.
void test_random()
{
    bool overdrawn = false;
    bool refused_falsely = false;
    std::srand(1);
    for (int round = 0; round < 20000; round++) {
        std::array<Seat, 3> seats{};
        for (Seat &seat : seats)
            seat.room = std::rand() % 4;
        const auto before = seats;
        std::vector<DrawnRow> rows(static_cast<size_t>(std::rand() % 6));
        for (DrawnRow &row : rows)
            row = {1 + std::rand() % 2, std::rand() % 3 == 0,
                   std::rand() % 2 == 0 ? no_seat : static_cast<size_t>(std::rand() % 3), false};
        const int salt = std::rand();
        const auto fits = [salt](size_t row, size_t seat) { return ((salt >> (row * 3 + seat)) & 1) != 0; };
        const auto misfit = place_rows(std::span<Seat>(seats), std::span<DrawnRow>(rows), fits, draws_all);
        std::array<int64_t, 3> taken{};
        for (const DrawnRow &row : rows)
            if (row.placed)
                taken[row.seat] += row.cost;
        for (size_t i = 0; i < seats.size(); i++)
            overdrawn |= taken[i] > *before[i].room || *seats[i].room != *before[i].room - taken[i];
        for (size_t i = 0; i < rows.size(); i++)
            for (size_t seat = 0; seat < seats.size(); seat++)
                refused_falsely |= !rows[i].placed && fits(i, seat) && *seats[seat].room >= rows[i].cost;
        for (size_t i = 0; i < rows.size() && misfit; i++)
            refused_falsely |= i < *misfit && !rows[i].placed;
    }
    ok(!overdrawn, "no seat is overdrawn");
    ok(!refused_falsely, "nobody is refused while a seat that fits has room");
}

}  // namespace

int main()
{
    test_period();
    test_order();
    test_provisional();
    test_cost();
    test_random();
    return finish();
}
