// Places the claims of a part anew, with all subscriptions locked that could pay for them. Writes neither a counter nor
// a link.
#pragma once

#include "write/settle_part.hpp"

namespace sc {

enum class Placed : uint8_t {
    placed,
    refused,                   // a claim finds no place, and later rows could make that good; nothing has moved
    changed,                   // somebody has committed a subscription meanwhile that is not locked
};

// Locks, searches again and places every claim that may move; 23SC1, 23SC2, 23SC4 or 23SC6 if one finds no place and
// the refusal is final. The locks stay: the caller, who writes the counters next, rolls back if nothing is placed.
// keeps_guesses: what was drawn stays while that subscription has room; else all that is new is drawn again, in order.
// moved: the claims whose links have to be written again.
Placed place_claims(const Settling &settling, bool keeps_guesses, std::span<Claim *> *moved);

}  // namespace sc
