// The end of a statement that wrote sessions: everything that one query wrote, in all attachments, is judged and
// charged, each subscription once and in one order for all statements.
#pragma once

#include "write/statements.hpp"

namespace sc {

// At the event that is the statement's end. A cascade may have more rows to come, which no one can see in the server's
// queue: a refusal that they could make good is put off behind them, a few times, before it is raised.
void settle_statement(Statement *statement, TriggerData *data);

// After a trigger of the only row of a single statement: the end comes as an event if it cannot be settled as it is.
void settle_early(Statement *statement, const Binding &binding, TriggerData *data);

}  // namespace sc
