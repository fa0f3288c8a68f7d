// Whether an attachment is whole: what the rules rest on, and what of it is missing, disabled, not validated or
// invalid; and whether history is treated. Reads catalogs, changes nothing, and raises for no state of them.
#pragma once

#include "catalog/attachment.hpp"

namespace sc {

// One sentence for each gap, which names the object; none where the attachment is enforced.
// with_history: whether it is treated, too.
Names find_gaps(const Attachment &attachment, bool with_history = true);

}  // namespace sc
