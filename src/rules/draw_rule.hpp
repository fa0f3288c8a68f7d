// PURE: which subscription each drawn session of a statement gets in the end. Knows no table, no server and no
// PostgreSQL header, so that it can be tested alone.
//
// What the statement gives back, keeps or names is summed before; a room here is what that has left. A session that has
// a place does not move for a later one, and a cost is never split. Example: two packs have 2 and 10 left, and five
// sessions of one member are booked at once. Two are placed on the first pack, three on the second.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace sc {

inline constexpr size_t no_seat = static_cast<size_t>(-1);

// A subscription: what is left of it; absent: unlimited.
struct Seat {
    std::optional<int64_t> room;
};

// A session, in the order in which the statement wrote them.
struct DrawnRow {
    int64_t cost;
    bool kept;                 // it had its link before: it comes before what is new
    size_t seat;               // the provisional one, then the final one; no_seat: none
    bool placed;
};

constexpr bool take_seat(Seat &seat, int64_t cost)
{
    if (seat.room && *seat.room < cost)
        return false;
    if (seat.room)
        seat.room = *seat.room - cost;
    return true;
}

// Places every row: those that keep their provisional seat, then the others on the first candidate that has room.
// fits(row, seat): the subscription could pay for the session if it had room. candidates(row): the numbers of the
// seats in the order of drawing. A row that finds none stays without one; returns the first such row.
template <typename Fits, typename Candidates>
std::optional<size_t> place_rows(std::span<Seat> seats, std::span<DrawnRow> rows, Fits fits, Candidates candidates)
{
    for (const bool kept : {true, false})
        for (size_t i = 0; i < rows.size(); i++)
            if (DrawnRow &row = rows[i]; row.kept == kept && row.seat != no_seat && fits(i, row.seat))
                row.placed = take_seat(seats[row.seat], row.cost);
    std::optional<size_t> misfit;
    for (size_t i = 0; i < rows.size(); i++) {
        DrawnRow &row = rows[i];
        if (row.placed)
            continue;
        row.seat = no_seat;
        for (const size_t seat : candidates(i)) {
            if (!fits(i, seat) || !take_seat(seats[seat], row.cost))
                continue;
            row.seat = seat;
            row.placed = true;
            break;
        }
        if (!row.placed && !misfit)
            misfit = i;
    }
    return misfit;
}

}  // namespace sc
