// How the ledger calls sessions and subscriptions: by their keys, as text that does not depend on settings.
#pragma once

#include "catalog/shapes.hpp"

namespace sc {

// A subscription as the ledger calls it. member is nullptr where the key does not hold it.
struct Account {
    const char *subscription;
    const char *member;
};
static_assert(Pod<Account>);
Account account_of(const SubscriptionShape &shape, Datum id, Datum member);
Account account_of(const SubscriptionShape &shape, TupleTableSlot *row);

// The value of a key.
const char *key_text(Datum value, Oid type);

// A session by its primary key, which is read from its row, in the context, or given column by column. nullptr where
// the table has no primary key any more.
const char *name_session(const SessionShape &shape, TupleTableSlot *row, MemoryContext context);
const char *name_session(const SessionShape &shape, const Datum *key);

}  // namespace sc
