// The trigger protocol: checks that a function was called as the trigger it is written for.
#pragma once

#include "server/postgres_api.hpp"

namespace sc {

enum class Timing : uint8_t { before, after };

// The trigger data of a call FOR EACH ROW with that timing; 39P01 otherwise. deletes says whether DELETE is allowed.
TriggerData *row_trigger_call(FunctionCallInfo fcinfo, const char *function, Timing timing, bool deletes);

// The trigger data of a call AFTER TRUNCATE FOR EACH STATEMENT; 39P01 otherwise.
TriggerData *truncate_trigger_call(FunctionCallInfo fcinfo, const char *function);

// How deep the running trigger is nested: 1 for one that a client's statement fired.
int trigger_depth();

}  // namespace sc
