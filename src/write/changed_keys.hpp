// Follows subscriptions through changes of their keys, within the transaction that changes them: a session that was
// stored before the change calls its subscription by the old key, one that was stored after it by the new one.
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

// The present key of the subscription that a session calls by this one, if the command has stored the session so;
// InvalidCommandId: it was stored before the transaction. The changes before the number first are left out. A command
// changes each key once: if it makes 6 of 5 and 5 of 6, what was 5 is 6.
Key follow_key(const SubscriptionShape &shape, Key key, CommandId stored, uint32 first = 0);

// What (sub)transactions do to them.
void forget_changed_keys();
void commit_changed_keys(int level);
void abort_changed_keys(int level);

}  // namespace sc
