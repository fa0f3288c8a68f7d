// Counts the sessions of subscriptions again, of many at once. Writes nothing.
#pragma once

#include "catalog/binding.hpp"

namespace sc {

// A subscription by its key, as its own row has it, and how many counted sessions are linked to it.
struct Recounted {
    Datum id;
    Datum member;                  // where the key holds it
    bool member_is_null;
    int64_t counted;
};
static_assert(Pod<Recounted>);

// Counts them in the active snapshot. Needs an SPI connection.
void recount(Relation sessions, const Mapping &mapping, const Binding &binding, std::span<Recounted> subscriptions);

}  // namespace sc
