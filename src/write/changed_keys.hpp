// Follows subscriptions whose keys change, within the transaction that changes them. A session that was stored before
// the change names its subscription by the old key, one that was stored after it by the new key: both mean the same
// row.
#pragma once

#include "write/sum_table.hpp"

namespace sc {

struct Key {
    Datum id;
    Datum member;              // only if the key holds it
};
static_assert(Pod<Key>);

// How many keys this transaction has changed so far.
uint32 count_changed_keys();

// Notes that the command has changed the key of a subscription.
void note_changed_key(const SubscriptionShape &shape, CommandId command, const Key &before, const Key &after);

// The present key of the subscription that a session names by this key. stored is the command that has stored the
// session so; InvalidCommandId: an earlier transaction. Changes with a number below first are left out. A command
// changes each key at most once. Example: if one command makes 6 of 5 and 5 of 6, a session that was stored before it
// with 5 is one of 6, and not one of 5 again.
Key follow_key(const SubscriptionShape &shape, Key key, CommandId stored, uint32 first = 0);

// Called at the end of the transaction, and of each subtransaction.
void forget_changed_keys();
void commit_changed_keys(int level);
void abort_changed_keys(int level);

}  // namespace sc
