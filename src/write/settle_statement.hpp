// The end of a statement that wrote sessions: everything that one query wrote, in all attachments, is judged and
// charged, each subscription once and in one order for all statements.
#pragma once

#include "write/statements.hpp"

namespace sc {

// Called at the event that is the statement's end. A cascade may have more rows to come, and the server's queue cannot
// be asked for them. So if a later row could make a refusal good, the end is queued again behind them, a few times,
// before the refusal is raised.
void settle_statement(Statement *statement, TriggerData *data);

// Called after each trigger of the only row of a single statement. Settles the statement if that trigger is the row's
// last one; if it refuses, its end is queued as for any other statement.
void settle_early(Statement *statement, const Binding &binding, TriggerData *data);

}  // namespace sc
