// Tries something that may end with an error, and takes it back where it does.
#pragma once

#include "server/postgres_api.hpp"

namespace sc {

// Runs the action in a subtransaction. If it returns false, nothing of what it has written or locked is left. If it
// ends with an error, that goes on to the caller when the subtransaction is rolled back: whoever catches it rolls back
// his own.
template <typename Action>
bool keep_or_undo(Action action)
{
    MemoryContext context = CurrentMemoryContext;
    ResourceOwner owner = CurrentResourceOwner;
    volatile bool keeps = false;       // set between setjmp and longjmp
    BeginInternalSubTransaction(nullptr);
    MemoryContextSwitchTo(context);
    PG_TRY();
    {
        keeps = action();
    }
    PG_CATCH();
    {
        MemoryContextSwitchTo(context);
        ErrorData *error = CopyErrorData();
        FlushErrorState();
        RollbackAndReleaseCurrentSubTransaction();
        MemoryContextSwitchTo(context);
        CurrentResourceOwner = owner;
        ReThrowError(error);
    }
    PG_END_TRY();
    if (keeps)
        ReleaseCurrentSubTransaction();
    else
        RollbackAndReleaseCurrentSubTransaction();
    MemoryContextSwitchTo(context);
    CurrentResourceOwner = owner;
    return keeps;
}

// Somebody's code may say at length what it likes.
inline const char *clip_message(const char *message)
{
    constexpr int longest = 1000;
    return pnstrdup(message, pg_mbcliplen(message, static_cast<int>(strlen(message)), longest));
}

// Runs the action in a subtransaction. nullptr where it ended well; where it ended with an error that is expected,
// nothing of it is left and the error is returned. Any other error goes on to the caller. expected() is asked while
// whoever the action became is still in charge.
template <typename Action, typename Expected>
const ErrorData *try_and_catch(Action action, Expected expected)
{
    MemoryContext context = CurrentMemoryContext;
    ResourceOwner owner = CurrentResourceOwner;
    ErrorData *volatile caught = nullptr;   // set between setjmp and longjmp
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
        const bool is_expected = expected(*error);
        RollbackAndReleaseCurrentSubTransaction();
        MemoryContextSwitchTo(context);
        CurrentResourceOwner = owner;
        if (!is_expected)
            ReThrowError(error);
        caught = error;
    }
    PG_END_TRY();
    MemoryContextSwitchTo(context);
    CurrentResourceOwner = owner;
    return caught;
}

// The same, and of the error its message alone.
template <typename Action, typename Expected>
const char *try_and_undo(Action action, Expected expected)
{
    const ErrorData *error = try_and_catch(action, expected);
    return error == nullptr ? nullptr : clip_message(error->message == nullptr ? "unknown error" : error->message);
}

// The same where a constraint may refuse (class 23); false where one did.
template <typename Action>
bool try_and_undo(Action action)
{
    return try_and_undo(action, [](const ErrorData &error) {
               return ERRCODE_TO_CATEGORY(error.sqlerrcode) == ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION;
           }) == nullptr;
}

}  // namespace sc
