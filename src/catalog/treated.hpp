// Whether the history of an attachment is treated. attach() notes in the charge trigger's argument that there is some;
// migrate() writes a comment on that trigger once it has treated it: that excludes nobody, goes along with every dump
// and goes with the trigger. Where the comment is lost, history counts as untreated. Reads and makes that text alone.
#pragma once

#include "server/postgres_api.hpp"

namespace sc {

// What is left for a person to resolve, in subscriptions.
struct Treated {
    int64 opening;                 // used beyond what is linked
    int64 excess;                  // used beyond the total
    int64 hidden;                  // linked beyond the total, which a CHECK does not let the counter show

    bool operator==(const Treated &) const = default;
};
static_assert(Pod<Treated>);

const char *treated_comment(const Treated &treated);

// What the comment on a charge trigger says; std::nullopt where it has none of these.
std::optional<Treated> find_treated(Oid charge_trigger);

}  // namespace sc
