// The trigger protocol: checks that a function was called as the trigger it is written for. And the triggers that a
// relation has.
#pragma once

#include "server/names.hpp"

namespace sc {

enum class Timing : uint8_t { before, after };

// The trigger data of a call FOR EACH ROW with that timing; 39P01 otherwise. deletes says whether DELETE is allowed.
TriggerData *row_trigger_call(FunctionCallInfo fcinfo, const char *function, Timing timing, bool deletes);

// The trigger data of a call AFTER TRUNCATE FOR EACH STATEMENT; 39P01 otherwise.
TriggerData *truncate_trigger_call(FunctionCallInfo fcinfo, const char *function);

// A relation's triggers. The server's own description of them goes when the relation cache is invalidated, which any
// look-up in a catalog may find out, also while the relation is locked.
TriggerDesc *copy_triggers(Relation relation);

// Removes triggers from such a copy, and sets what it says of row triggers for UPDATE anew.
template <typename Keep>
void filter_triggers(TriggerDesc *triggers, Keep keep)
{
    int count = 0;
    bool before_row = false;
    bool after_row = false;
    for (int i = 0; i < triggers->numtriggers; i++) {
        const Trigger &trigger = triggers->triggers[i];
        if (!keep(trigger))
            continue;
        const bool row_update = TRIGGER_FOR_ROW(trigger.tgtype) && TRIGGER_FOR_UPDATE(trigger.tgtype);
        before_row |= row_update && TRIGGER_FOR_BEFORE(trigger.tgtype);
        after_row |= row_update && TRIGGER_FOR_AFTER(trigger.tgtype);
        triggers->triggers[count++] = trigger;
    }
    triggers->numtriggers = count;
    triggers->trig_update_before_row = before_row;
    triggers->trig_update_after_row = after_row;
}

// The triggers that an UPDATE of these columns fires and whose functions have no search_path of their own, one phrase
// each. A function in C needs none.
Names find_unpinned_triggers(Relation relation, std::span<const AttrNumber> columns);

// How deep the running trigger is nested: 1 for one that a client's statement fired.
int trigger_depth();

}  // namespace sc
