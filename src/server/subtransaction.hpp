// Tries something that a constraint may refuse, and takes it back where one does.
#pragma once

#include "server/postgres_api.hpp"

namespace sc {

// Runs the action in a subtransaction. nullptr where it ended well; where it ended with an error that is expected, by
// its SQLSTATE, nothing of it is left and the error's message is returned. Any other error goes on to the caller.
template <typename Action, typename Expected>
const char *try_and_undo(Action action, Expected expected)
{
    MemoryContext context = CurrentMemoryContext;
    ResourceOwner owner = CurrentResourceOwner;
    const char *volatile refusal = nullptr;   // set between setjmp and longjmp
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
        MemoryContextSwitchTo(context);
        CurrentResourceOwner = owner;
        if (!expected(error->sqlerrcode))
            ReThrowError(error);
        refusal = pstrdup(error->message == nullptr ? "unknown error" : error->message);
        FreeErrorData(error);
    }
    PG_END_TRY();
    MemoryContextSwitchTo(context);
    CurrentResourceOwner = owner;
    return refusal;
}

// The same where a constraint may refuse (class 23); false where one did.
template <typename Action>
bool try_and_undo(Action action)
{
    return try_and_undo(action, [](int state) {
               return ERRCODE_TO_CATEGORY(state) == ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION;
           }) == nullptr;
}

}  // namespace sc
