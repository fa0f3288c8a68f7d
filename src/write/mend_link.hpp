// Puts the link of a stored session right where link_session could not: another trigger changed the row after it, or
// there was nothing to link to.
#pragma once

#include "store/session_row.hpp"

namespace sc {

// One call of the AFTER trigger.
struct RowCall {
    TriggerData *data;
    const Binding *binding;
};
static_assert(Pod<RowCall>);

// Links the row anew, or clears its link, by an UPDATE of its own that is judged and charged like any other. False:
// there is nothing to mend. Raises 23SC1 or 23SC6 where nothing can be linked, 27000 where a trigger prevents it.
bool mend_link(const RowCall &call, const SessionRow &row, const Judgement &judgement);

}  // namespace sc
