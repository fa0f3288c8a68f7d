// What stands in the way of attaching: raised, or where somebody only wants to know, collected, so that everything is
// told at once.
#pragma once

#include "server/subtransaction.hpp"

namespace sc {

struct Obstacle {
    int code;               // SQLSTATE
    const char *message;
    const char *detail;     // "" where there is none
    const char *hint;
};
static_assert(Pod<Obstacle>);

struct Obstacles {
    bool collects;
    List *found;            // of Obstacle *
};
static_assert(Pod<Obstacles>);

// An error that says what is wrong with the tables or the arguments, and not that the server cannot go on.
inline bool is_obstacle(const ErrorData &error)
{
    constexpr std::array others{ERRCODE_OPERATOR_INTERVENTION, ERRCODE_INSUFFICIENT_RESOURCES, ERRCODE_SYSTEM_ERROR,
                                ERRCODE_INTERNAL_ERROR,        ERRCODE_TRANSACTION_ROLLBACK};
    for (const int other : others)
        if (ERRCODE_TO_CATEGORY(error.sqlerrcode) == ERRCODE_TO_CATEGORY(other))
            return false;
    return true;
}

// Runs a check, which raises what is in the way. Where obstacles are collected, that is one more of them, and false.
template <typename Check>
bool passes(Obstacles &obstacles, Check check)
{
    if (!obstacles.collects) {
        check();
        return true;
    }
    const ErrorData *error = try_and_catch(check, is_obstacle);
    if (error == nullptr)
        return true;
    const auto text = [](const char *said) { return said == nullptr ? "" : said; };
    auto *obstacle = static_cast<Obstacle *>(palloc(sizeof(Obstacle)));
    *obstacle = {error->sqlerrcode, text(error->message), text(error->detail), text(error->hint)};
    obstacles.found = lappend(obstacles.found, obstacle);
    return false;
}

}  // namespace sc
