// What attach() has to know of the rows before it takes its locks, so that no table is scanned under them.
#pragma once

#include "attach/tables.hpp"

namespace sc {

struct Rows {
    bool sessions_filled;
    bool subscriptions_filled;
    bool total_violated;     // some row breaks the CHECK that attach() would add
    bool link_violated;
    bool history;            // there is something for migrate() to treat
    bool differs;            // the counters are other than the recount: looked at only where changes.recount
};
static_assert(Pod<Rows>);

// Looks at the rows and keeps no lock. 23505 where a member has several active subscriptions, 23503 where a link that
// has to be validated at once leads nowhere.
Rows inspect_rows(Obstacles &obstacles, const Request &request, const Facts &facts);

}  // namespace sc
