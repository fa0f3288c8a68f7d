// What attach() finds in the catalogs: whether the two tables can be attached, what is there already, and what is
// missing. Refuses; changes nothing, looks at no row, and keeps no lock, so that attach() can take its strongest locks
// first.
#pragma once

#include "attach/attached.hpp"

namespace sc {

// What attach() has to make. Compared before and after the locks are taken.
struct Missing {
    bool link_column;
    bool used_column;
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
    const char *key_column;        // of the subscriptions: what the link refers to
    bool by_member;                // the key is composite
    bool member_first;             // in the key
    bool partitioned;              // the sessions
    bool adoptable_index;          // a partition has an index of its own that the server would take over
    Names adopted_keys;            // foreign keys of partitions that the server will take over: schema.table.name
    const char *counts_view;
};
static_assert(Pod<Facts>);

Facts inspect_tables(const Request &request);

}  // namespace sc
