// A call that commits as it goes. One at a time treats a table; between its commits it is the owner of the sessions who
// looks and writes, restricted. Looks at no row.
#pragma once

#include "server/owner.hpp"

namespace sc {

struct Transactions {
    Oid sessions;
    Caller caller;                 // while it is the owner of the sessions
};
static_assert(Pod<Transactions>);

// 25001 where the call is part of somebody else's transaction.
void require_own_transactions(FunctionCallInfo fcinfo, const char *procedure);

// For the whole call, across its transactions: 55006 where another one treats the table.
void lock_sessions(Oid sessions);
void unlock_sessions(Oid sessions);

// Ends the transaction and begins the next, which sees the newest rows in each of its statements whatever isolation
// level the caller has for a default. As the caller: after leave_owner().
void commit();

void become_owner(Transactions &transactions);

// What is done so far stays, and the owner of the sessions goes on.
void next_transaction(Transactions &transactions);

}  // namespace sc
