// Tries something that a constraint may refuse, and takes it back where one does.
#pragma once

#include "postgres_api.hpp"

namespace sc {

// Runs the action in a subtransaction. False where it ended with an integrity error (class 23): then nothing of it is
// left. Any other error goes on to the caller.
template <typename Action>
bool try_and_undo(Action action)
{
    MemoryContext context = CurrentMemoryContext;
    ResourceOwner owner = CurrentResourceOwner;
    volatile bool refused = false;   // set between setjmp and longjmp
    BeginInternalSubTransaction(nullptr);
    MemoryContextSwitchTo(context);
    PG_TRY();
    {
        action();
        ReleaseCurrentSubTransaction();
    }
    PG_CATCH();
    {
        MemoryContextSwitchTo(context);
        ErrorData *error = CopyErrorData();
        FlushErrorState();
        RollbackAndReleaseCurrentSubTransaction();
        CurrentResourceOwner = owner;
        if (ERRCODE_TO_CATEGORY(error->sqlerrcode) != ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION)
            ReThrowError(error);
        FreeErrorData(error);
        refused = true;
    }
    PG_END_TRY();
    MemoryContextSwitchTo(context);
    CurrentResourceOwner = owner;
    return !refused;
}

}  // namespace sc
