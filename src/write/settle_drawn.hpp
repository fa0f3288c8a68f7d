// The end of a statement for an attachment that draws links: chosen early, decided late. Nothing is held while another
// subscription is asked for, so two statements cannot deadlock, and no session is refused while one could pay.
#pragma once

#include "write/settle_part.hpp"

namespace sc {

// Settles the part and all behind it; true if every one is settled.
bool settle_drawn(Statement *statement, Part *part, bool raises, SettleRest rest);

}  // namespace sc
