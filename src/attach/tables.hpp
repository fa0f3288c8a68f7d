// What attach() finds in the catalogs: whether the two tables can be attached, what is there already, and what is
// missing. Refuses; changes nothing, looks at no row, and keeps no lock, so that attach() can take its strongest locks
// first.
#pragma once

#include "attach/attached.hpp"
#include "catalog/attachable.hpp"

namespace sc {

// What attach() has to make. Compared before and after the locks are taken.
struct Missing {
    bool link_column;
    bool used_column;
    bool carried_column;
    bool total_column;   // where only what remains is stored
    bool link_key;
    bool active_index;
    bool member_index;   // made only beside the active one: who made that by hand has chosen the table's indexes
    bool link_index;
    bool total_check;
    bool link_check;     // only where it was asked for
    bool view;           // only where it was asked for
    TriggerActs triggers;

    bool operator==(const Missing &) const = default;
};

struct Facts {
    Mapping mapping;               // values as their columns write them; remaining_column only where it is plain
    const Attachment *attached;    // of these two tables; nullptr: none
    Missing missing;
    Changes changes;
    JoinKey join;
    bool partitioned;              // the sessions
    const char *counts_view;
};
static_assert(Pod<Facts>);

// What an added counter starts at, by the columns that are there; "0" where there are none.
const char *gone_before(const Facts &facts);

// Nothing where something is in the way of looking further.
std::optional<Facts> inspect_tables(Obstacles &obstacles, const Request &request);

}  // namespace sc
